/*
 * What the original does not have: messages whose outcome is told, that expire or replace one
 * another, a limit on the bytes of the queue, a graceful disconnect.
 */

#include <stdio.h>
#include <string.h>

#include "suite.h"

#define NO_SUCH "there is no such function"

#ifndef MQTT_UPSTREAM

#define LOST "cloud DISCONNECTED\ng CLOSE\n"

/* How the next message is published, and whether its call is still running. */
static struct mgos_mqtt_pub_opts opts;
static bool publishing;

static const char *const results[] = {"acknowledged", "sent", "replaced", "expired", "given up", "lost", "freed"};

static void outcome(void *arg, uint16_t id, int result) {
  if (publishing) record("inside the call");
  record("%s %u %s", (const char *) arg, id, results[result]);
}

/* Options of a message whose outcome is recorded under this name. */
static void options(const char *name, int qos) {
  memset(&opts, 0, sizeof(opts));
  opts.qos = qos;
  opts.cb = outcome;
  opts.arg = (void *) name;
}

/* A connection that the script frees, or NULL: then it is the suite's. */
static struct mgos_mqtt_conn *own;

static struct mgos_mqtt_conn *the_connection(void) {
  return own != NULL ? own : connection();
}

static void create_own(void *arg) {
  own = mgos_mqtt_conn_create(99, &cfg);
  mgos_mqtt_conn_connect(own);
  (void) arg;
}

static void connect_own(void) {
  in_app(create_own, NULL);
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\n");
}

struct message {
  const char *topic, *payload;
  size_t size;
  uint16_t id;
};

static void publish(void *arg) {
  struct message *m = (struct message *) arg;
  struct mg_str payload = mg_mk_str(m->payload);
  struct mgos_mqtt_conn *c = the_connection();
  publishing = true;
  if (c == NULL) {
    m->id = mgos_mqtt_pub_opt(m->topic, m->payload, payload.len, &opts);
  } else if (m->size > 0) {
    m->id = mgos_mqtt_conn_pub_opt_sized(c, m->topic, payload, &opts, m->size);
  } else {
    m->id = mgos_mqtt_conn_pub_opt(c, m->topic, payload, &opts);
  }
  publishing = false;
}

/* Publishes with `opts`. */
static uint16_t pub(const char *topic, const char *payload) {
  struct message m = {topic, payload, 0, 0};
  in_app(publish, &m);
  return m.id;
}

static void acknowledged(void) {
  create_global();
  connect_up();
  options("one", 1);
  expect_number(pub("t", "1"), 1);
  options("two", 2);
  expect_number(pub("t", "2"), 2);
  expect("32 06 0001 't' 0001 '1'");
  expect("34 06 0001 't' 0002 '2'");
  expect_no_more_events();
  play("40 02 0001");
  expect_events("g PUBACK 1\none 1 acknowledged\n");
  play("50 02 0002");
  expect("62 02 0002");
  expect_events("g PUBREC 2\n");
  play("70 02 0002");
  expect_events("g PUBCOMP 2\ntwo 2 acknowledged\n");
  check("the outcome is told once, when the broker has acknowledged the message");
  options("zero", 0);
  opts.retain = true;
  expect_number(pub("t", "3"), 3);
  expect("31 04 0001 't' '3'");
  expect_events("zero 3 sent\n");
  check("at QoS 0 when it has left, and never inside the call");
}

static void by_default(void *arg) {
  struct mgos_mqtt_conn *c = the_connection();
  (void) arg;
  memset(&opts, 0, sizeof(opts));
  record("id %u", mgos_mqtt_conn_pub_opt(c, "t", mg_mk_str("1"), &opts));
  record("id %u", mgos_mqtt_conn_pub_opt(c, "t", mg_mk_str("2"), NULL));
  record("id %u", mgos_mqtt_conn_pub_opt(NULL, "t", mg_mk_str("3"), &opts));
  record("id %u", mgos_mqtt_conn_pub_opt(c, NULL, mg_mk_str("3"), &opts));
}

