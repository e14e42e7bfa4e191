/*
 * rpc: answers calls and makes one, in the style of the libraries rpc-common and rpc-mqtt.
 *
 * A frame is {id, src, dst, method, args}; its answer {id, src, dst, result} or {.., error}. Frames
 * for a device are published on DEVICE/rpc. Handlers and calls in progress are kept in lists.
 */

#include <stdlib.h>

#include "check.h"
#include "common/queue.h"
#include "mgos.h"
#include "mgos_mqtt.h"

extern const char *mg_build_version;

/* Prints a result, or returns an error code. */
typedef int (*handler_t)(struct mg_str args, struct json_out *result);

struct method {
  const char *name;
  handler_t handler;
  SLIST_ENTRY(method) next;
};

struct call {
  int id;
  STAILQ_ENTRY(call) next;
};

static SLIST_HEAD(methods, method) s_methods = SLIST_HEAD_INITIALIZER(s_methods);
static STAILQ_HEAD(calls, call) s_calls = STAILQ_HEAD_INITIALIZER(s_calls);
static int s_last_id, s_answered;
static uint16_t s_last_packet;

static void add_method(const char *name, handler_t handler) {
  struct method *method = (struct method *) calloc(1, sizeof(*method));
  method->name = name;
  method->handler = handler;
  SLIST_INSERT_HEAD(&s_methods, method, next);
}

static int get_info(struct mg_str args, struct json_out *result) {
  json_printf(result, "{app: %Q, arch: %Q, mg_version: %Q, uptime: %.3f}", MGOS_APP, mgos_sys_ro_vars_get_arch(),
              mg_build_version, mgos_uptime());
  (void) args;
  return 0;
}

static int sum(struct mg_str args, struct json_out *result) {
  int a = 0, b = 0;
  if (json_scanf(args.p, (int) args.len, "{a: %d, b: %d}", &a, &b) != 2) return 400;
  json_printf(result, "%d", a + b);
  return 0;
}

/* The device that a destination names: DEVICE or mqtt://DEVICE. */
static struct mg_str device_of(struct mg_str dst) {
  struct mg_str host = MG_NULL_STR;
  if (mg_parse_uri(dst, NULL, NULL, &host, NULL, NULL, NULL, NULL) != 0) return dst;
  return host;
}

static void send_frame(struct mg_str dst, struct mbuf *frame) {
  struct mg_str device = device_of(dst);
  char *topic = NULL;
  mg_asprintf(&topic, 0, "%.*s/rpc", (int) device.len, device.p);
  s_last_packet = mgos_mqtt_pub(topic, frame->buf, frame->len, 1, false);
  check(s_last_packet > 0, "a frame is sent to %s", topic);
  free(topic);
}

static void answer(int id, struct mg_str to, struct mg_str name, struct mg_str args) {
  struct mbuf frame, text;
  struct json_out out = JSON_OUT_MBUF(&frame), result = JSON_OUT_MBUF(&text);
  const char *me = mgos_sys_config_get_device_id();
  struct method *method;
  int error = 404;
  mbuf_init(&frame, 100);
  mbuf_init(&text, 100);
  SLIST_FOREACH(method, &s_methods, next) {
    if (mg_vcmp(&name, method->name) != 0) continue;
    error = method->handler(args, &result);
    break;
  }
  if (error == 0) {
    json_printf(&out, "{id: %d, src: %Q, dst: %.*Q, result: %.*s}", id, me, (int) to.len, to.p, (int) text.len, text.buf);
  } else {
    json_printf(&out, "{id: %d, src: %Q, dst: %.*Q, error: {code: %d, message: %Q}}", id, me, (int) to.len, to.p, error,
                error == 404 ? "no such method" : "invalid arguments");
  }
  send_frame(to, &frame);
  mbuf_free(&frame);
  mbuf_free(&text);
  s_answered++;
}

static void call_peer(void) {
  struct mbuf frame;
  struct json_out out = JSON_OUT_MBUF(&frame);
  struct mg_str peer = mg_mk_str(mgos_sys_config_get_rpc_peer());
  struct call *call = (struct call *) calloc(1, sizeof(*call));
  call->id = ++s_last_id;
  STAILQ_INSERT_TAIL(&s_calls, call, next);
  mbuf_init(&frame, 100);
  json_printf(&out, "{id: %d, src: %Q, dst: %.*Q, method: %Q, args: {name: %Q}}", call->id, mgos_sys_config_get_device_id(),
              (int) peer.len, peer.p, "Greet", "device");
  send_frame(peer, &frame);
  mbuf_free(&frame);
  check_wait("the answer of the peer");
}

static void on_result(int id, struct mg_str result) {
  struct call *call, *found = NULL;
  STAILQ_FOREACH(call, &s_calls, next) {
    if (call->id == id) found = call;
  }
  check(found != NULL, "the answer to call %d arrives: %.*s", id, (int) result.len, result.p);
  if (found == NULL) return;
  STAILQ_REMOVE(&s_calls, found, call, next);
  free(found);
  check_wait("calls");
  check_tell("was greeted");
}

static void on_frame(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  struct json_token src = JSON_INVALID_TOKEN, method = JSON_INVALID_TOKEN;
  struct json_token args = JSON_INVALID_TOKEN, result = JSON_INVALID_TOKEN;
  int id = 0;
  json_scanf(msg, msg_len, "{id: %d, src: %T, method: %T, args: %T, result: %T}", &id, &src, &method, &args, &result);
  if (method.len > 0) {
    answer(id, mg_mk_str_n(src.ptr, (size_t) src.len), mg_mk_str_n(method.ptr, (size_t) method.len),
           mg_mk_str_n(args.ptr, (size_t) args.len));
  } else {
    on_result(id, mg_mk_str_n(result.ptr, (size_t) result.len));
  }
  (void) nc, (void) topic, (void) topic_len;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_CONNACK) call_peer();
  if (ev == MG_EV_MQTT_PUBACK && s_answered == 3 && msg->message_id == s_last_packet) check_done();
  (void) nc;
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  char *topic = NULL;
  add_method("Sys.GetInfo", get_info);
  add_method("Sum", sum);
  mg_asprintf(&topic, 0, "%s/rpc", mgos_sys_config_get_device_id());
  mgos_mqtt_sub(topic, on_frame, NULL);
  free(topic);
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
