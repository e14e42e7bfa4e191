/*
 * Apps that do more themselves: a connect callback, and Mongoose's functions on the library's
 * connection.
 */

#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void (*s_connect)(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts);

static void connect_cb(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  record("%s: %s, flags %02x, keep-alive %d, user %s, will %s", (const char *) arg, client_id, opts->flags, opts->keep_alive,
         opts->user_name != NULL ? opts->user_name : "none", opts->will_topic != NULL ? opts->will_topic : "none");
  s_connect(nc, client_id, opts);
}

static void set_callback(void *arg) {
  mgos_mqtt_conn_set_connect_fn(connection(), connect_cb, arg);
}

/* As apps for cloud services do: names and passwords built on the spot and freed immediately. */
static void connect_with_token(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts) {
  char *user = strdup("token"), *pass = strdup("secret");
  opts->user_name = user;
  opts->password = pass;
  mg_send_mqtt_handshake_opt(nc, client_id, *opts);
  memset(user, 'x', 5);
  memset(pass, 'x', 6);
  free(user);
  free(pass);
}

static void callback(void) {
  cfg.will_topic = "w";
  cfg.will_message = "gone";
  cfg.keep_alive = 300;
  s_connect = connect_with_token;
  create();
  in_app(set_callback, (void *) "callback");
  app_connect();
  expect_connection();
  expect("10 25 0004 'MQTT' 04 c6 012c 0001 'c' 0001 'w' 0004 'gone' 0005 'token' 0006 'secret'");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncallback: c, flags 02, keep-alive 300, user none, will w\ncloud CONNECTED\ng CONNACK\n");
  check("the callback gets what is configured, and sends CONNECT itself");
  drop();
  expect_events(LOST);
  expect_connection();
  expect("10 25 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncallback: c, flags 02, keep-alive 300, user none, will w\ncloud CONNECTED\ng CONNACK\n");
  check("at each connection");
}

static void connect_later(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts) {
  nc->flags |= MG_F_CLOSE_IMMEDIATELY;
  (void) client_id, (void) opts;
}

static void callback_closes(void) {
  s_connect = connect_later;
  create();
  in_app(set_callback, (void *) "callback");
  app_connect();
  expect_connection();
  expect_close();
  expect_connection();
  check("the callback may close instead; another attempt follows");
  forget_events();
}

static void connect_and_go_on(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts) {
  struct mg_mqtt_topic_expression te = {.topic = "a/#", .qos = 1};
  mg_set_protocol_mqtt(nc);
  opts->flags = 0;
  mg_send_mqtt_handshake_opt(nc, client_id, *opts);
  mg_mqtt_subscribe(nc, &te, 1, 77);
  mg_mqtt_publish(nc, "b", 78, MG_MQTT_QOS(1), "m", 1);
}

static void callback_goes_on(void) {
  s_connect = connect_and_go_on;
  create();
  in_app(set_callback, (void *) "callback");
  app_connect();
  expect_connection();
  expect("10 0d 0004 'MQTT' 04 00 003c 0001 'c'");
  expect("82 08 004d 0003 'a/#' 01");
  expect("32 06 0001 'b' 004e 'm'");
  play("20 02 00 00 90 03 004d 01 40 02 004e");
  expect_events("cloud CONNECTING\ncallback: c, flags 02, keep-alive 60, user none, will none\ncloud CONNECTED\ng CONNACK\n"
                "g SUBACK 77\ng PUBACK 78\n");
  check("the callback may call mg_set_protocol_mqtt(), subscribe and publish before CONNACK");
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0001 'm'");
  check("the library continues as usual");
}

static void handler_of_all(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  static const struct mg_mqtt_topic_expression topics[] = {{"a", 1}, {"b", 0}, {"c", 2}};
  record_event(nc, ev, ev_data, ud);
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      mg_mqtt_subscribe(nc, topics, COUNT(topics), 500);
      break;
    case MG_EV_MQTT_PUBLISH:
      if (m->qos == 1) mg_mqtt_puback(nc, m->message_id);
      break;
    case MG_EV_MQTT_SUBACK:
      mg_mqtt_publish(nc, "p", 501, MG_MQTT_QOS(2) | MG_MQTT_RETAIN, "m", 1);
      break;
  }
}

/* The style of many apps: one handler for everything, Mongoose's functions called directly. */
static void past_the_library(void) {
  cfg.clean_session = true;
  create();
  app_add_handler(handler_of_all, "h");
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect("82 0e 01f4 0001 'a' 01 0001 'b' 00 0001 'c' 02");
  expect_events("cloud CONNECTING\ncloud CONNECTED\nh CONNACK\ng CONNACK\n");
  play("90 05 01f4 01 00 80");
  expect("35 06 0001 'p' 01f5 'm'");
  expect_events("h SUBACK 500\ng SUBACK 500\n");
  check("multiple filters in one SUBSCRIBE");
  play("50 02 01f5");
  expect("62 02 01f5");
  play("70 02 01f5");
  expect_events("h PUBREC 501\ng PUBREC 501\nh PUBCOMP 501\ng PUBCOMP 501\n");
  check("a QoS 2 message sent by the app itself: PUBREL is sent by the library");
  play("32 06 0001 'a' 0063 'm'");
  expect("40 02 0063");
  expect_silence();
  expect_events("h PUBLISH a=m qos1 id99\ng PUBLISH a=m qos1 id99\n");
  check("the app acknowledges what it has subscribed to");
}

static void unsubscribe_and_ping(void *arg) {
  char *topics[] = {(char *) "a", (char *) "b/c"};
  mg_mqtt_unsubscribe(app_nc(), topics, 2, 600);
  mg_mqtt_ping(app_nc());
  (void) arg;
}

static void disconnect_directly(void *arg) {
  mg_mqtt_disconnect(app_nc());
  app_nc()->flags |= MG_F_SEND_AND_CLOSE;
  (void) arg;
}

static void other_calls(void) {
  connect_up();
  in_app(unsubscribe_and_ping, NULL);
  expect("a2 0a 0258 0001 'a' 0003 'b/c'");
  expect("c0 00");
  play("b0 02 0258 d0 00");
  expect_events(EITHER("g UNSUBACK 600\n", "g UNSUBACK 0\n"));
  check("mg_mqtt_unsubscribe() and mg_mqtt_ping()");
  in_app(disconnect_directly, NULL);
  expect("e0 00");
  expect_close();
  expect_events(LOST);
  come_back();
  check("after mg_mqtt_disconnect() the library reconnects");
}

static const struct script scripts[] = {
    {"connect callback", callback},
    {"callback that closes", callback_closes},
    {"callback that goes on", callback_goes_on},
    {"past the library", past_the_library},
    {"other calls", other_calls},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
