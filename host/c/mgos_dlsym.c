/*
 * Functions by their name. The table is generated with an app that runs
 * JavaScript; others have none.
 */
#include "mgos_dlsym.h"

extern struct mgos_ffi_export ffi_exports[] __attribute__((weak));
extern int ffi_exports_cnt __attribute__((weak));

void *mgos_dlsym(void *handle, const char *name) {
  int i;
  (void) handle;
  if (&ffi_exports_cnt == NULL || ffi_exports == NULL || name == NULL) {
    return NULL;
  }
  for (i = 0; i < ffi_exports_cnt; i++) {
    if (strcmp(ffi_exports[i].name, name) == 0) return ffi_exports[i].addr;
  }
  return NULL;
}
