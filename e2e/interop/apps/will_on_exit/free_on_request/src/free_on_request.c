/*
 * Ends the app: a message on the topic ID/end makes it free the global connection and restart the
 * system a moment later. On the host a restart ends the process.
 */

#include <stdio.h>
#include <stdlib.h>

#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

static struct mgos_mqtt_conn *s_conn;

static void on_restart_ahead(int ev, void *ev_data, void *arg) {
  mgos_mqtt_conn_free(s_conn);
  printf("> freed\n");
  fflush(stdout);
  (void) ev, (void) ev_data, (void) arg;
}

static void on_end(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  s_conn = mgos_mqtt_conn_from_nc(nc);
  mgos_system_restart_after(300);
  (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) ud;
}

bool mgos_free_on_request_init(void);

bool mgos_free_on_request_init(void) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, "%s/end", mgos_sys_config_get_device_id());
  mgos_mqtt_sub(topic, on_end, NULL);
  free(topic);
  return mgos_event_add_handler(MGOS_EVENT_REBOOT_AFTER, on_restart_ahead, NULL);
}
