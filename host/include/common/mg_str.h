/*
 * A string as pointer and length, not necessarily NUL-terminated and not
 * owning its memory (but for mg_strdup's result, which mg_strfree frees).
 */
#ifndef CS_COMMON_MG_STR_H_
#define CS_COMMON_MG_STR_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mg_str {
  const char *p;
  size_t len;
};

/* Initialisers: from a literal, from pointer and length, empty. */
#define MG_MK_STR(str_literal) \
  { str_literal, sizeof(str_literal) - 1 }
#define MG_MK_STR_N(str_literal, len) \
  { str_literal, len }
#define MG_NULL_STR \
  { NULL, 0 }

/* From a C string; NULL gives {NULL, 0}. */
struct mg_str mg_mk_str(const char *s);
struct mg_str mg_mk_str_n(const char *s, size_t len);

/* Compare with a C string, as strcmp and strcasecmp do; where one is the
 * beginning of the other, the result is the difference in length. */
int mg_vcmp(const struct mg_str *str, const char *cstr);
int mg_vcasecmp(const struct mg_str *str, const char *cstr);

/* Compare bytes: -1, 0 or 1. strncmp looks at `n` bytes at most. */
int mg_strcmp(const struct mg_str a, const struct mg_str b);
int mg_strncmp(const struct mg_str a, const struct mg_str b, size_t n);
int mg_strcasecmp(const struct mg_str a, const struct mg_str b);

/* A malloc-ed copy; _nul puts a NUL behind it that len does not count. Empty
 * input and lack of memory both give {NULL, 0}. */
struct mg_str mg_strdup(const struct mg_str s);
struct mg_str mg_strdup_nul(const struct mg_str s);

/* Frees a copy and makes it {NULL, 0}. */
void mg_strfree(struct mg_str *s);

/* First occurrence, or NULL. An empty needle is found at the start. */
const char *mg_strchr(const struct mg_str s, int c);
const char *mg_strstr(const struct mg_str haystack, const struct mg_str needle);

/* The part of `s` without white space at either end. */
struct mg_str mg_strstrip(struct mg_str s);

/* 1 or 0. */
int mg_str_starts_with(struct mg_str s, struct mg_str prefix);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_MG_STR_H_ */
