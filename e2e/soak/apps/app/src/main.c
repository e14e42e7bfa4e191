/*
 * soak: publishes numbered messages at each QoS on soak/out/Q, receives those of soak/in/Q, and
 * reports on standard output. It counts almost nothing itself: e2e/soak/src does.
 *
 * A message is "NUMBER PADDING"; number and QoS determine the padding. Output, one line each:
 *   up MS | down MS RELEASED        CONNACK; disconnected, with this many PUBRECs without PUBCOMP
 *   sub                             all three subscriptions have their SUBACK
 *   given_up N                      QoS 1 and 2 messages given up, as the library reports
 *   in Q NUMBER | mark Q K          a message or marker was received
 *   bad TEXT                        a violation
 *   state SERIAL READY N0 N1 N2 UNSENT USED MOST    ten times a second: whether it is connected and
 *                                   subscribed, next numbers, unsent bytes, heap bytes now and peak
 *
 * Orders are in the file soak.control, "SERIAL MODE TRANSPORT PORT SESSION": run, flood (publish
 * regardless of unsent data), rest, mark (a message "mark SERIAL" at QoS 1 and 2, once); tcp, tls
 * or ws, to localhost at that port; session kept or clean.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgos.h"
#include "mgos_event.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#define LONGEST 2600

static unsigned int s_next[3];
static int s_serial, s_subacks, s_port, s_tick;
static bool s_up, s_subscribed[3];
static char s_mode[8] = "rest", s_way[8], s_session[8];
static uint8_t s_released[65536 / 8];
static size_t s_most_used;

static void tell(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  putchar('\n');
}

/* Some are long, so that they take several segments. */
static size_t fill(char *to, unsigned int number, int qos) {
  size_t n = snprintf(to, 16, "%u ", number);
  size_t padding = (number % 50 == 49 ? 2500 : number * 37 % 200);
  memset(to + n, 'a' + (number + qos) % 26, padding);
  return n + padding;
}

static const char *topic(const char *dir, int qos) {
  static char s[16];
  snprintf(s, sizeof(s), "soak/%s/%d", dir, qos);
  return s;
}

static void refused(const char *what, int qos) {
  if (!mgos_sys_config_get_soak_alloc_faults()) tell("bad %s at QoS %d refused", what, qos);
}

/* Not from the heap, which is measured. */
static bool publish(int qos) {
  char text[LONGEST];
  size_t n = fill(text, s_next[qos], qos);
  if (mgos_mqtt_pub(topic("out", qos), text, n, qos, false) == 0) return false;
  s_next[qos]++;
  return true;
}

static void publish_marks(void) {
  char text[24];
  int n = snprintf(text, sizeof(text), "mark %d", s_serial);
  for (int qos = 1; qos <= 2; qos++) {
    while (mgos_mqtt_pub(topic("out", qos), text, n, qos, false) == 0) refused("a mark", qos);
  }
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  int qos = (int) (intptr_t) ud;
  char text[16], expected[LONGEST];
  unsigned int number;
  if (ev == MG_EV_MQTT_SUBACK) {
    s_subscribed[qos] = true;
    if (++s_subacks == 3) tell("sub");
  }
  if (ev != MG_EV_MQTT_PUBLISH) return;
  snprintf(text, sizeof(text), "%.*s", (int) msg->payload.len, msg->payload.p);
  if (strncmp(text, "mark ", 5) == 0) {
    tell("mark %d %d", qos, atoi(text + 5));
    return;
  }
  number = strtoul(text, NULL, 10);
  if (msg->payload.len != fill(expected, number, qos) || memcmp(msg->payload.p, expected, msg->payload.len) != 0 || msg->qos != qos) {
    tell("bad message on soak/in/%d at QoS %d, %d bytes: %s", qos, msg->qos, (int) msg->payload.len, text);
    return;
  }
  tell("in %d %u", qos, number);
  (void) nc;
}

static int released(void) {
  int n = 0;
  for (size_t i = 0; i < sizeof(s_released); i++) {
    for (int bit = 0; bit < 8; bit++) n += s_released[i] >> bit & 1;
  }
  return n;
}

