/*
 * Reports the machine's time as synchronised, with MGOS_EVENT_TIME_CHANGED, once
 * the network is up: apps and libraries that wait for the time go on.
 */
#include "mgos_sntp.h"

#include "mgos.h"

static double s_synced = 0;

static void on_net(int ev, void *ev_data, void *arg) {
  struct mgos_time_changed_arg unchanged = {0};
  if (ev != MGOS_NET_EV_IP_ACQUIRED) return;
  LOG(LL_INFO, ("the time is this machine's: no time server is asked"));
  s_synced = mgos_uptime();
  mgos_event_trigger(MGOS_EVENT_TIME_CHANGED, &unchanged);
  (void) ev_data;
  (void) arg;
}

double mgos_sntp_get_last_synced_uptime(void) {
  return s_synced;
}

bool mgos_sntp_init(void) {
  return !mgos_sys_config_get_sntp_enable() ||
         mgos_event_add_handler(MGOS_NET_EV_IP_ACQUIRED, on_net, NULL);
}
