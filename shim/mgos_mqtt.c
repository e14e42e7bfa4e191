/*
 * The start of the library, the publishing of log lines (debug.stdout_topic, debug.stderr_topic), the functions with variable
 * arguments, and those whose QoS the firmware may choose.
 */

#include "mgos_mqtt.h"

#include <stdlib.h>
#include <string.h>

#include "mgos.h"
#include "mgos_mqtt_seam.h"

/* Whether lines are published to debug.stdout_topic and debug.stderr_topic. */
#ifndef MGOS_MQTT_ENABLE_DEBUG_TOPICS
#define MGOS_MQTT_ENABLE_DEBUG_TOPICS 1
#endif

/* No more log lines are published while so many bytes wait to be sent. */
#ifndef MGOS_MQTT_LOG_PUSHBACK_THRESHOLD
#define MGOS_MQTT_LOG_PUSHBACK_THRESHOLD 2048
#endif

/* The QoS of subscriptions made without one. */
#ifndef MGOS_MQTT_SUBSCRIBE_QOS
#define MGOS_MQTT_SUBSCRIBE_QOS 1
#endif

#if MGOS_MQTT_ENABLE_DEBUG_TOPICS

/* One counter for the lines of both streams; and whether one is being published, as that may log lines of its own. */
static struct {
  uint32_t seq : 31;
  uint32_t busy : 1;
} s_lines;

static void log_cb(int ev, void *ev_data, void *arg) {
  struct mgos_debug_hook_arg *line = (struct mgos_debug_hook_arg *) ev_data;
  const char *topic = line->fd == 1   ? mgos_sys_config_get_debug_stdout_topic()
                      : line->fd == 2 ? mgos_sys_config_get_debug_stderr_topic()
                                      : NULL;
  (void) ev, (void) arg;
  if (topic == NULL || line->len == 0 || s_lines.busy) return;
  if (mgos_mqtt_num_unsent_bytes() >= MGOS_MQTT_LOG_PUSHBACK_THRESHOLD) return;
  s_lines.busy = true;
  int level = line->fd;
  if (mgos_sys_config_get_mqtt_debug_use_log_level()) level = line->fd == 2 ? LL_ERROR : (int) line->level;
  const char *id = mgos_sys_config_get_device_id();
  char *msg = line->buf;
  int len = mg_asprintf(&msg, MGOS_DEBUG_TMP_BUF_SIZE, "%s %u %.3lf %d|%.*s", id != NULL ? id : "-", (unsigned) s_lines.seq,
                        mg_time(), level, (int) line->len, (const char *) line->data);
  if (len > 0 && msg != NULL) {
    mgos_mqtt_pub(topic, msg, (size_t) len, 0, false);
    s_lines.seq++;
  }
  if (msg != line->buf) free(msg);
  s_lines.busy = false;
}

/* Replaces the question marks of a topic by digits of the MAC address. */
static void expand(const char *topic, void (*set)(const char *)) {
  char *s = topic != NULL ? strdup(topic) : NULL;
  if (s == NULL) return;
  mgos_expand_mac_address_placeholders(s);
  set(s);
  free(s);
}

static void set_stdout_topic(const char *s) {
  mgos_sys_config_set_debug_stdout_topic(s);
}

static void set_stderr_topic(const char *s) {
  mgos_sys_config_set_debug_stderr_topic(s);
}

#endif /* MGOS_MQTT_ENABLE_DEBUG_TOPICS */

/* Whether mqtt.queue_file is there to be used. */
#ifndef MGOS_MQTT_ENABLE_QUEUE_FILE
#define MGOS_MQTT_ENABLE_QUEUE_FILE 0
#endif

static void set_queue_file(void) {
  const char *file = mgos_sys_config_get_mqtt_queue_file();
  if (file == NULL || file[0] == '\0') return;
#if MGOS_MQTT_ENABLE_QUEUE_FILE
  /* Some apps call mgos_mqtt_init() themselves, a second time. */
  static bool s_done;
  if (s_done) return;
  s_done = true;
  double delay = mgos_sys_config_get_mqtt_queue_file_delay();
  uint32_t ms = delay > 0 ? delay < INT32_MAX / 1000 ? (uint32_t) (delay * 1000) : INT32_MAX : 0;
  /* If it can't be used, that is in the log, and the firmware starts without it. */
  mgos_mqtt_set_queue_file(file, ms);
#else
  mgos_mqtt_shim_log(MGOS_MQTT_LOG_NO_QUEUE_FILE, 0, NULL, 0, 0, 0);
#endif
}

/* A bool, in a whole register: apps that call it have no header for it, and read an int. */
int mgos_mqtt_init(void);

