/*
 * JSON in printf and scanf style: the API of the `frozen` library, which
 * Mongoose OS apps use for all their JSON. Parsing is event-driven and copies
 * nothing: tokens point into the text.
 *
 * Kept as on a device, since an app tried here is meant for one: the parser is
 * lenient (commas may be missing, names may go without quotes, 0x numbers);
 * \uXXXX is decoded for XX below 100 hex only; %d reads "0x1f" and "017" too.
 * Mended: control characters are escaped correctly, nothing is read beyond the
 * given length, nesting has a limit, every printf conversion takes its
 * argument by its own type.
 */
#ifndef CS_FROZEN_FROZEN_H_
#define CS_FROZEN_FROZEN_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

enum json_token_type {
  JSON_TYPE_INVALID = 0,
  JSON_TYPE_STRING,
  JSON_TYPE_NUMBER,
  JSON_TYPE_TRUE,
  JSON_TYPE_FALSE,
  JSON_TYPE_NULL,
  JSON_TYPE_OBJECT_START,
  JSON_TYPE_OBJECT_END,
  JSON_TYPE_ARRAY_START,
  JSON_TYPE_ARRAY_END,

  JSON_TYPES_CNT
};

/* One value, as it stands in the text. A string comes without its quotes and
 * still escaped (json_unescape). */
struct json_token {
  const char *ptr;
  int len;
  enum json_token_type type;
};

#define JSON_INVALID_TOKEN \
  { 0, 0, JSON_TYPE_INVALID }

/* What the parsing calls return instead of a length. */
#define JSON_STRING_INVALID -1    /* not JSON */
#define JSON_STRING_INCOMPLETE -2 /* JSON so far, but the end is missing */
#define JSON_DEPTH_LIMIT -3       /* nested more deeply than allowed */

/* Longest path of a value, such as ".a.b[12]"; what exceeds it is cut. */
#ifndef JSON_MAX_PATH_LEN
#define JSON_MAX_PATH_LEN 256
#endif

/* Levels of objects and arrays that are followed, unless json_walk_args sets
 * a lower limit. */
#ifndef JSON_MAX_DEPTH
#define JSON_MAX_DEPTH 128
#endif

/* ---- Parsing ---- */

/* Called for each value in order. `name` is the key in the enclosing object or
 * the index in the enclosing array ("0"), NULL for the outermost value and for
 * *_END. `path` says where it is: "" outermost, ".foo", ".foo[0].bar". The
 * *_START events have no text yet (ptr NULL); *_END have all of it. */
typedef void (*json_walk_callback_t)(void *callback_data, const char *name,
                                     size_t name_len, const char *path,
                                     const struct json_token *token);

/* Parses one value and returns how many bytes it took, or an error above. The
 * callback (may be NULL) has then seen what stood before the error. */
int json_walk(const char *json_string, int json_string_length,
              json_walk_callback_t callback, void *callback_data);

/* The same with a limit on nesting: 0 or less, and anything above
 * JSON_MAX_DEPTH, means JSON_MAX_DEPTH. */
struct frozen_args {
  json_walk_callback_t callback;
  void *callback_data;
  int limit;
};
#define INIT_FROZEN_ARGS(ptr)    \
  do {                           \
    (ptr)->callback = NULL;      \
    (ptr)->callback_data = NULL; \
    (ptr)->limit = 0;            \
  } while (0)
int json_walk_args(const char *json_string, int json_string_length,
                   const struct frozen_args *args);

/* Reads values out of JSON by a format that looks like it:
 *   json_scanf(s, len, "{a: %d, b: {c: %Q}}", &a, &c)
 * Names in the format start with a letter and go without quotes; the order in
 * the text does not matter, and what is missing leaves its target alone.
 *   %d %i %u %ld %lu   numbers, decimal, 0x or octal
 *   %lld %hhu %lf ...  anything else sscanf knows
 *   %B  bool *
 *   %Q  char **: the string unescaped, malloc-ed; NULL (not counted) for null
 *   %V  char **, int *: from base64, malloc-ed, and its length
 *   %H  int *, char **: from hex, its length, malloc-ed
 *   %M  json_scanner_t, void *: called with the value's text
 *   %T  struct json_token *
 * Returns the number of conversions made. */
int json_scanf(const char *str, int str_len, const char *fmt, ...);
int json_vscanf(const char *str, int str_len, const char *fmt, va_list ap);
typedef void (*json_scanner_t)(const char *str, int len, void *user_data);

