/*
 * Text helpers: printf into a buffer that grows when needed, comma lists, glob
 * matching, hex.
 */
#ifndef CS_COMMON_STR_UTIL_H_
#define CS_COMMON_STR_UTIL_H_

#include "common/mg_mem.h"
#include "common/mg_str.h"
#include "common/platform.h"

/* The text of the argument; the second form expands macros first. */
#define CS_STRINGIFY_LIT(...) #__VA_ARGS__
#define CS_STRINGIFY_MACRO(x) CS_STRINGIFY_LIT(x)

#ifdef __cplusplus
extern "C" {
#endif

/* strnlen, snprintf, vsnprintf, and strstr in the first `slen` bytes. On a
 * device these are small versions with fewer formats; here the C library's. */
size_t c_strnlen(const char *s, size_t maxlen);
int c_snprintf(char *buf, size_t buf_size, const char *format, ...)
    PRINTF_LIKE(3, 4);
int c_vsnprintf(char *buf, size_t buf_size, const char *format, va_list ap);
const char *c_strnstr(const char *s, const char *find, size_t slen);

/* Bytes to lower-case hex with a NUL (`to` needs 2 * len + 1), and back (an
 * odd last digit is left out, what is no digit counts as 0; NUL-terminated). */
void cs_to_hex(char *to, const unsigned char *p, size_t len);
void cs_from_hex(char *to, const char *p, size_t len);

/* Decimal text to int64_t. Stops at the first character that does not fit. */
int64_t cs_to64(const char *s);

/* strncasecmp and strcasecmp. */
int mg_ncasecmp(const char *s1, const char *s2, size_t len);
int mg_casecmp(const char *s1, const char *s2);

/* Prints to *buf, which has room for `size` bytes; a longer result goes to a
 * malloc-ed block, and *buf then points to that. So the caller frees *buf if
 * it is no longer his own buffer. With *buf == NULL and size 0 it always
 * allocates. Returns the length; when out of memory -1, with *buf == NULL. */
int mg_asprintf(char **buf, size_t size, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
int mg_avprintf(char **buf, size_t size, const char *fmt, va_list ap);

/* Steps through "a,b=1,c": stores one entry in *val, what follows its '=' in
 * *eq_val (which may be NULL; empty without '='), and returns the rest of the
 * list to pass next time. NULL, or .p == NULL, when there was no entry left. */
const char *mg_next_comma_list_entry(const char *list, struct mg_str *val,
                                     struct mg_str *eq_val);
struct mg_str mg_next_comma_list_entry_n(struct mg_str list, struct mg_str *val,
                                         struct mg_str *eq_val);

/* The same for "a=1&b=2". Nothing is unescaped. */
struct mg_str mg_next_query_string_entry_n(struct mg_str list,
                                           struct mg_str *val,
                                           struct mg_str *eq_val);

/* How many bytes at the start of `str` match the pattern, 0 for no match:
 * `*` any run without '/', `**` any run, `?` one byte, `|` or `,` between
 * alternatives, `$` last in the pattern asks for the end of the string. Case
 * does not matter. */
size_t mg_match_prefix(const char *pattern, int pattern_len, const char *str);
size_t mg_match_prefix_n(const struct mg_str pattern, const struct mg_str str);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_STR_UTIL_H_ */
