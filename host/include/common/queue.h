/*
 * Intrusive lists and queues as macros, by the names known from BSD:
 *   SLIST   singly linked list                    one pointer a head, one an element
 *   STAILQ  singly linked, with insertion at the end
 *   LIST    doubly linked: an element can be removed without its list
 *   TAILQ   doubly linked, both ends, both directions
 * Elements carry an ENTRY(type) field; nothing is allocated or freed here. In
 * the _SAFE loops the current element may be removed and freed.
 */
#ifndef CS_COMMON_QUEUE_H_
#define CS_COMMON_QUEUE_H_

/* The C library has a header with the same macros (fewer, with glibc); keep it
 * out, as its definitions would clash with these. */
#ifndef _SYS_QUEUE_H_
#define _SYS_QUEUE_H_
#endif
#ifndef _SYS_QUEUE_H
#define _SYS_QUEUE_H
#endif

#include <stddef.h>

/* `type` is a struct tag; in C++ it may also be a class. */
#ifdef __cplusplus
#define QUEUE_TYPEOF(type) type
#else
#define QUEUE_TYPEOF(type) struct type
#endif

/* ---- SLIST ---- */

#define SLIST_HEAD(name, type) \
  struct name {                \
    struct type *slh_first;    \
  }
#define SLIST_CLASS_HEAD(name, type) \
  struct name {                      \
    class type *slh_first;           \
  }
#define SLIST_HEAD_INITIALIZER(head) \
  { NULL }
#define SLIST_ENTRY(type)  \
  struct {                 \
    struct type *sle_next; \
  }
#define SLIST_CLASS_ENTRY(type) \
  struct {                      \
    class type *sle_next;       \
  }

#define SLIST_FIRST(head) ((head)->slh_first)
#define SLIST_EMPTY(head) (SLIST_FIRST(head) == NULL)
#define SLIST_NEXT(elm, field) ((elm)->field.sle_next)
#define SLIST_INIT(head) ((void) (SLIST_FIRST(head) = NULL))

#define SLIST_FOREACH_FROM(var, head, field)              \
  for ((var) = ((var) ? (var) : SLIST_FIRST(head)); (var); \
       (var) = SLIST_NEXT(var, field))
#define SLIST_FOREACH(var, head, field) \
  for ((var) = SLIST_FIRST(head); (var); (var) = SLIST_NEXT(var, field))
#define SLIST_FOREACH_FROM_SAFE(var, head, field, tvar)                       \
  for ((var) = ((var) ? (var) : SLIST_FIRST(head));                            \
       (var) && ((tvar) = SLIST_NEXT(var, field), 1); (var) = (tvar))
#define SLIST_FOREACH_SAFE(var, head, field, tvar) \
  for ((var) = SLIST_FIRST(head);                  \
       (var) && ((tvar) = SLIST_NEXT(var, field), 1); (var) = (tvar))
/* `varp` points at the pointer that leads to `var`: storing SLIST_NEXT there
 * takes the element out. */
#define SLIST_FOREACH_PREVPTR(var, varp, head, field)          \
  for ((varp) = &SLIST_FIRST(head); ((var) = *(varp)) != NULL; \
       (varp) = &SLIST_NEXT(var, field))

#define SLIST_INSERT_HEAD(head, elm, field)     \
  do {                                          \
    SLIST_NEXT(elm, field) = SLIST_FIRST(head); \
    SLIST_FIRST(head) = (elm);                  \
  } while (0)
#define SLIST_INSERT_AFTER(listelm, elm, field)         \
  do {                                                  \
    SLIST_NEXT(elm, field) = SLIST_NEXT(listelm, field); \
    SLIST_NEXT(listelm, field) = (elm);                 \
  } while (0)
#define SLIST_REMOVE_HEAD(head, field) \
  ((void) (SLIST_FIRST(head) = SLIST_NEXT(SLIST_FIRST(head), field)))
#define SLIST_REMOVE_AFTER(elm, field) \
  ((void) (SLIST_NEXT(elm, field) = SLIST_NEXT(SLIST_NEXT(elm, field), field)))
#define SLIST_REMOVE(head, elm, type, field)                             \
  do {                                                                   \
    QUEUE_TYPEOF(type) **slr_link = &SLIST_FIRST(head);                  \
    while (*slr_link != (elm)) slr_link = &SLIST_NEXT(*slr_link, field); \
    *slr_link = SLIST_NEXT(*slr_link, field);                            \
  } while (0)
