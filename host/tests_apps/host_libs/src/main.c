/*
 * An app that uses wifi, boards, ethernet and sntp as apps for devices do, and checks what they
 * answer. It exits with 0 if all is as the headers say.
 */
#include "check.h"
#include "mgos.h"
#include "mgos_sntp.h"

static char s_events[200];

static void note(const char *what) {
  strncat(s_events, what, sizeof(s_events) - strlen(s_events) - 1);
}

static bool is_text(char *text, const char *want) {
  bool same = text != NULL && strcmp(text, want) == 0;
  free(text);
  return same;
}

static void on_scan(int num_res, struct mgos_wifi_scan_result *res, void *arg) {
  check(num_res < 0 && res == NULL && arg == s_events,
        "a scan for Wi-Fi networks fails");
  check_done();
}

static void settings(void) {
  struct mgos_config_wifi cfg = *mgos_sys_config_get_wifi();
  char *msg = NULL;
  check(mgos_wifi_setup_sta(&cfg.sta), "settings of the station are accepted");
  check(!mgos_wifi_setup_ap(&cfg.ap) && !mgos_wifi_setup(&cfg),
        "an access point is refused");
  cfg.ap.enable = false;
  check(mgos_wifi_setup_ap(&cfg.ap), "turning the access point off is not");
  cfg.sta.enable = true;
  check(mgos_wifi_setup(&cfg), "the station is set up if it is enabled");
  check(mgos_wifi_validate_sta_cfg(&cfg.sta, &msg) && msg == NULL,
        "an SSID without a password is valid");
  cfg.sta.pass = "short";
  check(!mgos_wifi_validate_sta_cfg(&cfg.sta, &msg) &&
            is_text(msg, "a password has 8 to 64 characters, not 5"),
        "a short password is not");
  cfg.ap.enable = true;
  cfg.ap.ssid = "";
  check(!mgos_wifi_validate_ap_cfg(&cfg.ap, &msg) &&
            is_text(msg, "an SSID has 1 to 32 characters, not 0"),
        "nor is an empty SSID");
  cfg.ap.enable = false;
  check(mgos_wifi_validate_ap_cfg(&cfg.ap, &msg),
        "an access point that is off may have any");
}

static void on_wifi(int ev, void *ev_data, void *arg) {
  struct mgos_net_ip_info wifi, eth;
  switch (ev) {
    case MGOS_WIFI_EV_STA_CONNECTING:
      note("connecting ");
      check(mgos_wifi_get_status() == MGOS_WIFI_CONNECTING &&
                mgos_wifi_get_connected_ssid() == NULL,
            "there is no network while connecting");
      break;
    case MGOS_WIFI_EV_STA_CONNECTED:
      note("connected ");
      check(((struct mgos_wifi_sta_connected_arg *) ev_data)->rssi == 0,
            "the signal strength is unknown");
      break;
    case MGOS_WIFI_EV_STA_DISCONNECTED:
      note("disconnected ");
      break;
    case MGOS_WIFI_EV_STA_IP_ACQUIRED:
      note("address ");
      check(mgos_wifi_get_status() == MGOS_WIFI_IP_ACQUIRED &&
                is_text(mgos_wifi_get_status_str(), "got ip"),
            "the status is that of the last event");
      check(is_text(mgos_wifi_get_connected_ssid(), "home"),
            "the network is the configured one");
      check(mgos_wifi_get_connected_sta_cfg() == mgos_sys_config_get_wifi_sta(),
            "so are its settings");
      check(mgos_net_get_ip_info(MGOS_NET_IF_TYPE_WIFI, MGOS_NET_IF_WIFI_STA,
                                 &wifi) &&
                mgos_net_get_ip_info(MGOS_NET_IF_TYPE_ETHERNET, 0, &eth) &&
                memcmp(&wifi, &eth, sizeof(eth)) == 0,
            "the station has the addresses of the interface");
      check(!mgos_net_get_ip_info(MGOS_NET_IF_TYPE_WIFI, MGOS_NET_IF_WIFI_AP,
                                  &wifi),
            "the access point has none");
      break;
  }
  (void) arg;
}

static void on_net(int ev, void *ev_data, void *arg) {
  const struct mgos_net_event_data *net =
      (const struct mgos_net_event_data *) ev_data;
  if (ev == MGOS_NET_EV_IP_ACQUIRED) {
    check(net->if_type == MGOS_NET_IF_TYPE_WIFI && net->if_instance == 0,
          "network events are those of the station");
  }
  (void) arg;
}

static void on_time(int ev, void *ev_data, void *arg) {
  check(((struct mgos_time_changed_arg *) ev_data)->delta == 0,
        "the machine's time is taken as it is");
  note("time ");
  (void) ev;
  (void) arg;
}

static void later(void *arg) {
  check(strcmp(s_events, "connecting connected address time ") == 0 ||
            strcmp(s_events, "connecting connected time address ") == 0,
        "events came in order: %s", s_events);
  check(mgos_sntp_get_last_synced_uptime() > 0, "the time is synchronised");
  check(mgos_wifi_connect() && !mgos_wifi_disconnect() &&
            mgos_wifi_get_status() == MGOS_WIFI_IP_ACQUIRED,
        "the station stays connected");
  check(mgos_wifi_sta_get_rssi() == 0, "there is no radio");
  settings();
  mgos_wifi_scan(on_scan, s_events);
  mgos_wifi_deinit();
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  int led = mgos_sys_config_get_board_led1_pin();
  int button = mgos_sys_config_get_board_btn1_pin();
  check_wait("the network");
  check(mgos_sys_config_get_eth_enable(), "the app's setting of eth.enable");
  check(mgos_sntp_get_last_synced_uptime() == 0, "no time before the network");
  check(mgos_wifi_get_status() == MGOS_WIFI_DISCONNECTED &&
            mgos_wifi_get_connected_sta_cfg() == NULL,
        "no Wi-Fi either");
  check(mgos_gpio_setup_output(led, mgos_sys_config_get_board_led1_active_high()) &&
            mgos_gpio_read_out(led),
        "the board's LED");
  check(mgos_gpio_setup_input(button, mgos_sys_config_get_board_btn1_pull_up()
                                          ? MGOS_GPIO_PULL_UP
                                          : MGOS_GPIO_PULL_DOWN) &&
            mgos_gpio_read(button),
        "its button, which is not pressed");
  check(mgos_sys_config_get_board_led2_pin() == -1 &&
            mgos_sys_config_get_board_btn3_pin() == -1,
        "there are no more of them");
  mgos_event_add_group_handler(MGOS_EVENT_GRP_WIFI, on_wifi, NULL);
  mgos_event_add_group_handler(MGOS_EVENT_GRP_NET, on_net, NULL);
  mgos_event_add_handler(MGOS_EVENT_TIME_CHANGED, on_time, NULL);
  mgos_set_timer(200, 0, later, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
