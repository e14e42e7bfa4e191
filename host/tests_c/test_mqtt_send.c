/*
 * The bytes sent by each of Mongoose's MQTT functions, rejected arguments, topic filters, and text
 * on a connection.
 */
#include "mongoose.h"
#include "test.h"

static void open_conn(struct mg_connection *nc) {
  memset(nc, 0, sizeof(*nc));
  mg_set_protocol_mqtt(nc);
  mbuf_clear(&fake_sent);
}

static void close_conn(struct mg_connection *nc) {
  nc->proto_data_destructor(nc->proto_data);
}

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
  nc.proto_data = NULL; /* a connection without the protocol: sent anyway */
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
  /* What does not fit is not sent at all, and logged. */
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
