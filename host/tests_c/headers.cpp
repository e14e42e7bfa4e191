/*
 * Compile-only test, as C++11 with warnings as errors: apps may be C++, where macros must work with
 * classes and initialisers must be valid C++.
 */
#include "common/cs_base64.h"
#include "common/cs_dbg.h"
#include "common/cs_file.h"
#include "common/cs_hex.h"
#include "common/cs_time.h"
#include "common/json_utils.h"
#include "common/logging.h"
#include "common/mbuf.h"
#include "common/mg_mem.h"
#include "common/mg_str.h"
#include "common/queue.h"
#include "common/str_util.h"
#include "frozen.h"
#include "frozen/frozen.h"
#include "mgos_debug.h"

class Item {
 public:
  int value;
  SLIST_CLASS_ENTRY(Item) s;
  STAILQ_CLASS_ENTRY(Item) st;
  LIST_CLASS_ENTRY(Item) l;
  TAILQ_CLASS_ENTRY(Item) t;
};

SLIST_CLASS_HEAD(SHead, Item);
STAILQ_CLASS_HEAD(StHead, Item);
LIST_CLASS_HEAD(LHead, Item);
TAILQ_CLASS_HEAD(THead, Item);

int use(SHead *s, StHead *st, LHead *l, THead *t, Item *x);
int use(SHead *s, StHead *st, LHead *l, THead *t, Item *x) {
  Item *i, *tmp;
  int sum = 0;
  SLIST_INSERT_HEAD(s, x, s);
  SLIST_FOREACH_SAFE(i, s, s, tmp) {
    SLIST_REMOVE(s, i, Item, s);
  }
  STAILQ_INSERT_TAIL(st, x, st);
  STAILQ_FOREACH(i, st, st) sum += i->value;
  STAILQ_REMOVE(st, x, Item, st);
  LIST_INSERT_HEAD(l, x, l);
  LIST_REMOVE(x, l);
  TAILQ_INSERT_TAIL(t, x, t);
  TAILQ_FOREACH_REVERSE(i, t, THead, t) sum += i->value;
  TAILQ_REMOVE(t, x, t);
  return sum;
}

int print(struct mbuf *mb, char *buf, size_t size, FILE *fp);
int print(struct mbuf *mb, char *buf, size_t size, FILE *fp) {
  struct json_out a = JSON_OUT_MBUF(mb), b = JSON_OUT_BUF(buf, size),
                  c = JSON_OUT_FILE(fp);
  struct mg_str s = MG_MK_STR("literal"), n = MG_NULL_STR;
  struct json_token t = JSON_INVALID_TOKEN;
  LOG(LL_INFO, ("%d %" INT64_FMT " %" SIZE_T_FMT, 1, (int64_t) 2, s.len));
  DBG(("%d", t.len + (int) n.len));
  return json_printf(&a, "{a:%d}", 1) + json_printf(&b, "%Q", s.p) +
         json_printf(&c, "%B", true);
}

int checked(int n);
int checked(int n) {
  CHECK(n > 0) << "too small";
  CHECK_EQ(n, n);
  CHECK_NE(n, 0);
  CHECK_GT(n, 0);
  CHECK_GE(n, 0);
  CHECK_LT(0, n);
  CHECK_LE_M(0, n, "it is " << n);
  return n;
}
