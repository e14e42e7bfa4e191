/* The client using libmosquitto. Arguments: port, QoS, messages. See echo.h. */

#include <mosquitto.h>

#include "echo.h"

static struct mosquitto *s_client;

static bool publish(void) {
  return mosquitto_publish(s_client, NULL, TOPIC, sizeof(echo.payload), echo.payload, echo.qos, false) == MOSQ_ERR_SUCCESS;
}

static void on_connect(struct mosquitto *client, void *arg, int code) {
  (void) arg;
  if (code != 0 || mosquitto_subscribe(client, NULL, TOPIC, 2) != MOSQ_ERR_SUCCESS) exit(2);
}

static void on_subscribe(struct mosquitto *client, void *arg, int id, int num, const int *granted) {
  (void) client, (void) arg, (void) id, (void) num, (void) granted;
  echo_begin(publish);
}

static void on_message(struct mosquitto *client, void *arg, const struct mosquitto_message *message) {
  (void) client, (void) arg, (void) message;
  if (echo_received(publish)) exit(0);
}

int main(int argc, char **argv) {
  if (argc != 4) return 1;
  echo.qos = atoi(argv[2]);
  echo.messages = atol(argv[3]);
  mosquitto_lib_init();
  s_client = mosquitto_new("throughput-mosquitto", true, NULL);
  if (s_client == NULL) return 1;
  mosquitto_int_option(s_client, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_connect_callback_set(s_client, on_connect);
  mosquitto_subscribe_callback_set(s_client, on_subscribe);
  mosquitto_message_callback_set(s_client, on_message);
  if (mosquitto_connect(s_client, "127.0.0.1", atoi(argv[1]), 60) != MOSQ_ERR_SUCCESS) return 1;
  return mosquitto_loop_forever(s_client, -1, 1);
}