static void zeros(void) {
  struct message m = {"t", "4", offsetof(struct mgos_mqtt_pub_opts, ttl_ms), 0};
  connect_up();
  in_app(by_default, NULL);
  expect("30 04 0001 't' '1'");
  expect("30 04 0001 't' '2'");
  expect_events("id 1\nid 2\nid 0\nid 0\n");
  check("without options, or with zeros, it is mgos_mqtt_conn_pub() at QoS 0; NULL is refused");
  options("unknown", 1);
  opts.retain = true;
  in_app(publish, &m);
  expect("33 06 0001 't' 0004 '4'");
  play("40 02 0004");
  expect_events("g PUBACK 4\n");
  check("of a caller that knows less of the structure, no more is read");
}

static void refused(void) {
  create();
  options("zero", 0);
  expect_number(pub("t", "1"), 0);
  options("invalid", 1);
  expect_number(pub("t/#", "1"), 0);
  connect_up();
  expect_no_more_events();
  check("of a message that is refused nothing is told");
}

static void replaced(void) {
  create();
  options("old", 1);
  opts.replace = true;
  expect_number(pub("t", "1"), 1);
  options("plain", 1);
  expect_number(pub("t", "2"), 2);
  options("new", 1);
  opts.replace = true;
  expect_number(pub("t", "3"), 3);
  expect_events("old 1 replaced\n");
  connect_up();
  expect("32 06 0001 't' 0003 '3'");
  expect("32 06 0001 't' 0002 '2'");
  check("a newer message takes the place of one that was not sent");
  options("newest", 1);
  opts.replace = true;
  expect_number(pub("t", "4"), 4);
  expect("32 06 0001 't' 0004 '4'");
  play("40 02 0003 40 02 0002 40 02 0004");
  expect_events("g PUBACK 3\ng PUBACK 2\ng PUBACK 4\nplain 2 acknowledged\nnew 3 acknowledged\nnewest 4 acknowledged\n");
  check("one that was sent is not replaced");
}

static void expired(void) {
  create();
  options("short", 1);
  opts.ttl_ms = 100;
  expect_number(pub("t", "1"), 1);
  options("long", 1);
  opts.ttl_ms = 3600000;
  expect_number(pub("t", "2"), 2);
  expect_events("short 1 expired\n");
  connect_up();
  expect("32 06 0001 't' 0002 '2'");
  check("a message that was not sent in its time is dropped, also without a connection");
  options("sent", 1);
  opts.ttl_ms = 1;
  expect_number(pub("t", "3"), 3);
  expect("32 06 0001 't' 0003 '3'");
  mgos_msleep(50);
  play("40 02 0003 40 02 0002");
  expect_events("g PUBACK 3\ng PUBACK 2\nlong 2 acknowledged\nsent 3 acknowledged\n");
  check("one that was sent does not expire");
}

static void given_up(void) {
  cfg.max_queue_length = 1;
  create();
  options("first", 1);
  expect_number(pub("t", "1"), 1);
  options("second", 1);
  expect_number(pub("t", "2"), 2);
  expect_events("first 1 given up\n");
  check("a message that is given up for a newer one");
  cfg.max_queue_length = 5;
}

static void bytes(void) {
  cfg.max_queue_bytes = 10;
  create();
  options("first", 1);
  expect_number(pub("t", "four"), 1);
  options("second", 1);
  expect_number(pub("t", "five!"), 2);
  expect_events("first 1 given up\n");
  options("large", 1);
  expect_number(pub("t", "ten bytes!"), 0);
  expect_logged("message exceeds mqtt.max_queue_bytes: t");
  connect_up();
  expect("32 0a 0001 't' 0002 'five!'");
  play("40 02 0002");
  expect_events("g PUBACK 2\nsecond 2 acknowledged\n");
  check("max_queue_bytes: what is given up for a newer message, and a message that never fits");
}

/* ---- Callbacks that call back ---- */

static int rounds;

static void again(void *arg, uint16_t id, int result) {
  outcome(arg, id, result);
  if (++rounds < 4) mgos_mqtt_conn_pub_opt(the_connection(), "t", mg_mk_str("m"), &opts);
}

