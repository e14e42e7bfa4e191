/*
 * Mongoose's MQTT calls on a connection: the bytes of each packet, and what
 * the protocol handler makes of bytes that arrive.
 */
#include "mongoose.h"
#include "test.h"

/* The event log of a connection's handler. */
static char s_events[512];
static struct mg_mqtt_message s_last;

static void handler(struct mg_connection *nc, int ev,
                    void *ev_data MG_UD_ARG(void *user_data)) {
  size_t n = strlen(s_events);
  CHECK(user_data == nc);
  if (ev <= MG_MQTT_EVENT_BASE) return;
  s_last = *(struct mg_mqtt_message *) ev_data;
  snprintf(s_events + n, sizeof(s_events) - n, "%d:%u:%.*s:%.*s ",
           ev - MG_MQTT_EVENT_BASE, s_last.message_id, (int) s_last.topic.len,
           s_last.topic.p == NULL ? "" : s_last.topic.p,
           (int) s_last.payload.len,
           s_last.payload.p == NULL ? "" : s_last.payload.p);
}

static void open_conn(struct mg_connection *nc) {
  memset(nc, 0, sizeof(*nc));
  nc->handler = handler;
  nc->user_data = nc;
  mg_set_protocol_mqtt(nc);
  s_events[0] = '\0';
  mbuf_clear(&fake_sent);
}

static void close_conn(struct mg_connection *nc) {
  nc->proto_data_destructor(nc->proto_data);
  mbuf_free(&nc->recv_mbuf);
}

static void event(struct mg_connection *nc, int ev) {
  nc->proto_handler(nc, ev, NULL MG_UD_ARG(nc));
}

/* ---- Receiving ---- */

static void packets(void) {
  static const struct {
    const char *what, *bytes;
    size_t len;
    const char *events;
    int left;
    bool closed;
  } rows[] = {
#define ROW(what, bytes) what, bytes, sizeof(bytes) - 1
      {ROW("connack", "\x20\x02\x00\x05"), "2:0:: ", 0, false},
      {ROW("connack, longer", "\x20\x03\x00\x05\x01"), "2:0:: ", 0, false},
      {ROW("connack, short", "\x20\x01\x00"), "", 3, true},
      {ROW("publish 0", "\x30\x05\x00\x01tab"), "3:0:t:ab ", 0, false},
      {ROW("publish 1", "\x32\x07\x00\x01t\x01\x02" "ab"), "3:258:t:ab ", 0,
       false},
      {ROW("publish, empty payload", "\x30\x03\x00\x01t"), "3:0:t: ", 0, false},
      {ROW("publish, empty topic", "\x30\x03\x00\x00x"), "3:0::x ", 0, false},
      {ROW("publish, length 0", "\x30\x00"), "", 2, true},
      {ROW("publish, length 1", "\x30\x01\x00"), "", 3, true},
      {ROW("publish, topic too long", "\x30\x04\x00\x03tt"), "", 6, true},
      {ROW("publish 1, no room for the id", "\x32\x04\x00\x01t\x01"), "", 6,
       true},
      {ROW("puback", "\x40\x02\x01\x02"), "4:258:: ", 0, false},
      {ROW("puback, short", "\x40\x01\x01"), "", 3, true},
      {ROW("pubrec", "\x50\x02\x00\x07"), "5:7:: ", 0, false},
      {ROW("pubrel", "\x62\x02\x00\x07"), "6:7:: ", 0, false},
      {ROW("pubcomp", "\x70\x02\x00\x07"), "7:7:: ", 0, false},
      {ROW("suback", "\x90\x03\x00\x07\x01"), "9:7:: ", 0, false},
      {ROW("suback, no code", "\x90\x02\x00\x07"), "9:7:: ", 0, false},
      {ROW("suback, short", "\x90\x01\x00"), "", 3, true},
      {ROW("unsuback", "\xb0\x02\x00\x07"), "11:0:: ", 0, false},
      {ROW("pingresp", "\xd0\x00"), "13:0:: ", 0, false},
      {ROW("type 15", "\xf0\x01x"), "15:0:: ", 0, false},
      {ROW("length in five bytes", "\xd0\x80\x80\x80\x80\x00"), "13:0:: ", 0,
       false},
      {ROW("length that does not end", "\xd0\xff\xff\xff\xff\xff"), "", 6,
       true},
      {ROW("largest length", "\x30\xff\xff\xff\x7f"), "", 5, false},
      {ROW("length beyond all", "\x30\xff\xff\xff\xff\x7f"), "", 6, false},
      {ROW("several, the last cut",
           "\x30\x05\x00\x01tab\x90\x03\x00\x07\x01\x40\x02\x01"),
       "3:0:t:ab 9:7:: ", 3, false}, /* nothing of one shows in the next */
  };
  size_t i, n;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    struct mg_connection nc;
    open_conn(&nc);
    mbuf_append_and_free(&nc.recv_mbuf, exact_copy(rows[i].bytes, rows[i].len),
                         rows[i].len);
    event(&nc, MG_EV_RECV);
    CHECK_ROW_STR(rows[i].what, s_events, rows[i].events);
    CHECK_ROW_INT(rows[i].what, nc.recv_mbuf.len, rows[i].left);
    CHECK_ROW_INT(rows[i].what, (nc.flags & MG_F_CLOSE_IMMEDIATELY) != 0,
                  rows[i].closed);
    close_conn(&nc);
    /* Byte by byte comes to the same. */
    open_conn(&nc);
    for (n = 0; n < rows[i].len; n++) {
      mbuf_append(&nc.recv_mbuf, rows[i].bytes + n, 1);
      mbuf_trim(&nc.recv_mbuf);
      event(&nc, MG_EV_RECV);
    }
    CHECK_ROW_STR(rows[i].what, s_events, rows[i].events);
    CHECK_ROW_INT(rows[i].what, (nc.flags & MG_F_CLOSE_IMMEDIATELY) != 0,
                  rows[i].closed);
    close_conn(&nc);
  }
}

