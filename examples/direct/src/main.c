/*
 * direct: the style of many older apps, which call Mongoose's MQTT functions directly. One handler
 * on the library's connection gets every MQTT event; subscribing, publishing and acknowledging use
 * Mongoose's functions on that connection.
 *
 * Such an app must do itself what the library otherwise does: subscribe again after each CONNACK,
 * and acknowledge received messages. Messages published without a connection are lost.
 *
 *   mqtt.sub   in    {"gpio": {"pin": 2, "state": 1}} sets a pin, {"gpio": {"pin": 2}} reads it
 *   mqtt.pub   out   {"pin": 2, "state": 1}, or {"error": "..."}
 *
 * On this machine: cargo xtask run examples/direct -- --set mqtt.server=localhost:1883
 */

#include "mgos.h"
#include "mgos_mqtt.h"

static void answer(struct mg_connection *nc, const char *fmt, ...) {
  char msg[100];
  struct json_out out = JSON_OUT_BUF(msg, sizeof(msg));
  int len;
  va_list ap;
  va_start(ap, fmt);
  len = json_vprintf(&out, fmt, ap);
  va_end(ap);
  if (len >= (int) sizeof(msg)) len = sizeof(msg) - 1;
  mg_mqtt_publish(nc, mgos_sys_config_get_mqtt_pub(), mgos_mqtt_get_packet_id(), MG_MQTT_QOS(1), msg, len);
  LOG(LL_INFO, ("%s <- %.*s", mgos_sys_config_get_mqtt_pub(), len, msg));
}

static void handle_request(struct mg_connection *nc, struct mg_str s) {
  int pin = -1, state = -1;
  if (json_scanf(s.p, s.len, "{gpio: {pin: %d, state: %d}}", &pin, &state) < 1 || pin < 0) {
    answer(nc, "{error: %Q}", "no gpio.pin in the request");
  } else if (state >= 0) {
    mgos_gpio_set_mode(pin, MGOS_GPIO_MODE_OUTPUT);
    mgos_gpio_write(pin, state > 0);
    answer(nc, "{pin: %d, state: %d}", pin, state > 0);
  } else {
    answer(nc, "{pin: %d, state: %d}", pin, mgos_gpio_read(pin));
  }
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_MQTT_CONNACK: {
      struct mg_mqtt_topic_expression expr = {.topic = mgos_sys_config_get_mqtt_sub(), .qos = 1};
      uint16_t id = mgos_mqtt_get_packet_id();
      LOG(LL_INFO, ("CONNACK %d, subscribing to %s, id %u", msg->connack_ret_code, expr.topic, id));
      mg_mqtt_subscribe(nc, &expr, 1, id);
      break;
    }
    case MG_EV_MQTT_SUBACK:
      LOG(LL_INFO, ("subscribed, id %u", msg->message_id));
      break;
    case MG_EV_MQTT_PUBLISH:
      LOG(LL_INFO, ("%.*s -> %.*s", (int) msg->topic.len, msg->topic.p, (int) msg->payload.len, msg->payload.p));
      if (msg->qos > 0) mg_mqtt_puback(nc, msg->message_id);
      handle_request(nc, msg->payload);
      break;
    case MG_EV_MQTT_PUBACK:
      LOG(LL_INFO, ("response %u has arrived", msg->message_id));
      break;
    case MG_EV_CLOSE:
      LOG(LL_INFO, ("connection closed"));
      break;
  }
  (void) user_data;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
