/*
 * The only WebSocket function with a format argument. All others are in src/websocket.rs.
 */
#include "common/str_util.h"
#include "mongoose.h"

void mg_printf_websocket_frame(struct mg_connection *nc, int op,
                               const char *fmt, ...) {
  char small[100];
  char *text = small;
  va_list ap;
  int len;

  va_start(ap, fmt);
  len = mg_avprintf(&text, sizeof(small), fmt, ap);
  va_end(ap);
  if (len > 0) mg_send_websocket_frame(nc, op, text, (size_t) len);
  if (text != small) free(text);
}
