/*
 * many: parallel connections, each with its own user, topics and session. Each publishes the
 * numbers 0, 1, ... at QoS 1 and 2 on many/USER/1 and many/USER/2, and receives them through its
 * own subscriptions. The first connection is cut repeatedly.
 *
 *   isolation        all except the first have received everything
 *   conn N USER CONNECTED CLOSED, then for QoS 1 and 2: GOT DUPLICATED REORDERED STRAY
 *                    for each, once the first has, too
 *   done
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

struct flow {
  int next; /* to be published */
  int got, duplicated, reordered, stray;
};

struct one {
  int number, connected, closed;
  char user[16];
  struct mgos_mqtt_conn *conn;
  struct flow flows[2]; /* QoS 1 and 2 */
};

static struct one *s_ones;
static int s_left; /* connections except the first that are incomplete */
static bool s_told;

static void tell_all(void) {
  for (int i = 0; i < mgos_sys_config_get_many_connections(); i++) {
    const struct one *o = &s_ones[i];
    printf("conn %d %s %d %d", i, o->user, o->connected, o->closed);
    for (int q = 0; q < 2; q++) {
      const struct flow *f = &o->flows[q];
      printf(" %d %d %d %d", f->got, f->duplicated, f->reordered, f->stray);
    }
    printf("\n");
  }
  printf("done\n");
  fflush(stdout);
  exit(0);
}

static bool has_all(const struct one *o) {
  int all = mgos_sys_config_get_many_messages();
  return o->flows[0].got >= all && o->flows[1].got >= all;
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct one *o = (struct one *) ud;
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char topic[32], text[12];
  struct flow *f;
  int number;
  if (ev != MG_EV_MQTT_PUBLISH || msg->qos < 1) return;
  f = &o->flows[msg->qos - 1];
  snprintf(topic, sizeof(topic), "many/%s/%d", o->user, msg->qos);
  snprintf(text, sizeof(text), "%.*s", (int) msg->payload.len, msg->payload.p);
  number = atoi(text);
  if (mg_vcmp(&msg->topic, topic) != 0) {
    f->stray++;
  } else if (number < f->got) {
    f->duplicated++;
  } else {
    if (number != f->got) f->reordered++;
    f->got = number + 1;
    if (o->number > 0 && has_all(o) && f->got == mgos_sys_config_get_many_messages()) s_left--;
  }
  if (s_left == 0 && !s_told) {
    s_told = true;
    printf("isolation\n");
    fflush(stdout);
  }
  (void) nc;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct one *o = (struct one *) ud;
  if (ev == MG_EV_MQTT_CONNACK) o->connected++;
  if (ev == MG_EV_CLOSE) o->closed++;
  (void) nc;
  (void) ev_data;
}

static void publish(struct one *o, int qos) {
  struct flow *f = &o->flows[qos - 1];
  char topic[32], text[12];
  if (f->next >= mgos_sys_config_get_many_messages()) return;
  snprintf(topic, sizeof(topic), "many/%s/%d", o->user, qos);
  if (mgos_mqtt_conn_pub(o->conn, topic, mg_mk_str_n(text, snprintf(text, sizeof(text), "%d", f->next)), qos, false) > 0) f->next++;
}

static void on_tick(void *arg) {
  for (int i = 0; i < mgos_sys_config_get_many_connections(); i++) {
    struct one *o = &s_ones[i];
    /* Only a few bytes each, so that no queue is full. */
    if (mgos_mqtt_conn_num_unsent_bytes(o->conn) > 60) continue;
    publish(o, 1);
    publish(o, 2);
  }
  /* The cut connection has to complete as well. */
  if (s_told && has_all(&s_ones[0])) tell_all();
  (void) arg;
}

static void add(struct one *o, int number) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  char filter[32], pass[16];
  o->number = number;
  snprintf(o->user, sizeof(o->user), "u%d", number);
  snprintf(pass, sizeof(pass), "p%d", number);
  cfg.enable = true;
  cfg.server = number == 0 ? mgos_sys_config_get_many_cut() : mgos_sys_config_get_many_server();
  /* The cut connection needs a persistent session; for the others it makes no difference. */
  cfg.clean_session = number % 2 == 1;
  cfg.client_id = cfg.user = o->user;
  cfg.pass = pass;
  o->conn = mgos_mqtt_conn_create(number, &cfg);
  mgos_mqtt_conn_add_handler(o->conn, on_event, o);
  for (int qos = 1; qos <= 2; qos++) {
    snprintf(filter, sizeof(filter), "many/%s/%d", o->user, qos);
    mgos_mqtt_conn_sub(o->conn, filter, qos, on_message, o);
  }
}

enum mgos_app_init_result mgos_app_init(void) {
  int n = mgos_sys_config_get_many_connections();
  s_ones = (struct one *) calloc(n, sizeof(*s_ones));
  if (s_ones == NULL) return MGOS_APP_INIT_ERROR;
  s_left = n - 1;
  for (int i = 0; i < n; i++) add(&s_ones[i], i);
  mgos_set_timer(50, MGOS_TIMER_REPEAT, on_tick, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