/* The element number `index` of the array at `path`. Returns its length, -1 if
 * there is none. */
int json_scanf_array_elem(const char *s, int len, const char *path, int index,
                          struct json_token *token);

/* Steps through the object or array at `path`; start with handle NULL, pass
 * the result next time, NULL is the end. key, val, idx may be NULL.
 *   while ((h = json_next_key(s, len, h, ".foo", &key, &val)) != NULL) ...  */
void *json_next_key(const char *s, int len, void *handle, const char *path,
                    struct json_token *key, struct json_token *val);
void *json_next_elem(const char *s, int len, void *handle, const char *path,
                     int *idx, struct json_token *val);

/* Resolves the escapes of a JSON string. Writes at most `dlen` bytes, no NUL;
 * src and dst may be the same. Returns the whole length, or an error above. */
int json_unescape(const char *src, int slen, char *dst, int dlen);

/* ---- Printing ---- */

/* Where JSON is printed to. A printer of one's own returns the number of bytes
 * it was given, and finds its state in u. */
struct json_out {
  int (*printer)(struct json_out *, const char *str, size_t len);
  union {
    struct {
      char *buf;
      size_t size;
      size_t len;
    } buf;
    void *data;
    FILE *fp;
  } u;
};

extern int json_printer_buf(struct json_out *, const char *, size_t);
extern int json_printer_file(struct json_out *, const char *, size_t);

/* Initialisers: a buffer of `len` bytes (always NUL-terminated, what does not
 * fit is dropped), a stdio file. */
#define JSON_OUT_BUF(buf, len) \
  {                            \
    json_printer_buf, {        \
      { buf, len, 0 }          \
    }                          \
  }
#define JSON_OUT_FILE(fp)     \
  {                           \
    json_printer_file, {      \
      { (char *) (fp), 0, 0 } \
    }                         \
  }

/* Prints `fmt`: names in it get quotes, and beside printf's conversions:
 *   %B  int: true or false
 *   %Q  const char *: quoted and escaped; null for NULL. %.*Q: int, char *
 *   %H  int, const void *: bytes as a hex string
 *   %V  const void *, int: bytes as a base64 string
 *   %M  json_printf_callback_t, which takes its own arguments from *ap
 * Note that %s puts no quotes and escapes nothing. Returns the length of all
 * that was to be printed, also of what a buffer had no room for. */
typedef int (*json_printf_callback_t)(struct json_out *, va_list *ap);
int json_printf(struct json_out *, const char *fmt, ...);
int json_vprintf(struct json_out *, const char *fmt, va_list ap);

/* The same to a malloc-ed string. NULL when out of memory. */
char *json_asprintf(const char *fmt, ...);
char *json_vasprintf(const char *fmt, va_list ap);

/* The same to a new file, with a newline at the end. -1 if it cannot be
 * opened. */
int json_fprintf(const char *file_name, const char *fmt, ...);
int json_vfprintf(const char *file_name, const char *fmt, va_list ap);

/* A callback for %M that prints a C array. Takes: the array (void *), its size
 * and that of one element in bytes (both size_t), the format of one element. */
int json_printf_array(struct json_out *, va_list *ap);

/* Prints a string escaped, without quotes. Returns the length. */
int json_escape(struct json_out *out, const char *str, size_t str_len);

/* ---- Editing ---- */

/* Prints the JSON text `s` with the value at `json_path` replaced by what
 * json_fmt prints; a NULL json_fmt removes key and value. Missing keys are
 * added; ".a[]" appends to the array a. Returns 1 if a value was replaced or
 * removed, else 0. */
int json_setf(const char *s, int len, struct json_out *out,
              const char *json_path, const char *json_fmt, ...);
int json_vsetf(const char *s, int len, struct json_out *out,
               const char *json_path, const char *json_fmt, va_list ap);

/* Prints the text indented by two blanks a level. Returns as json_walk. */
int json_prettify(const char *s, int len, struct json_out *out);

/* The same in place; a file that is not JSON stays as it is. */
int json_prettify_file(const char *file_name);

/* A whole file, malloc-ed, with a NUL behind it. NULL if it is empty or cannot
 * be read. */
char *json_fread(const char *file_name);

#ifdef __cplusplus
}
#endif

#endif /* CS_FROZEN_FROZEN_H_ */
