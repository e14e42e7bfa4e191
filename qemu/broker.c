/*
 * The broker: accepts packets as a server does, responds, and counts. It uses its own memory, so it
 * keeps working when the heap fails.
 */

#include <string.h>

#include "port.h"

struct broker broker;
static struct link s_links[4];

void broker_reset(void) {
  memset(&broker, 0, sizeof(broker));
}

struct link *broker_accept(const char *server) {
  size_t i;
  for (i = 0; i < sizeof(s_links) / sizeof(s_links[0]); i++) {
    struct link *link = &s_links[i];
    if (link->used) continue;
    memset(link, 0, sizeof(*link));
    link->used = true;
    /* The port is appended to the name. */
    link->refused = broker.down != NULL && strncmp(server, broker.down, strlen(broker.down)) == 0;
    if (!link->refused) broker.link = link;
    return link;
  }
  return NULL;
}

static void send_on(struct link *link, const void *bytes, size_t len) {
  CHECK(link != NULL && link->to_client_len + len <= sizeof(link->to_client));
  if (link == NULL || link->to_client_len + len > sizeof(link->to_client)) return;
  memcpy(link->to_client + link->to_client_len, bytes, len);
  link->to_client_len += len;
}

static void answer(struct link *link, unsigned first, unsigned id) {
  uint8_t packet[4] = {(uint8_t) first, 2, (uint8_t) (id >> 8), (uint8_t) id};
  if (!broker.deaf) send_on(link, packet, sizeof(packet));
}

static unsigned number(const uint8_t *p) {
  return (unsigned) p[0] << 8 | p[1];
}

static void copy(char *to, size_t size, const uint8_t *from, size_t len) {
  if (len > size - 1) len = size - 1;
  memcpy(to, from, len);
  to[len] = '\0';
}

static void published(struct link *link, unsigned first, const uint8_t *p, size_t len) {
  size_t topic_len = number(p), at = 2 + topic_len;
  broker.num_publish++;
  if (first & 8) broker.num_dup++;
  broker.qos = first >> 1 & 3;
  copy(broker.topic, sizeof(broker.topic), p + 2, topic_len);
  if (broker.qos > 0) {
    broker.id = number(p + at);
    at += 2;
  }
  copy(broker.payload, sizeof(broker.payload), p + at, len - at);
  if (broker.qos > 0) answer(link, broker.qos == 1 ? 0x40 : 0x50, broker.id);
}

uint32_t sum_up(uint32_t sum, const uint8_t *p, size_t len) {
  while (len-- > 0) sum = sum * 31 + *p++;
  return sum;
}

static void large_payload(const uint8_t *p, size_t len) {
  broker.large_len += len;
  broker.large_sum = sum_up(broker.large_sum, p, len);
}

/* A message larger than what is read at once begins: `len` bytes of `total` are there, topic and packet ID
 * among them. */
static void large_begins(struct link *link, unsigned first, const uint8_t *p, size_t len, size_t total) {
  size_t at = 2 + number(p);
  broker.qos = first >> 1 & 3;
  copy(broker.topic, sizeof(broker.topic), p + 2, number(p));
  if (broker.qos > 0) {
    broker.id = number(p + at);
    at += 2;
  }
  large_payload(p + at, len - at);
  link->large_left = total - len;
}

/* More of it has come. */
static void large_continues(struct link *link) {
  size_t n = link->from_client_len < link->large_left ? link->from_client_len : link->large_left;
  large_payload(link->from_client, n);
  link->from_client_len -= n;
  memmove(link->from_client, link->from_client + n, link->from_client_len);
  link->large_left -= n;
  if (link->large_left > 0) return;
  broker.num_publish++;
  if (broker.qos > 0) answer(link, broker.qos == 1 ? 0x40 : 0x50, broker.id);
}

static void subscribed(struct link *link, const uint8_t *p, size_t len) {
  uint8_t packet[5] = {0x90, 3, p[0], p[1], p[len - 1]};
  broker.num_subscribe++;
  /* The library sends one filter per packet. */
  if (number(p + 2) + 5 != len) broker.num_bad++;
  if (!broker.deaf) send_on(link, packet, sizeof(packet));
}

static void packet(struct link *link, unsigned first, const uint8_t *p, size_t len) {
  switch (first >> 4) {
    case 1: {
      uint8_t connack[4] = {0x20, 2, broker.session_present && broker.connect_code == 0, (uint8_t) broker.connect_code};
      broker.num_connect++;
      if (!broker.deaf) send_on(link, connack, sizeof(connack));
      break;
    }
    case 3:
      published(link, first, p, len);
      break;
    case 4:
      broker.num_puback++;
      break;
    case 5:
      broker.num_pubrec++;
      answer(link, 0x62, number(p));
      break;
    case 6:
      broker.num_pubrel++;
      answer(link, 0x70, number(p));
      break;
    case 7:
      broker.num_pubcomp++;
      break;
    case 8:
      subscribed(link, p, len);
      break;
    case 10:
      broker.num_unsubscribe++;
      answer(link, 0xb0, number(p));
      break;
    case 12: {
      static const uint8_t pingresp[2] = {0xd0, 0};
      broker.num_ping++;
      if (!broker.deaf) send_on(link, pingresp, sizeof(pingresp));
      break;
    }
    case 14:
      broker.num_disconnect++;
      break;
    default:
      broker.num_bad++;
  }
}

void broker_read(struct link *link) {
  for (;;) {
    const uint8_t *p = link->from_client;
    size_t i, len = 0;
    if (link->large_left > 0) {
      large_continues(link);
      if (link->large_left > 0) return;
      continue;
    }
    for (i = 1; i < link->from_client_len; i++) {
      len |= (size_t) (p[i] & 0x7f) << (7 * (i - 1));
      if (!(p[i] & 0x80)) break;
    }
    if (i >= link->from_client_len) return;
    if (i + 1 + len > sizeof(link->from_client) && p[0] >> 4 == 3) {
      size_t there = link->from_client_len - i - 1;
      if (there < 100) return;
      large_begins(link, p[0], p + i + 1, there, len);
      link->from_client_len = 0;
      return;
    }
    if (link->from_client_len < i + 1 + len) return;
    packet(link, p[0], p + i + 1, len);
    len += i + 1;
    memmove(link->from_client, p + len, link->from_client_len - len);
    link->from_client_len -= len;
  }
}

void broker_send(const void *bytes, size_t len) {
  send_on(broker.link, bytes, len);
}

void broker_publish(const char *topic, const char *payload, unsigned qos, unsigned id) {
  uint8_t p[128];
  size_t topic_len = strlen(topic), payload_len = strlen(payload), at = 0;
  p[at++] = (uint8_t) (0x30 | qos << 1);
  p[at++] = (uint8_t) (2 + topic_len + (qos > 0 ? 2 : 0) + payload_len);
  p[at++] = 0;
  p[at++] = (uint8_t) topic_len;
  memcpy(p + at, topic, topic_len);
  at += topic_len;
  if (qos > 0) {
    p[at++] = (uint8_t) (id >> 8);
    p[at++] = (uint8_t) id;
  }
  memcpy(p + at, payload, payload_len);
  broker_send(p, at + payload_len);
}

void broker_hang_up(void) {
  if (broker.link != NULL) broker.link->hung_up = true;
  broker.link = NULL;
}
