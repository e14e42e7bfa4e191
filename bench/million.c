/*
 * Sends and receives the given number of messages one at a time, at QoS 0, 1 and 2 in turn, on one
 * connection: numbered, and in order both ways. For callgrind, which counts only while the library
 * runs, in a slice after the first 30,000 and in one at the end; the heap is measured there, too.
 * Uses the Mongoose OS, heap and broker of qemu/. Evaluated by xtask/src/bench/million.rs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "port.h"

#include "mgos.h"
#include "mgos_mqtt.h"

/* Messages before the first slice, and in a slice; equally many of each QoS. */
#define FIRST 30000
#define SLICE 999

bool mgos_mqtt_init(void);

static unsigned s_came;
static bool s_measuring;

void library_begins(void) {
  if (s_measuring) CALLGRIND_TOGGLE_COLLECT;
}

void library_ends(void) {
  if (s_measuring) CALLGRIND_TOGGLE_COLLECT;
}

void check_that(bool ok, const char *what, int line) {
  if (ok) return;
  fprintf(stderr, "line %d, %u messages: check failed: %s\n", line, s_came, what);
  exit(1);
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  char text[16];
  (void) nc, (void) arg;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  snprintf(text, sizeof(text), "%.*s", (int) m->payload.len, m->payload.p);
  CHECK(strtoul(text, NULL, 10) == s_came);
  CHECK(m->qos == (int) (s_came % 3));
  s_came++;
}

static void one(unsigned number) {
  char text[16];
  unsigned qos = number % 3;
  uint16_t id;
  /* Padded to the same length at the start and at the end. */
  size_t len = (size_t) snprintf(text, sizeof(text), "%010u", number);
  library_begins();
  id = mgos_mqtt_pub("up", text, len, (int) qos, false);
  library_ends();
  CHECK(id != 0);
  pass(1);
  CHECK(broker.num_publish == number + 1 && strcmp(broker.payload, text) == 0 && broker.qos == qos);
  broker_publish("down", text, qos, number % 65535 + 1);
  pass(1);
  CHECK(s_came == number + 1);
}

static unsigned run(unsigned from, unsigned count) {
  unsigned n;
  for (n = from; n < from + count; n++) one(n);
  return n;
}

static unsigned slice(const char *name, unsigned from) {
  unsigned n, requests = memory_requests();
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
  s_measuring = true;
  n = run(from, SLICE);
  s_measuring = false;
  CALLGRIND_DUMP_STATS_AT(name);
  CALLGRIND_STOP_INSTRUMENTATION;
  printf("%s\t%u\t%u\t%u\t%u\t%u\t%u\n", name, n, SLICE, (unsigned) memory_in_use(), memory_blocks(), (unsigned) memory_peak(),
         memory_requests() - requests);
  fflush(stdout);
  CHECK(memory_is_sound());
  return n;
}

int main(int argc, char **argv) {
  unsigned n, messages = argc > 1 ? (unsigned) atoi(argv[1]) : 0;
  CHECK(messages >= FIRST + 2 * SLICE);
  cs_log_level = LL_WARN;
  mgos_config_mqtt_set_defaults((struct mgos_config_mqtt *) mgos_sys_config_get_mqtt());
  mgos_sys_config_set_mqtt_enable(true);
  mgos_sys_config_set_mqtt_server("broker");
  mgos_sys_config_set_mqtt_client_id("million");
  CHECK(mgos_mqtt_init());
  net_up();
  pass(100);
  CHECK(mgos_mqtt_global_is_connected());
  mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(mgos_mqtt_get_global_conn()), "down", 2, on_message, NULL);
  /* In the first five minutes the library watches whether the connection lasts. */
  pass(310000);
  n = run(0, FIRST);
  n = slice("first", n);
  n = run(n, messages - n - SLICE);
  slice("last", n);
  CHECK(broker.num_connect == 1 && broker.num_dup == 0 && broker.num_bad == 0 && errors_logged() == 0);
  return 0;
}