static void calls_back(void) {
  rounds = 0;
  create();
  options("again", 1);
  opts.cb = again;
  opts.replace = true;
  expect_number(pub("t", "m"), 1);
  expect_number(pub("t", "m"), 2);
  expect_events("again 1 replaced\nagain 2 replaced\nagain 3 replaced\nagain 4 replaced\n");
  connect_up();
  expect("32 06 0001 't' 0005 'm'");
  check("a callback may publish what replaces its message");
}

static void free_it(void *arg, uint16_t id, int result) {
  outcome(arg, id, result);
  mgos_mqtt_conn_free(own);
}

static void inside_free(void *arg, uint16_t id, int result) {
  struct mgos_mqtt_conn *c = the_connection();
  outcome(arg, id, result);
  record("%d %d %d %d", mgos_mqtt_conn_pub_opt(c, "t", mg_mk_str("m"), &opts), mgos_mqtt_conn_connect(c),
         mgos_mqtt_conn_finish(c, 0, NULL, NULL), mgos_mqtt_conn_is_connected(c));
  mgos_mqtt_conn_sub(c, "f", 1, record_event, (void *) "f");
}

static void freed(void) {
  connect_own();
  options("first", 1);
  opts.cb = free_it;
  expect_number(pub("t", "1"), 1);
  options("second", 2);
  expect_number(pub("t", "2"), 2);
  options("third", 1);
  opts.cb = inside_free;
  expect_number(pub("t", "3"), 3);
  expect("32 *");
  expect("34 *");
  expect("32 *");
  play("40 02 0001");
  expect_events("first 1 acknowledged\nsecond 2 freed\nthird 3 freed\n0 0 0 0\n");
  expect_close();
  own = NULL;
  check("freed in a callback: the others are told, and every call returns 0");
}

static void lost(void) {
  connect_up();
  options("kept", 1);
  expect_number(pub("t", "1"), 1);
  expect("32 *");
  drop();
  expect_events(LOST);
  come_back();
  expect("32 06 0001 't' 0001 '1'");
  play("40 02 0001");
  expect_events("g PUBACK 1\nkept 1 acknowledged\n");
  check("the end of a connection is not the end of a message");
}

/* ---- The graceful disconnect ---- */

static void finished(void *arg, int left) {
  record("%s: %d left", (const char *) arg, left);
}

static void finish(void *arg) {
  uint32_t ms = *(uint32_t *) arg;
  struct mgos_mqtt_conn *c = the_connection();
  bool begun = mgos_mqtt_conn_finish(c, ms, finished, (void *) "finished");
  record("%s", begun ? "begun" : "not begun");
  /* Meanwhile. */
  if (mgos_mqtt_conn_finish(c, ms, finished, (void *) "twice")) record("twice");
  record("id %u", mgos_mqtt_conn_pub(c, "t", mg_mk_str("late"), 1, false));
}

static void begin_to_finish(uint32_t ms) {
  in_app(finish, &ms);
  expect_events("begun\nid 0\n");
}

static void drained(void) {
  connect_up();
  expect_number(app_pub("t", "1", 1, false), 1);
  expect("32 06 0001 't' 0001 '1'");
  begin_to_finish(60000);
  expect_silence();
  expect_no_more_events();
  play("40 02 0001");
  expect("e0 00");
  expect_close();
  expect_events("g PUBACK 1\n" LOST "finished: 0 left\n");
  check("what was published is acknowledged, then DISCONNECT, then the callback");
  expect_no_connection(300);
  expect_that(app_pub("t", "2", 1, false) > 0);
  expect_that(app_connect());
  come_back();
  expect("32 06 0001 't' 0002 '2'");
  check("the connection stays down until connect(), and publishing works again");
}

static void timeout(void) {
  connect_up();
  app_pub("t", "1", 1, false);
  app_pub("t", "2", 2, false);
  expect("32 *");
  expect("34 *");
  begin_to_finish(200);
  expect("e0 00");
  expect_close();
  expect_events(LOST "finished: 2 left\n");
  check("what is not acknowledged in time is left, and kept");
  expect_that(app_connect());
  come_back();
  expect("32 06 0001 't' 0001 '1'");
  expect("34 06 0001 't' 0002 '2'");
  check("it is sent after connect()");
}

