/*
 * The list and queue macros: each kind goes through the same steps, and its contents are compared
 * as text, forwards and, where possible, backwards.
 */
#include "common/queue.h"
#include "test.h"

struct elem {
  char name;
  SLIST_ENTRY(elem) s;
  STAILQ_ENTRY(elem) st;
  LIST_ENTRY(elem) l;
  TAILQ_ENTRY(elem) t;
};
SLIST_HEAD(shead, elem);
STAILQ_HEAD(sthead, elem);
LIST_HEAD(lhead, elem);
TAILQ_HEAD(thead, elem);

static struct elem a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'},
                   d = {.name = 'd'}, x = {.name = 'x'};

static char s_text[32];

static const char *slist(struct shead *h) {
  struct elem *e;
  int n = 0;
  SLIST_FOREACH(e, h, s) s_text[n++] = e->name;
  s_text[n] = '\0';
  return s_text;
}

static void test_slist(void) {
  struct shead h = SLIST_HEAD_INITIALIZER(h), g;
  struct elem *e, *tmp, **link;
  SLIST_INIT(&g);
  CHECK(SLIST_EMPTY(&h));
  SLIST_INSERT_HEAD(&h, &c, s);
  SLIST_INSERT_HEAD(&h, &a, s);
  SLIST_INSERT_AFTER(&a, &b, s);
  CHECK_STR(slist(&h), "abc");
  CHECK(SLIST_FIRST(&h) == &a && SLIST_NEXT(&a, s) == &b);
  SLIST_REMOVE(&h, &b, elem, s);
  CHECK_STR(slist(&h), "ac");
  SLIST_REMOVE(&h, &c, elem, s);
  CHECK_STR(slist(&h), "a");
  SLIST_INSERT_AFTER(&a, &d, s);
  SLIST_INSERT_AFTER(&a, &b, s);
  SLIST_REMOVE_AFTER(&a, s);
  CHECK_STR(slist(&h), "ad");
  SLIST_SWAP(&h, &g, elem);
  CHECK(SLIST_EMPTY(&h));
  CHECK_STR(slist(&g), "ad");
  e = &d;
  SLIST_FOREACH_FROM(e, &g, s) CHECK(e == &d);
  SLIST_FOREACH_PREVPTR(e, link, &g, s) {
    if (e == &a) {
      *link = SLIST_NEXT(e, s);
      break;
    }
  }
  CHECK_STR(slist(&g), "d");
  SLIST_INSERT_HEAD(&g, &b, s);
  SLIST_FOREACH_SAFE(e, &g, s, tmp) {
    SLIST_REMOVE(&g, e, elem, s);
    memset(&e->s, 0xff, sizeof(e->s)); /* as if freed */
  }
  CHECK(SLIST_EMPTY(&g));
  SLIST_INSERT_HEAD(&g, &b, s);
  SLIST_REMOVE_HEAD(&g, s);
  CHECK(SLIST_EMPTY(&g));
}

static const char *stailq(struct sthead *h) {
  struct elem *e;
  int n = 0;
  STAILQ_FOREACH(e, h, st) s_text[n++] = e->name;
  s_text[n] = '\0';
  return s_text;
}

static void test_stailq(void) {
  struct sthead h = STAILQ_HEAD_INITIALIZER(h), g;
  struct elem *e, *tmp;
  STAILQ_INIT(&g);
  CHECK(STAILQ_EMPTY(&h));
  CHECK(STAILQ_LAST(&h, elem, st) == NULL);
  STAILQ_INSERT_TAIL(&h, &b, st);
  STAILQ_INSERT_HEAD(&h, &a, st);
  STAILQ_INSERT_TAIL(&h, &d, st);
  STAILQ_INSERT_AFTER(&h, &b, &c, st);
  CHECK_STR(stailq(&h), "abcd");
  CHECK(STAILQ_LAST(&h, elem, st) == &d);
  STAILQ_REMOVE(&h, &d, elem, st);
  CHECK(STAILQ_LAST(&h, elem, st) == &c);
  STAILQ_INSERT_TAIL(&h, &d, st);
  STAILQ_REMOVE_AFTER(&h, &c, st);
  STAILQ_INSERT_TAIL(&h, &d, st);
  CHECK_STR(stailq(&h), "abcd");
  STAILQ_REMOVE_HEAD(&h, st);
  STAILQ_INSERT_HEAD(&g, &a, st);
  STAILQ_CONCAT(&g, &h);
  CHECK_STR(stailq(&g), "abcd");
  CHECK(STAILQ_EMPTY(&h));
  STAILQ_CONCAT(&g, &h);
  STAILQ_SWAP(&g, &h, elem);
  CHECK(STAILQ_EMPTY(&g));
  STAILQ_INSERT_TAIL(&g, STAILQ_FIRST(&h), st); /* the swapped head works */
  STAILQ_INIT(&g);
  STAILQ_INIT(&h);
  STAILQ_INSERT_TAIL(&h, &a, st);
  STAILQ_INSERT_AFTER(&h, &a, &b, st);
  STAILQ_INSERT_TAIL(&h, &c, st);
  CHECK_STR(stailq(&h), "abc");
  STAILQ_FOREACH_SAFE(e, &h, st, tmp) {
    STAILQ_REMOVE(&h, e, elem, st);
    memset(&e->st, 0xff, sizeof(e->st));
  }
  CHECK(STAILQ_EMPTY(&h));
  STAILQ_INSERT_TAIL(&h, &d, st);
  CHECK_STR(stailq(&h), "d");
}