static void fields(void) {
  static const char connect[] =
      "\x10\x1f\x00\x04MQTT\x04\xc6\x01\x02\x00\x01i\x00\x02wt\x00\x02wm"
      "\x00\x02us\x00\x02pw";
  struct mg_connection nc;
  size_t len;
  open_conn(&nc);
  mbuf_append(&nc.recv_mbuf, "\x2a\x02\x01\x03", 4);
  event(&nc, MG_EV_RECV);
  CHECK(s_last.cmd == 2 && s_last.connack_ret_code == 3 && s_last.len == 4);
  mbuf_append(&nc.recv_mbuf, "\x3d\x05\x00\x01t\x00\x09", 7);
  event(&nc, MG_EV_RECV);
  CHECK(s_last.qos == 2 && s_last.message_id == 9);
  CHECK(s_last.payload.len == 0 && s_last.payload.p != NULL);
  mbuf_append(&nc.recv_mbuf, connect, sizeof(connect) - 1);
  nc.recv_mbuf.buf[1] = (char) (sizeof(connect) - 3);
  event(&nc, MG_EV_RECV);
  CHECK_INT(s_last.cmd, MG_MQTT_CMD_CONNECT);
  CHECK_INT(s_last.keep_alive_timer, 258);
  CHECK_INT(s_last.protocol_version, 4);
  CHECK(nc.recv_mbuf.len == 0 && !(nc.flags & MG_F_CLOSE_IMMEDIATELY));
  close_conn(&nc);
  /* Cut anywhere, and said to be whole: malformed, and not read beyond. */
  for (len = 2; len < sizeof(connect) - 1; len++) {
    char *copy = exact_copy(connect, len);
    open_conn(&nc);
    copy[1] = (char) (len - 2);
    mbuf_append_and_free(&nc.recv_mbuf, copy, len);
    event(&nc, MG_EV_RECV);
    CHECK(nc.flags & MG_F_CLOSE_IMMEDIATELY);
    CHECK_STR(s_events, "");
    close_conn(&nc);
  }
}

static void receive_limit(void) {
  struct mg_connection nc;
  open_conn(&nc);
  nc.recv_mbuf_limit = 8;
  mbuf_append(&nc.recv_mbuf, "\x30\x06\x00\x01tabc", 8); /* just fits */
  event(&nc, MG_EV_RECV);
  CHECK_STR(s_events, "3:0:t:abc ");
  CHECK(!(nc.flags & MG_F_CLOSE_IMMEDIATELY));
  mbuf_append(&nc.recv_mbuf, "\x30\x07\x00\x01tabc", 8);
  event(&nc, MG_EV_RECV);
  CHECK(nc.flags & MG_F_CLOSE_IMMEDIATELY);
  close_conn(&nc);
}