static void without_a_connection(void) {
  create();
  begin_to_finish(60000);
  expect_events("finished: 0 left\n");
  check("with nothing queued and no connection it is over at once");
  app_pub("t", "1", 1, false);
  begin_to_finish(100);
  expect_events("finished: 1 left\n");
  check("what is queued waits for a connection until the time is up");
}

static void cut_short(void) {
  connect_up();
  app_pub("t", "1", 1, false);
  expect("32 *");
  begin_to_finish(60000);
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_events(LOST "finished: 1 left\n");
  check("disconnect() cuts the wait short");
}

static void finish_then_free(void *arg) {
  struct mgos_mqtt_conn *c = the_connection();
  mgos_mqtt_conn_finish(c, 60000, finished, (void *) "freed");
  mgos_mqtt_conn_free(c);
  (void) arg;
}

static void freed_meanwhile(void) {
  connect_own();
  options("freed", 1);
  pub("t", "1");
  expect("32 *");
  in_app(finish_then_free, NULL);
  expect_close();
  expect_events("freed 1 freed\nfreed: 1 left\n");
  own = NULL;
  check("a connection that is freed meanwhile has its callback called");
}

static void restarted(void *arg, int left) {
  finished(arg, left);
  mgos_mqtt_conn_connect(connection());
}

static void finish_to_restart(void *arg) {
  mgos_mqtt_conn_finish(connection(), 1000, restarted, (void *) "restarted");
  (void) arg;
}

static void and_again(void) {
  connect_up();
  in_app(finish_to_restart, NULL);
  expect("e0 00");
  expect_close();
  expect_events(LOST "restarted: 0 left\n");
  come_back();
  check("the callback may connect again");
}

/* ---- The queue in a file ---- */

#define QUEUE_FILE "delivery_queue"

static void create_with_file(void *arg) {
  own = mgos_mqtt_conn_create(99, &cfg);
  *(bool *) arg = mgos_mqtt_conn_set_queue_file(own, QUEUE_FILE, 0);
}

static void free_own(void *arg) {
  mgos_mqtt_conn_free(own);
  own = NULL;
  (void) arg;
}

static void connect_now(void *arg) {
  mgos_mqtt_conn_connect(own);
  (void) arg;
}

static void remove_files(void) {
  remove(QUEUE_FILE ".a");
  remove(QUEUE_FILE ".b");
}

static void restarted_device(void) {
  bool ok = false;
  remove_files();
  in_app(create_with_file, &ok);
  expect_that(ok);
  options("before", 1);
  expect_number(pub("t", "1"), 1);
  expect_number(pub("t", "2"), 2);
  in_app(free_own, NULL);
  expect_events("before 1 freed\nbefore 2 freed\n");
  in_app(create_with_file, &ok);
  expect_that(ok);
  expect_logged("queue file " QUEUE_FILE ": 2 messages restored");
  options("after", 1);
  expect_that(pub("t", "3") > 255);
  in_app(connect_now, NULL);
  expect_connect();
  play("20 02 00 00");
  expect("32 06 0001 't' 0001 '1'");
  expect("32 06 0001 't' 0002 '2'");
  expect("32 06 0001 't' 0200 '3'");
  play("40 02 0001 40 02 0002 40 02 0200");
  expect_events("cloud CONNECTING\ncloud CONNECTED\nafter 512 acknowledged\n");
  check("what is queued is there after a restart, with its packet IDs, which are not used again");
  in_app(free_own, NULL);
  expect_close();
  in_app(create_with_file, &ok);
  expect_that(ok);
  expect_logged("queue file " QUEUE_FILE ": 0 messages restored");
  in_app(free_own, NULL);
  check("what was acknowledged is not");
  remove_files();
}

/* ---- Messages in pieces ---- */

/* What has come of a message, whether it is as it was sent, and how much of the next is wanted. */
static size_t got, wanted;
static bool intact;

static char byte_at(size_t i) {
  return (char) ('a' + i % 23);
}

