/*
 * Mongoose's MQTT client functions on a plain connection: sending packets, and a protocol handler
 * that splits received data into packets and implements keep-alive. Sessions, queues and
 * reconnecting are up to the mqtt library.
 *
 * As in Mongoose 6.18, except that nothing is read beyond the packet, each packet's event starts
 * with a clean message, and a text that does not fit its length field is rejected.
 */
#include "common/cs_dbg.h"
#include "common/mg_mem.h"
#include "mongoose.h"

/* A PINGREQ is unanswered. */
#define PING_PENDING MG_F_PROTO_1

/* A larger difference between two readings means that the clock was set. */
#define NOT_A_DELAY 1500000000

/* ---- Receiving ---- */

enum parse_result { PARSE_OK, PARSE_INCOMPLETE, PARSE_MALFORMED };

/* The unparsed rest of the packet. `ok` becomes false at the first read beyond its end and stays
 * so; such reads return zeros. */
struct reader {
  const char *p;
  size_t left;
  bool ok;
};

static const char *take(struct reader *r, size_t n) {
  const char *p = r->p;
  if (!r->ok || n > r->left) {
    r->ok = false;
    return NULL;
  }
  r->p += n;
  r->left -= n;
  return p;
}

static uint8_t take_u8(struct reader *r) {
  const char *p = take(r, 1);
  return p == NULL ? 0 : (uint8_t) *p;
}

static uint16_t take_u16(struct reader *r) {
  uint8_t hi = take_u8(r);
  return (uint16_t) (hi << 8 | take_u8(r));
}

static struct mg_str take_str(struct reader *r) {
  size_t n = take_u16(r);
  const char *p = take(r, n);
  return p == NULL ? mg_mk_str(NULL) : mg_mk_str_n(p, n);
}

static void parse_connect(struct reader *r, struct mg_mqtt_message *mm) {
  mm->protocol_name = take_str(r);
  mm->protocol_version = take_u8(r);
  mm->connect_flags = take_u8(r);
  mm->keep_alive_timer = take_u16(r);
  mm->client_id = take_str(r);
  if (mm->connect_flags & MG_MQTT_HAS_WILL) {
    mm->will_topic = take_str(r);
    mm->will_message = take_str(r);
  }
  if (mm->connect_flags & MG_MQTT_HAS_USER_NAME) mm->user_name = take_str(r);
  if (mm->connect_flags & MG_MQTT_HAS_PASSWORD) mm->password = take_str(r);
  if (r->left > 0) r->ok = false;
}

/* Parses the packet at the start of the buffer. */
static enum parse_result parse_packet(const struct mbuf *io,
                                      struct mg_mqtt_message *mm) {
  struct reader r;
  uint64_t len = 0;
  size_t n = 1;
  uint8_t byte;
  memset(mm, 0, sizeof(*mm));
  if (io->len < 2) return PARSE_INCOMPLETE;
  /* Mongoose accepts up to five length bytes, one more than the standard. */
  do {
    if (n > 5) return PARSE_MALFORMED;
    if (n == io->len) return PARSE_INCOMPLETE;
    byte = (uint8_t) io->buf[n];
    len |= (uint64_t) (byte & 0x7f) << (7 * (n - 1));
    n++;
  } while (byte & 0x80);
  if (len > io->len - n || len > INT_MAX - n) return PARSE_INCOMPLETE;

  mm->cmd = (uint8_t) io->buf[0] >> 4;
  mm->qos = MG_MQTT_GET_QOS((uint8_t) io->buf[0]);
  mm->len = (int) (n + len);
  r.p = io->buf + n;
  r.left = (size_t) len;
  r.ok = true;
  switch (mm->cmd) {
    case MG_MQTT_CMD_CONNECT:
      parse_connect(&r, mm);
      break;
    case MG_MQTT_CMD_CONNACK:
      take_u8(&r);
      mm->connack_ret_code = take_u8(&r);
      break;
    case MG_MQTT_CMD_PUBACK:
    case MG_MQTT_CMD_PUBREC:
    case MG_MQTT_CMD_PUBREL:
    case MG_MQTT_CMD_PUBCOMP:
    case MG_MQTT_CMD_SUBACK:
      mm->message_id = take_u16(&r);
      break;
    case MG_MQTT_CMD_PUBLISH:
      mm->topic = take_str(&r);
      if (mm->qos > 0) mm->message_id = take_u16(&r);
      mm->payload = mg_mk_str_n(r.p, r.left);
      break;
    case MG_MQTT_CMD_SUBSCRIBE:
      mm->message_id = take_u16(&r);
      mm->payload = mg_mk_str_n(r.p, r.left); /* mg_mqtt_next_subscribe_topic */
      break;
    default: /* passed to the handler unparsed */
      break;
  }
  return r.ok ? PARSE_OK : PARSE_MALFORMED;
}