#define SLIST_SWAP(head1, head2, type)                    \
  do {                                                    \
    QUEUE_TYPEOF(type) *sls_first = SLIST_FIRST(head1);   \
    SLIST_FIRST(head1) = SLIST_FIRST(head2);              \
    SLIST_FIRST(head2) = sls_first;                       \
  } while (0)

/* ---- STAILQ ---- */

/* stqh_last points at the pointer that the next element at the end goes to. */
#define STAILQ_HEAD(name, type) \
  struct name {                 \
    struct type *stqh_first;    \
    struct type **stqh_last;    \
  }
#define STAILQ_CLASS_HEAD(name, type) \
  struct name {                       \
    class type *stqh_first;           \
    class type **stqh_last;           \
  }
#define STAILQ_HEAD_INITIALIZER(head) \
  { NULL, &(head).stqh_first }
#define STAILQ_ENTRY(type)  \
  struct {                  \
    struct type *stqe_next; \
  }
#define STAILQ_CLASS_ENTRY(type) \
  struct {                       \
    class type *stqe_next;       \
  }

#define STAILQ_FIRST(head) ((head)->stqh_first)
#define STAILQ_EMPTY(head) (STAILQ_FIRST(head) == NULL)
#define STAILQ_NEXT(elm, field) ((elm)->field.stqe_next)
#define STAILQ_INIT(head)                     \
  do {                                        \
    STAILQ_FIRST(head) = NULL;                \
    (head)->stqh_last = &STAILQ_FIRST(head);  \
  } while (0)
#define STAILQ_LAST(head, type, field)                                \
  (STAILQ_EMPTY(head)                                                 \
       ? NULL                                                         \
       : (QUEUE_TYPEOF(type) *) (void *) ((char *) (head)->stqh_last - \
                                          offsetof(QUEUE_TYPEOF(type), field)))

#define STAILQ_FOREACH_FROM(var, head, field)              \
  for ((var) = ((var) ? (var) : STAILQ_FIRST(head)); (var); \
       (var) = STAILQ_NEXT(var, field))
#define STAILQ_FOREACH(var, head, field) \
  for ((var) = STAILQ_FIRST(head); (var); (var) = STAILQ_NEXT(var, field))
#define STAILQ_FOREACH_FROM_SAFE(var, head, field, tvar) \
  for ((var) = ((var) ? (var) : STAILQ_FIRST(head));      \
       (var) && ((tvar) = STAILQ_NEXT(var, field), 1); (var) = (tvar))
#define STAILQ_FOREACH_SAFE(var, head, field, tvar) \
  for ((var) = STAILQ_FIRST(head);                  \
       (var) && ((tvar) = STAILQ_NEXT(var, field), 1); (var) = (tvar))

#define STAILQ_INSERT_HEAD(head, elm, field)              \
  do {                                                    \
    if (STAILQ_EMPTY(head))                               \
      (head)->stqh_last = &STAILQ_NEXT(elm, field);       \
    STAILQ_NEXT(elm, field) = STAILQ_FIRST(head);         \
    STAILQ_FIRST(head) = (elm);                           \
  } while (0)
#define STAILQ_INSERT_TAIL(head, elm, field)      \
  do {                                            \
    STAILQ_NEXT(elm, field) = NULL;               \
    *(head)->stqh_last = (elm);                   \
    (head)->stqh_last = &STAILQ_NEXT(elm, field); \
  } while (0)
#define STAILQ_INSERT_AFTER(head, tqelm, elm, field)      \
  do {                                                    \
    STAILQ_NEXT(elm, field) = STAILQ_NEXT(tqelm, field);  \
    STAILQ_NEXT(tqelm, field) = (elm);                    \
    if (STAILQ_NEXT(elm, field) == NULL)                  \
      (head)->stqh_last = &STAILQ_NEXT(elm, field);       \
  } while (0)
#define STAILQ_REMOVE_HEAD(head, field)                                   \
  do {                                                                    \
    STAILQ_FIRST(head) = STAILQ_NEXT(STAILQ_FIRST(head), field);          \
    if (STAILQ_EMPTY(head)) (head)->stqh_last = &STAILQ_FIRST(head);      \
  } while (0)
#define STAILQ_REMOVE_AFTER(head, elm, field)                             \
  do {                                                                    \
    STAILQ_NEXT(elm, field) = STAILQ_NEXT(STAILQ_NEXT(elm, field), field); \
    if (STAILQ_NEXT(elm, field) == NULL)                                  \
      (head)->stqh_last = &STAILQ_NEXT(elm, field);                       \
  } while (0)
