/*
 * Behaviour of brokers and links in the field: throttling, hanging up, cutting, forgetting, with
 * real sockets. tests/field has the longer scenarios, in virtual time.
 */

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

#define MOST 100

/* ---- Events of the app, whatever their order ---- */

static struct told {
  int acks[MOST]; /* PUBACKs and PUBCOMPs by packet ID */
  int events, count, first, last; /* of the event under test */
} s_told;

static int s_event;

#ifndef MQTT_UPSTREAM
static void on_event(int ev, void *ev_data, void *arg) {
  const struct mgos_mqtt_event_arg *a = (const struct mgos_mqtt_event_arg *) ev_data;
  if (a->conn != connection() || ev != s_event) return;
  s_told.events++;
  s_told.count = (int) a->count;
  s_told.first = a->first_id;
  s_told.last = a->last_id;
  (void) arg;
}
#endif

static void count_ack(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  if ((ev == MG_EV_MQTT_PUBACK || ev == MG_EV_MQTT_PUBCOMP) && m->message_id < MOST) s_told.acks[m->message_id]++;
  (void) nc, (void) ud;
}

static void forget_told(void *arg) {
  memset(&s_told, 0, sizeof(s_told));
  s_event = *(const int *) arg;
}

/* From here on acknowledgements and this event are counted. */
static void count_from_now(int event) {
  in_app(forget_told, &event);
}

#ifdef MQTT_UPSTREAM
/* There are no such events. */
#define expect_event(count, first, last) (void) 0
#else
static void copy_told(void *arg) {
  *(struct told *) arg = s_told;
}

static struct told told(void) {
  struct told t;
  in_app(copy_told, &t);
  return t;
}

static void expect_acked_once(int first, int last) {
  int id, ms = 0;
  struct told t;
  for (id = first; id <= last;) {
    t = told();
    if (t.acks[id] > 0) {
      id++;
    } else if (ms++ < PATIENCE) {
      usleep(1000);
    } else {
      fail("message %d was not acknowledged", id);
    }
  }
  for (id = first; id <= last; id++) {
    if (t.acks[id] > 1) fail("message %d was acknowledged %d times", id, t.acks[id]);
  }
}

/* Exactly one such event was raised. */
static void expect_event(int count, int first, int last) {
  int ms;
  struct told t = told();
  for (ms = 0; ms < PATIENCE && t.events == 0; ms++) {
    usleep(1000);
    t = told();
  }
  expect_number(t.events, 1);
  expect_number(t.count, count);
  expect_number(t.first, first);
  expect_number(t.last, last);
}
#endif

/* ---- An autonomous broker ---- */

enum verdict { ANSWERS, SAYS_NOTHING, HANGS_UP, IS_CUT_OFF };

struct model {
  /* How to handle a packet other than CONNECT and PINGREQ; `n` such packets preceded it on this
   * connection. */
  enum verdict (*judge)(const uint8_t *packet, int n);
  bool session_present;
};

static int s_connections, s_arrived[1000], s_num_arrived;

static uint16_t u16(const uint8_t *p) {
  return (uint16_t) (p[0] << 8 | p[1]);
}

/* The packet ID of a packet with a one-byte length. */
static uint16_t id_of(const uint8_t *packet) {
  return packet[0] >> 4 == 3 ? u16(packet + 4 + u16(packet + 2)) : u16(packet + 2);
}

/* Whether this is the topic of a PUBLISH, or the filter of a SUBSCRIBE. */
static bool is_about(const uint8_t *packet, const char *topic) {
  const uint8_t *p = packet + (packet[0] >> 4 == 3 ? 2 : 4);
  return u16(p) == strlen(topic) && memcmp(p + 2, topic, strlen(topic)) == 0;
}

static void answer(const uint8_t *packet) {
  static const char *const answers[] = {[5] = "62 02", [6] = "70 02", [10] = "b0 02"};
  int id = id_of(packet), type = packet[0] >> 4;
  if (type == 3 && (packet[0] & 6) != 0) {
    if (s_num_arrived < (int) COUNT(s_arrived)) s_arrived[s_num_arrived++] = id;
    play(text("%s %04x", packet[0] & 2 ? "40 02" : "50 02", id));
  } else if (type == 8) {
    play(text("90 03 %04x 01", id));
  } else if (type != 3) {
    play(text("%s %04x", answers[type], id));
  }
}

