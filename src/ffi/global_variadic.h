/**
 * Publishes a message made from a format as of json_printf() on the global connection: see mgos_mqtt_conn_pubf().
 */
uint16_t mgos_mqtt_pubf(const char *topic, int qos, bool retain, const char *json_fmt, ...);

/**
 * mgos_mqtt_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_pubv(const char *topic, int qos, bool retain, const char *json_fmt, va_list ap);