#define STAILQ_REMOVE(head, elm, type, field)                               \
  do {                                                                      \
    QUEUE_TYPEOF(type) **stqr_link = &STAILQ_FIRST(head);                   \
    while (*stqr_link != (elm)) stqr_link = &STAILQ_NEXT(*stqr_link, field); \
    *stqr_link = STAILQ_NEXT(*stqr_link, field);                            \
    if (*stqr_link == NULL) (head)->stqh_last = stqr_link;                  \
  } while (0)
/* Moves all of the second behind the first. */
#define STAILQ_CONCAT(head1, head2)                \
  do {                                             \
    if (!STAILQ_EMPTY(head2)) {                    \
      *(head1)->stqh_last = STAILQ_FIRST(head2);   \
      (head1)->stqh_last = (head2)->stqh_last;     \
      STAILQ_INIT(head2);                          \
    }                                              \
  } while (0)
#define STAILQ_SWAP(head1, head2, type)                             \
  do {                                                              \
    QUEUE_TYPEOF(type) *stqs_first = STAILQ_FIRST(head1);           \
    QUEUE_TYPEOF(type) **stqs_last = (head1)->stqh_last;            \
    STAILQ_FIRST(head1) = STAILQ_FIRST(head2);                      \
    (head1)->stqh_last = (head2)->stqh_last;                        \
    STAILQ_FIRST(head2) = stqs_first;                               \
    (head2)->stqh_last = stqs_last;                                 \
    if (STAILQ_EMPTY(head1)) (head1)->stqh_last = &STAILQ_FIRST(head1); \
    if (STAILQ_EMPTY(head2)) (head2)->stqh_last = &STAILQ_FIRST(head2); \
  } while (0)

/* ---- LIST ---- */

/* le_prev points at the pointer that leads to this element. */
#define LIST_HEAD(name, type) \
  struct name {               \
    struct type *lh_first;    \
  }
#define LIST_CLASS_HEAD(name, type) \
  struct name {                     \
    class type *lh_first;           \
  }
#define LIST_HEAD_INITIALIZER(head) \
  { NULL }
#define LIST_ENTRY(type)   \
  struct {                 \
    struct type *le_next;  \
    struct type **le_prev; \
  }
#define LIST_CLASS_ENTRY(type) \
  struct {                     \
    class type *le_next;       \
    class type **le_prev;      \
  }

#define LIST_FIRST(head) ((head)->lh_first)
#define LIST_EMPTY(head) (LIST_FIRST(head) == NULL)
#define LIST_NEXT(elm, field) ((elm)->field.le_next)
#define LIST_INIT(head) ((void) (LIST_FIRST(head) = NULL))
#define LIST_PREV(elm, head, type, field)                                     \
  ((elm)->field.le_prev == &LIST_FIRST(head)                                  \
       ? NULL                                                                 \
       : (QUEUE_TYPEOF(type) *) (void *) ((char *) (elm)->field.le_prev -     \
                                          offsetof(QUEUE_TYPEOF(type),        \
                                                   field.le_next)))

#define LIST_FOREACH_FROM(var, head, field)               \
  for ((var) = ((var) ? (var) : LIST_FIRST(head)); (var);  \
       (var) = LIST_NEXT(var, field))
#define LIST_FOREACH(var, head, field) \
  for ((var) = LIST_FIRST(head); (var); (var) = LIST_NEXT(var, field))
#define LIST_FOREACH_FROM_SAFE(var, head, field, tvar) \
  for ((var) = ((var) ? (var) : LIST_FIRST(head));      \
       (var) && ((tvar) = LIST_NEXT(var, field), 1); (var) = (tvar))
#define LIST_FOREACH_SAFE(var, head, field, tvar) \
  for ((var) = LIST_FIRST(head);                  \
       (var) && ((tvar) = LIST_NEXT(var, field), 1); (var) = (tvar))

#define LIST_INSERT_HEAD(head, elm, field)                             \
  do {                                                                 \
    LIST_NEXT(elm, field) = LIST_FIRST(head);                          \
    if (!LIST_EMPTY(head))                                             \
      LIST_FIRST(head)->field.le_prev = &LIST_NEXT(elm, field);        \
    LIST_FIRST(head) = (elm);                                          \
    (elm)->field.le_prev = &LIST_FIRST(head);                          \
  } while (0)
#define LIST_INSERT_AFTER(listelm, elm, field)                           \
  do {                                                                   \
    LIST_NEXT(elm, field) = LIST_NEXT(listelm, field);                   \
    if (LIST_NEXT(elm, field) != NULL)                                   \
      LIST_NEXT(elm, field)->field.le_prev = &LIST_NEXT(elm, field);     \
    LIST_NEXT(listelm, field) = (elm);                                   \
    (elm)->field.le_prev = &LIST_NEXT(listelm, field);                   \
  } while (0)
