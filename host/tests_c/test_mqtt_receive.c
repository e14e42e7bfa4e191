/*
 * Mongoose's MQTT protocol handler: received bytes, and keep-alive. Sending is in test_mqtt_send.c.
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
       "3:0:t:ab 9:7:: ", 3, false}, /* fields do not leak into the next */
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
    /* Byte by byte gives the same events. */
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
  /* Truncated anywhere, but claiming to be complete: malformed, and not read beyond. */
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
  mbuf_append(&nc.recv_mbuf, "\x30\x06\x00\x01tabc", 8); /* fits exactly */
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
  /* The clock jumps from 1970 to now: no ping because of that. */
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
  CHECK(nc.proto_data == first); /* reused, and reset */
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
