/*
 * Connecting and reconnecting: what triggers it, how long it waits, the effect of refusals; the
 * backup server; cloud events.
 */

#include "suite.h"

#include <arpa/inet.h>
#include <time.h>

#define WAITS "connecting after "
#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void expect_wait(unsigned nth, long ms) {
  long got = logged_number(WAITS, nth);
  if (got < ms * 9 / 10 || got > ms * 11 / 10) fail("wait %u is %ld ms, not about %ld ms", nth, got, ms);
}

static void network_up(void) {
  create_global();
  app_ip_acquired();
  come_back();
  check("the network coming up connects");
  app_ip_acquired();
  expect_silence();
  expect_no_connection(100);
  check("once connected it changes nothing");
}

static void without_waiting(void) {
  cfg.reconnect_timeout_min = 60;
  cfg.reconnect_timeout_max = 60;
  connect_up();
  drop();
  expect_events(LOST);
  expect_wait(0, 60000);
  app_ip_acquired();
  come_back();
  check("the network coming up ends a wait");
  drop();
  expect_events(LOST);
  expect_that(app_connect());
  come_back();
  check("connect() ends a wait");
  expect_that(app_connect());
  expect_silence();
  check("connect() on an established connection returns true and changes nothing");
}

static void waits(void) {
  cfg.reconnect_timeout_min = 0.3;
  cfg.reconnect_timeout_max = 1;
  stop_listening();
  create();
  app_connect();
  expect_wait(0, EITHER(300, 1000));
  expect_wait(1, EITHER(600, 1000));
  check(EITHER("the first wait is the shortest, then each is twice as long", "the first wait is two seconds or more"));
  expect_wait(2, 1000);
  expect_wait(3, 1000);
  check("up to the longest");
  listen_again();
  expect_connect();
  play("20 02 00 00");
  logged_number("CONNACK ", 0);
#ifndef MQTT_UPSTREAM
  const struct timespec pause = {.tv_sec = 5, .tv_nsec = 300000000};
  unsigned before = logged(WAITS);
  drop();
  expect_wait(before, 1000);
  check("a connection that is accepted and closed immediately counts as failed");
  expect_connect();
  play("20 02 00 00");
  logged_number("CONNACK ", 1);
  nanosleep(&pause, NULL);
  drop();
  expect_wait(before + 1, 500);
  check("a disconnect after some time halves the wait");
#else
  left_out("the waits after connections that have ended soon", "with each CONNACK 0 its waits begin anew");
#endif
  forget_events();
}

static void refused_by_port(void) {
  stop_listening();
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  expect_that(app_connect());
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  expect_logged(WAITS);
  check("a refused TCP connection is CONNECTERROR, and another attempt follows");
}

static void refused_by_broker(void) {
  static const int codes[] = {1, 2, 3, 4, 5, 6, 255};
  size_t i;
  create();
  app_connect();
  for (i = 0; i < COUNT(codes); i++) {
    expect_connect();
    play(text("20 02 00 %02x", codes[i]));
    expect_close();
    expect_logged(text("CONNACK %d", codes[i]));
    if (codes[i] == 5) expect_logged(EITHER("the certificate and the broker's policy\n", "CONNACK 5"));
    expect_events(EITHER("cloud CONNECTING\ncloud CONNECTERROR\n", "cloud CONNECTING\n"));
    expect_that(!app_is_connected());
  }
  expect_connect();
  play("20 02 00 00");
  expect_events(UP);
  check(EITHER("every code other than 0 closes, raises CONNECTERROR, is logged, and is retried",
               "every code other than 0 closes, is in the log, and is tried again; no event"));
}

#define FAILED EITHER("cloud CONNECTING\ncloud CONNECTERROR\n", "cloud CONNECTING\n")
#define HINT "no CONNACK 3 times in a row: usually TLS to a plain port, or the reverse"

static void cut_short(void) {
  create();
  app_connect();
  expect_connection();
  drop();
  expect_events(FAILED);
  expect_connect();
  drop();
  expect_events(FAILED);
  expect_connect();
  play("20 02 00 00");
  expect_events(UP);
  check(EITHER("a connection lost before CONNACK raises CONNECTERROR, and is retried",
               "a connection lost before CONNACK is no event, and tried again"));
}

