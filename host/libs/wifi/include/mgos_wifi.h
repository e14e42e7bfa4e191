/*
 * Wi-Fi as an app sees it. The host's station is always connected, by the
 * machine's network, whatever the configuration says; it has no access point and
 * no radio.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mgos_event.h"
#include "mgos_sys_config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Interface numbers of MGOS_NET_IF_TYPE_WIFI. */
#define MGOS_NET_IF_WIFI_STA 0
#define MGOS_NET_IF_WIFI_AP 1

#define MGOS_WIFI_EV_BASE MGOS_EVENT_BASE('W', 'F', 'I')
#define MGOS_EVENT_GRP_WIFI MGOS_WIFI_EV_BASE

/* Events, with the type that ev_data points to. Those of the AP are never raised. */
enum mgos_wifi_event {
  MGOS_WIFI_EV_STA_DISCONNECTED = MGOS_WIFI_EV_BASE, /* ..._sta_disconnected_arg */
  MGOS_WIFI_EV_STA_CONNECTING,                       /* NULL */
  MGOS_WIFI_EV_STA_CONNECTED,                        /* ..._sta_connected_arg */
  MGOS_WIFI_EV_STA_IP_ACQUIRED,                      /* NULL */
  MGOS_WIFI_EV_AP_STA_CONNECTED,                     /* ..._ap_sta_connected_arg */
  MGOS_WIFI_EV_AP_STA_DISCONNECTED, /* ..._ap_sta_disconnected_arg */
};

struct mgos_wifi_sta_connected_arg {
  uint8_t bssid[6];
  int channel;
  int rssi;
};

struct mgos_wifi_sta_disconnected_arg {
  uint8_t reason;
};

struct mgos_wifi_ap_sta_connected_arg {
  uint8_t mac[6];
};

struct mgos_wifi_ap_sta_disconnected_arg {
  uint8_t mac[6];
};

/* Reports that the settings have no effect; true. */
bool mgos_wifi_setup_sta(const struct mgos_config_wifi_sta *cfg);

/* True if `cfg` turns the access point off; else logs an error and returns false. */
bool mgos_wifi_setup_ap(const struct mgos_config_wifi_ap *cfg);

/* Sets up the station if that is enabled, else the access point. */
bool mgos_wifi_setup(struct mgos_config_wifi *cfg);

/* The station is connected: true. */
bool mgos_wifi_connect(void);

/* The station stays connected: logs an error and returns false. */
bool mgos_wifi_disconnect(void);

/* False for an SSID or password of an invalid length, with *msg set, to be free()d. */
bool mgos_wifi_validate_ap_cfg(const struct mgos_config_wifi_ap *cfg,
                               char **msg);
bool mgos_wifi_validate_sta_cfg(const struct mgos_config_wifi_sta *cfg,
                                char **msg);

enum mgos_wifi_status {
  MGOS_WIFI_DISCONNECTED = 0,
  MGOS_WIFI_CONNECTING = 1,
  MGOS_WIFI_CONNECTED = 2,
  MGOS_WIFI_IP_ACQUIRED = 3,
};

/* As the events say: DISCONNECTED until the first round of the loop. */
enum mgos_wifi_status mgos_wifi_get_status(void);

/* The same in words, from malloc, to be free()d. */
char *mgos_wifi_get_status_str(void);

/*
 * wifi.sta.ssid, or "host" if that is empty: from malloc, to be free()d. NULL while
 * not connected.
 */
char *mgos_wifi_get_connected_ssid(void);

/* The section wifi.sta; NULL while not connected. */
const struct mgos_config_wifi_sta *mgos_wifi_get_connected_sta_cfg(void);

/* There is no radio: 0, unknown. */
int mgos_wifi_sta_get_rssi(void);

enum mgos_wifi_auth_mode {
  MGOS_WIFI_AUTH_MODE_OPEN = 0,
  MGOS_WIFI_AUTH_MODE_WEP = 1,
  MGOS_WIFI_AUTH_MODE_WPA_PSK = 2,
  MGOS_WIFI_AUTH_MODE_WPA2_PSK = 3,
  MGOS_WIFI_AUTH_MODE_WPA_WPA2_PSK = 4,
  MGOS_WIFI_AUTH_MODE_WPA2_ENTERPRISE = 5,
  MGOS_WIFI_AUTH_MODE_WPA3_PSK = 6,
  MGOS_WIFI_AUTH_MODE_WPA2_WPA3_PSK = 7,
};

struct mgos_wifi_scan_result {
  char ssid[33];
  uint8_t bssid[6];
  enum mgos_wifi_auth_mode auth_mode;
  int channel;
  int rssi;
};

/* `num_res` is below 0 if the scan failed. */
typedef void (*mgos_wifi_scan_cb_t)(int num_res,
                                    struct mgos_wifi_scan_result *res,
                                    void *arg);

/* There is no radio: logs an error and calls cb(-1, NULL, arg) from the main loop. */
void mgos_wifi_scan(mgos_wifi_scan_cb_t cb, void *arg);

#ifdef MGOS_HAVE_MJS
/* Wifi.scan(handler) of JavaScript; the handler gets undefined. */
struct mjs;
void mgos_wifi_scan_js(struct mjs *mjs);
#endif

/* Does nothing. */
void mgos_wifi_deinit(void);

#ifdef __cplusplus
}
#endif