/* Handles all packets with the model until `done`. */
static void serve_until(const struct model *model, bool (*done)(void)) {
  const uint8_t *packet;
  int n = 0, idle = 0;
  while (!done()) {
    if (!has_connection()) {
      if (connection_waits(10)) {
        expect_connection();
        s_connections++;
        n = 0;
      }
    } else if (packet_waits(10)) {
      receive_packet(&packet);
      idle = 0;
      if (packet[0] == 0x10) {
        play(model->session_present ? "20 02 01 00" : "20 02 00 00");
      } else if (packet[0] == 0xc0) {
        play("d0 00");
      } else {
        enum verdict verdict = model->judge(packet, n++);
        if (verdict == ANSWERS) answer(packet);
        /* Not sooner than a response could arrive. */
        if (verdict == HANGS_UP) usleep(50000);
        if (verdict >= HANGS_UP) drop();
      }
    }
    if (idle++ > PATIENCE / 10) fail("nothing more came, after %d connections", s_connections);
  }
}

static void begin(int event) {
  s_connections = s_num_arrived = 0;
  create();
  app_add_handler(count_ack, "acks");
  count_from_now(event);
}

/* ---- Rate limits ---- */

#ifndef MQTT_UPSTREAM
static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum verdict ten_in_half_a_second(const uint8_t *packet, int n) {
  static long begun;
  static int taken;
  long now = now_ms();
  if (n == 0 || now - begun >= 500) {
    begun = now;
    taken = 0;
  }
  (void) packet;
  return taken++ < 10 ? ANSWERS : SAYS_NOTHING;
}

static bool all_30_arrived(void) {
  return s_num_arrived == 30;
}

static void throttled(void) {
  static const struct model model = {ten_in_half_a_second, false};
  int i;
  cfg.ack_timeout = 1;
  cfg.max_queue_length = 30;
  begin(0);
  for (i = 1; i <= 30; i++) expect_number(app_pub("t", "m", 1, false), i);
  app_connect();
  serve_until(&model, all_30_arrived);
  expect_acked_once(1, 30);
  expect_number(s_connections, 1);
  expect_number(logged("is not acknowledged, sending it again"), 1);
  expect_number(app_num_unsent_bytes(), 0);
  check("a broker that silently drops messages above its rate gets all, over one connection, with one warning");
  usleep(510000);
  for (i = 31; i <= 35; i++) app_pub("t", "m", 1, false);
  for (i = 31; i <= 35; i++) {
    expect(text("32 06 0001 't' %04x 'm'", i));
    play(text("40 02 %04x", i));
  }
  expect_acked_once(31, 35);
  check("and later messages are sent immediately");
  forget_events();
}
#endif

/* ---- Hanging up ---- */

static enum verdict no_big_ones(const uint8_t *packet, int n) {
  (void) n;
  return is_about(packet, "big") ? HANGS_UP : ANSWERS;
}

static bool three_arrived(void) {
  return EITHER(s_num_arrived == 3, s_connections == 5);
}

static void one_bad_message(void) {
  static const struct model model = {no_big_ones, false};
  int i;
  begin(EITHER(MGOS_MQTT_EVENT_SET_ASIDE, 0));
  expect_number(app_pub("big", "12345678901234567890", 1, false), 1);
  for (i = 2; i <= 4; i++) app_pub("good", "m", 1, false);
  app_connect();
  serve_until(&model, three_arrived);
#ifdef MQTT_UPSTREAM
  expect_number(s_num_arrived, 0);
  check("a message that the broker hangs up on is sent first at each connection, and none behind it arrives");
#else
  expect_acked_once(2, 4);
  for (i = 0; i < 3; i++) expect_number(s_arrived[i], i + 2);
  if (s_connections > 10) fail("there were %d connections", s_connections);
  check("a message that the broker hangs up on is set aside, and those behind it arrive in order");
  expect_number(logged("the broker closes the connection on message 1, set aside: big (23 bytes)"), 1);
  expect_event(1, 1, 1);
  expect_number(app_num_unsent_bytes(), 0);
  expect_number(told().acks[1], 0);
  check("log and event name it");
  expect_number(app_pub("big", "123456789012345678901234567890", 1, false), 5);
  expect_logged("the broker closes the connection on message 5, set aside: big (33 bytes)");
  app_pub("big", "m", 1, false);
  expect("32 08 0003 'big' 0006 'm'");
  play("40 02 0006");
  expect_acked_once(6, 6);
  expect_number(told().acks[5], 0);
  check("later ones of that kind are set aside immediately, unless they are smaller");
  forget_events();
#endif
}