#ifndef MQTT_UPSTREAM
static void cut_short_again_and_again(void) {
  create();
  app_connect();
  expect_connect();
  drop();
  expect_connect();
  drop();
  expect_connection();
  expect_number(logged(HINT), 0);
  drop();
  expect_logged(HINT);
  check("after three in a row the log names the usual cause");
  expect_connection();
  drop();
  expect_connect();
  expect_number(logged(HINT), 1);
  check("and not again");
  play("20 02 00 05");
  expect_close();
  expect_connect();
  drop();
  expect_connect();
  drop();
  expect_connect();
  expect_number(logged(HINT), 1);
  check("until a CONNACK, whatever it says");
  drop();
  expect_connect();
  expect_number(logged(HINT), 2);
  forget_events();
}

static void expect_tls_hint(const char *answer) {
  int i;
  for (i = 0; i < 3; i++) {
    expect_connection();
    if (answer != NULL) play(answer);
    drop();
    expect_events(FAILED);
  }
  expect_logged(HINT);
}

static void tls_port(void) {
  create();
  app_connect();
  expect_tls_hint("15 03 03 0002 0246");
  check("the same if a TLS port answers with an alert; one event per attempt");
  forget_events();
}

static void tls_at_plain_port(void) {
  cfg.ssl_ca_cert = "*";
  create();
  app_connect();
  expect_tls_hint(NULL);
  check("and when a plain port hangs up on TLS");
  forget_events();
}

#endif

static void disconnected_before_connack(void) {
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  app_connect();
  expect_connect();
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_events("cloud CONNECTING\n");
  app_connect();
  expect_connect();
  app_set_config(&cfg_backup);
  expect_close();
  expect_events(EITHER("cloud CONNECTING\ncloud CONNECTING\n", "cloud CONNECTING\n"));
  check("disconnect() and set_config() before CONNACK are not errors");
  forget_events();
}

static void bad_connect(void) {
  cfg.client_id = "\xff";
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  app_connect();
  expect_connection();
#ifdef MQTT_UPSTREAM
  expect("10 0d 0004 'MQTT' 04 02 003c 0001 ff");
  check("a client id that is not UTF-8 is sent");
#else
  expect_close();
  expect_logged("client id, will, user or password");
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  check("a CONNECT that cannot be sent raises CONNECTERROR");
  forget_events();
#endif
}

static void no_cloud_events(void) {
  cfg.cloud_events = false;
  create();
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ng CONNACK\n");
  drop();
  expect_events("g CLOSE\n");
  stop_listening();
  expect_logged("TCP connected error");
  check("cloud_events false still raises CONNECTING");
  forget_events();
}

static void bad_address(void) {
  cfg.server = "127.0.0.1:port";
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  expect_that(!app_connect());
  expect_events(EITHER("cloud CONNECTING\ncloud CONNECTERROR\n", "cloud CONNECTING\n"));
  expect_that(app_nc() == NULL);
  expect_logged(WAITS);
  check(EITHER("an unusable address: false, CONNECTERROR, and a retry",
               "an address that makes no sense: false, and tried again"));
}

static void no_server(void) {
  cfg.server = NULL;
  create();
  expect_that(!app_connect());
  expect_that(app_pub("t", "m", 1, false) > 0);
  expect_number(app_num_unsent_bytes(), 1);
  app_ip_acquired();
  expect_number(logged(WAITS), 0);
  check("no server: connect() is false, messages are queued");
}

static void not_enabled(void) {
  cfg.enable = false;
  create();
  expect_that(!app_connect());
  app_ip_acquired();
  expect_no_connection(100);
  check("not enabled: connect() is false");
}

static void connect_and_look(void *arg) {
  struct mg_connection *nc;
  mgos_mqtt_conn_connect(connection());
  nc = app_nc();
  if (nc != NULL) *(int *) arg = ntohs(nc->sa.sin.sin_port);
}

static void default_port(void) {
  int port = 0;
  cfg.server = "127.0.0.1";
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  in_app(connect_and_look, &port);
  expect_number(port, 1883);
  check("the default port is 1883");
  forget_events();
}

static void backup(void) {
  int i;
  cfg.reconnect_timeout_min = 0.05;
  cfg.reconnect_timeout_max = 0.1;
  cfg_backup.user = "joe";
  stop_listening();
  create_with_backup();
  app_sub("s", 1, "s");
  app_pub("q", "m", 1, false);
  app_connect();
  use_broker(1);
  expect_connection();
  expect("10 17 0004 'MQTT' 04 82 003c 0006 'backup' 0003 'joe'");
  check("after the longest wait the backup server is tried, with its own client id and user");
  play("20 02 00 00");
  expect("82 06 0002 0001 's' 01");
  expect(EITHER("32 06 0001 'q' 0001 'm'", "3a 06 0001 'q' 0001 'm'"));
  play("40 02 0001");
  check("subscriptions and the queue go along");
  for (i = 0; i < 3; i++) {
    drop();
    expect_connection();
    expect("10 17 *");
    play("20 02 00 00");
    expect("82 *");
  }
  check("it is used as long as it works");
  stop_listening();
  use_broker(0);
  listen_again();
  use_broker(1);
  drop();
  use_broker(0);
  expect_connect();
  check("and when it fails, the first is tried again");
  forget_events();
}

