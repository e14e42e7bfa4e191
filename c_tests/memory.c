/*
 * Everything succeeds in the end, whichever allocation fails on the way: connecting, subscribing,
 * messages at each QoS both ways, a lost connection, unsubscribing, disconnecting, and freeing the
 * connection. What is refused for lack of memory reports it, by its return value or in the log, and
 * the app retries it once. The library retries everything else.
 *
 * With all memory available, which is how the suite runs it, nothing is refused. `cargo xtask
 * c-test --alloc-faults memory` runs it with the first allocation failing, the second, and so on.
 */

#include <string.h>

#include "suite.h"

/* ---- The broker: responds, and keeps a session ---- */

/* A message on its way to the app. */
enum down { NONE, SENT, RELEASED };

static struct {
  bool silent;          /* no acknowledgements */
  bool session;         /* there has been a connection */
  unsigned arrived[10]; /* messages by payload, a digit; at QoS 2 once each */
  unsigned subscribes, unsubscribes;
  uint16_t unreleased[4]; /* packet IDs of QoS 2 messages that were counted */
  enum down down[3];      /* by QoS; the packet ID is 100 and the QoS */
} s_broker;

static void send_down(int qos, bool again) {
  uint8_t packet[] = {(uint8_t) (0x30 | qos << 1 | (again ? 8 : 0)), 0, 0, 1, 'd', 0, (uint8_t) (100 + qos), (uint8_t) ('0' + qos)};
  size_t len = sizeof(packet);
  if (qos == 0) {
    packet[5] = '0';
    len -= 2;
  }
  packet[1] = (uint8_t) (len - 2);
  s_broker.down[qos] = SENT;
  play_bytes(packet, len);
}

static void reply(int type, const uint8_t *id) {
  uint8_t packet[] = {(uint8_t) type, 2, id[0], id[1]};
  play_bytes(packet, sizeof(packet));
}

static void on_connect(void) {
  int qos;
  play(s_broker.session ? "20 02 01 00" : "20 02 00 00");
  s_broker.session = true;
  for (qos = 1; qos <= 2; qos++) {
    uint8_t id[] = {0, (uint8_t) (100 + qos)};
    if (s_broker.down[qos] == SENT) send_down(qos, true);
    if (s_broker.down[qos] == RELEASED) reply(0x62, id);
  }
}

/* The packet ID's slot, or a free one. */
static uint16_t *unreleased(const uint8_t *id) {
  uint16_t wanted = (uint16_t) (id[0] << 8 | id[1]);
  size_t i;
  for (i = 0; i < COUNT(s_broker.unreleased); i++) {
    if (s_broker.unreleased[i] == wanted) return &s_broker.unreleased[i];
  }
  for (i = 0; i < COUNT(s_broker.unreleased); i++) {
    if (s_broker.unreleased[i] == 0) return &s_broker.unreleased[i];
  }
  fail("too many messages at QoS 2");
}

static void on_publish(const uint8_t *p, size_t len) {
  int qos = p[0] >> 1 & 3, digit = p[len - 1] - '0';
  const uint8_t *id = p + 4 + p[3];
  if (digit < 0 || digit > 9) fail("not a message of the app: %s", show_packet(p, len));
  if (qos == 2) {
    uint16_t *known = unreleased(id);
    if (*known == 0) s_broker.arrived[digit]++;
    *known = (uint16_t) (id[0] << 8 | id[1]);
  } else {
    s_broker.arrived[digit]++;
  }
  if (qos > 0 && !s_broker.silent) reply(qos == 1 ? 0x40 : 0x50, id);
}