int mgos_mqtt_init(void) {
#if MGOS_MQTT_ENABLE_DEBUG_TOPICS
  expand(mgos_sys_config_get_debug_stdout_topic(), set_stdout_topic);
  expand(mgos_sys_config_get_debug_stderr_topic(), set_stderr_topic);
#endif
  if (!mgos_mqtt_archive_missing_or_version_mismatch_1_0_0_rc_1(mgos_sys_config_get_mqtt(), mgos_sys_config_get_mqtt1())) {
    return false;
  }
  set_queue_file();
#if MGOS_MQTT_ENABLE_DEBUG_TOPICS
  /* Some apps call this function themselves, a second time. */
  mgos_event_remove_handler(MGOS_EVENT_LOG, log_cb, NULL);
  return mgos_event_add_handler(MGOS_EVENT_LOG, log_cb, NULL);
#else
  return true;
#endif
}

uint16_t mgos_mqtt_conn_pubv(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain, const char *json_fmt,
                             va_list ap) {
  if (c == NULL || json_fmt == NULL) {
    /* Refused with a line in the log, as any message that is NULL. */
    struct mg_str null = {NULL, 1};
    return mgos_mqtt_conn_pub(c, topic, null, qos, retain);
  }
  char *msg = json_vasprintf(json_fmt, ap);
  if (msg == NULL) return mgos_mqtt_core_pub_failed(c, topic);
  uint16_t id = mgos_mqtt_conn_pub(c, topic, mg_mk_str(msg), qos, retain);
  free(msg);
  return id;
}

uint16_t mgos_mqtt_conn_pubf(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain, const char *json_fmt, ...) {
  va_list ap;
  va_start(ap, json_fmt);
  uint16_t id = mgos_mqtt_conn_pubv(c, topic, qos, retain, json_fmt, ap);
  va_end(ap);
  return id;
}

uint16_t mgos_mqtt_pubv(const char *topic, int qos, bool retain, const char *json_fmt, va_list ap) {
  return mgos_mqtt_conn_pubv(mgos_mqtt_core_global(), topic, qos, retain, json_fmt, ap);
}

uint16_t mgos_mqtt_pubf(const char *topic, int qos, bool retain, const char *json_fmt, ...) {
  va_list ap;
  va_start(ap, json_fmt);
  uint16_t id = mgos_mqtt_pubv(topic, qos, retain, json_fmt, ap);
  va_end(ap);
  return id;
}

void mgos_mqtt_conn_sub_s(struct mgos_mqtt_conn *c, struct mg_str topic, int qos, mg_event_handler_t handler, void *user_data);

void mgos_mqtt_global_subscribe(const struct mg_str topic, mg_event_handler_t handler, void *ud) {
  mgos_mqtt_conn_sub_s(mgos_mqtt_core_global(), topic, MGOS_MQTT_SUBSCRIBE_QOS, handler, ud);
}

void mgos_mqtt_core_sub(const char *topic, sub_handler_t handler, void *ud, int qos);

void mgos_mqtt_sub(const char *topic, sub_handler_t handler, void *ud) {
  mgos_mqtt_core_sub(topic, handler, ud, MGOS_MQTT_SUBSCRIBE_QOS);
}

/* Returns an int, as mJS reads one. */
int mgos_mqtt_pub_js(const char *topic, const void *message, int len, int how, mgos_mqtt_result_fn_t cb, void *arg) {
  struct mgos_mqtt_pub_opts opts;
  memset(&opts, 0, sizeof(opts));
  opts.qos = how & 3;
  opts.retain = (how & 4) != 0;
  opts.replace = (how & 8) != 0;
  opts.cb = how & 16 ? cb : NULL;
  opts.arg = arg;
  uint32_t seconds = (uint32_t) how >> 5;
  opts.ttl_ms = seconds < UINT32_MAX / 1000 ? seconds * 1000 : UINT32_MAX;
  return mgos_mqtt_pub_opt(topic, message, (size_t) len, &opts);
}

void mgos_mqtt_sub_stream(const char *topic, mgos_mqtt_stream_handler_t handler, void *arg) {
  mgos_mqtt_conn_sub_stream(mgos_mqtt_core_global(), topic, MGOS_MQTT_SUBSCRIBE_QOS, handler, arg);
}

bool mgos_mqtt_pub_stream(const char *topic, size_t len, int qos, bool retain, mgos_mqtt_read_fn_t read,
                          mgos_mqtt_result_fn_t cb, void *arg) {
  return mgos_mqtt_conn_pub_stream(mgos_mqtt_core_global(), topic, len, qos, retain, read, cb, arg);
}
