/*
 * main() of every app on the host, and defaults for the two functions that an app may omit.
 * Compiled with the app, so that the app's own definitions win.
 */

#include <stdio.h>

#include "mgos_app.h"
#include "mgos_host.h"

__attribute__((weak)) void mgos_app_preinit(void) {
}

__attribute__((weak)) enum mgos_app_init_result mgos_app_init(void) {
  return MGOS_APP_INIT_SUCCESS;
}

int main(int argc, char **argv) {
  /* Whatever reads it sees each line at once, as from a UART. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  return mgos_host_main(argc, argv);
}