static void on_recv(struct mg_connection *nc, void *user_data) {
  struct mg_mqtt_message mm;
  enum parse_result res;
  while ((res = parse_packet(&nc->recv_mbuf, &mm)) == PARSE_OK) {
    size_t len = (size_t) mm.len; /* the handler may change mm */
    if (mm.cmd == MG_MQTT_CMD_PINGRESP) {
      LOG(LL_DEBUG, ("%p ping was answered", (void *) nc));
      nc->flags &= ~(unsigned long) PING_PENDING;
    }
    if (nc->handler != NULL) {
      nc->handler(nc, MG_MQTT_EVENT_BASE + mm.cmd, &mm MG_UD_ARG(user_data));
    }
    mbuf_remove(&nc->recv_mbuf, len);
  }
  if (res == PARSE_MALFORMED) {
    nc->flags |= MG_F_CLOSE_IMMEDIATELY;
  } else if (nc->recv_mbuf_limit > 0 &&
             nc->recv_mbuf.len >= nc->recv_mbuf_limit) {
    /* The rest would never fit. */
    LOG(LL_ERROR, ("%p packet is larger than the receive limit of %lu bytes, "
                   "closing",
                   (void *) nc, (unsigned long) nc->recv_mbuf_limit));
    nc->flags |= MG_F_CLOSE_IMMEDIATELY;
  }
}

/* Keep-alive: sends a ping after that long without sending, and closes if it stays unanswered for
 * as long again. */
static void on_poll(struct mg_connection *nc) {
  struct mg_mqtt_proto_data *pd = (struct mg_mqtt_proto_data *) nc->proto_data;
  double now, idle;
  if (pd == NULL || pd->keep_alive == 0 || pd->last_control_time <= 0) return;
  now = mg_time();
  idle = now - pd->last_control_time;
  if (idle <= pd->keep_alive) return;
  if (idle >= NOT_A_DELAY) {
    /* The actual time is unknown; the standard's limit is 1.5 times. */
    pd->last_control_time = now - pd->keep_alive * 0.6;
  } else if (nc->flags & PING_PENDING) {
    LOG(LL_DEBUG, ("%p ping was not answered in time, closing", (void *) nc));
    nc->flags |= MG_F_CLOSE_IMMEDIATELY;
  } else {
    LOG(LL_DEBUG, ("%p sending a ping", (void *) nc));
    nc->flags |= PING_PENDING;
    mg_mqtt_ping(nc);
  }
}

static void mqtt_handler(struct mg_connection *nc, int ev,
                         void *ev_data MG_UD_ARG(void *user_data)) {
  if (nc->handler != NULL) nc->handler(nc, ev, ev_data MG_UD_ARG(user_data));
  switch (ev) {
    case MG_EV_ACCEPT:
      if (nc->proto_data == NULL) mg_set_protocol_mqtt(nc);
      break;
    case MG_EV_RECV:
      on_recv(nc, user_data);
      break;
    case MG_EV_POLL:
      on_poll(nc);
      break;
    default:
      break;
  }
}

static void free_proto_data(void *proto_data) {
  MG_FREE(proto_data);
}

void mg_set_protocol_mqtt(struct mg_connection *nc) {
  /* Apps may call this twice on a connection. Restart, but reuse the memory. Leave other protocols'
   * proto_data alone. */
  if (nc->proto_data != NULL && nc->proto_data_destructor == free_proto_data) {
    memset(nc->proto_data, 0, sizeof(struct mg_mqtt_proto_data));
  } else {
    nc->proto_data = MG_CALLOC(1, sizeof(struct mg_mqtt_proto_data));
  }
  nc->proto_data_destructor = free_proto_data;
  nc->proto_handler = mqtt_handler;
}

int mg_mqtt_next_subscribe_topic(struct mg_mqtt_message *msg,
                                 struct mg_str *topic, uint8_t *qos, int pos) {
  struct reader r;
  struct mg_str t;
  uint8_t q;
  if (pos < 0 || (size_t) pos >= msg->payload.len) return -1;
  r.p = msg->payload.p + pos;
  r.left = msg->payload.len - (size_t) pos;
  r.ok = true;
  t = take_str(&r);
  q = take_u8(&r);
  if (!r.ok) return -1;
  *topic = t;
  *qos = q;
  return (int) (r.p - msg->payload.p);
}

/* ---- Topic filters ---- */

/* Cuts off the first level. After the last one there are endless empty levels, so "a" and "a/" are
 * equal, in filters and in topics. */
static struct mg_str take_level(struct mg_str *s) {
  const char *slash = mg_strchr(*s, '/');
  struct mg_str level = *s;
  if (slash == NULL) {
    *s = mg_mk_str_n(s->p + s->len, 0);
  } else {
    level.len = (size_t) (slash - s->p);
    *s = mg_mk_str_n(slash + 1, s->len - level.len - 1);
  }
  return level;
}

int mg_mqtt_match_topic_expression(struct mg_str exp, struct mg_str topic) {
  if (exp.len == 0) return 0;
  for (;;) {
    struct mg_str e = take_level(&exp), t = take_level(&topic);
    if (mg_vcmp(&e, "#") == 0) return exp.len == 0;
    if (mg_vcmp(&e, "+") == 0) {
      if (t.len == 0 && topic.len == 0) return 0;
      continue;
    }
    if (mg_strcmp(e, t) != 0) return 0;
    if (e.len == 0 && exp.len == 0) return topic.len == 0;
  }
}

int mg_mqtt_vmatch_topic_expression(const char *exp, struct mg_str topic) {
  return mg_mqtt_match_topic_expression(mg_mk_str(exp), topic);
}