/* Once is enough if there is memory; only SUBACK tells whether there was. */
static void subscribe(struct mgos_mqtt_conn *c) {
  for (intptr_t qos = 0; qos < 3; qos++) {
    if (s_subscribed[qos]) continue;
    mgos_mqtt_conn_unsub(c, topic("in", (int) qos));
    mgos_mqtt_conn_sub(c, topic("in", (int) qos), (int) qos, on_message, (void *) qos);
  }
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  uint16_t id = (ev == MG_EV_MQTT_PUBREC || ev == MG_EV_MQTT_PUBCOMP ? ((struct mg_mqtt_message *) ev_data)->message_id : 0);
  int now = (int) (mgos_uptime() * 1000);
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      if (s_up) tell("bad CONNACK while connected");
      s_up = true;
      s_subacks = 0;
      tell("up %d", now);
      subscribe(mgos_mqtt_conn_from_nc(nc));
      break;
    case MG_EV_CLOSE:
      if (!s_up) tell("bad CLOSE while not connected");
      s_up = false;
      tell("down %d %d", now, released());
      break;
    case MG_EV_MQTT_PUBREC:
      s_released[id / 8] |= 1 << id % 8;
      break;
    case MG_EV_MQTT_PUBCOMP:
      s_released[id / 8] &= ~(1 << id % 8);
      break;
  }
  (void) ud;
}

static void on_given_up(int ev, void *ev_data, void *ud) {
  tell("given_up %u", (unsigned int) ((const struct mgos_mqtt_event_arg *) ev_data)->count);
  (void) ev;
  (void) ud;
}

/* Cut links are no reason to set a message aside. */
static void on_set_aside(int ev, void *ev_data, void *ud) {
  tell("bad message %u set aside", ((const struct mgos_mqtt_event_arg *) ev_data)->first_id);
  (void) ev;
  (void) ud;
}

static bool go(const char *way, int port, const char *session) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  char server[24];
  snprintf(server, sizeof(server), "localhost:%d", port);
  cfg.enable = true;
  cfg.server = server;
  cfg.ssl_ca_cert = (strcmp(way, "tls") == 0 ? mgos_sys_config_get_soak_ca() : NULL);
  cfg.clean_session = (strcmp(session, "clean") == 0);
  cfg.ws_enable = (strcmp(way, "ws") == 0);
  if (!mgos_mqtt_set_config(&cfg)) return false;
  /* The first configuration connects when the network comes up, which may have happened already. */
  mgos_mqtt_global_connect();
  return true;
}

static void look_at_control(void) {
  char mode[8], way[8], session[8];
  int serial, port;
  FILE *fp = fopen(mgos_sys_config_get_soak_control(), "r");
  if (fp == NULL) return;
  if (fscanf(fp, "%d %7s %7s %d %7s", &serial, mode, way, &port, session) != 5) serial = s_serial;
  fclose(fp);
  if (serial == s_serial) return;
  s_serial = serial;
  /* Everything was settled before a run starts: what has no PUBCOMP now will never have one. */
  if (strcmp(mode, "run") == 0 && strcmp(s_mode, "mark") == 0) memset(s_released, 0, sizeof(s_released));
  strcpy(s_mode, mode);
  if (strcmp(mode, "mark") == 0) publish_marks();
  if (strcmp(way, s_way) == 0 && port == s_port && strcmp(session, s_session) == 0) return;
  strcpy(s_way, way);
  strcpy(s_session, session);
  s_port = port;
  /* Counts from the next connection on: the current one exists for another moment. */
  s_subacks = 0;
  if (go(way, port, session)) return;
  /* Try again next time. */
  if (!mgos_sys_config_get_soak_alloc_faults()) tell("bad configuration: %s", way);
  s_serial--;
  s_port = 0;
}

static void on_tick(void *arg) {
  size_t used = mgos_get_heap_size() - mgos_get_free_heap_size();
  bool flood = (strcmp(s_mode, "flood") == 0);
  if (used > s_most_used) s_most_used = used;
  if (flood || (strcmp(s_mode, "run") == 0 && mgos_mqtt_num_unsent_bytes() < (size_t) mgos_sys_config_get_soak_ahead())) {
    for (int i = 0; i < (flood ? 12 : 3); i++) {
      if (!publish(i % 3) && i % 3 > 0) refused("a message", i % 3);
    }
  }
  if (++s_tick % (100 / mgos_sys_config_get_soak_interval()) == 0) {
    look_at_control();
    tell("state %d %d %u %u %u %u %u %u", s_serial, mgos_mqtt_global_is_connected() && s_subacks >= 3, s_next[0], s_next[1], s_next[2],
         (unsigned int) mgos_mqtt_num_unsent_bytes(), (unsigned int) used, (unsigned int) s_most_used);
  }
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  /* A static buffer: the heap is measured. */
  static char s_buffer[4096];
  setvbuf(stdout, s_buffer, _IOLBF, sizeof(s_buffer));
  mgos_mqtt_add_global_handler(on_event, NULL);
  mgos_event_add_handler(MGOS_MQTT_EVENT_GIVEN_UP, on_given_up, NULL);
  mgos_event_add_handler(MGOS_MQTT_EVENT_SET_ASIDE, on_set_aside, NULL);
  mgos_set_timer(mgos_sys_config_get_soak_interval(), MGOS_TIMER_REPEAT, on_tick, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