static void silent_broker(void) {
  cfg.keep_alive = 1;
#ifndef MQTT_UPSTREAM
  cfg.keep_alive = 60;
  cfg.connect_timeout = 0.3;
#endif
  create();
  app_connect();
  expect_connection();
  expect("10 *");
#ifdef MQTT_UPSTREAM
  expect("c0 00");
  expect_close();
  check("without CONNACK it is closed after two keep-alive intervals");
#else
  expect_close();
  expect_logged("no connection within 300 ms");
  check("without CONNACK it is closed after connect_timeout");
#endif
  expect_connection();
  expect_events(EITHER("cloud CONNECTING\ncloud CONNECTERROR\ncloud CONNECTING\n", "cloud CONNECTING\ncloud CONNECTING\n"));
  app_disconnect();
}

static void unknown_name(void) {
  cfg.server = "no-such-name.invalid:1883";
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  expect_that(app_connect());
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  check("a name that does not exist raises CONNECTERROR");
}

static void time_is_set(void) {
  cfg.require_time = true;
  connect_up();
  check("require_time has no effect if the clock is set");
}

static void set_clock(void *arg) {
  mgos_settimeofday(*(double *) arg, NULL);
}

/* Where the app may not set the clock, what follows in the script is left out. */
static bool clock_is_set(double *time) {
  in_app(set_clock, time);
  if (mg_time() - *time < 1000) return true;
  left_out("the clock", "this app may not set it");
  return false;
}

static void time_is_not_set(void) {
  double now = mg_time(), never = 1000;
  cfg.require_time = true;
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  if (!clock_is_set(&never)) return;
  expect_that(!app_connect());
  expect_logged("Time is not set, not connecting");
  in_app(set_clock, &never);
  expect_no_connection(100);
  expect_number(logged(WAITS), 1);
  in_app(set_clock, &now);
  expect_that(EITHER(true, false) == connection_waits(EITHER(PATIENCE, 100)));
#ifndef MQTT_UPSTREAM
  come_back();
  in_app(set_clock, &now);
  expect_silence();
#endif
  check(EITHER("an attempt that waits for the clock starts when it is set", "an attempt keeps waiting when the clock is set"));
}

#ifndef MQTT_UPSTREAM
static void disconnected_without_time(void) {
  double now = mg_time(), never = 1000;
  cfg.require_time = true;
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  if (!clock_is_set(&never)) return;
  app_connect();
  app_disconnect();
  in_app(set_clock, &now);
  expect_no_connection(100);
  check("but not after disconnect()");
  cfg.require_time = false;
  stop_listening();
  app_set_config(&cfg);
  app_connect();
  expect_wait(1, 60000);
  listen_again();
  in_app(set_clock, &now);
  expect_no_connection(100);
  check("and setting the clock ends no other wait");
  forget_events();
}
#endif

static const struct script scripts[] = {
    {"network up", network_up},
    {"no waiting", without_waiting},
    {"waits", waits},
    {"port closed", refused_by_port},
    {"CONNACK codes", refused_by_broker},
    {"lost before CONNACK", cut_short},
    HERE_ONLY("lost again and again", cut_short_again_and_again, "it does not count attempts without CONNACK"),
    HERE_ONLY("port with TLS", tls_port, "it does not count attempts without CONNACK"),
    HERE_ONLY("port without TLS", tls_at_plain_port, "it does not count attempts without CONNACK"),
    {"disconnected before CONNACK", disconnected_before_connack},
    {"bad CONNECT", bad_connect},
    {"cloud_events", no_cloud_events},
    {"bad address", bad_address},
    {"no server", no_server},
    {"not enabled", not_enabled},
    {"default port", default_port},
    {"backup server", backup},
    {"silent broker", silent_broker},
    {"unknown name", unknown_name},
    {"require_time", time_is_set},
    {"clock not set", time_is_not_set},
    HERE_ONLY("disconnected without time", disconnected_without_time, "it does not look at the clock's being set"),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