static const char *list(struct lhead *h) {
  struct elem *e, *last = NULL;
  int n = 0;
  LIST_FOREACH(e, h, l) {
    CHECK(LIST_PREV(e, h, elem, l) == last);
    s_text[n++] = e->name;
    last = e;
  }
  s_text[n] = '\0';
  return s_text;
}

static void test_list(void) {
  struct lhead h = LIST_HEAD_INITIALIZER(h), g;
  struct elem *e, *tmp;
  LIST_INIT(&g);
  CHECK(LIST_EMPTY(&h));
  LIST_INSERT_HEAD(&h, &c, l);
  LIST_INSERT_BEFORE(&c, &a, l);
  LIST_INSERT_AFTER(&a, &b, l);
  LIST_INSERT_AFTER(&c, &d, l);
  CHECK_STR(list(&h), "abcd");
  LIST_REMOVE(&b, l);
  LIST_REMOVE(&d, l);
  CHECK_STR(list(&h), "ac");
  LIST_REMOVE(&a, l);
  CHECK_STR(list(&h), "c");
  LIST_INSERT_HEAD(&h, &d, l);
  LIST_SWAP(&h, &g, elem, l);
  CHECK(LIST_EMPTY(&h));
  CHECK_STR(list(&g), "dc");
  CHECK(LIST_NEXT(LIST_FIRST(&g), l) == &c);
  LIST_FOREACH_SAFE(e, &g, l, tmp) {
    LIST_REMOVE(e, l);
    memset(&e->l, 0xff, sizeof(e->l));
  }
  CHECK(LIST_EMPTY(&g));
}

static const char *tailq(struct thead *h) {
  struct elem *e;
  char back[32];
  int n = 0, m = 0;
  TAILQ_FOREACH(e, h, t) s_text[n++] = e->name;
  s_text[n] = '\0';
  TAILQ_FOREACH_REVERSE(e, h, thead, t) back[m++] = e->name;
  CHECK_INT(m, n);
  while (m > 0) {
    m--;
    CHECK(back[m] == s_text[n - 1 - m]);
  }
  return s_text;
}

static void test_tailq(void) {
  struct thead h = TAILQ_HEAD_INITIALIZER(h), g;
  struct elem *e, *tmp;
  TAILQ_INIT(&g);
  CHECK(TAILQ_EMPTY(&h));
  CHECK(TAILQ_LAST(&h, thead) == NULL);
  TAILQ_INSERT_TAIL(&h, &d, t);
  TAILQ_INSERT_HEAD(&h, &a, t);
  TAILQ_INSERT_AFTER(&h, &a, &b, t);
  TAILQ_INSERT_BEFORE(&d, &c, t);
  CHECK_STR(tailq(&h), "abcd");
  CHECK(TAILQ_LAST(&h, thead) == &d && TAILQ_PREV(&d, thead, t) == &c);
  CHECK(TAILQ_PREV(&a, thead, t) == NULL);
  TAILQ_REMOVE(&h, &d, t);
  TAILQ_REMOVE(&h, &b, t);
  CHECK_STR(tailq(&h), "ac");
  TAILQ_INSERT_AFTER(&h, &c, &d, t);
  CHECK_STR(tailq(&h), "acd");
  TAILQ_REMOVE(&h, &a, t);
  CHECK_STR(tailq(&h), "cd");
  TAILQ_INSERT_TAIL(&g, &a, t);
  TAILQ_INSERT_TAIL(&g, &b, t);
  TAILQ_CONCAT(&g, &h, t);
  CHECK_STR(tailq(&g), "abcd");
  CHECK_STR(tailq(&h), "");
  TAILQ_SWAP(&g, &h, elem, t);
  CHECK_STR(tailq(&h), "abcd");
  CHECK_STR(tailq(&g), "");
  TAILQ_INSERT_TAIL(&g, &x, t);
  CHECK_STR(tailq(&g), "x");
  TAILQ_FOREACH_REVERSE_SAFE(e, &h, thead, t, tmp) {
    if (e == &b || e == &d) TAILQ_REMOVE(&h, e, t);
  }
  CHECK_STR(tailq(&h), "ac");
  TAILQ_FOREACH_SAFE(e, &h, t, tmp) {
    TAILQ_REMOVE(&h, e, t);
    memset(&e->t, 0xff, sizeof(e->t));
  }
  CHECK_STR(tailq(&h), "");
}

void test_queue(void) {
  test_slist();
  test_stailq();
  test_list();
  test_tailq();
}
