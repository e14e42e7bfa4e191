/*
 * Config structs by their schema tables: parsing from JSON, writing as JSON, copying, freeing, looking up.
 * The tables are generated for each app (mgos_config.h); nothing here knows a particular key.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/json_utils.h"
#include "common/mbuf.h"
#include "common/mg_str.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Types of a config value. INT and BOOL are an int in the struct, STRING is a const char *, empty is NULL. */
enum mgos_conf_type {
  CONF_TYPE_INT = 0,
  CONF_TYPE_BOOL = 1,
  CONF_TYPE_DOUBLE = 2,
  CONF_TYPE_STRING = 3,
  CONF_TYPE_OBJECT = 4,
  CONF_TYPE_UNSIGNED_INT = 5,
  CONF_TYPE_FLOAT = 6,
};

/*
 * A row of a schema table. An object's row is followed by the num_desc rows of everything below it.
 * Offsets count from the beginning of the struct that the table was made for.
 */
struct mgos_conf_entry {
  enum mgos_conf_type type;
  const char *key;
  uint16_t offset;
  uint16_t num_desc;
};

struct mgos_config;

/*
 * Whether `acl` allows setting `key`: the first glob of the comma-separated list that matches decides,
 * a leading '-' forbids, '+' or nothing allows; nothing matching forbids.
 */
bool mgos_conf_check_access(const struct mg_str key, const char *acl);
bool mgos_conf_check_access_n(const struct mg_str key, struct mg_str acl);

/*
 * Lay JSON over a config. Keys that the schema does not have, or that `acl` forbids, are passed over;
 * a value of the wrong type fails the call (values before it stay set) and is named in *msg, to be free()d.
 */
bool mgos_conf_parse(const struct mg_str json, const char *acl, struct mgos_config *cfg);
bool mgos_conf_parse_msg(const struct mg_str json, const char *acl, struct mgos_config *cfg, char **msg);

/* The same for one section: `cfg` is the section's struct, `sub_schema` its row. */
bool mgos_conf_parse_sub(const struct mg_str json, const struct mgos_conf_entry *sub_schema, void *cfg);
bool mgos_conf_parse_sub_f(const char *fname, const struct mgos_conf_entry *sub_schema, void *cfg);
bool mgos_conf_parse_sub_msg(const struct mg_str json, const struct mgos_conf_entry *sub_schema, const char *acl,
                             void *cfg, char **msg);

typedef void (*mgos_conf_emit_cb_t)(struct mbuf *data, void *param);

/*
 * Write a config as JSON: only what differs from `base`, or all if `base` is NULL. To `out` if given;
 * `cb`, if given, is called with the output after each value and may take it out of the buffer.
 */
void mgos_conf_emit_cb(const void *cfg, const void *base, const struct mgos_conf_entry *schema, bool pretty,
                       struct mbuf *out, mgos_conf_emit_cb_t cb, void *cb_param);
bool mgos_conf_emit_f(const void *cfg, const void *base, const struct mgos_conf_entry *schema, bool pretty,
                      const char *fname);
bool mgos_conf_emit_json_out(const void *cfg, const void *base, const struct mgos_conf_entry *schema, bool pretty,
                             struct json_out *out);

/* Copy deeply. `dst` need not be initialised; free it with mgos_conf_free(). False when memory ran out. */
bool mgos_conf_copy(const struct mgos_conf_entry *schema, const void *src, void *dst);

/* Free every string in `cfg` that is not a generated default, and set them to NULL. */
void mgos_conf_free(const struct mgos_conf_entry *schema, void *cfg);

/* The row of `path` ("a.b.c") below `schema`, or NULL. */
const struct mgos_conf_entry *mgos_conf_find_schema_entry(const char *path, const struct mgos_conf_entry *schema);
const struct mgos_conf_entry *mgos_conf_find_schema_entry_s(const struct mg_str path,
                                                            const struct mgos_conf_entry *schema);

/* A value as text, an object as JSON; *value is to be free()d. False when there is no such key. */
bool mgos_config_get(const struct mg_str key, struct mg_str *value, const void *cfg,
                     const struct mgos_conf_entry *schema);

/* Set a value from text, an object from JSON. `free_strings`: the old string came from malloc, free it. */
bool mgos_config_set(const struct mg_str key, const struct mg_str value, void *cfg,
                     const struct mgos_conf_entry *schema, bool free_strings);

/* Replace a string by a copy of `v`; frees the old one unless it is a generated default. */
void mgos_conf_set_str(const char **vp, const char *v);

bool mgos_conf_str_empty(const char *s);

/* *copy becomes `s` itself if that is a generated default, else a copy. False when memory ran out. */
bool mgos_conf_copy_str(const char *s, const char **copy);

/* Free a string unless it is a generated default; *sp becomes NULL. */
void mgos_conf_free_str(const char **sp);

/* One value, by its row in the table of the whole struct. */
enum mgos_conf_type mgos_conf_value_type(struct mgos_conf_entry *e);
const char *mgos_conf_value_string(const void *cfg, const struct mgos_conf_entry *e);
const char *mgos_conf_value_string_nonnull(const void *cfg, const struct mgos_conf_entry *e);
int mgos_conf_value_int(const void *cfg, const struct mgos_conf_entry *e);
float mgos_conf_value_float(const void *cfg, const struct mgos_conf_entry *e);
double mgos_conf_value_double(const void *cfg, const struct mgos_conf_entry *e);

/* Replace the '?' in *str by the last characters of `src`, from the right; an odd number of '?' is left alone. */
void mgos_expand_placeholders(const struct mg_str src, struct mg_str *str);

#ifdef __cplusplus
}
#endif