#define LIST_INSERT_BEFORE(listelm, elm, field)           \
  do {                                                    \
    (elm)->field.le_prev = (listelm)->field.le_prev;      \
    LIST_NEXT(elm, field) = (listelm);                    \
    *(listelm)->field.le_prev = (elm);                    \
    (listelm)->field.le_prev = &LIST_NEXT(elm, field);    \
  } while (0)
#define LIST_REMOVE(elm, field)                                     \
  do {                                                              \
    if (LIST_NEXT(elm, field) != NULL)                              \
      LIST_NEXT(elm, field)->field.le_prev = (elm)->field.le_prev;  \
    *(elm)->field.le_prev = LIST_NEXT(elm, field);                  \
  } while (0)
#define LIST_SWAP(head1, head2, type, field)                           \
  do {                                                                 \
    QUEUE_TYPEOF(type) *ls_first = LIST_FIRST(head1);                  \
    LIST_FIRST(head1) = LIST_FIRST(head2);                             \
    LIST_FIRST(head2) = ls_first;                                      \
    if (!LIST_EMPTY(head1))                                            \
      LIST_FIRST(head1)->field.le_prev = &LIST_FIRST(head1);           \
    if (!LIST_EMPTY(head2))                                            \
      LIST_FIRST(head2)->field.le_prev = &LIST_FIRST(head2);           \
  } while (0)

/* ---- TAILQ ---- */

/* Head and entry have the same shape (next, and the pointer that leads here),
 * so that the last element and the predecessor can be found: the pointer that
 * leads to an element is the first field of its predecessor's entry, or of the
 * head, and the second field there leads one step further back. */
#define TAILQ_HEAD(name, type) \
  struct name {                \
    struct type *tqh_first;    \
    struct type **tqh_last;    \
  }
#define TAILQ_CLASS_HEAD(name, type) \
  struct name {                      \
    class type *tqh_first;           \
    class type **tqh_last;           \
  }
#define TAILQ_HEAD_INITIALIZER(head) \
  { NULL, &(head).tqh_first }
#define TAILQ_ENTRY(type)   \
  struct {                  \
    struct type *tqe_next;  \
    struct type **tqe_prev; \
  }
#define TAILQ_CLASS_ENTRY(type) \
  struct {                      \
    class type *tqe_next;       \
    class type **tqe_prev;      \
  }

#define TAILQ_FIRST(head) ((head)->tqh_first)
#define TAILQ_EMPTY(head) (TAILQ_FIRST(head) == NULL)
#define TAILQ_NEXT(elm, field) ((elm)->field.tqe_next)
#define TAILQ_LAST(head, headname) \
  (*((struct headname *) (void *) ((head)->tqh_last))->tqh_last)
#define TAILQ_PREV(elm, headname, field) \
  (*((struct headname *) (void *) ((elm)->field.tqe_prev))->tqh_last)
#define TAILQ_INIT(head)                    \
  do {                                      \
    TAILQ_FIRST(head) = NULL;               \
    (head)->tqh_last = &TAILQ_FIRST(head);  \
  } while (0)

#define TAILQ_FOREACH_FROM(var, head, field)              \
  for ((var) = ((var) ? (var) : TAILQ_FIRST(head)); (var); \
       (var) = TAILQ_NEXT(var, field))
#define TAILQ_FOREACH(var, head, field) \
  for ((var) = TAILQ_FIRST(head); (var); (var) = TAILQ_NEXT(var, field))
#define TAILQ_FOREACH_FROM_SAFE(var, head, field, tvar) \
  for ((var) = ((var) ? (var) : TAILQ_FIRST(head));      \
       (var) && ((tvar) = TAILQ_NEXT(var, field), 1); (var) = (tvar))
#define TAILQ_FOREACH_SAFE(var, head, field, tvar) \
  for ((var) = TAILQ_FIRST(head);                  \
       (var) && ((tvar) = TAILQ_NEXT(var, field), 1); (var) = (tvar))
#define TAILQ_FOREACH_REVERSE_FROM(var, head, headname, field)     \
  for ((var) = ((var) ? (var) : TAILQ_LAST(head, headname)); (var); \
       (var) = TAILQ_PREV(var, headname, field))
#define TAILQ_FOREACH_REVERSE(var, head, headname, field) \
  for ((var) = TAILQ_LAST(head, headname); (var);         \
       (var) = TAILQ_PREV(var, headname, field))
#define TAILQ_FOREACH_REVERSE_FROM_SAFE(var, head, headname, field, tvar) \
  for ((var) = ((var) ? (var) : TAILQ_LAST(head, headname));              \
       (var) && ((tvar) = TAILQ_PREV(var, headname, field), 1); (var) = (tvar))
