/**
 * Publishes a message, with options: mgos_mqtt_conn_pub() that can tell what becomes of the message,
 * give it a lifetime, and let a newer one take its place. New; the original has no such function.
 *
 * @param c The connection.
 * @param topic The topic, not needed any more on return.
 * @param msg The payload, not needed any more on return.
 * @param opts See `struct mgos_mqtt_pub_opts`; not needed any more on return. NULL: all zeros.
 * @return As mgos_mqtt_conn_pub(): the packet ID, or 0 with the reason in the log; 0 also without
 * memory for the options. With 0, `opts->cb` is not called.
 *
 * May be called from a handler.
 */
static inline uint16_t mgos_mqtt_conn_pub_opt(struct mgos_mqtt_conn *c, const char *topic,
                                              struct mg_str msg,
                                              const struct mgos_mqtt_pub_opts *opts) {
  return mgos_mqtt_conn_pub_opt_sized(c, topic, msg, opts, sizeof(*opts));
}

/**
 * Publishes a message formatted with json_printf().
 *
 * @param c The connection.
 * @param topic The topic, not needed any more on return.
 * @param qos 0, 1 or 2.
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param json_fmt The format.
 * @return As mgos_mqtt_conn_pub(): the packet ID, or 0 with the reason in the log; 0 also if
 * `json_fmt` is NULL, and without memory for the message.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_conn_pubf(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain,
                             const char *json_fmt, ...);

/**
 * mgos_mqtt_conn_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_conn_pubv(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain,
                             const char *json_fmt, va_list ap);
