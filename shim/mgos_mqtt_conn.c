/*
 * The log lines of the library, where the firmware's LOG macro is; each has its number in mgos_mqtt_seam.h. Nothing else.
 *
 * The file is called like the original's, so that patterns in debug.file_level go on to work.
 */

#include "mgos_mqtt_seam.h"

#include "mgos.h"

#if CS_ENABLE_STDIO

/* Topics are shown up to this length. */
#define SHOWN 96

/* Indexed by CONNACK's return code. */
static const char *refusal(int code) {
  static const char *const text[] = {
      "accepted",
      "the broker does not speak MQTT 3.1.1",
      "the broker does not allow this client id",
      "the broker is unavailable",
      "user name or password are wrong",
      "the client is not authorized; check mqtt.user, mqtt.pass, the certificate and the broker's policy",
  };
  return code < (int) (sizeof(text) / sizeof(text[0])) ? text[code] : "reserved code";
}

/* Indexed by `Wrong` in src/wire/decode.rs. */
static const char *rule(size_t wrong) {
  static const char *const text[] = {
      "?",
      "a packet type that a server does not send",
      "reserved flags",
      "Remaining Length of more than four bytes",
      "wrong length",
      "Packet Identifier 0",
      "QoS 3",
      "DUP at QoS 0",
      "bad topic name",
      "bad CONNACK flags",
      "bad SUBACK code",
      "wrong number of SUBACK codes",
      "packet out of order",
      "session present though a new one was asked for",
      "acknowledgement of the wrong kind",
      "too many QoS 2 messages open",
  };
  return text[wrong < sizeof(text) / sizeof(text[0]) ? wrong : 0];
}

/* Indexed by `TopicError` in src/wire/topic.rs. */
static const char *topic_error(int why) {
  static const char *const text[] = {"?", "it is empty", "it is longer than 65535 bytes", "it is not UTF-8 without NUL",
                                     "a wildcard stands where none may"};
  return text[why > 0 && why < (int) (sizeof(text) / sizeof(text[0])) ? why : 0];
}

/* Indexed by `BadFrame` in src/wire/websocket.rs. */
static const char *frame_rule(int why) {
  static const char *const text[] = {"?", "text", "bad header", "fragments out of order", "bad control frame"};
  return text[why > 0 && why < (int) (sizeof(text) / sizeof(text[0])) ? why : 0];
}

