/*
 * The library's functions called from within its own callbacks: whatever they do there, everything
 * else keeps working.
 */

#include <string.h>
#include <unistd.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

/* What to do at an event: set by each script. */
static int s_at;
static void (*s_do)(void);

static void acting(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == s_at && s_do != NULL) {
    void (*act)(void) = s_do;
    s_do = NULL;
    act();
  }
  (void) nc, (void) ev_data, (void) ud;
}

static void acting_each_time(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  void (*act)(void) = s_do;
  acting(nc, ev, ev_data, ud);
  s_do = act;
}

static void subscribe(void) {
  app_sub("new", 1, "new");
}

static void subscribing(void) {
  create();
  s_at = MG_EV_MQTT_PUBLISH;
  s_do = subscribe;
  app_sub("#", 1, "all");
  app_sub_handler("a", 1, acting, "a");
  connect_up();
  expect("82 *");
  expect("82 *");
  play("30 06 0003 'new' 'm' 30 04 0001 'a' 'm' 30 06 0003 'new' 'n'");
  expect("82 08 0003 0003 'new' 01");
  expect_events("all PUBLISH new=m\nall PUBLISH a=m\nnew PUBLISH new=n\nall PUBLISH new=n\n");
  check("subscribing in a message's handler takes effect with the next message");
}

static void add_handler(void) {
  app_add_handler(record_event, "late");
}

static void adding_handlers(void) {
  create();
  s_at = MG_EV_MQTT_CONNACK;
  s_do = add_handler;
  app_add_handler(acting, "h");
  connect_up();
  play("30 04 0001 'a' 'm'");
  expect_events("late PUBLISH a=m\ng PUBLISH a=m\n");
  check("a handler added in a handler takes effect with the next event");
}

static void publish_next(void) {
  app_pub("n", "next", 1, false);
}

static void publishing(void) {
  create();
  s_at = MG_EV_MQTT_PUBACK;
  s_do = publish_next;
  app_add_handler(acting, "h");
  connect_up();
  app_pub("n", "1", 1, false);
  expect("32 06 0001 'n' 0001 '1'");
  play("40 02 0001");
  expect("32 09 0001 'n' 0002 'next'");
  expect_events("g PUBACK 1\n");
  check("publishing in PUBACK");
  s_at = MG_EV_MQTT_SUBACK;
  s_do = publish_next;
  app_sub_handler("s", 1, acting, "s");
  expect("82 *");
  play("90 03 0003 01");
  expect("32 09 0001 'n' 0004 'next'");
  check("in SUBACK");
  s_at = MG_EV_POLL;
  s_do = publish_next;
  expect("32 09 0001 'n' 0005 'next'");
  check("in MG_EV_POLL");
  s_at = MG_EV_CLOSE;
  s_do = publish_next;
  drop();
  expect_events(LOST);
  expect_that(app_num_unsent_bytes() == 16);
  check("in MG_EV_CLOSE it is queued");
}

static void connect_again(void) {
  record("connect %d", app_connect());
}

#ifndef MQTT_UPSTREAM
/* The broker has the CONNECT before the handler returns. */
static void connect_and_wait(void) {
  int i;
  mgos_mqtt_conn_connect(connection());
  for (i = 0; i < 30; i++) {
    mongoose_poll(10);
    usleep(1000);
  }
  record("waited");
}

static void waiting_in_close(void) {
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  cfg.connect_timeout = 0;
  create();
  s_at = MG_EV_CLOSE;
  s_do = connect_and_wait;
  app_add_handler(acting, "h");
  connect_up();
  drop();
  expect_connect();
  expect_events("cloud DISCONNECTED\ncloud CONNECTING\nwaited\ng CLOSE with nc\n");
  play("20 02 00 00");
  expect_events("cloud CONNECTED\ng CONNACK\n");
  check("CONNECT goes out while the handler of MG_EV_CLOSE that has begun the attempt runs the event loop");
}
#endif

static void connecting_in_close(void) {
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  s_at = MG_EV_CLOSE;
  s_do = connect_again;
  app_add_handler(acting, "h");
  connect_up();
  drop();
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud DISCONNECTED\ncloud CONNECTING\nconnect 1\ng CLOSE with nc\ncloud CONNECTED\ng CONNACK\n");
  check("connecting in MG_EV_CLOSE: immediately; later handlers get the new connection");
}

static void disconnect_and_connect(void) {
  app_disconnect();
  record("connect %d", app_connect());
}

static void disconnecting_in_connack(void) {
  create();
  s_at = MG_EV_MQTT_CONNACK;
  s_do = app_disconnect;
  app_add_handler(acting, "h");
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect("e0 00");
  expect_close();
  expect_no_connection(200);
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n" LOST);
  check("disconnecting in CONNACK");
  app_connect();
  come_back();
  s_at = MG_EV_MQTT_PUBLISH;
  s_do = disconnect_and_connect;
  play("30 04 0001 'a' 'm'");
  expect("e0 00");
  expect_close();
#ifdef MQTT_UPSTREAM
  expect_no_connection(200);
  expect_events("connect 1\ng PUBLISH a=m\n" LOST);
  check("disconnecting and connecting in a handler: disconnected");
#else
  expect_connect();
  play("20 02 00 00");
  expect_events("connect 1\ng PUBLISH a=m\n" LOST UP);
  check("disconnecting and connecting in a handler: it is re-established");
#endif
}

