/*
 * Sending half of Mongoose's MQTT functions: each builds one packet with mg_send() and records the
 * time, for keep-alive. What may be sent when is up to the caller. Receiving is in mg_mqtt.c.
 */
#include "common/cs_dbg.h"
#include "common/str_util.h"
#include "mongoose.h"

#define MAX_REMAINING_LEN 268435455u

static void put(struct mg_connection *nc, const void *p, size_t n) {
  if (n > 0) mg_send(nc, p, (int) n);
}

static void put_u8(struct mg_connection *nc, uint8_t v) {
  put(nc, &v, 1);
}

static void put_u16(struct mg_connection *nc, uint16_t v) {
  uint8_t bytes[2];
  bytes[0] = (uint8_t) (v >> 8);
  bytes[1] = (uint8_t) v;
  put(nc, bytes, sizeof(bytes));
}

/* A text and its two-byte length. NULL is an empty text. */
static void put_str(struct mg_connection *nc, const char *s) {
  size_t n = s == NULL ? 0 : strlen(s);
  put_u16(nc, (uint16_t) n);
  put(nc, s, n);
}

/* Number of bytes that put_str() writes; rejects what cannot be sent. */
static bool add_str(size_t *total, const char *s, const char *what) {
  size_t n = s == NULL ? 0 : strlen(s);
  if (n > UINT16_MAX) {
    LOG(LL_ERROR, ("MQTT %s of %lu bytes is too long (65535 at most), packet "
                   "not sent",
                   what, (unsigned long) n));
    return false;
  }
  *total += 2 + n;
  return true;
}

static bool put_header(struct mg_connection *nc, int cmd, int flags,
                       size_t len) {
  struct mg_mqtt_proto_data *pd = (struct mg_mqtt_proto_data *) nc->proto_data;
  uint8_t buf[5];
  size_t n = 0;
  if (len > MAX_REMAINING_LEN) {
    LOG(LL_ERROR, ("MQTT packet of %lu bytes is too long, not sent",
                   (unsigned long) len));
    return false;
  }
  buf[n++] = (uint8_t) (cmd << 4 | (flags & 15));
  do {
    buf[n] = (uint8_t) (len & 0x7f);
    len >>= 7;
    if (len > 0) buf[n] |= 0x80;
    n++;
  } while (len > 0);
  put(nc, buf, n);
  if (pd != NULL) pd->last_control_time = mg_time();
  return true;
}

void mg_send_mqtt_handshake(struct mg_connection *nc, const char *client_id) {
  struct mg_send_mqtt_handshake_opts opts;
  memset(&opts, 0, sizeof(opts));
  mg_send_mqtt_handshake_opt(nc, client_id, opts);
}

void mg_send_mqtt_handshake_opt(struct mg_connection *nc, const char *client_id,
                                struct mg_send_mqtt_handshake_opts opts) {
  struct mg_mqtt_proto_data *pd = (struct mg_mqtt_proto_data *) nc->proto_data;
  size_t len = 10; /* "MQTT" and its length, level, flags, keep-alive */
  bool ok = add_str(&len, client_id, "client id");
  if (opts.user_name != NULL) opts.flags |= MG_MQTT_HAS_USER_NAME;
  if (opts.password != NULL) opts.flags |= MG_MQTT_HAS_PASSWORD;
  if (opts.will_topic != NULL && opts.will_message != NULL) {
    opts.flags |= MG_MQTT_HAS_WILL;
  } else { /* each is ignored without the other */
    opts.will_topic = opts.will_message = NULL;
  }
  if (opts.keep_alive == 0) opts.keep_alive = 60;
  if (opts.flags & MG_MQTT_HAS_WILL) {
    ok = ok && add_str(&len, opts.will_topic, "will topic") &&
         add_str(&len, opts.will_message, "will message");
  }
  if (opts.flags & MG_MQTT_HAS_USER_NAME) {
    ok = ok && add_str(&len, opts.user_name, "user name");
  }
  if (opts.flags & MG_MQTT_HAS_PASSWORD) {
    ok = ok && add_str(&len, opts.password, "password");
  }
  if (!ok || !put_header(nc, MG_MQTT_CMD_CONNECT, 0, len)) return;

  put_str(nc, "MQTT");
  put_u8(nc, 4);
  put_u8(nc, opts.flags);
  put_u16(nc, opts.keep_alive);
  put_str(nc, client_id);
  if (opts.flags & MG_MQTT_HAS_WILL) {
    put_str(nc, opts.will_topic);
    put_str(nc, opts.will_message);
  }
  if (opts.flags & MG_MQTT_HAS_USER_NAME) put_str(nc, opts.user_name);
  if (opts.flags & MG_MQTT_HAS_PASSWORD) put_str(nc, opts.password);
  if (pd != NULL) pd->keep_alive = opts.keep_alive;
}