void mgos_mqtt_shim_log(mgos_mqtt_log what, int32_t conn, const uint8_t *s, size_t len, int32_t a, int32_t b) {
  /* The line below is for each message: without it, it costs next to nothing. */
  if (what == MGOS_MQTT_LOG_PUB && cs_log_level < LL_DEBUG) return;
  /* A copy, as a log hook may free the original, and without control characters, as the broker has chosen some of them. */
  char text[SHOWN + 1];
  size_t n = 0;
  for (; s != NULL && n < len && n < SHOWN; n++) {
    /* U+0080 to U+009F are control characters as well. */
    bool c1 = n > 0 && s[n - 1] == 0xc2 && s[n] < 0xa0;
    text[n] = (char) (s[n] < ' ' || s[n] == 0x7f || c1 ? '?' : s[n]);
  }
  text[n] = '\0';
  int c = (int) conn, x = (int) a, y = (int) b;
  switch (what) {
    case MGOS_MQTT_LOG_CONNECTED:
      LOG(LL_INFO, ("MQTT%d TCP connected %s (%d)", c, (x == 0 ? "ok" : "error"), x));
      break;
    case MGOS_MQTT_LOG_DISCONNECTED:
      LOG(LL_INFO, ("MQTT%d disconnected", c));
      break;
    case MGOS_MQTT_LOG_CONNACK:
      LOG(LL_INFO, ("MQTT%d CONNACK %d", c, x));
      break;
    case MGOS_MQTT_LOG_REFUSED:
      LOG(LL_ERROR, ("MQTT%d CONNACK %d: %s", c, x, refusal(x)));
      break;
    case MGOS_MQTT_LOG_SUB:
      LOG(LL_INFO, ("MQTT%d sub %s @ %d", c, text, x));
      break;
    case MGOS_MQTT_LOG_UNSUB:
      LOG(LL_INFO, ("MQTT%d unsub %s", c, text));
      break;
    case MGOS_MQTT_LOG_SUB_FAILED:
      LOG(LL_ERROR, ("MQTT%d the broker refuses the subscription to %s (0x%02x): check its access rules", c, text, x));
      break;
    case MGOS_MQTT_LOG_PUB:
      LOG(LL_DEBUG, ("MQTT%d pub -> %d %s @ %d%s%s", c, x, text, y >> 1 & 3, (y & 8 ? " DUP" : ""), (y & 1 ? " RETAIN" : "")));
      break;
    case MGOS_MQTT_LOG_OVERFLOW:
      LOG(LL_ERROR, ("MQTT%d queue overflow! An older message was given up; see mqtt.max_queue_length", c));
      break;
    case MGOS_MQTT_LOG_WAIT:
      LOG(LL_INFO, ("MQTT%d connecting after %d ms", c, x));
      break;
    case MGOS_MQTT_LOG_SWITCHED:
      LOG(LL_INFO, ("MQTT%d switching to %s", c, (x == 0 ? "mqtt" : "mqtt1")));
      break;
    case MGOS_MQTT_LOG_DISCONNECT:
      LOG(LL_INFO, ("MQTT%d disconnect", c));
      break;
    case MGOS_MQTT_LOG_NO_TIME:
      LOG(LL_ERROR, ("MQTT%d time is not set, not connecting", c));
      break;
    case MGOS_MQTT_LOG_NO_SERVER:
      LOG(LL_ERROR, ("MQTT%d requires server name: set mqtt.server", c));
      break;
    case MGOS_MQTT_LOG_NO_MEMORY:
      LOG(LL_ERROR, ("MQTT%d out of memory %s", c, text));
      break;
    case MGOS_MQTT_LOG_NO_CONFIG:
      LOG(LL_ERROR, ("MQTT%d configuration is NULL", c));
      break;
    case MGOS_MQTT_LOG_PING_TIMEOUT:
      LOG(LL_ERROR, ("MQTT%d no PINGRESP, closing", c));
      break;
    case MGOS_MQTT_LOG_CONNECT_TIMEOUT:
      LOG(LL_ERROR, ("MQTT%d no connection within %d ms (mqtt.connect_timeout), closing", c, x));
      break;
    case MGOS_MQTT_LOG_CLOSE_TIMEOUT:
      LOG(LL_ERROR, ("MQTT%d can't send the rest, closing", c));
      break;
    case MGOS_MQTT_LOG_VIOLATION:
      LOG(LL_ERROR, ("MQTT%d bad packet, type %d flags 0x%x: %s (%d), closing", c, x >> 4, x & 15, rule(len), y));
      break;
    case MGOS_MQTT_LOG_OVERSIZED:
      LOG(LL_ERROR, ("MQTT%d packet of %d bytes is over mqtt.recv_mbuf_limit (%d), dropped: %s", c, x, y, text));
      break;
    case MGOS_MQTT_LOG_BAD_TOPIC:
      LOG(LL_ERROR, ("MQTT%d topic refused, %s: '%s'", c, topic_error(x), text));
      break;
    case MGOS_MQTT_LOG_DROPPED:
      LOG(LL_DEBUG, ("MQTT%d not connected, dropped: %s", c, text));
      break;
    case MGOS_MQTT_LOG_TOO_LARGE:
      LOG(LL_ERROR, ("MQTT%d message is larger than MQTT allows: %s", c, text));
      break;
    case MGOS_MQTT_LOG_NO_WILL:
      LOG(LL_WARN, ("MQTT%d will_retain needs will_topic and will_message, no will sent", c));
      break;
    case MGOS_MQTT_LOG_NO_USER:
      LOG(LL_WARN, ("MQTT%d password needs a user name, not sent", c));
      break;
    case MGOS_MQTT_LOG_NO_CLIENT_ID:
      LOG(LL_WARN, ("MQTT%d no client id: clean_session was set for the broker to accept that", c));
      break;
    case MGOS_MQTT_LOG_TOO_LONG:
      LOG(LL_ERROR, ("MQTT%d client id, will, user name or password is longer than 65535 bytes or not UTF-8, not connecting", c));
      break;
    case MGOS_MQTT_LOG_NO_CONNECTION:
      LOG(LL_ERROR, ("MQTT no connection: NULL, or out of memory"));
      break;
    case MGOS_MQTT_LOG_BAD_FRAME:
      LOG(LL_ERROR, ("MQTT%d bad WebSocket frame: %s, closing", c, frame_rule(x)));
      break;
    case MGOS_MQTT_LOG_NO_HANDLER:
      LOG(LL_ERROR, ("MQTT%d handler is NULL %s", c, text));
      break;
    default:
      break;
  }
}

void mgos_mqtt_shim_log_connecting(const struct mgos_config_mqtt *cfg, int32_t conn) {
  LOG(LL_INFO, ("MQTT%d connecting to %s", (int) conn, cfg->server));
}

#else /* CS_ENABLE_STDIO */

void mgos_mqtt_shim_log(mgos_mqtt_log what, int32_t conn, const uint8_t *s, size_t len, int32_t a, int32_t b) {
  (void) what, (void) conn, (void) s, (void) len, (void) a, (void) b;
}

void mgos_mqtt_shim_log_connecting(const struct mgos_config_mqtt *cfg, int32_t conn) {
  (void) cfg, (void) conn;
}

#endif /* CS_ENABLE_STDIO */
