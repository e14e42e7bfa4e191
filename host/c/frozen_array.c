/*
 * json_printf_array of frozen.h: a C array for json_printf's %M. The element's type follows from
 * its format and size.
 */
#include "common/mg_str.h"
#include "frozen.h"

static int64_t elem_value(const void *p, size_t size, bool is_signed) {
  int64_t i64 = 0;
  int32_t i32;
  int16_t i16;
  int8_t i8;
  if (size == sizeof(i64)) {
    memcpy(&i64, p, size);
  } else if (size == sizeof(i32)) {
    memcpy(&i32, p, size);
    i64 = is_signed ? i32 : (int64_t) (uint32_t) i32;
  } else if (size == sizeof(i16)) {
    memcpy(&i16, p, size);
    i64 = is_signed ? i16 : (uint16_t) i16;
  } else if (size == sizeof(i8)) {
    memcpy(&i8, p, size);
    i64 = is_signed ? i8 : (uint8_t) i8;
  }
  return i64;
}

/* Prints an element. Its type follows from the first conversion of the format and from its size. */
static int put_elem(struct json_out *out, const char *fmt, const void *p,
                    size_t size) {
  const char *conv = fmt + strcspn(fmt, "%");
  size_t len = strcspn(conv, "diouxXcsfFeEgGaApQBHVM");
  const char type = conv[len];
  struct mg_str lead = mg_mk_str_n(conv, len);
  int64_t i;
  if (type == 's' || type == 'Q' || type == 'p') {
    const char *s = NULL;
    if (size == sizeof(s)) memcpy(&s, p, size);
    return json_printf(out, fmt, s);
  }
  if (type != '\0' && strchr("fFeEgGaA", type) != NULL) {
    double d = 0;
    float f;
    if (size == sizeof(f)) {
      memcpy(&f, p, size);
      d = f;
    } else if (size == sizeof(d)) {
      memcpy(&d, p, size);
    }
    return json_printf(out, fmt, d);
  }
  i = elem_value(p, size, type == 'd' || type == 'i');
  if (mg_strstr(lead, mg_mk_str("ll")) != NULL) {
    return json_printf(out, fmt, (long long) i);
  }
  if (mg_strchr(lead, 'l') != NULL) return json_printf(out, fmt, (long) i);
  return json_printf(out, fmt, (int) i);
}

int json_printf_array(struct json_out *out, va_list *ap) {
  const char *arr = va_arg(*ap, const char *);
  size_t i, arr_size = va_arg(*ap, size_t);
  size_t size = va_arg(*ap, size_t);
  const char *fmt = va_arg(*ap, const char *);
  int n = out->printer(out, "[", 1);
  for (i = 0; arr != NULL && size > 0 && i < arr_size / size; i++) {
    if (i > 0) n += out->printer(out, ", ", 2);
    n += put_elem(out, fmt, arr + i * size, size);
  }
  return n + out->printer(out, "]", 1);
}