void mg_mqtt_publish(struct mg_connection *nc, const char *topic,
                     uint16_t message_id, int flags, const void *data,
                     size_t len) {
  bool has_id = MG_MQTT_GET_QOS(flags) > 0;
  size_t head = has_id ? 2 : 0;
  if (!add_str(&head, topic, "topic")) return;
  if (len > MAX_REMAINING_LEN) head = 0; /* put_header will fail */
  if (!put_header(nc, MG_MQTT_CMD_PUBLISH, flags, head + len)) return;
  put_str(nc, topic);
  if (has_id) put_u16(nc, message_id);
  put(nc, data, len);
}

void mg_mqtt_subscribe(struct mg_connection *nc,
                       const struct mg_mqtt_topic_expression *topics,
                       size_t topics_len, uint16_t message_id) {
  size_t i, len = 2;
  for (i = 0; i < topics_len; i++) {
    if (!add_str(&len, topics[i].topic, "topic")) return;
    len++;
  }
  if (!put_header(nc, MG_MQTT_CMD_SUBSCRIBE, MG_MQTT_QOS(1), len)) return;
  put_u16(nc, message_id);
  for (i = 0; i < topics_len; i++) {
    put_str(nc, topics[i].topic);
    put_u8(nc, topics[i].qos);
  }
}

void mg_mqtt_unsubscribe(struct mg_connection *nc, char **topics,
                         size_t topics_len, uint16_t message_id) {
  size_t i, len = 2;
  for (i = 0; i < topics_len; i++) {
    if (!add_str(&len, topics[i], "topic")) return;
  }
  if (!put_header(nc, MG_MQTT_CMD_UNSUBSCRIBE, MG_MQTT_QOS(1), len)) return;
  put_u16(nc, message_id);
  for (i = 0; i < topics_len; i++) put_str(nc, topics[i]);
}

void mg_mqtt_connack(struct mg_connection *nc, uint8_t return_code) {
  put_header(nc, MG_MQTT_CMD_CONNACK, 0, 2);
  put_u8(nc, 0);
  put_u8(nc, return_code);
}

/* The flags of SUBACK are zero, as the standard requires; Mongoose sends 2. */
void mg_mqtt_suback(struct mg_connection *nc, uint8_t *qoss, size_t qoss_len,
                    uint16_t message_id) {
  if (!put_header(nc, MG_MQTT_CMD_SUBACK, 0, 2 + qoss_len)) return;
  put_u16(nc, message_id);
  put(nc, qoss, qoss_len);
}

/* A packet with just a packet ID. */
static void put_id_packet(struct mg_connection *nc, int cmd, int flags,
                          uint16_t message_id) {
  put_header(nc, cmd, flags, 2);
  put_u16(nc, message_id);
}

void mg_mqtt_puback(struct mg_connection *nc, uint16_t message_id) {
  put_id_packet(nc, MG_MQTT_CMD_PUBACK, 0, message_id);
}

void mg_mqtt_pubrec(struct mg_connection *nc, uint16_t message_id) {
  put_id_packet(nc, MG_MQTT_CMD_PUBREC, 0, message_id);
}

void mg_mqtt_pubrel(struct mg_connection *nc, uint16_t message_id) {
  put_id_packet(nc, MG_MQTT_CMD_PUBREL, MG_MQTT_QOS(1), message_id);
}

void mg_mqtt_pubcomp(struct mg_connection *nc, uint16_t message_id) {
  put_id_packet(nc, MG_MQTT_CMD_PUBCOMP, 0, message_id);
}

void mg_mqtt_unsuback(struct mg_connection *nc, uint16_t message_id) {
  put_id_packet(nc, MG_MQTT_CMD_UNSUBACK, 0, message_id);
}

void mg_mqtt_ping(struct mg_connection *nc) {
  put_header(nc, MG_MQTT_CMD_PINGREQ, 0, 0);
}

void mg_mqtt_pong(struct mg_connection *nc) {
  put_header(nc, MG_MQTT_CMD_PINGRESP, 0, 0);
}

void mg_mqtt_disconnect(struct mg_connection *nc) {
  put_header(nc, MG_MQTT_CMD_DISCONNECT, 0, 0);
}

/* ---- Text ---- */

int mg_vprintf(struct mg_connection *nc, const char *fmt, va_list ap) {
  char small[256], *text = small;
  int len = mg_avprintf(&text, sizeof(small), fmt, ap);
  if (len > 0) mg_send(nc, text, len);
  if (text != small) free(text);
  return len;
}

int mg_printf(struct mg_connection *nc, const char *fmt, ...) {
  va_list ap;
  int len;
  va_start(ap, fmt);
  len = mg_vprintf(nc, fmt, ap);
  va_end(ap);
  return len;
}