static int s_subscribed;

static enum verdict not_that_filter(const uint8_t *packet, int n) {
  if (is_about(packet, "forbidden/#")) return HANGS_UP;
  s_subscribed += is_about(packet, "a");
  (void) n;
  return ANSWERS;
}

/* It is sent last. */
static bool has_subscribed_to_a(void) {
  return EITHER(s_subscribed > 0, s_connections == 5);
}

static void one_bad_filter(void) {
  static const struct model model = {not_that_filter, false};
  s_subscribed = 0;
  begin(EITHER(MGOS_MQTT_EVENT_SUB_REFUSED, 0));
  app_sub("a", 1, "a");
  app_sub("forbidden/#", 1, "forbidden");
  app_sub("c", 1, "c");
  app_connect();
  serve_until(&model, has_subscribed_to_a);
#ifdef MQTT_UPSTREAM
  expect_number(s_subscribed, 0);
  forget_events();
  check("a filter that the broker hangs up on is asked for at each connection, and none behind it");
#else
  expect_event(1, 0, 0);
  expect_number(logged("the broker closes the connection on a subscription, set aside: forbidden/#"), 1);
  check("a filter that the broker hangs up on is set aside; log and event report it");
  if (s_connections > 10) fail("there were %d connections", s_connections);
  app_pub("t", "m", 1, false);
  expect("32 *");
  expect_silence();
  expect_that(app_is_connected());
  forget_events();
  check("the other subscriptions work, and the connection stays");
#endif
}

static void expect_wait(unsigned nth, long ms) {
  long got = logged_number("connecting after ", nth);
  if (got < ms * 9 / 10 || got > ms * 11 / 10) fail("wait %u is %ld ms, not about %ld ms", nth, got, ms);
}

static void accepted_and_closed(void) {
  int i;
  cfg.reconnect_timeout_max = 0.4;
  create_with_backup();
  app_connect();
  for (i = 0; i < 5; i++) {
    expect_connect();
    play("20 02 00 00");
    expect_events(UP);
    drop();
    expect_events(LOST);
    if (i < 4) expect_wait((unsigned) i, EITHER(50 << i, 400));
  }
#ifdef MQTT_UPSTREAM
  expect_connect();
  use_broker(1);
  expect_no_connection(0);
  check("CONNACK and the end at once: each wait is the first, and the backup server never has its turn");
  forget_events();
#else
  check("CONNACK and immediate close: the waits grow as with failed attempts");
  expect_number(logged("the broker keeps closing the connection"), 1);
  use_broker(1);
  expect_connection();
  expect("10 12 0004 'MQTT' 04 02 003c 0006 'backup'");
  play("20 02 00 00");
  expect_events(UP);
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0001 'm'");
  check("after the longest wait the backup server is tried");
#endif
}

/* ---- Cut links ---- */

#ifndef MQTT_UPSTREAM
/* After a few packets, the last of which is answered or not. */
static enum verdict cut_soon(const uint8_t *packet, int n) {
  static unsigned random = 12345;
  static int last;
  if (n == 0) {
    random = random * 1103515245u + 12345u;
    last = 2 + (int) (random >> 16) % 8;
  }
  if (n < last) return ANSWERS;
  if (random >> 24 & 1) answer(packet);
  return IS_CUT_OFF;
}

static bool all_60_done(void) {
  return s_num_arrived >= 60 && app_num_unsent_bytes() == 0;
}

