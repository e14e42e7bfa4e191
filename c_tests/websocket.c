/*
 * MQTT over WebSocket: the handshake, and MQTT packets in frames, both ways. The packets themselves
 * are tested in other areas.
 */

/* strcasestr() */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"
#define CONNECT "10 0d 0004 'MQTT' 04 02 003c 0001 'c'"

/* ---- The server's side of WebSocket, as far as needed ---- */

/* Reads the request into `request`. */
static void receive_request(char *request, size_t size) {
  size_t n = 0;
  while (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4) != 0) {
    if (n + 1 == size) fail("the request is too long");
    receive_bytes((uint8_t *) request + n++, 1);
  }
  request[n] = '\0';
}

static void expect_header(const char *request, const char *line) {
  if (strcasestr(request, line) == NULL) fail("not in the request: %s\n%s", line, request);
}

#define SPEAKS_MQTT "Sec-WebSocket-Protocol: mqtt\r\n"

/* Agrees, with this header line, and with these bytes in the same segment. */
static void accept_request_with(char *request, size_t size, const char *line, const char *behind) {
  char key[25] = "", accept[40];
  const char *p;
  receive_request(request, size);
  p = strcasestr(request, "Sec-WebSocket-Key: ");
  if (p == NULL || sscanf(p + 19, "%24s", key) != 1) fail("no key in the request");
  websocket_accept(key, accept);
  p = text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
           "%s\r\n%s", accept, line, behind);
  play_bytes(p, strlen(p));
}

static void accept_request(char *request, size_t size) {
  accept_request_with(request, size, SPEAKS_MQTT, "");
}

/* The next frame: its first byte, its unmasked payload. Clients must mask. */
static uint8_t receive_frame(uint8_t *payload, size_t *len, size_t size) {
  uint8_t head[8], mask[4];
  size_t i;
  receive_bytes(head, 2);
  if (!(head[1] & 0x80)) fail("a frame without a mask: %02x %02x", head[0], head[1]);
  *len = head[1] & 0x7f;
  if (*len == 126) {
    receive_bytes(head + 2, 2);
    *len = (size_t) head[2] << 8 | head[3];
  }
  if (*len > size) fail("a frame of %lu bytes", (unsigned long) *len);
  receive_bytes(mask, 4);
  receive_bytes(payload, *len);
  for (i = 0; i < *len; i++) payload[i] ^= mask[i % 4];
  return head[0];
}

/* The next frame must have this first byte and payload. */
static void expect_frame(uint8_t head, const char *pattern) {
  uint8_t payload[2000], want[2000];
  size_t len, want_len = parse_hex(pattern, want, NULL, sizeof(want), NULL);
  uint8_t got = receive_frame(payload, &len, sizeof(payload));
  if (got != head || len != want_len || memcmp(payload, want, len) != 0) {
    fail("expected a frame %02x with %s, got %02x with %s", head, pattern, got, show_packet(payload, len));
  }
}

#define BINARY 0x82

static void play_frame(uint8_t head, const char *hex) {
  uint8_t frame[130];
  size_t len = parse_hex(hex, frame + 2, NULL, 125, NULL);
  frame[0] = head;
  frame[1] = (uint8_t) len;
  play_bytes(frame, len + 2);
}

static void go_up(void) {
  char request[1000];
  app_connect();
  expect_connection();
  accept_request(request, sizeof(request));
  expect_frame(BINARY, CONNECT);
  play_frame(BINARY, "20 02 00 00");
  expect_events(UP);
}

static void connect_ws(void) {
  cfg.ws_enable = true;
  create();
  go_up();
}

/* ---- Scripts ---- */

static void opening(void) {
  char request[1000];
  cfg.ws_enable = true;
  cfg.ws_path = "/way?to=it";
  create();
  app_connect();
  expect_connection();
  accept_request(request, sizeof(request));
  expect_that(strncmp(request, "GET /way?to=it HTTP/1.1\r\n", 25) == 0);
  expect_header(request, "\r\nUpgrade: websocket\r\n");
  expect_header(request, "\r\nConnection: Upgrade\r\n");
  expect_header(request, "\r\nSec-WebSocket-Version: 13\r\n");
  expect_header(request, "\r\nSec-WebSocket-Protocol: mqtt\r\n");
  expect_header(request, text("\r\nHost: %s\r\n", cfg.server));
  check("request");
  expect_frame(BINARY, CONNECT);
  check("CONNECT is sent in a masked binary frame");
  play_frame(BINARY, "20 02 00 00");
  expect_events(UP);
  check("CONNACK arrives in one");
}

