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

/* Room for a line; how much it shows of a string from outside, and how long ours may be; bytes. */
#define LINE 192
#define SHOWN 96
#define OWN 100

/*
 * A text of our own. Only strings from outside are cut: it does not compile where a text of ours,
 * its NUL and `rest` more bytes do not fit `size` bytes.
 */
#define FITTING(text, rest, size) (&(text)[0 * sizeof(char[sizeof(text) + (rest) <= (size) ? 1 : -1])])

/* By how much a line grows when printed: two numbers, and a string from outside or of ours. */
#define NUMBERS (2 * (11 - 2))
#define STRING (NUMBERS + SHOWN)
#define WORDS (NUMBERS + OWN)
#define FLAGS 11

/* A line of the log, and what is shown in one as its string. */
#define FMT(text, rest) FITTING(text, rest, LINE)
#define SAYS(text) FITTING(text, 0, OWN + 1)

/*
 * Indexed by `mgos_mqtt_log`. First the level as a digit, then the text, printed with a string (its length and its address), two numbers and
 * another string. Where the digit is 4 more, the first number comes before the string.
 */
static const char *const lines[] = {
    [MGOS_MQTT_LOG_CONNECTED] = FMT("2TCP connected %.*s (%d)", WORDS),
    [MGOS_MQTT_LOG_DISCONNECTED] = FMT("2disconnected: %.*s", WORDS),
    [MGOS_MQTT_LOG_CONNACK] = FMT("2CONNACK 0", 0),
    [MGOS_MQTT_LOG_REFUSED] = FMT("4CONNACK %d: %.*s", WORDS),
    [MGOS_MQTT_LOG_SUB] = FMT("2sub %.*s @ %d", STRING),
    [MGOS_MQTT_LOG_UNSUB] = FMT("2unsub %.*s", STRING),
    [MGOS_MQTT_LOG_SUB_FAILED] = FMT("0the broker refuses the subscription to %.*s (0x%02x): check its access rules", STRING),
    [MGOS_MQTT_LOG_PUB] = FMT("7pub -> %d %.*s @ %d%s", STRING + FLAGS),
    [MGOS_MQTT_LOG_OVERFLOW] = FMT("4queue overflow! Message %d was given up: %.*s; see mqtt.max_queue_length", STRING),
    [MGOS_MQTT_LOG_WAIT] = FMT("6connecting after %d ms", NUMBERS),
    [MGOS_MQTT_LOG_DISCONNECT] = FMT("2disconnect", 0),
    [MGOS_MQTT_LOG_NO_TIME] = FMT("0time is not set, not connecting", 0),
    [MGOS_MQTT_LOG_NO_SERVER] = FMT("0requires server name: set mqtt.server", 0),
    [MGOS_MQTT_LOG_NO_MEMORY] = FMT("0out of memory %.*s", STRING),
    [MGOS_MQTT_LOG_NO_CONFIG] = FMT("0configuration is NULL", 0),
    [MGOS_MQTT_LOG_PING_TIMEOUT] = FMT("0no PINGRESP, closing", 0),
    [MGOS_MQTT_LOG_CONNECT_TIMEOUT] = FMT("4no connection within %d ms (mqtt.connect_timeout), closing", NUMBERS),
    [MGOS_MQTT_LOG_NO_CONNACK] = FMT("03 times no CONNACK: usually TLS at a plain port, or the reverse; see mqtt.server, mqtt.ssl_ca_cert", 0),
    [MGOS_MQTT_LOG_CLOSE_TIMEOUT] = FMT("0can't send the rest, closing", 0),
    [MGOS_MQTT_LOG_VIOLATION] = FMT("4bad packet 0x%02x: %.*s, closing", WORDS),
    [MGOS_MQTT_LOG_OVERSIZED] = FMT("4packet of %d bytes is over mqtt.recv_mbuf_limit, dropped: %.*s (limit %d)", STRING),
    [MGOS_MQTT_LOG_DROPPED] = FMT("3not connected, dropped: %.*s", STRING),
    [MGOS_MQTT_LOG_TOO_LARGE] = FMT("0message is larger than MQTT allows: %.*s", STRING),
    [MGOS_MQTT_LOG_NULL_MESSAGE] = FMT("0message is NULL, not sent: %.*s", STRING),
    [MGOS_MQTT_LOG_NO_WILL] = FMT("1will_retain needs will_topic and will_message, no will sent", 0),
    [MGOS_MQTT_LOG_BAD_WILL] = FMT("0will_topic is no valid topic, no will sent: %.*s", STRING),
    [MGOS_MQTT_LOG_NO_USER] = FMT("1password needs a user name, not sent", 0),
    [MGOS_MQTT_LOG_NO_CLIENT_ID] = FMT("1no client id: clean_session was set for the broker to accept that", 0),
    [MGOS_MQTT_LOG_TOO_LONG] = FMT("0client id, will, user or password is longer than 65535 bytes or not UTF-8, not connecting", 0),
    [MGOS_MQTT_LOG_NO_CONNECTION] = FMT("0no connection: NULL, or out of memory", 0),
    [MGOS_MQTT_LOG_NO_HANDLER] = FMT("0handler is NULL %.*s", STRING),
    [MGOS_MQTT_LOG_CONTROL_CHARACTERS] = FMT("1control characters in a topic, some brokers refuse them: %.*s", STRING),
    [MGOS_MQTT_LOG_SWITCHED] = FMT("2switching to %.*s", WORDS),
    [MGOS_MQTT_LOG_DOWNGRADED] = FMT("1PUBACK at QoS 2: the broker has QoS 1 only; set mqtt.max_qos 1", 0),
    [MGOS_MQTT_LOG_OVERDUE] = FMT("5message %d is not acknowledged, sending again; does the broker limit the rate?", NUMBERS),
    [MGOS_MQTT_LOG_SUB_OVERDUE] = FMT("1no SUBACK or UNSUBACK, asking again", 0),
    [MGOS_MQTT_LOG_SUB_UNANSWERED] = FMT("0no SUBACK for %.*s: the next connection tries again", STRING),
    [MGOS_MQTT_LOG_SET_ASIDE] = FMT("4the broker hangs up on message %d, set aside: %.*s (%d bytes)", STRING),
    [MGOS_MQTT_LOG_GIVEN_UP_ASIDE] = FMT("4the broker hangs up on message %d, given up: %.*s", STRING),
    [MGOS_MQTT_LOG_SUB_SET_ASIDE] = FMT("0the broker hangs up on a subscription, set aside: %.*s", STRING),
    [MGOS_MQTT_LOG_GIVEN_UP] = FMT("4%d messages were given up, packet ids %.*s", WORDS),
    [MGOS_MQTT_LOG_SESSION_PRESENT] = FMT("1the broker has kept a session though mqtt.clean_session is true", 0),
    [MGOS_MQTT_LOG_SHORT_LIVED] = FMT("1the broker keeps closing the connection: is mqtt.client_id used twice, or is it a policy?", 0),
    [MGOS_MQTT_LOG_CONGESTED] = FMT("3the link takes no more, dropped: %.*s", STRING),
    [MGOS_MQTT_LOG_UNACKED] = FMT("1messages without a subscription are not acknowledged: call mg_mqtt_puback() for each", 0),
    [MGOS_MQTT_LOG_UNSUB_FORGOTTEN] = FMT("1too many UNSUBSCRIBEs wait for the broker: one is forgotten", 0),
    [MGOS_MQTT_LOG_BAD_FRAME] = FMT("0bad WebSocket frame: %.*s, closing", WORDS),
    /* By `TopicError` in src/wire/topic.rs. */
    [MGOS_MQTT_LOG_BAD_TOPIC + 1] = FMT("0topic refused: it is empty", 0),
    [MGOS_MQTT_LOG_BAD_TOPIC + 2] = FMT("0topic refused: it is longer than 65535 bytes: '%.*s'", STRING),
    [MGOS_MQTT_LOG_BAD_TOPIC + 3] = FMT("0topic refused: it is not UTF-8 without NUL: '%.*s'", STRING),
    [MGOS_MQTT_LOG_BAD_TOPIC + 4] = FMT("0topic refused: a wildcard stands where none may: '%.*s'", STRING),
};