static void cut_links(void) {
  static const struct model model = {cut_soon, false};
  int i, id, next = 1;
  cfg.max_queue_length = 60;
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 0.02;
  begin(MGOS_MQTT_EVENT_GIVEN_UP);
  for (i = 1; i <= 60; i++) expect_number(app_pub("t", "m", 2, false), i);
  app_connect();
  serve_until(&model, all_60_done);
  expect_acked_once(1, 60);
  if (s_connections < 10) fail("there were only %d connections", s_connections);
  for (i = 0; i < s_num_arrived; i++) {
    id = s_arrived[i];
    if (id > next) fail("message %d arrived before message %d", id, next);
    next += (id == next);
  }
  expect_number(next, 61);
  expect_number(logged("given up") + logged("queue overflow"), 0);
  expect_number(logged("set aside"), 0);
  check("QoS 2 with new sessions over a link that is cut repeatedly: none is lost, and each is acknowledged once");
  forget_events();
}
#endif

static void one_identifier(void) {
  create();
  expect_number(app_pub("a", "1", 1, false), 1);
  expect_number(app_pub("b", "2", 2, false), 2);
  connect_up();
  expect(EITHER("32 06 0001 'a' 0001 '1'", "3a 06 0001 'a' 0001 '1'"));
#ifndef MQTT_UPSTREAM
  expect("34 06 0001 'b' 0002 '2'");
#endif
  drop();
  expect_events(LOST);
  come_back();
  expect(EITHER("32 06 0001 'a' 0001 '1'", "3a 06 0001 'a' 0001 '1'"));
  drop();
  expect_events(LOST);
  come_back();
  expect(EITHER("32 06 0001 'a' 0001 '1'", "3a 06 0001 'a' 0001 '1'"));
  play("40 02 0001");
  expect(EITHER("34 06 0001 'b' 0002 '2'", "3c 06 0001 'b' 0002 '2'"));
  play("50 02 0002");
  expect("62 02 0002");
  expect_events("g PUBACK 1\ng PUBREC 2\n");
  drop();
  expect_events(LOST);
  come_back();
#ifdef MQTT_UPSTREAM
  expect_silence();
  check("the identifier that was returned is the one that is acknowledged, or the message forgotten at PUBREC");
#else
  expect("34 06 0001 'b' 0002 '2'");
  play("50 02 0002");
  expect("62 02 0002");
  play("70 02 0002");
  expect_events("g PUBREC 2\ng PUBCOMP 2\n");
  check("the returned packet ID is the one that is acknowledged, across any number of sessions");
#endif
}

/* ---- Messages without a subscription ---- */

static void not_deaf(void) {
  int i;
  cfg.clean_session = false;
  create();
  app_sub("mine", 1, "mine");
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect_events(UP);
  expect("82 *");
  play("90 03 0001 01");
  expect_events("mine SUBACK 1\n");
  /* As many as the broker allows unanswered. */
  for (i = 1; i <= 20; i++) play(text("32 08 0003 'old' %04x 'm'", i));
  for (i = 1; i <= 25; i++) {
#ifndef MQTT_UPSTREAM
    expect(text("40 02 %04x", i));
#endif
    expect_events(text("g PUBLISH old=m qos1 id%d\n", i));
    if (i <= 5) play(text("32 08 0003 'old' %04x 'm'", i + 20));
  }
  play("32 09 0004 'mine' 001a 'm'");
  expect("40 02 001a");
  expect_events("mine PUBLISH mine=m qos1 id26\n");
  check(EITHER("messages of a forgotten subscription that no handler acknowledges do not block others",
               "messages of a forgotten subscription that no handler acknowledges are not acknowledged"));
}

static uint16_t s_to_acknowledge;

static void acknowledge(void *arg) {
  mg_mqtt_puback(app_nc(), s_to_acknowledge);
  (void) arg;
}

static void later(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev != MG_EV_MQTT_PUBLISH) return;
  s_to_acknowledge = ((const struct mg_mqtt_message *) ev_data)->message_id;
  mgos_set_timer(50, 0, acknowledge, NULL);
  (void) nc, (void) ud;
}

static void acknowledged_by_timer(void) {
  int i;
  create();
  app_add_handler(later, "later");
  connect_up();
  play("32 06 0001 't' 0001 'm'");
  expect("40 02 0001");
#ifndef MQTT_UPSTREAM
  expect("40 02 0001");
#endif
  expect_silence();
  for (i = 2; i <= 4; i++) {
    play(text("32 06 0001 't' %04x 'm'", i));
    expect_events(text("g PUBLISH t=m qos1 id%d\n", i - 1));
    /* Before the timer. */
    expect_silence();
    expect(text("40 02 %04x", i));
    expect_silence();
  }
  expect_events("g PUBLISH t=m qos1 id4\n");
  check(EITHER("once the app has acknowledged a message itself, the library acknowledges none",
               "the library acknowledges no message without a subscription"));
}