static void incoming(void) {
  cfg.ws_enable = true;
  create();
  app_sub("a", 1, "a");
  go_up();
  expect_frame(BINARY, "82 06 0001 0001 'a' 01");
  play_frame(BINARY, "90 03 0001 01 30 04 0001 'a' '1' 30 04 0001 'a' '2'");
  expect_events("a SUBACK 1\na PUBLISH a=1\na PUBLISH a=2\n");
  check("multiple packets in a frame");
  play_frame(BINARY, "30 05 00");
  play_frame(BINARY, "01 'a' '34'");
  expect_events("a PUBLISH a=34\n");
  check("a packet in multiple frames");
  play_frame(0x02, "30 05 0001");
  play_frame(0x00, "'a'");
  play_frame(0x80, "'56'");
  expect_events("a PUBLISH a=56\n");
  check("fragments of a frame");
  play_frame(0x89, "'ping'");
  expect_frame(0x8a, "'ping'");
  check("a ping of WebSocket is answered");
  play_frame(BINARY, "32 06 0001 'a' 0007 'm'");
  expect_frame(BINARY, "40 02 0007");
  expect_events("a PUBLISH a=m qos1 id7\n");
  check("PUBACK is sent in a frame");
}

static void outgoing(void) {
  connect_ws();
  expect_number(app_pub("t", "m", 1, false), 1);
#ifdef MQTT_UPSTREAM
  expect("32 06 0001 't' 0001 'm'");
  check("messages published outside of MQTT events are sent without a frame");
#else
  expect_frame(BINARY, "32 06 0001 't' 0001 'm'");
  app_sub("s", 1, "s");
  expect_frame(BINARY, "82 06 0002 0001 's' 01");
  app_disconnect();
  expect_frame(BINARY, "e0 00");
  check("everything that the app sends is framed, whenever it does");
  expect_frame(0x88, "03e8");
  expect_close();
  expect_events(LOST);
  check("DISCONNECT is followed by a close frame");
#endif
}

static void subscriptions(void) {
  cfg.ws_enable = true;
  create();
  app_sub("a", 1, "a");
  app_sub("b", 1, "b");
  go_up();
#ifdef MQTT_UPSTREAM
  expect_frame(BINARY, "82 06 0001 0001 'b' 01 82 06 0002 0001 'a' 01");
#else
  expect_frame(BINARY, "82 06 0001 0001 'b' 01");
  expect_frame(BINARY, "82 06 0002 0001 'a' 01");
#endif
  check(EITHER("each SUBSCRIBE has a frame of its own", "one frame has all SUBSCRIBEs"));
  expect_number(logged("WS connected ok (0)"), EITHER(0, 1));
  expect_number(logged("TCP connected ok (0)"), EITHER(1, 0));
  expect_number(logged("sending WS handshake to"), EITHER(0, 1));
  check(EITHER("the log says as much as over TCP", "the log has the steps of the handshake"));
}

static void text_frame(void) {
  connect_ws();
  play_frame(0x81, "30 04 0001 'a' '1'");
#ifdef MQTT_UPSTREAM
  expect_events("g PUBLISH a=1\n");
  check("a text frame is taken");
#else
  expect_logged("bad WebSocket frame: text frame, closing");
  expect_events(LOST);
  check("a text frame is refused");
  forget_events();
#endif
}