static void unsubscribe_and_subscribe(void) {
  app_unsub("b");
  app_sub("b", 1, "again");
}

static void changing_subscriptions(void) {
  create();
  s_at = MG_EV_MQTT_PUBLISH;
  s_do = unsubscribe_and_subscribe;
  app_sub("b", 1, "b");
  app_sub_handler("a", 1, acting, "a");
  connect_up();
  expect("82 *");
  expect("82 *");
  play("30 04 0001 'a' 'm' 30 04 0001 'b' 'm'");
  expect("a2 05 0003 0001 'b'");
  expect("82 06 0004 0001 'b' 01");
  expect_events("again PUBLISH b=m\n");
  check("unsubscribing and subscribing in a handler");
}

static void on_connected(int ev, void *ev_data, void *ud) {
  if (strcmp(script_name(), "cloud event") != 0) return;
  app_sub("cloud", 1, "cloud");
  app_pub("up", "m", 1, false);
  (void) ev, (void) ev_data, (void) ud;
}

static void in_cloud_event(void) {
  create();
  app_sub("s", 1, "s");
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_connected, NULL);
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  mgos_event_remove_handler(MGOS_EVENT_CLOUD_CONNECTED, on_connected, NULL);
  forget_events();
  check("subscribing and publishing in MGOS_EVENT_CLOUD_CONNECTED");
}

static bool s_in_log;

static void on_log_line(int ev, void *ev_data, void *ud) {
  if (s_in_log || strcmp(script_name(), "log line") != 0) return;
  s_in_log = true;
  app_pub("log", "x", 0, false);
  app_pub("log", "x", 1, false);
  app_num_unsent_bytes();
  s_in_log = false;
  (void) ev, (void) ev_data, (void) ud;
}

/* Every line that the library logs makes the app publish. */
static void in_log_line(void) {
  if (!log_raises_event()) {
    left_out("publishing in a log hook", NO_LOG_EVENT);
    return;
  }
  cfg.max_queue_length = 100;
  create();
  app_sub("s", 1, "s");
  mgos_event_add_handler(MGOS_EVENT_LOG, on_log_line, NULL);
  record_log(false);
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect_events(UP);
  app_sub("t", 1, "t");
  app_unsub("t");
  app_pub("t", "m", 2, false);
  drop();
  expect_events(LOST);
  expect_connect();
  play("20 02 00 00");
  expect_events(UP);
  app_disconnect();
  expect_events(LOST);
  mgos_event_remove_handler(MGOS_EVENT_LOG, on_log_line, NULL);
  record_log(true);
  expect_that(app_num_unsent_bytes() > 0);
  check("publishing in a log hook");
}

#ifndef MQTT_UPSTREAM
static void use_new_config(void) {
  struct mgos_config_mqtt config = cfg;
  config.client_id = "new";
  record("%d", app_set_config(&config));
  record("%d", app_pub("t", "m", 1, false));
  app_sub("s", 1, "s");
  app_unsub("s");
}

/* The original must not be used after this. */
static void changing_config(void) {
  create();
  s_at = MG_EV_MQTT_PUBLISH;
  s_do = use_new_config;
  app_sub("#", 1, "all");
  app_sub_handler("a", 1, acting, "a");
  connect_up();
  expect("82 06 0001 0001 'a' 01");
  expect("82 06 0002 0001 '#' 01");
  play("90 03 0001 01 90 03 0002 01 30 04 0001 'a' 'm' 30 04 0001 'b' 'm'");
  expect_close();
  expect_connection();
  expect("10 0f 0004 'MQTT' 04 02 003c 0003 'new'");
  play("20 02 00 00");
  expect("82 06 0004 0001 'a' 01");
  expect("82 06 0005 0001 '#' 01");
  expect("32 06 0001 't' 0003 'm'");
  expect_events("all SUBACK 2\n1\n3\nall PUBLISH a=m\n" LOST UP);
  check("set_config(), publishing and subscribing in a handler");
}
#endif

static void acts_on_everything(void) {
  app_unsub("e");
  app_sub("e", 1, "e");
  app_pub("e", "m", 0, false);
  app_is_connected();
  app_num_unsent_bytes();
}

static void on_each_poll(void) {
  const uint8_t *packet;
  int i;
  create();
  s_at = MG_EV_POLL;
  s_do = acts_on_everything;
  app_add_handler(acting_each_time, "h");
  connect_up();
  for (i = 0; i < 50; i++) receive_packet(&packet);
  s_do = NULL;
  check("all of it in each MG_EV_POLL");
  forget_events();
}

static const struct script scripts[] = {
    {"subscribing", subscribing},
    {"adding handlers", adding_handlers},
    {"publishing", publishing},
    {"connecting", connecting_in_close},
    HERE_ONLY("waiting", waiting_in_close, "it connects once the handler has returned"),
    {"disconnecting", disconnecting_in_connack},
    {"unsubscribing", changing_subscriptions},
    {"cloud event", in_cloud_event},
    {"log line", in_log_line},
    HERE_ONLY("configuration", changing_config, "after set_config() on a live connection it is not to be used until it is connected"),
    {"poll", on_each_poll},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