static bool on_piece(struct mgos_mqtt_conn *c, const struct mgos_mqtt_piece *piece, void *arg) {
  size_t i;
  if (piece->data == NULL) {
    record("%s cut at %d of %d", (const char *) arg, (int) piece->offset, (int) piece->total);
    return true;
  }
  if (piece->offset == 0) {
    got = 0;
    intact = true;
  }
  if (piece->offset != got || c != connection()) intact = false;
  for (i = 0; i < piece->len; i++) {
    if (((const char *) piece->data)[i] != byte_at(piece->offset + i)) intact = false;
  }
  got += piece->len;
  if (got >= wanted || got == piece->total) {
    record("%s %.*s %s%s qos%d%s", (const char *) arg, (int) piece->topic_len, piece->topic,
           got == piece->total ? text("%d", (int) piece->total) : "some", intact ? "" : " damaged", piece->qos,
           piece->retained ? " retained" : "");
  }
  return got < wanted;
}

static void sub_stream(void *arg) {
  mgos_mqtt_conn_sub_stream(connection(), "big/#", 2, on_piece, arg);
}

/* PUBLISH to big/1 with `size` bytes of payload, of which `sent` are sent. */
static void play_message(uint8_t first, uint16_t id, size_t size, size_t sent) {
  static uint8_t packet[1100000];
  size_t len = 0, i, remaining = 2 + 5 + (first & 6 ? 2 : 0) + size;
  packet[len++] = first;
  do {
    packet[len] = (uint8_t) (remaining & 0x7f);
    remaining >>= 7;
    if (remaining > 0) packet[len] |= 0x80;
    len++;
  } while (remaining > 0);
  memcpy(packet + len, "\0\005big/1", 7);
  len += 7;
  if (first & 6) {
    packet[len++] = (uint8_t) (id >> 8);
    packet[len++] = (uint8_t) id;
  }
  for (i = 0; i < size; i++) packet[len + i] = (uint8_t) byte_at(i);
  play_bytes(packet, len + sent);
}

static void begin_stream(void) {
  cfg.recv_mbuf_limit = 100;
  cfg.clean_session = false;
  wanted = SIZE_MAX;
  create();
  app_sub("big/+", 1, "other");
  in_app(sub_stream, (void *) "stream");
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect("82 *");
  expect("82 *");
  play("90 03 0001 02 90 03 0002 01");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\nother SUBACK 2\n");
}

static void in_pieces(void) {
  begin_stream();
  play_message(0x30, 0, 10, 10);
  expect_events("stream big/1 10 qos0\nother PUBLISH big/1=abcdefghij\n");
  check("a message that fits comes as one piece, and other subscriptions get it as well");
  play_message(0x33, 7, 5000, 5000);
  expect("40 02 0007");
  expect_events("stream big/1 5000 qos1 retained\n");
  play_message(0x30, 0, 1000000, 1000000);
  expect_events("stream big/1 1000000 qos0\n");
  expect_silence();
  check("one of a megabyte comes in pieces, with a limit of 100 bytes, and is acknowledged when all was taken");
  play_message(0x34, 8, 3000, 3000);
  expect("50 02 0008");
  expect_events("stream big/1 3000 qos2\n");
  play_message(0x3c, 8, 3000, 3000);
  expect("50 02 0008");
  play("62 02 0008");
  expect("70 02 0008");
  expect_events("g PUBREL 8\n");
  check("at QoS 2 it does not come again");
  wanted = 50;
  play_message(0x32, 9, 3000, 3000);
  expect("40 02 0009");
  expect_events("stream big/1 some qos1\n");
  check("what is not wanted is skipped and acknowledged");
}

static bool unsub_on_piece(struct mgos_mqtt_conn *c, const struct mgos_mqtt_piece *piece, void *arg) {
  record("%s from %d", (const char *) arg, (int) piece->offset);
  return mgos_mqtt_conn_unsub(c, "big/#");
}

static void sub_stream_once(void *arg) {
  mgos_mqtt_conn_sub_stream(connection(), "big/#", 1, unsub_on_piece, arg);
}

static void unsubscribed(void) {
  cfg.recv_mbuf_limit = 100;
  create();
  in_app(sub_stream_once, (void *) "once");
  connect_up();
  expect("82 *");
  play("90 03 0001 01");
  play_message(0x32, 7, 3000, 3000);
  expect("a2 *");
  expect("40 02 0007");
  expect_events("once from 0\n");
  play("b0 02 0002");
  expect_events("g UNSUBACK 2\n");
  check("a handler that has unsubscribed in a piece gets no other, nor the news of an end");
}

