/*
 * The broker: sockets, and what a script expects from them. It knows packet boundaries and nothing
 * else of MQTT; the responses are up to the script.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

#define LONGEST 70000

struct broker {
  int listener, socket, port;
  uint8_t *buf;
  size_t start, len, size; /* unprocessed data: len bytes from start on */
};

static struct broker s_brokers[2] = {{.listener = -1, .socket = -1}, {.listener = -1, .socket = -1}};
static struct broker *b = &s_brokers[0];

static void open_port(struct broker *broker) {
  struct sockaddr_in sa;
  socklen_t len = sizeof(sa);
  int on = 1;
  memset(&sa, 0, sizeof(sa));
  sa.sin_family = AF_INET;
  sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sa.sin_port = htons((uint16_t) broker->port);
  broker->listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(broker->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (broker->listener < 0 || bind(broker->listener, (struct sockaddr *) &sa, sizeof(sa)) != 0 ||
      listen(broker->listener, 8) != 0 || getsockname(broker->listener, (struct sockaddr *) &sa, &len) != 0) {
    fail("cannot listen: %s", strerror(errno));
  }
  broker->port = ntohs(sa.sin_port);
}

void broker_begin(void) {
  int i;
  for (i = 0; i < 2; i++) {
    s_brokers[i].port = 0;
    open_port(&s_brokers[i]);
  }
  use_broker(0);
}

static void hang_up(struct broker *broker) {
  if (broker->socket >= 0) close(broker->socket);
  broker->socket = -1;
  broker->len = broker->start = 0;
}

void stop_listening(void) {
  if (b->listener >= 0) close(b->listener);
  b->listener = -1;
}

void listen_again(void) {
  open_port(b);
}

void broker_end(void) {
  int i;
  for (i = 0; i < 2; i++) {
    use_broker(i);
    hang_up(b);
    stop_listening();
  }
}

void use_broker(int which) {
  b = &s_brokers[which];
}

int broker_port(int which) {
  return s_brokers[which].port;
}

static bool readable(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  int n;
  do {
    n = poll(&p, 1, ms);
  } while (n < 0 && errno == EINTR);
  return n > 0;
}

void expect_connection(void) {
  int on = 1;
  if (b->listener < 0 || !readable(b->listener, PATIENCE)) fail("the app has not connected");
  hang_up(b);
  b->socket = accept(b->listener, NULL, NULL);
  if (b->socket < 0) fail("accept: %s", strerror(errno));
  setsockopt(b->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool connection_waits(int ms) {
  return readable(b->listener, ms);
}

void expect_no_connection(int ms) {
  if (connection_waits(ms)) fail("the app has connected");
}

/* Length of the packet at the front of the buffer; 0 if it is incomplete. */
static size_t packet_len(void) {
  const uint8_t *p;
  size_t i, len = 0;
  if (b->len == 0) return 0;
  p = b->buf + b->start;
  for (i = 1; i < b->len && i < 5; i++) {
    len |= (size_t) (p[i] & 0x7f) << (7 * (i - 1));
    if (!(p[i] & 0x80)) return b->len >= i + 1 + len ? i + 1 + len : 0;
  }
  return 0;
}

/* Reads more; false at the end of the stream. */
static bool read_more(void) {
  ssize_t n;
  if (b->len > 0) memmove(b->buf, b->buf + b->start, b->len);
  b->start = 0;
  if (b->size - b->len < 65536) {
    b->size = b->len + 262144;
    b->buf = (uint8_t *) realloc(b->buf, b->size);
    if (b->buf == NULL) fail("no memory");
  }
  if (b->socket < 0) fail("the script has no connection");
  if (!readable(b->socket, PATIENCE)) fail("nothing more came; there was %s", show_packet(b->buf, b->len));
  do {
    n = read(b->socket, b->buf + b->len, b->size - b->len);
  } while (n < 0 && errno == EINTR);
  /* A reset counts as end as well: the app may have had unread bytes. */
  if (n <= 0) return false;
  b->len += (size_t) n;
  return true;
}

size_t receive_packet(const uint8_t **packet) {
  size_t len;
  while ((len = packet_len()) == 0) {
    if (!read_more()) fail("the app has closed the connection; there was %s", show_packet(b->buf, b->len));
  }
  *packet = b->buf + b->start;
  b->start += len;
  b->len -= len;
  return len;
}

bool packet_waits(int ms) {
  if (b->socket < 0) return false;
  while (packet_len() == 0) {
    if (!readable(b->socket, ms)) return false;
    if (!read_more()) {
      hang_up(b);
      return false;
    }
  }
  return true;
}

bool has_connection(void) {
  return b->socket >= 0;
}

void receive_bytes(uint8_t *bytes, size_t len) {
  while (b->len < len) {
    if (!read_more()) fail("the app has closed the connection; there was %s", show_packet(b->buf, b->len));
  }
  memcpy(bytes, b->buf + b->start, len);
  b->start += len;
  b->len -= len;
}

void expect(const char *pattern) {
  static uint8_t bytes[LONGEST];
  static bool any[LONGEST];
  const uint8_t *packet;
  bool open, same;
  size_t i, len, want = parse_hex(pattern, bytes, any, LONGEST, &open);
  len = receive_packet(&packet);
  same = (open ? len >= want : len == want);
  for (i = 0; same && i < want; i++) same = any[i] || bytes[i] == packet[i];
  if (!same) fail("expected %s\n#      got %s", pattern, show_packet(packet, len));
}

void expect_connect(void) {
  expect_connection();
  expect("10 0d 0004 'MQTT' 04 02 003c 0001 'c'");
}

static void ping(void *arg) {
  struct mg_connection *nc = app_nc();
  if (nc != NULL) mg_mqtt_ping(nc);
  (void) arg;
}

void expect_silence(void) {
  in_app(ping, NULL);
  expect("c0 00");
}

void expect_close(void) {
  while (b->len == 0 && read_more()) {
  }
  if (b->len > 0) fail("expected the end of the connection, got %s", show_packet(b->buf + b->start, b->len));
  hang_up(b);
}

void play_bytes(const void *bytes, size_t len) {
  const char *p = (const char *) bytes;
  if (b->socket < 0) fail("the script has no connection");
  while (len > 0) {
    ssize_t n = send(b->socket, p, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    /* Not an error: the app may close meanwhile, and then something else is expected. */
    if (n <= 0) return;
    p += n;
    len -= (size_t) n;
  }
}

void play(const char *hex) {
  static uint8_t bytes[LONGEST];
  play_bytes(bytes, parse_hex(hex, bytes, NULL, LONGEST, NULL));
}

void play_slowly(const char *hex) {
  uint8_t bytes[200];
  size_t i, len = parse_hex(hex, bytes, NULL, sizeof(bytes), NULL);
  struct timespec pause = {.tv_nsec = 3000000};
  for (i = 0; i < len; i++) {
    play_bytes(bytes + i, 1);
    nanosleep(&pause, NULL);
  }
}

void drop(void) {
  hang_up(b);
}
