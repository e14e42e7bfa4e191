/*
 * Functions by their name, for JavaScript. The table of names is generated with
 * the app.
 */

#pragma once

#include "common/mg_str.h"

#include "mgos_features.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A row of the table that the build makes of the names that scripts use. */
struct mgos_ffi_export {
  const char *name;
  void *addr;
};

/*
 * The address of a function in that table; NULL if it is not there, or if the
 * app was built without a table. `handle` is ignored.
 */
void *mgos_dlsym(void *handle, const char *name);

#ifdef __cplusplus
}
#endif