static void cut_off(void) {
  begin_stream();
  play_message(0x34, 7, 3000, 1000);
  expect_silence();
  drop();
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect("82 *");
  expect("82 *");
  play_message(0x3c, 7, 3000, 3000);
  expect("50 02 0007");
  expect_events(LOST "stream cut at 1000 of 3000\ncloud CONNECTING\ncloud CONNECTED\ng CONNACK\nstream big/1 3000 qos2\n");
  check("the end of the connection inside is told, and the message comes again");
}

/* ---- What a message and a connection are ---- */

static void look(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  record_event(nc, ev, ev_data, ud);
  if (ev == MG_EV_MQTT_CONNACK) record("session %s", mgos_mqtt_conn_session_present(connection()) ? "present" : "new");
  if (ev == MG_EV_MQTT_PUBLISH || ev == MG_EV_MQTT_SUBACK) record("%s", mgos_mqtt_conn_is_retained(connection()) ? "retained" : "not retained");
}

static void retained(void) {
  create();
  app_sub_handler("a", 1, look, "a");
  connect_up();
  expect("82 *");
  play("90 03 0001 01");
  play("31 04 0001 'a' '1'");
  play("30 04 0001 'a' '2'");
  play("33 06 0001 'a' 0007 '3'");
  expect("40 02 0007");
  expect_events("a SUBACK 1\nnot retained\na PUBLISH a=1\nretained\na PUBLISH a=2\nnot retained\na PUBLISH a=3 qos1 id7\nretained\n");
  expect_that(!mgos_mqtt_conn_is_retained(connection()) && !mgos_mqtt_conn_is_retained(NULL));
  check("a handler learns whether its message is a retained one");
}

static void session(void) {
  cfg.clean_session = false;
  create();
  app_add_handler(look, "h");
  expect_that(!mgos_mqtt_conn_session_present(connection()) && !mgos_mqtt_conn_session_present(NULL));
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\nh CONNACK\nsession new\ng CONNACK\n");
  drop();
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect_events("cloud DISCONNECTED\nh CLOSE\ng CLOSE\ncloud CONNECTING\ncloud CONNECTED\nh CONNACK\nsession present\ng CONNACK\n");
  expect_logged("CONNACK 0, session present");
  check("the app learns whether the broker has kept the session");
}

#endif

static const struct script scripts[] = {
    HERE_ONLY("acknowledged", acknowledged, NO_SUCH),
    HERE_ONLY("zeros", zeros, NO_SUCH),
    HERE_ONLY("refused", refused, NO_SUCH),
    HERE_ONLY("replaced", replaced, NO_SUCH),
    HERE_ONLY("expired", expired, NO_SUCH),
    HERE_ONLY("given up", given_up, NO_SUCH),
    HERE_ONLY("bytes of the queue", bytes, "there is no max_queue_bytes"),
    HERE_ONLY("a callback that publishes", calls_back, NO_SUCH),
    HERE_ONLY("a callback that frees", freed, NO_SUCH),
    HERE_ONLY("a connection that is lost", lost, NO_SUCH),
    HERE_ONLY("finish", drained, NO_SUCH),
    HERE_ONLY("finish: timeout", timeout, NO_SUCH),
    HERE_ONLY("finish without a connection", without_a_connection, NO_SUCH),
    HERE_ONLY("finish, cut short", cut_short, NO_SUCH),
    HERE_ONLY("finish, then free", freed_meanwhile, NO_SUCH),
    HERE_ONLY("finish, then connect", and_again, NO_SUCH),
    HERE_ONLY("queue file", restarted_device, NO_SUCH),
    HERE_ONLY("pieces", in_pieces, NO_SUCH),
    HERE_ONLY("pieces, unsubscribed", unsubscribed, NO_SUCH),
    HERE_ONLY("pieces, cut off", cut_off, NO_SUCH),
    HERE_ONLY("retained", retained, NO_SUCH),
    HERE_ONLY("session present", session, NO_SUCH),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
