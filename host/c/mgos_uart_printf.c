/*
 * mgos_uart_printf(): formats and calls the UART functions in Rust (src/uart.rs), which cannot
 * define variadic functions.
 */

#include "mgos_uart.h"

#include "common/str_util.h"

int mgos_uart_printf(int uart_no, const char *fmt, ...) {
  char space[100], *text = space;
  va_list ap;
  va_start(ap, fmt);
  int len = mg_avprintf(&text, sizeof(space), fmt, ap);
  va_end(ap);
  if (len > 0) len = (int) mgos_uart_write(uart_no, text, (size_t) len);
  if (text != space) free(text);
  return len;
}
