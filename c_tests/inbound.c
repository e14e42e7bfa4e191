/*
 * PUBLISH from the broker: who gets it, and how it is acknowledged. Includes matching of filters
 * and topics; responses from handlers are in reentrancy.c.
 */

#include <string.h>

#include "suite.h"

static void pub_in_handler(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  record_event(nc, ev, ev_data, ud);
  if (ev == MG_EV_MQTT_PUBLISH) app_pub("r", "m", 0, false);
}

static void at_least_once(void) {
  create_global();
  app_sub_handler("a/#", 1, pub_in_handler, "a");
  connect_up();
  expect("82 08 0001 0003 'a/#' 01");
  play("32 0a 0003 'a/1' 0007 'hey'");
  expect("40 02 0007");
  expect("30 04 0001 'r' 'm'");
  expect_events("a PUBLISH a/1=hey qos1 id7\n");
  check("QoS 1: PUBACK is sent before the handler is called");
  play("32 0a 0003 'a/1' 0007 'hey'");
  expect("40 02 0007");
  expect("30 *");
  expect_events("a PUBLISH a/1=hey qos1 id7\n");
  play("3a 0a 0003 'a/1' 0007 'hey'");
  expect("40 02 0007");
  expect("30 *");
  expect_events("a PUBLISH a/1=hey qos1 id7\n");
  check("a retransmission, with DUP or not, is delivered and acknowledged again");
}

static void several(void) {
  create();
  app_sub("a/1", 1, "first");
  app_sub("b", 1, "b");
  app_sub("a/+", 1, "second");
  app_sub("#", 1, "third");
  connect_up();
  expect("82 *");
  expect("82 *");
  expect("82 *");
  expect("82 *");
  play("32 0a 0003 'a/1' 0009 'hey'");
  expect("40 02 0009");
  expect_events("third PUBLISH a/1=hey qos1 id9\nsecond PUBLISH a/1=hey qos1 id9\nfirst PUBLISH a/1=hey qos1 id9\n");
  expect_silence();
  check("all that match are called, the newest first, and there is one PUBACK");
}

static void unmatched(void) {
  connect_up();
  play("30 08 0003 'a/1' 'hey'");
  expect_events("g PUBLISH a/1=hey\n");
  app_add_handler(pub_in_handler, "h");
  play("32 0a 0003 'a/1' 0007 'hey'");
  expect("30 04 0001 'r' 'm'");
#ifndef MQTT_UPSTREAM
  expect("40 02 0007");
#endif
  expect_events("h PUBLISH a/1=hey qos1 id7\ng PUBLISH a/1=hey qos1 id7\n");
  expect_silence();
  check(EITHER("a message without a subscription goes to the connection's handlers; QoS 1 is acknowledged after they return",
               "a message without a subscription goes to the connection's handlers, which acknowledge QoS 1 themselves"));
}

static void create_bare(void *arg) {
  *(struct mgos_mqtt_conn **) arg = mgos_mqtt_conn_create(99, &cfg);
  mgos_mqtt_conn_connect(*(struct mgos_mqtt_conn **) arg);
}

static void disconnect_bare(void *arg) {
  mgos_mqtt_conn_disconnect((struct mgos_mqtt_conn *) arg);
}

static void nobody_at_all(void) {
  struct mgos_mqtt_conn *c;
  in_app(create_bare, &c);
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\n");
  play("32 0a 0003 'a/1' 0007 'hey'");
#ifndef MQTT_UPSTREAM
  expect("40 02 0007");
#endif
  in_app(disconnect_bare, c);
  expect("e0 00");
  expect_close();
  expect_events("cloud DISCONNECTED\n");
  check(EITHER("QoS 1 with neither subscription nor handler is acknowledged", "QoS 1 with neither subscription nor handler is not acknowledged"));
}

static void exactly_once(void) {
  cfg.clean_session = false;
  create();
  app_sub("a", 2, "a");
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect("82 06 0001 0001 'a' 02");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  play("34 06 0001 'a' 0064 'm'");
  expect(EITHER("50 02 0064", "40 02 0064"));
  expect_events("a PUBLISH a=m qos2 id100\n");
  check(EITHER("QoS 2 is answered with PUBREC", "QoS 2 is answered with PUBACK"));
  play("3c 06 0001 'a' 0064 'm'");
  expect(EITHER("50 02 0064", "40 02 0064"));
  expect_events(EITHER("", "a PUBLISH a=m qos2 id100\n"));
  drop();
  expect_events("cloud DISCONNECTED\ng CLOSE\n");
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect("82 *");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  play("3c 06 0001 'a' 0064 'm'");
  expect(EITHER("50 02 0064", "40 02 0064"));
#ifdef MQTT_UPSTREAM
  expect_events("a PUBLISH a=m qos2 id100\n");
  check("and delivered with each retransmission");
#endif
  play("62 02 0064");
#ifdef MQTT_UPSTREAM
  expect_events("g PUBREL 100\n");
  expect_silence();
  check("PUBREL is not answered");
#else
  expect("70 02 0064");
  expect_events("g PUBREL 100\n");
  check("and delivered once, also across a reconnect; PUBREL is answered with PUBCOMP");
  play("62 02 0064");
  expect("70 02 0064");
  expect_events("g PUBREL 100\n");
  check("PUBREL is answered each time");
  play("34 06 0001 'a' 0064 'n'");
  expect("50 02 0064");
  expect_events("a PUBLISH a=n qos2 id100\n");
  check("then the packet ID can be used for another message");
#endif
}

