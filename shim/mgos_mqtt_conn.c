/*
 * The log lines of the library, where the firmware's LOG macro is; each has its number in mgos_mqtt_seam.h. Nothing else.
 *
 * The file is called like the original's, so that patterns in debug.file_level go on to work.
 */

#include "mgos_mqtt_seam.h"

#include <stdio.h>
#include <string.h>

#include "mgos.h"

#if CS_ENABLE_STDIO

/* Room for a line, and how much of a string it shows, bytes. */
#define LINE 192
#define SHOWN 96

/*
 * Indexed by `mgos_mqtt_log`. First the level as a digit, then the text, printed with a string (its length and its address), two numbers and
 * another string. Where the digit is 4 more, the first number comes before the string.
 */
static const char *const lines[] = {
    [MGOS_MQTT_LOG_CONNECTED] = "2TCP connected %.*s (%d)",
    [MGOS_MQTT_LOG_DISCONNECTED] = "2disconnected: %.*s",
    [MGOS_MQTT_LOG_CONNACK] = "2CONNACK 0",
    [MGOS_MQTT_LOG_REFUSED] = "4CONNACK %d: %.*s",
    [MGOS_MQTT_LOG_SUB] = "2sub %.*s @ %d",
    [MGOS_MQTT_LOG_UNSUB] = "2unsub %.*s",
    [MGOS_MQTT_LOG_SUB_FAILED] = "0the broker refuses the subscription to %.*s (0x%02x): check its access rules",
    [MGOS_MQTT_LOG_PUB] = "7pub -> %d %.*s @ %d%s",
    [MGOS_MQTT_LOG_OVERFLOW] = "4queue overflow! Message %d was given up: %.*s; see mqtt.max_queue_length",
    [MGOS_MQTT_LOG_WAIT] = "6connecting after %d ms",
    [MGOS_MQTT_LOG_DISCONNECT] = "2disconnect",
    [MGOS_MQTT_LOG_NO_TIME] = "0time is not set, not connecting",
    [MGOS_MQTT_LOG_NO_SERVER] = "0requires server name: set mqtt.server",
    [MGOS_MQTT_LOG_NO_MEMORY] = "0out of memory %.*s",
    [MGOS_MQTT_LOG_NO_CONFIG] = "0configuration is NULL",
    [MGOS_MQTT_LOG_PING_TIMEOUT] = "0no PINGRESP, closing",
    [MGOS_MQTT_LOG_CONNECT_TIMEOUT] = "4no connection within %d ms (mqtt.connect_timeout), closing",
    [MGOS_MQTT_LOG_CLOSE_TIMEOUT] = "0can't send the rest, closing",
    [MGOS_MQTT_LOG_VIOLATION] = "4bad packet 0x%02x: %.*s, closing",
    [MGOS_MQTT_LOG_OVERSIZED] = "4packet of %d bytes is over mqtt.recv_mbuf_limit, dropped: %.*s (limit %d)",
    [MGOS_MQTT_LOG_DROPPED] = "3not connected, dropped: %.*s",
    [MGOS_MQTT_LOG_TOO_LARGE] = "0message is larger than MQTT allows: %.*s",
    [MGOS_MQTT_LOG_NO_WILL] = "1will_retain needs will_topic and will_message, no will sent",
    [MGOS_MQTT_LOG_NO_USER] = "1password needs a user name, not sent",
    [MGOS_MQTT_LOG_NO_CLIENT_ID] = "1no client id: clean_session was set for the broker to accept that",
    [MGOS_MQTT_LOG_TOO_LONG] = "0client id, will, user or password is longer than 65535 bytes or not UTF-8, not connecting",
    [MGOS_MQTT_LOG_NO_CONNECTION] = "0no connection: NULL, or out of memory",
    [MGOS_MQTT_LOG_NO_HANDLER] = "0handler is NULL %.*s",
    [MGOS_MQTT_LOG_SWITCHED] = "2switching to %.*s",
    [MGOS_MQTT_LOG_DOWNGRADED] = "1PUBACK at QoS 2: the broker has QoS 1 only; set mqtt.max_qos 1",
    [MGOS_MQTT_LOG_OVERDUE] = "5message %d is not acknowledged, sending again; does the broker limit the rate?",
    [MGOS_MQTT_LOG_SUB_OVERDUE] = "1no SUBACK or UNSUBACK, asking again",
    [MGOS_MQTT_LOG_SUB_UNANSWERED] = "0no SUBACK for %.*s: the next connection tries again",
    [MGOS_MQTT_LOG_SET_ASIDE] = "4the broker hangs up on message %d: %.*s (%d bytes). Set aside, tried again "
                                "rarely; check its size and the access rules",
    [MGOS_MQTT_LOG_SUB_SET_ASIDE] = "0the broker hangs up on the subscription to %.*s. Set aside, tried again rarely; "
                                    "check the access rules",
    [MGOS_MQTT_LOG_GIVEN_UP] = "4%d messages were given up, packet ids %.*s",
    [MGOS_MQTT_LOG_SESSION_PRESENT] = "1the broker has kept a session though mqtt.clean_session is true",
    [MGOS_MQTT_LOG_SHORT_LIVED] = "1the broker keeps closing the connection: is mqtt.client_id used twice, or is it a policy?",
    [MGOS_MQTT_LOG_CONGESTED] = "3the link takes no more, dropped: %.*s",
    [MGOS_MQTT_LOG_UNACKED] = "1messages without a subscription are not acknowledged: call mg_mqtt_puback() for each",
    [MGOS_MQTT_LOG_UNSUB_FORGOTTEN] = "1too many UNSUBSCRIBEs wait for the broker: one is forgotten",
    [MGOS_MQTT_LOG_BAD_FRAME] = "0bad WebSocket frame: %.*s, closing",
    /* By `TopicError` in src/wire/topic.rs. */
    [MGOS_MQTT_LOG_BAD_TOPIC + 1] = "0topic refused: it is empty",
    [MGOS_MQTT_LOG_BAD_TOPIC + 2] = "0topic refused: it is longer than 65535 bytes: '%.*s'",
    [MGOS_MQTT_LOG_BAD_TOPIC + 3] = "0topic refused: it is not UTF-8 without NUL: '%.*s'",
    [MGOS_MQTT_LOG_BAD_TOPIC + 4] = "0topic refused: a wildcard stands where none may: '%.*s'",
};

