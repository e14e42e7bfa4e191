/*
 * System-wide events: numbers of the core's own, and registering, handling and
 * raising events. Network events are in mgos_net.h.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A base number made of three characters; 256 events belong to each base. */
#define MGOS_EVENT_BASE(a, b, c) ((a) << 24 | (b) << 16 | (c) << 8)

#define MGOS_EVENT_SYS MGOS_EVENT_BASE('M', 'O', 'S')

/* The core's events, with the type that ev_data points to. */
enum mgos_event_sys {
  MGOS_EVENT_INIT_DONE = MGOS_EVENT_SYS, /* all is initialised; NULL */
  MGOS_EVENT_LOG,                        /* text was output; struct mgos_debug_hook_arg */
  MGOS_EVENT_REBOOT,                     /* restarting now; NULL */
  MGOS_EVENT_TIME_CHANGED,               /* wall time was set; struct mgos_time_changed_arg */
  MGOS_EVENT_CLOUD_CONNECTED,            /* this and the next three: struct mgos_cloud_arg */
  MGOS_EVENT_CLOUD_DISCONNECTED,
  MGOS_EVENT_CLOUD_CONNECTING,
  MGOS_EVENT_CLOUD_CONNECTERROR,
  MGOS_EVENT_REBOOT_AFTER, /* restarting later; struct mgos_event_reboot_after_arg */
};

/* Which service a MGOS_EVENT_CLOUD_* event is about. */
enum mgos_cloud_type {
  MGOS_CLOUD_MQTT,
  MGOS_CLOUD_DASH,
  MGOS_CLOUD_AWS,
  MGOS_CLOUD_AZURE,
  MGOS_CLOUD_GCP,
  MGOS_CLOUD_WATSON,
};
struct mgos_cloud_arg {
  enum mgos_cloud_type type;
};

struct mgos_event_reboot_after_arg {
  int64_t reboot_at_uptime_micros;
};

/*
 * Claims a base for a module, so that two modules cannot use the same. False,
 * with an error in the log, if it is taken. Events work without a claim, too.
 */
bool mgos_event_register_base(int base_event_number, const char *name);

/*
 * Calls the handlers of `ev`, the one added last first, and returns how many.
 * A handler may add and remove handlers: one that is removed before its turn is
 * not called, one that is added takes part from the next event on.
 */
int mgos_event_trigger(int ev, void *ev_data);

typedef void (*mgos_event_handler_t)(int ev, void *ev_data, void *userdata);

/* Adds a handler of one event, or of all 256 events of the group `evgrp` is in. */
bool mgos_event_add_handler(int ev, mgos_event_handler_t cb, void *userdata);
bool mgos_event_add_group_handler(int evgrp, mgos_event_handler_t cb,
                                  void *userdata);

/*
 * Removes the handler added last with the same three arguments. A group handler
 * is found by the base number of its group. False if there is none.
 */
bool mgos_event_remove_handler(int ev, mgos_event_handler_t cb, void *userdata);
bool mgos_event_remove_group_handler(int evgrp, mgos_event_handler_t cb,
                                     void *userdata);

#ifdef __cplusplus
}
#endif