static void keep_alive(void) {
  struct mg_connection nc;
  struct mg_mqtt_proto_data *pd;
  struct mg_send_mqtt_handshake_opts opts;
  memset(&opts, 0, sizeof(opts));
  opts.keep_alive = 10;
  open_conn(&nc);
  pd = (struct mg_mqtt_proto_data *) nc.proto_data;
  fake_time = 2e9;
  event(&nc, MG_EV_POLL); /* before CONNECT nothing is due */
  mg_send_mqtt_handshake_opt(&nc, "id", opts);
  CHECK_INT(pd->keep_alive, 10);
  CHECK(pd->last_control_time == 2e9);
  mbuf_clear(&fake_sent);
  fake_time += 10;
  event(&nc, MG_EV_POLL);
  CHECK_INT(fake_sent.len, 0);
  fake_time += 0.5;
  event(&nc, MG_EV_POLL);
  CHECK_MEM(fake_sent.buf, fake_sent.len, "\xc0\x00", 2);
  event(&nc, MG_EV_POLL);
  CHECK_INT(fake_sent.len, 2); /* once */
  mbuf_append(&nc.recv_mbuf, "\xd0\x00", 2);
  event(&nc, MG_EV_RECV);
  fake_time += 10.5;
  event(&nc, MG_EV_POLL);
  CHECK_INT(fake_sent.len, 4); /* answered: the next one */
  fake_time += 10.5;
  event(&nc, MG_EV_POLL);
  CHECK(nc.flags & MG_F_CLOSE_IMMEDIATELY); /* not answered */
  nc.flags = 0;
  /* The clock jumps from 1970 to now: no ping for that. */
  pd->last_control_time = 5;
  event(&nc, MG_EV_POLL);
  CHECK_INT(fake_sent.len, 4);
  CHECK(pd->last_control_time == fake_time - 6);
  close_conn(&nc);
}

static void protocol_twice(void) {
  struct mg_connection nc;
  void *first;
  open_conn(&nc);
  first = nc.proto_data;
  mg_send_mqtt_handshake(&nc, "id");
  mg_set_protocol_mqtt(&nc);
  CHECK(nc.proto_data == first); /* reused, and fresh again */
  CHECK_INT(((struct mg_mqtt_proto_data *) first)->keep_alive, 0);
  close_conn(&nc);
}

void test_mqtt_receive(void) {
  packets();
  fields();
  receive_limit();
  keep_alive();
  protocol_twice();
}

/* ---- Sending ---- */

static char s_hex[512];

static const char *sent(void) {
  size_t i;
  for (i = 0; i < fake_sent.len && i < 200; i++) {
    snprintf(s_hex + 2 * i, 3, "%02x", (unsigned char) fake_sent.buf[i]);
  }
  s_hex[2 * i] = '\0';
  mbuf_clear(&fake_sent);
  return s_hex;
}

#define HEAD "00044d51545404"

static void connects(void) {
  static const struct {
    const char *id;
    struct mg_send_mqtt_handshake_opts o;
    const char *want;
  } rows[] = {
      {"c", {0, 0, NULL, NULL, NULL, NULL}, "100d" HEAD "00003c000163"},
      {NULL, {2, 5, NULL, NULL, NULL, NULL}, "100c" HEAD "0200050000"},
      {"c", {2, 300, NULL, NULL, "joe", "pw"},
       "1016" HEAD "c2012c00016300036a6f6500027077"},
      {"c", {2, 60, NULL, NULL, NULL, "pw"}, "1011" HEAD "42003c00016300027077"},
      {"c", {2, 60, "w/t", "gone", NULL, NULL},
       "1018" HEAD "06003c0001630003772f740004676f6e65"},
      {"c", {0x2a, 60, "w/t", "", NULL, NULL},
       "1014" HEAD "2e003c0001630003772f740000"},
      {"c", {2, 60, "w/t", NULL, NULL, NULL}, "100d" HEAD "02003c000163"},
      {"c", {2, 60, NULL, "gone", "", NULL}, "100f" HEAD "82003c0001630000"},
  };
  struct mg_connection nc;
  size_t i;
  open_conn(&nc);
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    mg_send_mqtt_handshake_opt(&nc, rows[i].id, rows[i].o);
    CHECK_ROW_STR("CONNECT", sent(), rows[i].want);
  }
  close_conn(&nc);
}