/* What is shown as the string of some lines, by their first number. */

static const char *const servers[] = {SAYS("mqtt"), SAYS("mqtt1")};

/* `enum mgos_mqtt_reason`. */
static const char *const reasons[] = {
    SAYS("?"),
    SAYS("lost"),
    SAYS("server not reached"),
    SAYS("refused"),
    SAYS("protocol violated"),
    SAYS("no PINGRESP"),
    SAYS("connect timeout"),
    SAYS("as asked"),
    SAYS("configuration"),
    SAYS("out of memory"),
};

/* CONNACK's return codes. */
static const char *const refusals[] = {
    SAYS("reserved code"),
    SAYS("the broker does not speak MQTT 3.1.1"),
    SAYS("the broker does not allow this client id"),
    SAYS("the broker is unavailable"),
    SAYS("user name or password are wrong"),
    SAYS("the client is not authorized; check mqtt.user, mqtt.pass, the certificate and the broker's policy"),
};

/* RETAIN is bit 0 of a PUBLISH's flags, DUP bit 3. */
static const char publish_flags[][FLAGS + 1] = {"", " RETAIN", " DUP", " DUP RETAIN"};

/* `ProtocolError` in src/wire/decode.rs. */
static const char *const rules[] = {
    SAYS("?"),
    SAYS("a packet type that a server does not send"),
    SAYS("reserved flags"),
    SAYS("Remaining Length of more than four bytes"),
    SAYS("wrong length"),
    SAYS("Packet Identifier 0"),
    SAYS("QoS 3"),
    SAYS("DUP at QoS 0"),
    SAYS("bad topic name"),
    SAYS("bad CONNACK flags"),
    SAYS("bad SUBACK code"),
    SAYS("wrong number of SUBACK codes"),
    SAYS("out of order"),
    SAYS("acknowledgement of the wrong kind"),
    SAYS("too many QoS 2 messages open"),
};

/* `FrameError` in src/wire/websocket.rs. */
static const char *const frame_rules[] = {SAYS("?"), SAYS("text"), SAYS("bad header"), SAYS("fragments out of order"), SAYS("bad control frame")};

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
  int len = size < SHOWN ? (int) size : SHOWN;
  if (word != NULL) s = word, len = (int) strlen(word);
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
  /* A login in a URL is not for the log. */
  const char *at = strrchr(cfg->server, '@');
  LOG(LL_INFO, ("MQTT%d connecting to %s", (int) conn, at != NULL ? at + 1 : cfg->server));
}

#else /* CS_ENABLE_STDIO */

void mgos_mqtt_shim_log(mgos_mqtt_log what, int32_t conn, const uint8_t *s, size_t len, int32_t a, int32_t b) {
  (void) what, (void) conn, (void) s, (void) len, (void) a, (void) b;
}

void mgos_mqtt_shim_log_connecting(const struct mgos_config_mqtt *cfg, int32_t conn) {
  (void) cfg, (void) conn;
}

#endif /* CS_ENABLE_STDIO */