/* What is shown as the string of some lines, by their first number. */

static const char *const servers[] = {"mqtt", "mqtt1"};

/* `enum mgos_mqtt_reason`. */
static const char *const reasons[] = {
    "?",
    "lost",
    "server not reached",
    "refused",
    "protocol violated",
    "no PINGRESP",
    "connect timeout",
    "as asked",
    "configuration",
    "out of memory",
};

/* CONNACK's return codes. */
static const char *const refusals[] = {
    "reserved code",
    "the broker does not speak MQTT 3.1.1",
    "the broker does not allow this client id",
    "the broker is unavailable",
    "user name or password are wrong",
    "the client is not authorized; check mqtt.user, mqtt.pass, the certificate and the broker's policy",
};

/* RETAIN is bit 0 of a PUBLISH's flags, DUP bit 3. */
static const char *const publish_flags[] = {"", " RETAIN", " DUP", " DUP RETAIN"};

/* `Wrong` in src/wire/decode.rs. */
static const char *const rules[] = {
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
    "out of order",
    "acknowledgement of the wrong kind",
    "too many QoS 2 messages open",
};

/* `BadFrame` in src/wire/websocket.rs. */
static const char *const frame_rules[] = {"?", "text", "bad header", "fragments out of order", "bad control frame"};

#define PICK(from, n) ((size_t) (n) < sizeof(from) / sizeof((from)[0]) ? (from)[n] : (from)[0])

/* Makes the line from its arguments. The strings may be gone when it is logged, and the broker has chosen some of them: no control characters. */
static const char *format(char *line, const char *fmt, mgos_mqtt_log what, const char *s, size_t size, int a, int b) {
  const char *word = what == MGOS_MQTT_LOG_CONNECTED   ? (a == 0 ? "ok" : "error")
                     : what == MGOS_MQTT_LOG_DISCONNECTED ? PICK(reasons, a)
                     : what == MGOS_MQTT_LOG_SWITCHED  ? PICK(servers, a)
                     : what == MGOS_MQTT_LOG_REFUSED   ? PICK(refusals, a)
                     : what == MGOS_MQTT_LOG_VIOLATION ? PICK(rules, b)
                     : what == MGOS_MQTT_LOG_BAD_FRAME ? PICK(frame_rules, a)
                                                       : NULL;
  char ids[16];
  if (what == MGOS_MQTT_LOG_GIVEN_UP) {
    snprintf(ids, sizeof(ids), "%u to %u", (unsigned) b >> 16, (unsigned) b & 0xffff);
    word = ids;
  }
  if (word != NULL) s = word, size = strlen(word);
  int len = size < SHOWN ? (int) size : SHOWN;
  const char *flags = publish_flags[(b >> 2 & 2) | (b & 1)];
  if (fmt[0] < '4') {
    snprintf(line, LINE, fmt + 1, len, s, a, b);
  } else {
    snprintf(line, LINE, fmt + 1, a, len, s, fmt[0] == '7' ? b >> 1 & 3 : b, flags);
  }
  for (unsigned char *p = (unsigned char *) line; *p != '\0'; p++) {
    /* U+0080 to U+009F are control characters as well. */
    bool c1 = *p >= 0x80 && *p < 0xa0 && p > (unsigned char *) line && p[-1] == 0xc2;
    if (*p < ' ' || *p == 0x7f || c1) *p = '?';
  }
  return line;
}

void mgos_mqtt_shim_log(mgos_mqtt_log what, int32_t conn, const uint8_t *s, size_t len, int32_t a, int32_t b) {
  size_t n = what == MGOS_MQTT_LOG_BAD_TOPIC ? what + (size_t) a : what;
  const char *fmt = n < sizeof(lines) / sizeof(lines[0]) && lines[n] != NULL ? lines[n] : "0?";
  char line[LINE];
  LOG((enum cs_log_level) (fmt[0] & 3),
      ("MQTT%d %s", (int) conn, format(line, fmt, what, s != NULL ? (const char *) s : "", len, (int) a, (int) b)));
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
