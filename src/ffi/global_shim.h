/**
 * Publishes a message, with options: mgos_mqtt_pub() that can tell what becomes of the message, give
 * it a lifetime, and let a newer one take its place. New; the original has no such function.
 *
 * ```c
 * static void done(void *arg, uint16_t id, int result) {
 *   LOG(LL_INFO, ("reading %u: %s", id, result == MGOS_MQTT_RESULT_ACKNOWLEDGED ? "arrived" : "lost"));
 * }
 * ...
 * struct mgos_mqtt_pub_opts opts = {.qos = 1, .ttl_ms = 60000, .replace = true, .cb = done};
 * mgos_mqtt_pub_opt("room/temperature", "21.5", 4, &opts);
 * ```
 *
 * @param topic The topic, not needed any more on return.
 * @param message The payload, not needed any more on return.
 * @param len Bytes of the payload.
 * @param opts See `struct mgos_mqtt_pub_opts`; not needed any more on return. NULL: all zeros.
 * @return As mgos_mqtt_pub(): the packet ID, or 0 with the reason in the log; 0 also without memory
 * for the options. With 0, `opts->cb` is not called.
 *
 * May be called from a handler.
 */
static inline uint16_t mgos_mqtt_pub_opt(const char *topic, const void *message, size_t len,
                                         const struct mgos_mqtt_pub_opts *opts) {
  return mgos_mqtt_pub_opt_sized(topic, message, len, opts, sizeof(*opts));
}

/**
 * Subscribes to a topic filter, with a handler that is also told of SUBACK; at QoS 1, unless the
 * firmware is built with another MGOS_MQTT_SUBSCRIBE_QOS.
 *
 * @param topic The filter, which need not end with a NUL; not needed any more on return. Empty,
 * not UTF-8, or with a misplaced wildcard: an error in the log, and nothing else. Without memory:
 * likewise.
 * @param handler Called with MG_EV_MQTT_SUBACK when the broker has answered, and with
 * MG_EV_MQTT_PUBLISH for each message that matches. NULL: an error in the log, and nothing else.
 * @param ud Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_global_subscribe(const struct mg_str topic, mg_event_handler_t handler, void *ud);

/**
 * Subscribes to a topic filter, now or when the connection is up, and again at every later
 * connection; at QoS 1, unless the firmware is built with another MGOS_MQTT_SUBSCRIBE_QOS.
 *
 * ```c
 * static void on_message(struct mg_connection *nc, const char *topic, int topic_len,
 *                        const char *msg, int msg_len, void *ud) {
 *   LOG(LL_INFO, ("%.*s: %.*s", topic_len, topic, msg_len, msg));
 * }
 * ...
 * mgos_mqtt_sub("room/+/set", on_message, NULL);
 * ```
 *
 * @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a
 * misplaced wildcard: an error in the log, and nothing else. Without memory: likewise.
 * @param handler Called with each message that matches. NULL: the messages are acknowledged and
 * dropped.
 * @param ud Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_sub(const char *topic, sub_handler_t handler, void *ud);

/**
 * mgos_mqtt_pub_opt() for JavaScript, which has no C structures.
 *
 * @param topic As there.
 * @param message As there.
 * @param len As there.
 * @param how QoS + 4 for `retain` + 8 for `replace` + 16 if `cb` is to be called + 32 times the
 * lifetime in seconds.
 * @param cb As `opts->cb`.
 * @param arg As `opts->arg`.
 * @return As there.
 */
int mgos_mqtt_pub_js(const char *topic, const void *message, int len, int how,
                     mgos_mqtt_result_fn_t cb, void *arg);

/**
 * Subscribes to a topic filter with a handler that takes messages in pieces, as they come in: also
 * those that exceed mqtt.recv_mbuf_limit, up to the 256 MB that MQTT allows; at QoS 1, unless the
 * firmware is built with another MGOS_MQTT_SUBSCRIBE_QOS. New; the original has no such function.
 *
 * A message that fits comes as one piece. One that does not goes to the newest matching subscription
 * of this kind alone; others that match, of whatever kind, do not get it. Its topic has to fit the
 * limit. It is acknowledged when the last piece was taken; at QoS 2, once it was taken, it does not
 * come again.
 *
 * @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a
 * misplaced wildcard: an error in the log, and nothing else. Without memory: likewise.
 * @param handler Called with each piece. NULL: an error in the log, and nothing else.
 * @param arg Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_sub_stream(const char *topic, mgos_mqtt_stream_handler_t handler, void *arg);

/**
 * Publishes a message in pieces, as the app reads them: one that is larger than the memory, as a
 * picture or a log file. New; the original has no such function.
 *
 * It begins when the connection is up and nothing else waits to be sent, and is one packet
 * on the wire: until its last byte other messages at QoS 1 and 2 wait in the queue, those at QoS 0
 * are refused, and no ping is sent. So it should take less than mqtt.keep_alive, after one and a half
 * of which a broker may close the connection; brokers also limit the size. It is not kept: if the
 * connection ends inside it, it is begun anew on the next, three times in all. After its last byte it
 * is sent no more. If nothing of it can be written for 30 seconds the connection is closed.
 *
 * @param topic The topic, not needed any more on return.
 * @param len Bytes of the message, at most 268,435,451 less those of the topic.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_set_max_qos().
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param read Called from the event loop for up to 256 bytes at a time, until `cb` is called.
 * @param cb Called once, from the event loop, with what became of it: see
 * mgos_mqtt_conn_pub_stream(). NULL: nobody is told.
 * @param arg Handed back to both; it stays the app's.
 * @return true if it is accepted. false, with the reason in the log, if another is under way, or
 * during mgos_mqtt_global_finish(); for an invalid topic; for a message too large for MQTT; without
 * memory; if `topic` or `read` is NULL. Then neither is called.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_pub_stream(const char *topic, size_t len, int qos, bool retain,
                          mgos_mqtt_read_fn_t read, mgos_mqtt_result_fn_t cb, void *arg);

/**
 * Publishes a message formatted with json_printf().
 *
 * ```c
 * mgos_mqtt_pubf("room/state", 1, false, "{temperature: %.1f, on: %B}", 21.5, true);
 * ```
 *
 * @param topic The topic, not needed any more on return.
 * @param qos 0, 1 or 2.
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param json_fmt The format.
 * @return As mgos_mqtt_pub(): the packet ID, or 0 with the reason in the log; 0 also if `json_fmt` is
 * NULL, and without memory for the message.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_pubf(const char *topic, int qos, bool retain, const char *json_fmt, ...);

/**
 * mgos_mqtt_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_pubv(const char *topic, int qos, bool retain, const char *json_fmt, va_list ap);
