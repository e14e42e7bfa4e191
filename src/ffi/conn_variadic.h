/**
 * Publishes a message made from a format as of json_printf(): mgos_mqtt_conn_pub() with its result. 0 also without memory for
 * it and where `json_fmt` is NULL.
 */
uint16_t mgos_mqtt_conn_pubf(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain,
                             const char *json_fmt, ...);

/**
 * mgos_mqtt_conn_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_conn_pubv(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain,
                             const char *json_fmt, va_list ap);