static void refused(void) {
  static const char answer[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  char request[1000];
  cfg.ws_enable = true;
  create();
  app_connect();
  expect_connection();
  receive_request(request, sizeof(request));
  play_bytes(answer, strlen(answer));
  expect_close();
  expect_events(EITHER("cloud CONNECTING\ncloud CONNECTERROR\n", "cloud CONNECTING\n"));
  expect_connection();
  check("a status other than 101: closed, and retried");
  forget_events();
}

static void closed_by_server(void) {
  connect_ws();
  play_frame(0x88, "03e8");
  expect_frame(0x88, "03e8");
  expect_close();
  expect_events(LOST);
  check("the server's close is answered, and the connection ends as usual");
  forget_events();
}

#ifndef MQTT_UPSTREAM
/* Packets and the close frame in one segment: the original drops what precedes it. */
static void last_words(void) {
  connect_ws();
  app_sub("a", 0, "a");
  expect_frame(BINARY, "82 06 0001 0001 'a' 00");
  play_frame(BINARY, "90 03 0001 00");
  expect_events("a SUBACK 1\n");
  play("82 05 30 03 0001 'a'  82 03 30 04 00  82 03 01 'ab'  82 01 30  88 02 03e8");
  expect_frame(0x88, "03e8");
  expect_close();
  expect_events("a PUBLISH a=\na PUBLISH a=b\n" LOST);
  check("data before the server's close is processed first");
  forget_events();
}

/* The original accepts nothing more from such a connection until keep-alive ends it. */
static void large_frame(void) {
  static uint8_t frame[4 + 4000];
  connect_ws();
  memcpy(frame, "\x82\x7e\x0f\xa0\x32\x9d\x1f\x00\x01t\x00\x09", 12);
  memset(frame + 12, 'x', sizeof(frame) - 12);
  play_bytes(frame, sizeof(frame));
  expect_frame(BINARY, "40 02 0009");
  expect_logged("packet of 4000 bytes exceeds mqtt.recv_mbuf_limit");
  play_frame(BINARY, "30 04 0001 't' 'm'");
  expect_events("g PUBLISH t=m\n");
  check("a message over the limit, in one frame, is acknowledged and not delivered");
}

#ifndef MQTT_UPSTREAM
static size_t s_got;

static bool on_piece(struct mgos_mqtt_conn *c, const struct mgos_mqtt_piece *piece, void *arg) {
  size_t i, wrong = piece->offset != s_got;
  for (i = 0; i < piece->len; i++) wrong += ((const char *) piece->data)[i] != (char) ('a' + (piece->offset + i) % 23);
  s_got = piece->offset + piece->len;
  if (s_got == piece->total) record("%.*s %d%s", (int) piece->topic_len, piece->topic, (int) s_got, wrong ? " damaged" : "");
  if (s_got == piece->total) s_got = 0;
  (void) c, (void) arg;
  return wrong == 0;
}

static void sub_stream(void *arg) {
  mgos_mqtt_conn_sub_stream(connection(), "a-topic-of-some-length", 1, on_piece, NULL);
  (void) arg;
}

static void pieces(void) {
  static uint8_t packet[31 + 4000];
  size_t each[] = {1, 7, 125}, k, at;
  cfg.recv_mbuf_limit = 200;
  connect_ws();
  in_app(sub_stream, NULL);
  expect_frame(BINARY, "82 1b 0001 0016 'a-topic-of-some-length' 01");
  play_frame(BINARY, "90 03 0001 01");
  memcpy(packet, "\x32\xba\x1f\x00\x16"
                 "a-topic-of-some-length\x00\x09", 29);
  for (at = 29; at < sizeof(packet); at++) packet[at] = (uint8_t) ('a' + (at - 29) % 23);
  packet[1] = (uint8_t) (0x80 | ((sizeof(packet) - 3) & 0x7f));
  packet[2] = (uint8_t) ((sizeof(packet) - 3) >> 7);
  for (k = 0; k < COUNT(each); k++) {
    for (at = 0; at < sizeof(packet); at += each[k]) {
      uint8_t frame[130];
      size_t len = sizeof(packet) - at < each[k] ? sizeof(packet) - at : each[k];
      frame[0] = at == 0 ? 0x02 : at + len == sizeof(packet) ? 0x80 : 0x00;
      frame[1] = (uint8_t) len;
      memcpy(frame + 2, packet + at, len);
      play_bytes(frame, len + 2);
    }
    expect_frame(BINARY, "40 02 0009");
    expect_events("a-topic-of-some-length 4002\n");
  }
  check("a message over the limit, in fragments of 1, 7 and 125 bytes, comes in pieces");
}
#endif

static volatile bool s_pinging;

/* 40 MB of pings, without reading. */
static void *ping_on(void *arg) {
  static uint8_t pings[102 * 100];
  size_t i;
  for (i = 0; i < sizeof(pings); i += 102) memcpy(pings + i, "\x89\x64", 2);
  for (i = 0; i < 4000; i++) play_bytes(pings, sizeof(pings));
  s_pinging = false;
  return arg;
}

static size_t s_most_unsent;

static void look_at_unsent(void *arg) {
  size_t len = ((struct mg_connection *) arg)->send_mbuf.len;
  if (len > s_most_unsent) s_most_unsent = len;
}

static void pongs_unread(void) {
  pthread_t thread;
  struct mg_connection *nc;
  connect_ws();
  nc = app_nc();
  s_pinging = true;
  expect_that(pthread_create(&thread, NULL, ping_on, NULL) == 0);
  while (s_pinging) {
    usleep(1000);
    in_app(look_at_unsent, nc);
  }
  pthread_join(thread, NULL);
  expect_that(app_nc() == nc && s_most_unsent < 10000);
  check("pings of a server that reads no pongs stay unanswered");
  forget_events();
}

/* The response does not end within mqtt.recv_mbuf_limit. */
static void long_reply(void) {
  char request[1000];
  char answer[400];
  snprintf(answer, sizeof(answer), "HTTP/1.1 101 Switching Protocols\r\nA: %0360d", 0);
  cfg.ws_enable = true;
  cfg.recv_mbuf_limit = 300;
  create();
  app_connect();
  expect_connection();
  receive_request(request, sizeof(request));
  play_bytes(answer, strlen(answer));
  expect_close();
  expect_logged("WebSocket reply exceeds mqtt.recv_mbuf_limit, closing");
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  check("a handshake response over the limit closes immediately");
  forget_events();
}

static void early_ping(void) {
  char request[1000];
  cfg.ws_enable = true;
  create();
  app_connect();
  expect_connection();
  accept_request_with(request, sizeof(request), SPEAKS_MQTT, "\x89\x02hi");
  expect_frame(0x8a, "'hi'");
  expect_frame(BINARY, CONNECT);
  play_frame(BINARY, "20 02 00 00");
  expect_events(UP);
  check("a ping right behind the reply to the handshake is answered, and CONNECT is a message of its own");
}

static void no_protocol(void) {
  char request[1000];
  cfg.ws_enable = true;
  create();
  app_connect();
  expect_connection();
  accept_request_with(request, sizeof(request), "", "");
  expect_close();
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  check("a server that does not say it speaks MQTT is refused");
  forget_events();
}

/* The strings of the configuration are NULL when they are empty. */
static void connect_and_clear_server(void *arg) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create(5, mgos_sys_config_get_mqtt());
  mgos_sys_config_set_mqtt_enable(true);
  mgos_sys_config_set_mqtt_ws_enable(true);
  mgos_sys_config_set_mqtt_server(text("127.0.0.1:%d", broker_port(0)));
  expect_that(mgos_mqtt_conn_connect(c));
  mgos_sys_config_set_mqtt_server("");
  (void) arg;
}