static bool s_acknowledges;

static void at_once(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_PUBLISH && s_acknowledges) mg_mqtt_puback(nc, ((const struct mg_mqtt_message *) ev_data)->message_id);
  (void) ud;
}

#define UNACKED "messages without a subscription are not acknowledged"

static void acknowledged_by_handler(void) {
  int i;
  create();
  app_add_handler(at_once, "acks");
  s_acknowledges = true;
  connect_up();
  for (i = 1; i <= 3; i++) {
    play(text("32 06 0001 't' %04x 'm'", i));
    expect(text("40 02 %04x", i));
    expect_events(text("g PUBLISH t=m qos1 id%d\n", i));
    expect_silence();
  }
  check("a message that a handler acknowledges is acknowledged once");
  s_acknowledges = false;
  for (i = 4; i <= 12; i++) {
    play(text("32 06 0001 't' %04x 'm'", i));
    expect_events(text("g PUBLISH t=m qos1 id%d\n", i));
  }
  expect_number(logged(UNACKED), 0);
  for (i = 13; i <= 30; i++) {
    play(text("32 06 0001 't' %04x 'm'", i));
    expect_events(text("g PUBLISH t=m qos1 id%d\n", i));
  }
  expect_silence();
  expect_number(logged(UNACKED), EITHER(1, 0));
  check(EITHER("after ten unacknowledged ones there is one log line", "of those that it does not the log says nothing"));
}

static void disconnects(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_PUBLISH) app_disconnect();
  (void) nc, (void) ev_data, (void) ud;
}

static void disconnected_by_handler(void) {
  create();
  app_add_handler(disconnects, "disconnects");
  connect_up();
  play("32 06 0001 't' 0001 'm'");
  expect("e0 00");
  expect_close();
  expect_events("g PUBLISH t=m qos1 id1\n" LOST);
  check("a message whose handler disconnects is not acknowledged after DISCONNECT");
}

/* ---- Sessions ---- */

static void session_not_asked_for(void) {
  int i;
  create();
  app_sub("a", 2, "a");
  app_connect();
  for (i = 1; i <= 3; i++) {
    expect_connect();
    play("20 02 01 00");
    expect_events(UP);
    expect(text("82 06 %04x 0001 'a' 02", i));
    play(text("90 03 %04x 02 34 06 0001 'a' 0007 'm'", i));
    expect(EITHER("50 02 0007", "40 02 0007"));
    expect_events(text("a SUBACK %d\na PUBLISH a=m qos2 id7\n", i));
    drop();
    expect_events(LOST);
  }
  expect_number(logged("the broker has kept a session although mqtt.clean_session is true"), EITHER(1, 0));
  check(EITHER("an unrequested session is treated as new, with one warning", "a session that was not asked for is let pass"));
  forget_events();
}

static void accept_session(bool present) {
  expect_connection();
  expect("10 0d 0004 'MQTT' 04 00 003c 0001 'c'");
  play(present ? "20 02 01 00" : "20 02 00 00");
  expect_events(UP);
}

/* The connection ends, and the app unsubscribes. */
static void unsubscribe_offline(const char *topic) {
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_events(LOST);
  expect_that(app_unsub(topic));
  expect_that(!app_unsub(topic));
}