#define TAILQ_FOREACH_REVERSE_SAFE(var, head, headname, field, tvar) \
  for ((var) = TAILQ_LAST(head, headname);                           \
       (var) && ((tvar) = TAILQ_PREV(var, headname, field), 1); (var) = (tvar))

/* Tells whoever follows (the next element or the head) where the pointer to it
 * is now kept. */
#define TAILQ_LINK_BACK(head, next, field, link) \
  do {                                           \
    if ((next) != NULL)                          \
      (next)->field.tqe_prev = (link);           \
    else                                         \
      (head)->tqh_last = (link);                 \
  } while (0)

#define TAILQ_INSERT_HEAD(head, elm, field)                                 \
  do {                                                                      \
    TAILQ_NEXT(elm, field) = TAILQ_FIRST(head);                             \
    TAILQ_LINK_BACK(head, TAILQ_FIRST(head), field, &TAILQ_NEXT(elm, field)); \
    TAILQ_FIRST(head) = (elm);                                              \
    (elm)->field.tqe_prev = &TAILQ_FIRST(head);                             \
  } while (0)
#define TAILQ_INSERT_TAIL(head, elm, field)     \
  do {                                          \
    TAILQ_NEXT(elm, field) = NULL;              \
    (elm)->field.tqe_prev = (head)->tqh_last;   \
    *(head)->tqh_last = (elm);                  \
    (head)->tqh_last = &TAILQ_NEXT(elm, field); \
  } while (0)
#define TAILQ_INSERT_AFTER(head, listelm, elm, field)          \
  do {                                                         \
    TAILQ_NEXT(elm, field) = TAILQ_NEXT(listelm, field);       \
    TAILQ_LINK_BACK(head, TAILQ_NEXT(listelm, field), field,   \
                    &TAILQ_NEXT(elm, field));                  \
    TAILQ_NEXT(listelm, field) = (elm);                        \
    (elm)->field.tqe_prev = &TAILQ_NEXT(listelm, field);       \
  } while (0)
#define TAILQ_INSERT_BEFORE(listelm, elm, field)          \
  do {                                                    \
    (elm)->field.tqe_prev = (listelm)->field.tqe_prev;    \
    TAILQ_NEXT(elm, field) = (listelm);                   \
    *(listelm)->field.tqe_prev = (elm);                   \
    (listelm)->field.tqe_prev = &TAILQ_NEXT(elm, field);  \
  } while (0)
#define TAILQ_REMOVE(head, elm, field)                         \
  do {                                                         \
    TAILQ_LINK_BACK(head, TAILQ_NEXT(elm, field), field,       \
                    (elm)->field.tqe_prev);                    \
    *(elm)->field.tqe_prev = TAILQ_NEXT(elm, field);           \
  } while (0)
/* Moves all of the second behind the first. */
#define TAILQ_CONCAT(head1, head2, field)                         \
  do {                                                            \
    if (!TAILQ_EMPTY(head2)) {                                    \
      *(head1)->tqh_last = TAILQ_FIRST(head2);                    \
      TAILQ_FIRST(head2)->field.tqe_prev = (head1)->tqh_last;     \
      (head1)->tqh_last = (head2)->tqh_last;                      \
      TAILQ_INIT(head2);                                          \
    }                                                             \
  } while (0)
#define TAILQ_SWAP(head1, head2, type, field)                          \
  do {                                                                 \
    QUEUE_TYPEOF(type) *tqs_first = TAILQ_FIRST(head1);                \
    QUEUE_TYPEOF(type) **tqs_last = (head1)->tqh_last;                 \
    TAILQ_FIRST(head1) = TAILQ_FIRST(head2);                           \
    (head1)->tqh_last = (head2)->tqh_last;                             \
    TAILQ_FIRST(head2) = tqs_first;                                    \
    (head2)->tqh_last = tqs_last;                                      \
    if (!TAILQ_EMPTY(head1))                                           \
      TAILQ_FIRST(head1)->field.tqe_prev = &TAILQ_FIRST(head1);        \
    else                                                               \
      (head1)->tqh_last = &TAILQ_FIRST(head1);                         \
    if (!TAILQ_EMPTY(head2))                                           \
      TAILQ_FIRST(head2)->field.tqe_prev = &TAILQ_FIRST(head2);        \
    else                                                               \
      (head2)->tqh_last = &TAILQ_FIRST(head2);                         \
  } while (0)

#endif /* CS_COMMON_QUEUE_H_ */
