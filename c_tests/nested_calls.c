/*
 * Calls every function of the library from every kind of callback: each pair on its own connection.
 * Checks that the call returns, that the connection can be used and freed afterwards, and, with
 * sanitizers, that no memory is misused. What the calls achieve is tested elsewhere, in
 * reentrancy.c and in the areas of the functions.
 */

#include <string.h>
#include <unistd.h>

#include "suite.h"

extern uint16_t mgos_mqtt_conn_get_packet_id(struct mgos_mqtt_conn *c);

static struct mgos_mqtt_conn *s_c; /* the pair's connection; NULL once it is freed */
static size_t s_act;               /* the function to call */
static volatile bool s_armed, s_done;

/* ---- The functions ---- */

static void record_nothing(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  (void) nc, (void) ev, (void) ev_data, (void) ud;
}

static void connect_now(void) {
  mgos_mqtt_conn_connect(s_c);
}
static void disconnect(void) {
  mgos_mqtt_conn_disconnect(s_c);
}
static void disconnect_and_connect(void) {
  mgos_mqtt_conn_disconnect(s_c);
  mgos_mqtt_conn_connect(s_c);
}
static void publish_0(void) {
  mgos_mqtt_conn_pub(s_c, "t", mg_mk_str("m"), 0, false);
}
static void publish_1(void) {
  mgos_mqtt_conn_pub(s_c, "t", mg_mk_str("m"), 1, false);
}
static void publish_2(void) {
  mgos_mqtt_conn_pub(s_c, "t", mg_mk_str("m"), 2, true);
}
static void publish_json(void) {
  mgos_mqtt_conn_pubf(s_c, "t", 1, false, "{a: %d}", 1);
}
static void publish_many(void) {
  int i;
  for (i = 0; i < 20; i++) mgos_mqtt_conn_pub(s_c, "t", mg_mk_str("m"), 1, false);
}
static void subscribe(void) {
  mgos_mqtt_conn_sub(s_c, "new", 1, record_nothing, NULL);
}
static void unsubscribe(void) {
  mgos_mqtt_conn_unsub(s_c, "b");
}
static void add_handler(void) {
  mgos_mqtt_conn_add_handler(s_c, record_nothing, NULL);
}
static void set_connect_fn(void) {
  mgos_mqtt_conn_set_connect_fn(s_c, NULL, NULL);
}
static void set_max_qos(void) {
  mgos_mqtt_conn_set_max_qos(s_c, 0);
}
static void ask(void) {
  mgos_mqtt_conn_is_connected(s_c);
  mgos_mqtt_conn_num_unsent_bytes(s_c);
  mgos_mqtt_conn_get_packet_id(s_c);
}
static void create_another(void) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create(99, NULL);
  mgos_mqtt_conn_connect(c);
#ifndef MQTT_UPSTREAM
  mgos_mqtt_conn_free(c);
#endif
}
#ifndef MQTT_UPSTREAM
static void unsubscribe_own(void) {
  mgos_mqtt_conn_unsub(s_c, "a");
}
static void set_config(bool enable) {
  struct mgos_config_mqtt config = cfg;
  config.enable = enable;
  config.client_id = "another";
  mgos_mqtt_conn_set_config(s_c, &config);
}
static void new_config(void) {
  set_config(true);
}
static void config_off(void) {
  set_config(false);
}
static void new_config_and_publish(void) {
  set_config(true);
  publish_0();
  publish_1();
  subscribe();
  unsubscribe_own();
}
static void free_it(void) {
  mgos_mqtt_conn_free(s_c);
  s_c = NULL;
}
#endif

static void (*const s_acts[])(void) = {
    connect_now, disconnect, disconnect_and_connect, publish_0, publish_1, publish_2, publish_json, publish_many,
    subscribe, unsubscribe, add_handler, set_connect_fn, set_max_qos, ask, create_another,
#ifndef MQTT_UPSTREAM
    /* all_pairs() says why. */
    unsubscribe_own, new_config, config_off, new_config_and_publish, free_it,
#endif
};

/* Calls the function, once. */
static void act(void) {
  if (!s_armed) return;
  s_armed = false;
  s_acts[s_act]();
  s_done = true;
}

/* ---- The callbacks ---- */

static int s_at; /* the event at which a handler acts; -1 for none */

static void handler(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == s_at) act();
  (void) nc, (void) ev_data, (void) ud;
}

static void on_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  mg_send_mqtt_handshake_opt(nc, client_id, *opts);
  act();
  (void) arg;
}

static void on_event(int ev, void *ev_data, void *arg) {
  act();
  (void) ev, (void) ev_data, (void) arg;
}

static void on_timer(void *arg) {
  act();
  (void) arg;
}

enum where { SUBSCRIPTION, CONNECTION, CONNECT_FN, EVENT, TIMER };

struct place {
  const char *name;
  enum where where;
  int ev;
  bool before_connack, at_end;
};

static const struct place *s_place;