static void answer(void) {
  const uint8_t *p;
  size_t len = receive_packet(&p);
  switch (p[0] >> 4) {
    case 1:
      on_connect();
      break;
    case 3:
      on_publish(p, len);
      break;
    case 4:
      /* The original answers QoS 2 with it as well. */
      s_broker.down[EITHER(1, p[3] - 100)] = NONE;
      break;
    case 5:
      s_broker.down[2] = RELEASED;
      reply(0x62, p + 2);
      break;
    case 6:
      *unreleased(p + 2) = 0;
      reply(0x70, p + 2);
      break;
    case 7:
      s_broker.down[2] = NONE;
      break;
    case 8: {
      uint8_t suback[] = {0x90, 3, p[2], p[3], 2};
      s_broker.subscribes++;
      play_bytes(suback, sizeof(suback));
      break;
    }
    case 10:
      s_broker.unsubscribes++;
      reply(0xb0, p + 2);
      break;
    case 12:
      play("d0 00");
      break;
    case 14:
      drop();
      break;
    default:
      fail("not a packet of a client: %s", show_packet(p, len));
  }
}

/* ---- The app ---- */

static struct {
  struct mgos_mqtt_conn *conn;
  unsigned connacks, closes, subacks, unsubacks, pubacks, pubcomps;
  unsigned arrived[3];
} s_app, s_seen; /* s_seen: what the script has seen of it */

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  if (ev == MG_EV_MQTT_CONNACK) s_app.connacks++;
  if (ev == MG_EV_MQTT_PUBACK) s_app.pubacks++;
  if (ev == MG_EV_MQTT_PUBCOMP) s_app.pubcomps++;
  if (ev == MG_EV_MQTT_UNSUBACK) s_app.unsubacks++;
  if (ev == MG_EV_CLOSE) s_app.closes++;
  (void) nc, (void) ev_data, (void) arg;
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK) s_app.subacks++;
  if (ev == MG_EV_MQTT_PUBLISH && m->payload.len == 1) s_app.arrived[m->payload.p[0] - '0']++;
  (void) nc, (void) arg;
}

static void make(void *arg) {
  s_app.conn = mgos_mqtt_conn_create(7, &cfg);
  (void) arg;
}

static void add_handler(void *arg) {
  mgos_mqtt_conn_add_handler(s_app.conn, on_event, arg);
}

static void subscribe(void *arg) {
  mgos_mqtt_conn_sub(s_app.conn, "d", 2, on_message, arg);
}

static void connect_now(void *arg) {
  /* False: another attempt follows automatically. */
  mgos_mqtt_conn_connect(s_app.conn);
  (void) arg;
}

struct message {
  const char *payload;
  int qos;
  uint16_t id;
};

static void publish(void *arg) {
  struct message *m = (struct message *) arg;
  m->id = mgos_mqtt_conn_pub(s_app.conn, "u", mg_mk_str(m->payload), m->qos, false);
}

static void publish_number(void *arg) {
  struct message *m = (struct message *) arg;
  m->id = mgos_mqtt_conn_pubf(s_app.conn, "u", m->qos, false, "%d", (int) (m->payload[0] - '0'));
}

static void unsubscribe(void *arg) {
  *(bool *) arg = mgos_mqtt_conn_unsub(s_app.conn, "d");
}

static void disconnect(void *arg) {
  mgos_mqtt_conn_disconnect(s_app.conn);
  (void) arg;
}

#ifndef MQTT_UPSTREAM
static void free_conn(void *arg) {
  mgos_mqtt_conn_free(s_app.conn);
  s_app.conn = NULL;
  (void) arg;
}
#endif

static void look(void *arg) {
  s_seen = s_app;
  (void) arg;
}

/* ---- The script ---- */

/* Operations refused for lack of memory so far. */
static unsigned refused(void) {
  return logged("out of memory");
}

