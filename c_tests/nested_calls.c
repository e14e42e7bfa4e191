/*
 * Calls every function of the library from every kind of callback: each pair on its own connection.
 * Checks that the call returns, that the connection can be used and freed afterwards, and, with
 * sanitizers, that no memory is misused. What the calls achieve is tested elsewhere, in
 * reentrancy.c and in the areas of the functions.
 */

#include <string.h>
#include <unistd.h>

#include "acts.h"
#include "suite.h"

static size_t s_act; /* which function is to be called */
static volatile bool s_armed, s_done;

/* Calls the function, once. */
static void act(void) {
  if (!s_armed) return;
  s_armed = false;
  acts[s_act].call();
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
  acts_conn = mgos_mqtt_conn_create(7, &cfg);
  mgos_mqtt_conn_sub(acts_conn, "b", 1, do_nothing, NULL);
  if (p->where == SUBSCRIPTION || p->where == CONNECTION) s_at = p->ev;
  mgos_mqtt_conn_sub(acts_conn, "a", 1, p->where == SUBSCRIPTION ? handler : do_nothing, NULL);
  mgos_mqtt_conn_add_handler(acts_conn, do_nothing, NULL);
  if (p->where == CONNECTION) mgos_mqtt_conn_add_handler(acts_conn, handler, NULL);
  mgos_mqtt_conn_add_handler(acts_conn, do_nothing, NULL);
  if (p->where == CONNECT_FN) mgos_mqtt_conn_set_connect_fn(acts_conn, on_connect, NULL);
  if (p->where == EVENT) mgos_event_add_handler(p->ev, on_event, NULL);
  s_armed = p->where != TIMER;
  mgos_mqtt_conn_connect(acts_conn);
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
  /* It must still be fit for use. */
  if (acts_conn != NULL) {
    mgos_mqtt_conn_is_connected(acts_conn);
    mgos_mqtt_conn_set_connect_fn(acts_conn, NULL, NULL);
    mgos_mqtt_conn_disconnect(acts_conn);
#ifdef MQTT_UPSTREAM
    /* disconnect() does not end a wait, this does. */
    struct mgos_config_mqtt off = cfg;
    off.enable = false;
    mgos_mqtt_conn_set_config(acts_conn, &off);
#else
    mgos_mqtt_conn_free(acts_conn);
#endif
  }
  acts_conn = NULL;
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
  if (!s_done) fail("%s was not called at %s", acts[s_act].name, s_place->name);
  /* What follows of it by itself gets some time. */
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
    for (s_act = 0; s_act < acts_count; s_act++) pair();
    record_log(true);
    check(text("each of %u functions, called from %s", (unsigned) acts_count, s_place->name));
  }
  forget_events();
}

static const struct script scripts[] = {
    {"nested_calls", all_pairs},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