static void others(void) {
  struct mg_connection nc;
  struct mg_mqtt_topic_expression te[2] = {{"a", 1}, {"b/c", 2}};
  char *topics[2] = {(char *) "a", (char *) "b/c"};
  uint8_t codes[2] = {1, 0x80};
  open_conn(&nc);
  mg_mqtt_publish(&nc, "t", 3, 0, "abc", 3);
  CHECK_STR(sent(), "3006000174616263");
  mg_mqtt_publish(&nc, "t", 3, MG_MQTT_QOS(1) | MG_MQTT_RETAIN, "abc", 3);
  CHECK_STR(sent(), "33080001740003616263");
  mg_mqtt_publish(&nc, "t", 0x1234, MG_MQTT_QOS(2) | MG_MQTT_DUP, NULL, 0);
  CHECK_STR(sent(), "3c050001741234");
  mg_mqtt_subscribe(&nc, te, 2, 7);
  CHECK_STR(sent(), "820c00070001610100" "03622f6302");
  mg_mqtt_unsubscribe(&nc, topics, 2, 7);
  CHECK_STR(sent(), "a20a0007000161" "0003622f63");
  mg_mqtt_puback(&nc, 258);
  CHECK_STR(sent(), "40020102");
  mg_mqtt_pubrec(&nc, 258);
  CHECK_STR(sent(), "50020102");
  mg_mqtt_pubrel(&nc, 258);
  CHECK_STR(sent(), "62020102");
  mg_mqtt_pubcomp(&nc, 258);
  CHECK_STR(sent(), "70020102");
  mg_mqtt_unsuback(&nc, 258);
  CHECK_STR(sent(), "b0020102");
  mg_mqtt_connack(&nc, 5);
  CHECK_STR(sent(), "20020005");
  mg_mqtt_suback(&nc, codes, 2, 258);
  CHECK_STR(sent(), "900401020180");
  mg_mqtt_ping(&nc);
  CHECK_STR(sent(), "c000");
  mg_mqtt_pong(&nc);
  CHECK_STR(sent(), "d000");
  mg_mqtt_disconnect(&nc);
  CHECK_STR(sent(), "e000");
  fake_time = 77;
  mg_mqtt_puback(&nc, 1);
  CHECK(((struct mg_mqtt_proto_data *) nc.proto_data)->last_control_time == 77);
  close_conn(&nc);
  nc.proto_data = NULL; /* a connection without the protocol: sent all the same */
  mbuf_clear(&fake_sent);
  mg_mqtt_ping(&nc);
  CHECK_STR(sent(), "c000");
}

static void lengths(void) {
  static const struct {
    size_t payload;
    const char *head;
  } rows[] = {
      {124, "307f"}, {125, "308001"}, {16380, "30ff7f"}, {16381, "30808001"},
      {2097149, "3080808001"},
  };
  struct mg_connection nc;
  char *big = (char *) calloc(1, 2097149), *topic = (char *) malloc(65537);
  size_t i;
  open_conn(&nc);
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t n = strlen(rows[i].head) / 2;
    mg_mqtt_publish(&nc, "t", 0, 0, big, rows[i].payload);
    CHECK_INT(fake_sent.len, n + 3 + rows[i].payload);
    fake_sent.len = n;
    CHECK_STR(sent(), rows[i].head);
  }
  /* What does not fit is not sent at all, and said in the log. */
  mg_mqtt_publish(&nc, "t", 0, 0, big, 268435455);
  CHECK_INT(fake_sent.len, 0);
  memset(topic, 't', 65536);
  topic[65536] = '\0';
  fake_log.count = 0;
  mg_mqtt_publish(&nc, topic, 0, 0, "x", 1);
  mg_send_mqtt_handshake(&nc, topic);
  CHECK_INT(fake_sent.len, 0);
  CHECK_INT(fake_log.count, 2);
  topic[65535] = '\0';
  mg_mqtt_publish(&nc, topic, 0, 0, "x", 1);
  CHECK_INT(fake_sent.len, 4 + 2 + 65535 + 1);
  close_conn(&nc);
  free(big);
  free(topic);
}