static void unsubscribed_offline(void) {
  cfg.clean_session = false;
  create();
  app_sub("a", 1, "a");
  app_sub("b", 1, "b");
  app_connect();
  accept_session(false);
  expect("82 06 0001 0001 'b' 01");
  expect("82 06 0002 0001 'a' 01");
  play("90 03 0001 01 90 03 0002 01");
  expect_events("b SUBACK 1\na SUBACK 2\n");
  unsubscribe_offline("b");
  app_connect();
  accept_session(true);
#ifdef MQTT_UPSTREAM
  expect("82 06 0003 0001 'a' 01");
  expect_silence();
  check("what was unsubscribed offline is not unsubscribed when the session is there again");
#else
  expect("a2 05 0003 0001 'b'");
  expect("82 06 0004 0001 'a' 01");
  check("an offline unsub() sends UNSUBSCRIBE when the session is resumed, before SUBSCRIBE");
  play("90 03 0004 01");
  expect_events("a SUBACK 4\n");
  drop();
  expect_events(LOST);
  accept_session(true);
  expect("a2 05 0003 0001 'b'");
  play("b0 02 0003");
  expect("82 06 0006 0001 'a' 01");
  play("90 03 0006 01");
  expect_events("g UNSUBACK 3\na SUBACK 6\n");
  expect_silence();
  check("and again until UNSUBACK");
  unsubscribe_offline("a");
  app_sub("a", 1, "a");
  app_connect();
  accept_session(true);
  expect("82 06 0007 0001 'a' 01");
  play("90 03 0007 01");
  expect_events("a SUBACK 7\n");
  expect_silence();
  check("subscribing again cancels it");
  unsubscribe_offline("a");
  app_connect();
  accept_session(false);
  expect_silence();
  check("and with a lost session there is nothing to unsubscribe");
#endif
}

/* ---- Messages given up or refused ---- */

static void overflow_offline(void) {
  int i;
  begin(EITHER(MGOS_MQTT_EVENT_GIVEN_UP, 0));
  for (i = 1; i <= 8; i++) expect_number(app_pub("t", "m", 1, false), i);
#ifdef MQTT_UPSTREAM
  expect_number(logged("queue overflow!"), 3);
  check("messages that leave a full queue: a line for each");
#else
  expect_event(3, 1, 3);
  expect_number(logged("queue overflow! Message 1 dropped: t"), 1);
  expect_number(logged("queue overflow!"), 1);
  expect_number(logged("3 messages were given up, packet ids 1 to 3\n"), 1);
  check("messages that leave a full queue: one event and two lines for all of them");
  count_from_now(MGOS_MQTT_EVENT_GIVEN_UP);
  app_pub("u", "m", 1, false);
  expect_event(1, 4, 4);
  expect_number(logged("queue overflow! Message 4 dropped: t"), 1);
  expect_number(logged("were given up"), 1);
  check("and again for the next, with a line of its own");
#endif
}

static void refused_by_suback(void) {
  begin(EITHER(MGOS_MQTT_EVENT_SUB_REFUSED, 0));
  app_sub("a", 1, "a");
  app_sub("b", 1, "b");
  app_sub("c", 1, "c");
  connect_up();
  expect("82 06 0001 0001 'c' 01");
  expect("82 06 0002 0001 'b' 01");
  expect("82 06 0003 0001 'a' 01");
  play("90 03 0001 80");
  expect_events("c SUBACK 1\n");
  play("90 03 0002 01 90 03 0003 80");
  expect_events("b SUBACK 2\na SUBACK 3\n");
  expect_event(2, 0, 0);
  expect_number(logged("subscription refused: c (0x80)"), EITHER(1, 0));
  expect_number(logged("subscription refused: a (0x80)"), EITHER(1, 0));
  expect_number(logged("subscription refused"), EITHER(2, 0));
  check(EITHER("refusing SUBACKs: a line for each, and one event for all within a second",
               "SUBACKs that refuse show nowhere"));
}

static const struct script scripts[] = {
    HERE_ONLY("rate limit", throttled, "it has no ack_timeout, and sends again after PINGRESP only"),
    {"one bad message", one_bad_message},
    {"one bad filter", one_bad_filter},
    {"accepted and closed", accepted_and_closed},
    HERE_ONLY("cut links", cut_links, "at PUBREC it forgets a message, and what is lost so depends on when the link is cut"),
    {"one identifier", one_identifier},
    {"not deaf", not_deaf},
    {"acknowledged by a timer", acknowledged_by_timer},
    {"acknowledged by a handler", acknowledged_by_handler},
    {"disconnected by a handler", disconnected_by_handler},
    {"session not asked for", session_not_asked_for},
    {"unsubscribed offline", unsubscribed_offline},
    {"overflow offline", overflow_offline},
    {"refused by SUBACK", refused_by_suback},
};

enum mgos_app_init_result mgos_app_init(void) {
#ifndef MQTT_UPSTREAM
  mgos_event_add_group_handler(MGOS_MQTT_EVENT_GIVEN_UP, on_event, NULL);
#endif
  return suite_start(scripts, COUNT(scripts));
}
