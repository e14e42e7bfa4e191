/*
 * A Wi-Fi station that is always connected. Its interface and addresses are the
 * host's (src/net.rs), whose network events it repeats as Wi-Fi events.
 */
#include "mgos_wifi.h"

#include "mgos.h"

static enum mgos_wifi_status s_status = MGOS_WIFI_DISCONNECTED;

static void on_net(int ev, void *ev_data, void *arg) {
  const struct mgos_net_event_data *net =
      (const struct mgos_net_event_data *) ev_data;
  struct mgos_wifi_sta_connected_arg connected = {.channel = 0};
  struct mgos_wifi_sta_disconnected_arg disconnected = {.reason = 0};
  if (net->if_type != MGOS_NET_IF_TYPE_WIFI ||
      net->if_instance != MGOS_NET_IF_WIFI_STA) {
    return;
  }
  switch ((enum mgos_net_event) ev) {
    case MGOS_NET_EV_DISCONNECTED:
      s_status = MGOS_WIFI_DISCONNECTED;
      mgos_event_trigger(MGOS_WIFI_EV_STA_DISCONNECTED, &disconnected);
      break;
    case MGOS_NET_EV_CONNECTING:
      s_status = MGOS_WIFI_CONNECTING;
      mgos_event_trigger(MGOS_WIFI_EV_STA_CONNECTING, NULL);
      break;
    case MGOS_NET_EV_CONNECTED:
      s_status = MGOS_WIFI_CONNECTED;
      mgos_event_trigger(MGOS_WIFI_EV_STA_CONNECTED, &connected);
      break;
    case MGOS_NET_EV_IP_ACQUIRED:
      s_status = MGOS_WIFI_IP_ACQUIRED;
      mgos_event_trigger(MGOS_WIFI_EV_STA_IP_ACQUIRED, NULL);
      break;
  }
  (void) arg;
}

bool mgos_wifi_setup_sta(const struct mgos_config_wifi_sta *cfg) {
  LOG(LL_INFO, ("Wi-Fi settings have no effect: the host's station uses this "
                "machine's network"));
  (void) cfg;
  return true;
}

bool mgos_wifi_setup_ap(const struct mgos_config_wifi_ap *cfg) {
  if (!cfg->enable) return true;
  LOG(LL_ERROR, ("the host has no Wi-Fi access point: %s is not opened",
                 cfg->ssid == NULL ? "(no SSID)" : cfg->ssid));
  return false;
}

bool mgos_wifi_setup(struct mgos_config_wifi *cfg) {
  return cfg->sta.enable ? mgos_wifi_setup_sta(&cfg->sta)
                         : mgos_wifi_setup_ap(&cfg->ap);
}

bool mgos_wifi_connect(void) {
  return true;
}

bool mgos_wifi_disconnect(void) {
  LOG(LL_ERROR, ("the host's Wi-Fi station cannot be disconnected"));
  return false;
}

/* Checks what an SSID and its password must be by IEEE 802.11. */
static bool is_valid(const char *ssid, const char *pass, char **msg) {
  size_t ssid_len = ssid == NULL ? 0 : strlen(ssid);
  size_t pass_len = pass == NULL ? 0 : strlen(pass);
  if (ssid_len < 1 || ssid_len > 32) {
    mg_asprintf(msg, 0, "an SSID has 1 to 32 characters, not %d", (int) ssid_len);
    return false;
  }
  if (pass_len != 0 && (pass_len < 8 || pass_len > 64)) {
    mg_asprintf(msg, 0, "a password has 8 to 64 characters, not %d",
                (int) pass_len);
    return false;
  }
  return true;
}

bool mgos_wifi_validate_ap_cfg(const struct mgos_config_wifi_ap *cfg,
                               char **msg) {
  return !cfg->enable || is_valid(cfg->ssid, cfg->pass, msg);
}

bool mgos_wifi_validate_sta_cfg(const struct mgos_config_wifi_sta *cfg,
                                char **msg) {
  return !cfg->enable || is_valid(cfg->ssid, cfg->pass, msg);
}

enum mgos_wifi_status mgos_wifi_get_status(void) {
  return s_status;
}

char *mgos_wifi_get_status_str(void) {
  static const char *const words[] = {"disconnected", "connecting", "connected",
                                      "got ip"};
  return strdup(words[s_status]);
}

char *mgos_wifi_get_connected_ssid(void) {
  const char *ssid = mgos_sys_config_get_wifi_sta_ssid();
  if (s_status < MGOS_WIFI_CONNECTED) return NULL;
  return strdup(mgos_conf_str_empty(ssid) ? "host" : ssid);
}

const struct mgos_config_wifi_sta *mgos_wifi_get_connected_sta_cfg(void) {
  return s_status < MGOS_WIFI_CONNECTED ? NULL : mgos_sys_config_get_wifi_sta();
}

int mgos_wifi_sta_get_rssi(void) {
  return 0;
}

struct scan {
  mgos_wifi_scan_cb_t cb;
  void *arg;
};

static void report_scan(void *arg) {
  struct scan *scan = (struct scan *) arg;
  scan->cb(-1, NULL, scan->arg);
  free(scan);
}

void mgos_wifi_scan(mgos_wifi_scan_cb_t cb, void *arg) {
  struct scan *scan = (struct scan *) malloc(sizeof(*scan));
  LOG(LL_ERROR, ("the host has no radio: it cannot scan for Wi-Fi networks"));
  if (scan == NULL) return;
  scan->cb = cb;
  scan->arg = arg;
  mgos_invoke_cb(report_scan, scan, 0);
}

void mgos_wifi_deinit(void) {
}

bool mgos_wifi_init(void) {
  return mgos_event_register_base(MGOS_WIFI_EV_BASE, "wifi") &&
         mgos_event_add_group_handler(MGOS_EVENT_GRP_NET, on_net, NULL);
}