static void subscribe_topics(void) {
  static const char bytes[] = "\x00\x01" "a\x01\x00\x03" "b/c\x02\x00";
  struct mg_mqtt_message mm;
  struct mg_str topic;
  uint8_t qos = 9;
  char *copy = exact_copy(bytes, sizeof(bytes) - 1);
  int pos;
  memset(&mm, 0, sizeof(mm));
  mm.payload = mg_mk_str_n(copy, sizeof(bytes) - 1);
  pos = mg_mqtt_next_subscribe_topic(&mm, &topic, &qos, 0);
  CHECK_INT(pos, 4);
  CHECK_MGSTR(topic, "a");
  CHECK_INT(qos, 1);
  pos = mg_mqtt_next_subscribe_topic(&mm, &topic, &qos, pos);
  CHECK_INT(pos, 10);
  CHECK_MGSTR(topic, "b/c");
  CHECK_INT(qos, 2);
  CHECK_INT(mg_mqtt_next_subscribe_topic(&mm, &topic, &qos, pos), -1);
  CHECK_INT(mg_mqtt_next_subscribe_topic(&mm, &topic, &qos, 11), -1);
  CHECK_INT(mg_mqtt_next_subscribe_topic(&mm, &topic, &qos, -1), -1);
  free(copy);
}

static void matching(void) {
  static const struct {
    const char *filter, *topic;
    int want;
  } rows[] = {
      {"a/b", "a/b", 1},   {"a/b", "a/B", 0},  {"a/b", "a", 0},
      {"a", "a/b", 0},     {"#", "a/b", 1},    {"#", "$SYS/x", 1},
      {"+", "$SYS", 1},    {"a/#", "a", 1},    {"a/#", "a/", 1},
      {"a/#", "a/b/c", 1}, {"a/#", "ab", 0},   {"a/+", "a/b", 1},
      {"a/+", "a/b/c", 0}, {"a/+", "a", 0},    {"a/+", "a/", 0},
      {"+/b", "/b", 1},    {"+/+", "/", 0},    {"a/+/c", "a//c", 1},
      {"a/", "a", 1},      {"a", "a/", 1},     {"a//b", "a//b", 1},
      {"a//b", "a/b", 0},  {"a/#/b", "a/x/b", 0}, {"a+", "a+", 1},
      {"a+", "ab", 0},     {"+/#", "a", 1},    {"", "a", 0},
      {"", "", 0},         {"#", "", 1},       {"a/b/", "a/b", 1},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t n = strlen(rows[i].topic), m = strlen(rows[i].filter);
    char *t = exact_copy(rows[i].topic, n), *f = exact_copy(rows[i].filter, m);
    CHECK_ROW_INT(rows[i].filter,
                  mg_mqtt_match_topic_expression(mg_mk_str_n(f, m),
                                                 mg_mk_str_n(t, n)),
                  rows[i].want);
    CHECK_ROW_INT(rows[i].filter,
                  mg_mqtt_vmatch_topic_expression(rows[i].filter,
                                                  mg_mk_str_n(t, n)),
                  rows[i].want);
    free(t);
    free(f);
  }
}

static void text(void) {
  struct mg_connection nc;
  char big[400];
  open_conn(&nc);
  CHECK_INT(mg_printf(&nc, "%s %d", "GET", 5), 5);
  CHECK_MEM(fake_sent.buf, fake_sent.len, "GET 5", 5);
  mbuf_clear(&fake_sent);
  memset(big, 'x', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  CHECK_INT(mg_printf(&nc, "%s", big), 399);
  CHECK_MEM(fake_sent.buf, fake_sent.len, big, 399);
  CHECK_INT(mg_printf(&nc, "%s", ""), 0);
  CHECK_INT(fake_sent.len, 399);
  close_conn(&nc);
}

void test_mqtt_send(void) {
  connects();
  others();
  lengths();
  subscribe_topics();
  matching();
  text();
}