static void exactly_once_unmatched(void) {
  connect_up();
  play("34 06 0001 'a' 0064 'm'");
  expect_events("g PUBLISH a=m qos2 id100\n");
#ifdef MQTT_UPSTREAM
  expect_silence();
  check("QoS 2 without a subscription is not answered");
#else
  expect("50 02 0064");
  play("62 02 0064");
  expect("70 02 0064");
  expect_events("g PUBREL 100\n");
  check("QoS 2 without a subscription is answered, too");
#endif
}

static void in_pieces(void) {
  create();
  app_sub("a/#", 1, "a");
  connect_up();
  expect("82 *");
  play_slowly("32 0a 0003 'a/1' 0007 'hey' 30 08 0003 'a/2' 'you'");
  expect("40 02 0007");
  expect_events("a PUBLISH a/1=hey qos1 id7\na PUBLISH a/2=you\n");
  check("packets may arrive byte by byte");
  play("30 04 0001 'x' '1' 30 05 0003 'a/3' 32 0a 0003 'a/1' 0008 'hey' d0 00 30 06 0003 'a/4' '4'");
  expect("40 02 0008");
  expect_events("g PUBLISH x=1\na PUBLISH a/3=\na PUBLISH a/1=hey qos1 id8\na PUBLISH a/4=4\n");
  check("or many in one segment");
}

/* Filter, topic, whether it matches here and with the original. */
static const struct {
  const char *filter, *topic;
  bool here, original;
} s_matches[] = {
    {"a/b", "a/b", true, true},
    {"a/b", "a/B", false, false},
    {"a/b", "a/b/c", false, false},
    {"#", "a", true, true},
    {"#", "a/b", true, true},
    {"#", "$SYS/x", false, true},
    {"+", "a", true, true},
    {"+", "$SYS", false, true},
    {"+", "a/b", false, false},
    {"a/#", "a", true, true},
    {"a/#", "a/", true, true},
    {"a/#", "a/b/c", true, true},
    {"a/#", "ab", false, false},
    {"a/+", "a/b", true, true},
    {"a/+", "a/", true, false},
    {"a/+", "a", false, false},
    {"+/b", "/b", true, true},
    {"+/+", "/", true, false},
    {"a/+/c", "a//c", true, true},
    {"a/+/c", "a/b/c", true, true},
    {"a/", "a", false, true},
    {"a", "a/", false, true},
    {"a//b", "a//b", true, true},
    {"a//b", "a/b", false, false},
    {"a/#/b", "a/x/b", false, false},
    {"a/#/b", "a/#", false, false},
    {"+/#", "a", true, true},
    {"$SYS/#", "$SYS/x", true, true},
};

static void matching(void) {
  size_t i;
  connect_up();
  for (i = 0; i < COUNT(s_matches); i++) {
    const char *filter = s_matches[i].filter, *topic = s_matches[i].topic;
    /* Not a topic that a broker may send. */
    if (strchr(topic, '#') != NULL) continue;
    app_sub(filter, 0, "s");
    app_sub("!", 0, "last");
    /* A rejected filter sends nothing; the next one shows that. */
    const uint8_t *packet;
    do {
      receive_packet(&packet);
    } while (packet[6] != '!');
    play(text("30 %02x 00%02x '%s' 'm'", (unsigned) strlen(topic) + 3, (unsigned) strlen(topic), topic));
    expect_events(text("%s PUBLISH %s=m\n", EITHER(s_matches[i].here, s_matches[i].original) ? "s" : "g", topic));
    app_unsub(filter);
    app_unsub("!");
  }
  check(text("%lu pairs of filter and topic", (unsigned long) COUNT(s_matches) - 1));
}

static void look_at_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  record("%.*s %.*s %d %d of %s", (int) m->topic.len, m->topic.p, (int) m->payload.len, m->payload.p, m->qos, m->message_id,
         nc == app_nc() && mgos_mqtt_conn_from_nc(nc) == connection() ? "us" : "another");
  (void) ud;
}

static void message_fields(void) {
  create();
  app_sub_handler("+", 1, look_at_message, "a");
  connect_up();
  expect("82 *");
  play("32 0a 0003 'abc' 1234 'hey'");
  expect("40 02 1234");
  expect_events("abc hey 1 4660 of us\n");
  check("the handler gets connection, topic, payload, QoS and packet ID");
}

static const struct script scripts[] = {
    {"QoS 1", at_least_once},
    {"several subscriptions", several},
    {"no subscription", unmatched},
    {"no subscription and no handler", nobody_at_all},
    {"QoS 2", exactly_once},
    {"QoS 2, no subscription", exactly_once_unmatched},
    {"segments", in_pieces},
    {"matching", matching},
    {"message", message_fields},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