static void begin(void *arg) {
  const struct place *p = s_place;
  s_at = -1;
  s_armed = s_done = false;
  s_c = mgos_mqtt_conn_create(7, &cfg);
  mgos_mqtt_conn_sub(s_c, "b", 1, record_nothing, NULL);
  if (p->where == SUBSCRIPTION || p->where == CONNECTION) s_at = p->ev;
  mgos_mqtt_conn_sub(s_c, "a", 1, p->where == SUBSCRIPTION ? handler : record_nothing, NULL);
  mgos_mqtt_conn_add_handler(s_c, record_nothing, NULL);
  if (p->where == CONNECTION) mgos_mqtt_conn_add_handler(s_c, handler, NULL);
  mgos_mqtt_conn_add_handler(s_c, record_nothing, NULL);
  if (p->where == CONNECT_FN) mgos_mqtt_conn_set_connect_fn(s_c, on_connect, NULL);
  if (p->where == EVENT) mgos_event_add_handler(p->ev, on_event, NULL);
  s_armed = p->where != TIMER;
  mgos_mqtt_conn_connect(s_c);
  (void) arg;
}

static void begin_timer(void *arg) {
  s_armed = true;
  mgos_set_timer(1, 0, on_timer, NULL);
  (void) arg;
}

static void end(void *arg) {
  if (s_place->where == EVENT) mgos_event_remove_handler(s_place->ev, on_event, NULL);
  s_armed = false;
  /* It must still be usable. */
  if (s_c != NULL) {
    mgos_mqtt_conn_is_connected(s_c);
    mgos_mqtt_conn_set_connect_fn(s_c, NULL, NULL);
    mgos_mqtt_conn_disconnect(s_c);
#ifdef MQTT_UPSTREAM
    /* disconnect() does not end a wait, this does. */
    struct mgos_config_mqtt off = cfg;
    off.enable = false;
    mgos_mqtt_conn_set_config(s_c, &off);
#else
    mgos_mqtt_conn_free(s_c);
#endif
  }
  s_c = NULL;
  (void) arg;
}

/* A pair, seen from the broker. */
static void pair(void) {
  int waited = 0;
  in_app(begin, NULL);
  if (connection_waits(s_place->before_connack && s_done ? 50 : PATIENCE)) {
    expect_connection();
    if (!s_place->before_connack) expect("10 *");
    /* Triggers all events: CONNACK, SUBACK, a message for the subscription, one without, an
     * acknowledgement. */
    play("20 02 00 00 90 03 0001 01 90 03 0002 01 30 04 0001 'a' 'm' 30 04 0001 'z' 'm' 40 02 0077");
    if (s_place->where == TIMER) in_app(begin_timer, NULL);
    if (s_place->at_end) {
      /* After CONNACK was processed: only then is a disconnect reported. */
      expect("82 *");
      expect("82 *");
      drop();
    }
  }
  while (!s_done && waited++ < PATIENCE) usleep(1000);
  if (!s_done) fail("function %u was not called at %s", (unsigned) s_act, s_place->name);
  /* Time for delayed effects. */
  usleep(5000);
  in_app(end, NULL);
  drop();
  while (connection_waits(10)) {
    expect_connection();
    drop();
  }
}

static const struct place s_places[] = {
    {"a subscription's MG_EV_MQTT_SUBACK", SUBSCRIPTION, MG_EV_MQTT_SUBACK, false, false},
    {"a subscription's MG_EV_MQTT_PUBLISH", SUBSCRIPTION, MG_EV_MQTT_PUBLISH, false, false},
    {"MG_EV_POLL", CONNECTION, MG_EV_POLL, true, false},
    {"MG_EV_MQTT_CONNACK", CONNECTION, MG_EV_MQTT_CONNACK, false, false},
    {"MG_EV_MQTT_PUBLISH", CONNECTION, MG_EV_MQTT_PUBLISH, false, false},
    {"MG_EV_MQTT_PUBACK", CONNECTION, MG_EV_MQTT_PUBACK, false, false},
    {"MG_EV_CLOSE", CONNECTION, MG_EV_CLOSE, false, true},
    {"the connect callback", CONNECT_FN, 0, true, false},
    {"a timer", TIMER, 0, false, false},
    {"MGOS_EVENT_CLOUD_CONNECTING", EVENT, MGOS_EVENT_CLOUD_CONNECTING, true, false},
    {"MGOS_EVENT_CLOUD_CONNECTED", EVENT, MGOS_EVENT_CLOUD_CONNECTED, false, false},
    {"MGOS_EVENT_CLOUD_DISCONNECTED", EVENT, MGOS_EVENT_CLOUD_DISCONNECTED, false, true},
    {"MGOS_EVENT_LOG", EVENT, MGOS_EVENT_LOG, true, false},
};

static void all_pairs(void) {
  size_t i;
#ifdef MQTT_UPSTREAM
  left_out("unsubscribing the subscription whose handler calls", "it goes on in memory that it has freed");
  left_out("set_config()", "on a live connection it is not to be used any more after it");
  left_out("freeing the connection", "there is no such function");
#endif
  for (i = 0; i < COUNT(s_places); i++) {
    s_place = &s_places[i];
    if (s_place->where == EVENT && s_place->ev == MGOS_EVENT_LOG && !log_raises_event()) {
      left_out(s_place->name, NO_LOG_EVENT);
      continue;
    }
    /* Where the log is recorded, log hooks get nothing of it. */
    if (s_place->where == EVENT && s_place->ev == MGOS_EVENT_LOG) record_log(false);
    for (s_act = 0; s_act < COUNT(s_acts); s_act++) pair();
    record_log(true);
    check(text("each of %u functions, called from %s", (unsigned) COUNT(s_acts), s_place->name));
  }
  forget_events();
}

static const struct script scripts[] = {
    {"nested_calls", all_pairs},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