static void server_cleared(void) {
  in_app(connect_and_clear_server, NULL);
  expect_connection();
  expect_close();
  check("the app clears the server while TCP comes up: the attempt ends");
  forget_events();
}

static void silent_server(void) {
  char request[1000];
  cfg.ws_enable = true;
  cfg.connect_timeout = 0.3;
  create();
  app_connect();
  expect_connection();
  receive_request(request, sizeof(request));
  expect_close();
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  check("an unanswered handshake ends after connect_timeout");
  forget_events();
}
#endif

static const struct script scripts[] = {
    {"opening", opening},
    {"incoming", incoming},
    {"outgoing", outgoing},
    {"subscriptions", subscriptions},
    {"text frame", text_frame},
    {"refused", refused},
    {"closed by the server", closed_by_server},
    HERE_ONLY("last words", last_words, "it drops what stands before the close frame in one segment"),
    HERE_ONLY("pieces", pieces, "there is no such function"),
    HERE_ONLY("large frame", large_frame, "it takes no more from such a connection until keep-alive ends it"),
    HERE_ONLY("pongs unread", pongs_unread, "Mongoose keeps the pongs without end"),
    HERE_ONLY("long reply", long_reply, "it takes no more from such a connection, and has no time limit"),
    HERE_ONLY("no protocol", no_protocol, "it sends CONNECT"),
    HERE_ONLY("early ping", early_ping, "it depends on Mongoose"),
    HERE_ONLY("server cleared", server_cleared, "it depends on Mongoose"),
    HERE_ONLY("silent server", silent_server, "it has no time limit"),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
