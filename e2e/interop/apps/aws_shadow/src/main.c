/*
 * aws_shadow: the shadow of an AWS thing, in the style of the libraries aws and shadow.
 *
 * Topics are $aws/things/THING/shadow/VERB[/accepted|/rejected|/delta]. The state is requested at each
 * connection. Updates wait in a list until they are answered; each has a client token, which is the
 * CRC of its state. An update with an outdated version is rejected: the state is requested again.
 */

#include <stdlib.h>

#include "check.h"
#include "common/cs_crc32.h"
#include "common/queue.h"
#include "mgos.h"
#include "mgos_mqtt.h"

extern const char *mg_build_version;

struct update {
  uint32_t token;
  STAILQ_ENTRY(update) next;
};

static STAILQ_HEAD(updates, update) s_updates = STAILQ_HEAD_INITIALIZER(s_updates);
static int s_version, s_brightness, s_rejected;

static const char *thing(void) {
  const char *name = mgos_sys_config_get_aws_thing_name();
  return name != NULL ? name : mgos_sys_config_get_device_id();
}

static void publish(const char *verb, const char *text, size_t len) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, "$aws/things/%s/shadow/%s", thing(), verb);
  check(mgos_mqtt_pub(topic, text, len, 1, false) > 0, "%s is sent: %.*s", verb, (int) len, text);
  free(topic);
}

static void get(void) {
  check_wait("the state");
  publish("get", "{}", 2);
}

/* Reports the brightness, as a change of the given version of the state. */
static void report(int version) {
  struct mbuf state, message;
  struct json_out out = JSON_OUT_MBUF(&state), whole = JSON_OUT_MBUF(&message);
  struct update *update = (struct update *) calloc(1, sizeof(*update));
  mbuf_init(&state, 50);
  mbuf_init(&message, 100);
  json_printf(&out, "{reported: {brightness: %d, version: %Q}}", s_brightness, mg_build_version);
  update->token = cs_crc32(0, state.buf, (uint32_t) state.len);
  STAILQ_INSERT_TAIL(&s_updates, update, next);
  json_printf(&whole, "{version: %d, clientToken: \"%08x\", state: %.*s}", version, (unsigned) update->token, (int) state.len,
              state.buf);
  check_wait("the answer to an update");
  publish("update", message.buf, message.len);
  mbuf_free(&state);
  mbuf_free(&message);
}

/* Forgets the update that is answered. */
static bool settle(struct mg_str token) {
  struct update *update, *tmp;
  STAILQ_FOREACH_SAFE(update, &s_updates, next, tmp) {
    char text[9];
    snprintf(text, sizeof(text), "%08x", (unsigned) update->token);
    if (mg_vcmp(&token, text) != 0) continue;
    STAILQ_REMOVE(&s_updates, update, update, next);
    free(update);
    return true;
  }
  return false;
}

static void on_message(struct mg_str verb, struct mg_str msg) {
  struct json_token token = JSON_INVALID_TOKEN;
  int version = 0, code = 0, desired = -1;
  json_scanf(msg.p, (int) msg.len, "{version: %d, code: %d, clientToken: %T, state: {brightness: %d, desired: {brightness: %d}}}",
             &version, &code, &token, &desired, &desired);
  if (mg_vcmp(&verb, "get/accepted") == 0) {
    check(desired >= 0, "the state arrives, version %d", version);
    s_brightness = desired;
    /* The first time the version is outdated, as if another client had been faster. */
    report(s_rejected == 0 ? version - 1 : version);
  } else if (mg_vcmp(&verb, "update/rejected") == 0) {
    check(code == 409 && settle(mg_mk_str_n(token.ptr, (size_t) token.len)), "an outdated update is rejected: %.*s",
          (int) msg.len, msg.p);
    s_rejected++;
    get();
  } else if (mg_vcmp(&verb, "update/accepted") == 0) {
    check(version > s_version && settle(mg_mk_str_n(token.ptr, (size_t) token.len)) && STAILQ_EMPTY(&s_updates),
          "an update is accepted, version %d", version);
    s_version = version;
    if (s_brightness == 80) check_done();
    check_wait("a delta");
    check_tell("brightness %d", s_brightness);
  } else if (mg_vcmp(&verb, "update/delta") == 0) {
    check(version > s_version && desired >= 0, "a delta arrives: %.*s", (int) msg.len, msg.p);
    s_version = version;
    s_brightness = desired;
    report(version);
  } else {
    check(false, "unexpected: %.*s", (int) verb.len, verb.p);
  }
}

static void on_shadow(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  struct mg_str verb = mg_mk_str_n(topic, (size_t) topic_len);
  const char *rest = mg_strstr(verb, mg_mk_str("/shadow/"));
  if (rest != NULL) {
    rest += 8;
    on_message(mg_mk_str_n(rest, verb.len - (size_t) (rest - topic)), mg_mk_str_n(msg, (size_t) msg_len));
  }
  (void) nc;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  if (ev == MG_EV_MQTT_CONNACK) get();
  (void) nc;
  (void) ev_data;
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  static const char *const verbs[] = {"get/accepted", "get/rejected", "update/accepted", "update/rejected", "update/delta"};
  size_t i;
  for (i = 0; i < ARRAY_SIZE(verbs); i++) {
    char *topic = NULL;
    mg_asprintf(&topic, 0, "$aws/things/%s/shadow/%s", thing(), verbs[i]);
    mgos_mqtt_sub(topic, on_shadow, NULL);
    free(topic);
  }
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
