/*
 * Every allocation fails in turn: functions report it, existing data stays intact, and nothing
 * leaks (valgrind and ASAN check that).
 */
#include "common/json_utils.h"
#include "common/str_util.h"
#include "frozen.h"
#include "mongoose.h"
#include "test.h"

static void buffers(void) {
  struct mbuf mb;
  char *block = exact_copy("defdefdef", 9);
  mbuf_init(&mb, 4);
  mbuf_append(&mb, "abc", 3);
  fake_malloc_countdown = 0;
  CHECK_INT(mbuf_append(&mb, "12", 2), 0);
  CHECK_INT(mbuf_append(&mb, "1", 1), 1); /* fits without memory */
  CHECK_INT(mbuf_append_and_free(&mb, block, 9), 0);
  mbuf_resize(&mb, 100);
  fake_malloc_countdown = -1;
  CHECK_MEM(mb.buf, mb.len, "abc1", 4);
  CHECK_INT(mb.size, 4);
  mbuf_free(&mb);
  fake_malloc_countdown = 0;
  mbuf_init(&mb, 100);
  fake_malloc_countdown = -1;
  CHECK(mb.buf == NULL && mb.size == 0);
}

static void text(void) {
  char small[4], *p = small;
  struct mg_str s;
  fake_malloc_countdown = 0;
  CHECK_INT(mg_asprintf(&p, sizeof(small), "%s", "longer"), -1);
  CHECK(p == NULL);
  s = mg_strdup(mg_mk_str("abc"));
  CHECK(s.p == NULL && s.len == 0);
  LOG(LL_ERROR, ("%600d", 1)); /* truncated, not lost */
  fake_malloc_countdown = -1;
  CHECK_INT(fake_log.len, 512);
  CHECK_INT(fake_log.text[511], '\n');
}

/* Prints and scans with the n-th allocation failing, until none does. */
static void json(void) {
  static const char s[] = "{q:\"text\",h:\"6162\",v:\"YWJj\"}";
  const int len = (int) sizeof(s) - 1;
  int n;
  for (n = 0; n < 100; n++) {
    char *q = NULL, *h = NULL, *v = NULL, *out;
    int hl = 0, vl = 0, found;
    bool enough;
    fake_malloc_countdown = n;
    found = json_scanf(s, len, "{q:%Q, h:%H, v:%V}", &q, &hl, &h, &v, &vl);
    out = json_asprintf("{a:%Q,b:%100d}", "x", 5);
    enough = fake_malloc_countdown > 0;
    fake_malloc_countdown = -1;
    CHECK_INT(found, (q != NULL) + (h != NULL) + (v != NULL));
    if (h != NULL) CHECK_MEM(h, (size_t) hl, "ab", 2);
    if (v != NULL) CHECK_MEM(v, (size_t) vl, "abc", 3);
    free(q);
    free(h);
    free(v);
    free(out);
    if (enough) {
      CHECK(out != NULL && found == 3);
      break;
    }
  }
  CHECK(n > 3 && n < 100);
}

static void connections(void) {
  struct mg_connection nc;
  memset(&nc, 0, sizeof(nc));
  fake_malloc_countdown = 0;
  mg_set_protocol_mqtt(&nc);
  CHECK(nc.proto_data == NULL);
  nc.proto_handler(&nc, MG_EV_POLL, NULL MG_UD_ARG(NULL));
  mg_mqtt_ping(&nc);
  CHECK_INT(mg_printf(&nc, "%300d", 1), -1);
  fake_malloc_countdown = -1;
}

void test_no_memory(void) {
  buffers();
  text();
  json();
  connections();
}
