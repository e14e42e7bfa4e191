/*
 * Network events and addresses. The host has one interface, "Ethernet 0", which
 * is up from the first round of the loop on. In an app with the library wifi its
 * events are those of a Wi-Fi station, and it has that name as well.
 */

#pragma once

#include <stdbool.h>

#include "mongoose.h"

#include "mgos_event.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For mgos_event_add_group_handler(): all network events. */
#define MGOS_EVENT_GRP_NET MGOS_EVENT_BASE('N', 'E', 'T')

/* ev_data is a struct mgos_net_event_data. */
enum mgos_net_event {
  MGOS_NET_EV_DISCONNECTED = MGOS_EVENT_GRP_NET,
  MGOS_NET_EV_CONNECTING,
  MGOS_NET_EV_CONNECTED,
  MGOS_NET_EV_IP_ACQUIRED,
};

enum mgos_net_if_type {
  MGOS_NET_IF_TYPE_WIFI,
  MGOS_NET_IF_TYPE_ETHERNET,
  MGOS_NET_IF_TYPE_PPP,
  MGOS_NET_IF_MAX, /* how many there are */
};

struct mgos_net_ip_info {
  struct sockaddr_in ip;
  struct sockaddr_in netmask;
  struct sockaddr_in gw;
  struct sockaddr_in dns;
  struct sockaddr_in ntp;
};

struct mgos_net_event_data {
  enum mgos_net_if_type if_type;
  int if_instance;
  struct mgos_net_ip_info ip_info; /* filled in for MGOS_NET_EV_IP_ACQUIRED */
};

/*
 * Fills in the addresses of an interface; false if there is no such interface.
 * What the host cannot tell (an address with no IPv4 network, NTP) is 0.0.0.0.
 */
bool mgos_net_get_ip_info(enum mgos_net_if_type if_type, int if_instance,
                          struct mgos_net_ip_info *ip_info);

/* Writes a.b.c.d and a NUL to `out`, which holds at least 16 bytes; returns `out`. */
char *mgos_net_ip_to_str(const struct sockaddr_in *sin, char *out);

/* Reads a.b.c.d into *sin; false, and *sin unchanged, for anything else. */
bool mgos_net_str_to_ip(const char *ips, struct sockaddr_in *sin);
bool mgos_net_str_to_ip_n(const struct mg_str ips, struct sockaddr_in *sin);

/*
 * Tells apps of a change of the network, from the next round of the loop on. The
 * host calls it at start; a test may call it to take the network down and up.
 */
void mgos_net_dev_event_cb(enum mgos_net_if_type if_type, int if_instance,
                           enum mgos_net_event ev);

#ifdef __cplusplus
}
#endif
