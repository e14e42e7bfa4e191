/*
 * Wifi.scan() of JavaScript. The library mjs registers it when wifi is there.
 */

#include "mgos_wifi.h"

#ifdef MGOS_HAVE_MJS

#include "mjs.h"

#include "common/cs_dbg.h"

/* The handler, kept from garbage collection until the scan is over. */
struct js_scan {
  struct mjs *mjs;
  mjs_val_t handler;
};

static void on_scan(int num_res, struct mgos_wifi_scan_result *res, void *arg) {
  struct js_scan *scan = (struct js_scan *) arg;
  mjs_val_t networks = mjs_mk_undefined();
  int i;
  if (num_res >= 0) networks = mjs_mk_array(scan->mjs);
  for (i = 0; i < num_res; i++) {
    mjs_val_t network = mjs_mk_object(scan->mjs);
    mjs_array_push(scan->mjs, networks, network);
    mjs_set(scan->mjs, network, "ssid", ~0, mjs_mk_string(scan->mjs, res[i].ssid, ~0, 1));
    mjs_set(scan->mjs, network, "authMode", ~0, mjs_mk_number(scan->mjs, res[i].auth_mode));
    mjs_set(scan->mjs, network, "channel", ~0, mjs_mk_number(scan->mjs, res[i].channel));
    mjs_set(scan->mjs, network, "rssi", ~0, mjs_mk_number(scan->mjs, res[i].rssi));
  }
  if (mjs_call(scan->mjs, NULL, scan->handler, mjs_mk_undefined(), 1, networks) != MJS_OK) {
    mjs_print_error(scan->mjs, stderr, NULL, 1);
  }
  mjs_disown(scan->mjs, &scan->handler);
  free(scan);
}

void mgos_wifi_scan_js(struct mjs *mjs) {
  struct js_scan *scan = NULL;
  if (mjs_is_function(mjs_arg(mjs, 0))) scan = (struct js_scan *) malloc(sizeof(*scan));
  if (scan != NULL) {
    scan->mjs = mjs;
    scan->handler = mjs_arg(mjs, 0);
    mjs_own(mjs, &scan->handler);
    mgos_wifi_scan(on_scan, scan);
  }
  mjs_return(mjs, mjs_mk_boolean(mjs, scan != NULL));
}

#endif
