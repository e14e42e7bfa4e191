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