/* Plays the broker until the condition holds. */
#define UNTIL(what)                                                                                      \
  do {                                                                                                   \
    int rounds_ = PATIENCE / 20;                                                                         \
    for (in_app(look, NULL); !(what) && rounds_ > 0; rounds_--) {                                        \
      if (connection_waits(has_connection() ? 0 : 20)) expect_connection();                              \
      while (packet_waits(has_connection() ? 20 : 0)) answer();                                          \
      in_app(look, NULL);                                                                                \
    }                                                                                                    \
    if (!(what)) fail("line %d: it never comes about: %s", __LINE__, #what);                             \
  } while (0)

/* Makes the app do something that reports failure only in the log; if it failed, once more. */
static void do_in_app(void (*fn)(void *arg)) {
  unsigned before = refused();
  in_app(fn, NULL);
  if (refused() > before) in_app(fn, NULL);
}

static void send_up(void (*fn)(void *arg), const char *payload, int qos) {
  struct message m = {payload, qos, 0};
  in_app(fn, &m);
  if (m.id != 0) return;
  in_app(fn, &m);
  if (m.id == 0) fail("%s is refused a second time", payload);
}

static void whatever_fails(void) {
  bool done = false;
  cfg.clean_session = false;
  /* Where no timer can be set, this one's must do. */
  cfg.keep_alive = 3;
  in_app(make, NULL);
  if (s_app.conn == NULL) in_app(make, NULL);
  expect_that(s_app.conn != NULL);
  do_in_app(add_handler);
  do_in_app(subscribe);
  send_up(publish, "1", 1);
  in_app(connect_now, NULL);
  UNTIL(s_seen.connacks == 1 && s_seen.subacks == 1 && s_seen.pubacks == 1);
  expect_number(s_broker.arrived[1], 1);
  check("connects, subscribes, and sends what was queued");

  send_up(publish, "2", 0);
  send_up(publish, "3", 1);
  send_up(publish_number, "4", 2);
  UNTIL(s_broker.arrived[2] >= 1 && s_seen.pubacks == 2 && s_seen.pubcomps == 1);
  expect_number(s_broker.arrived[2], 1);
  expect_number(s_broker.arrived[3], 1);
  expect_number(s_broker.arrived[4], 1);
  check("messages at each QoS arrive");

  send_down(0, false);
  send_down(1, false);
  send_down(2, false);
  UNTIL(s_seen.arrived[0] == 1 && s_seen.arrived[1] == 1 && s_seen.arrived[2] == 1 && s_broker.down[1] == NONE &&
        s_broker.down[2] == NONE);
  check("messages at each QoS are received and acknowledged");

  s_broker.silent = true;
  send_up(publish, "5", 1);
  send_up(publish, "6", 2);
  UNTIL(s_broker.arrived[5] >= 1 && s_broker.arrived[6] >= 1);
  expect_number(s_seen.closes, 0);
  drop();
  s_broker.silent = false;
  UNTIL(s_seen.connacks == 2 && s_seen.closes == 1 && s_seen.pubacks == 3 && s_seen.pubcomps == 2);
  expect_number(s_broker.arrived[5], 2);
  expect_number(s_broker.arrived[6], 1);
  check("a new connection takes over messages in flight");

  UNTIL(s_seen.subacks == 2);
  send_down(2, false);
  UNTIL(s_seen.arrived[2] == 2 && s_broker.down[2] == NONE);
  check("and the subscription");

  in_app(unsubscribe, &done);
  if (!done) in_app(unsubscribe, &done);
  expect_that(done);
  UNTIL(s_seen.unsubacks == 1);
  check("unsubscribes");

  in_app(disconnect, NULL);
  UNTIL(s_seen.closes == 2 && !has_connection());
  in_app(connect_now, NULL);
  UNTIL(s_seen.connacks == 3);
  send_up(publish, "7", 1);
  UNTIL(s_broker.arrived[7] == 1 && s_seen.pubacks == 4);
  check("disconnects, and reconnects");

#ifdef MQTT_UPSTREAM
  left_out("freeing the connection", "there is no such function");
#else
  in_app(free_conn, NULL);
  UNTIL(!has_connection());
  check("and is freed");
#endif
  forget_events();
}

static const struct script scripts[] = {
    {"whatever fails", whatever_fails},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
