/* The client using paho-mqtt-c. Arguments: port, QoS, messages. The library calls back from its own
 * threads, one at a time. */

#include <MQTTAsync.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "echo.h"

static MQTTAsync s_client;

/* Called by the library. It has no option for TCP_NODELAY, which the other two clients use: without
 * it an acknowledgement takes 40 ms. */
int socket(int domain, int type, int protocol) {
  int fd = (int) syscall(SYS_socket, domain, type, protocol), on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

static bool publish(void) {
  return MQTTAsync_send(s_client, TOPIC, sizeof(echo.payload), echo.payload, echo.qos, 0, NULL) == MQTTASYNC_SUCCESS;
}

static void on_failure(void *arg, MQTTAsync_failureData *data) {
  (void) arg, (void) data;
  exit(2);
}

static void on_subscribe(void *arg, MQTTAsync_successData *data) {
  (void) arg, (void) data;
  echo_begin(publish);
}

static void on_connect(void *arg, MQTTAsync_successData *data) {
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  (void) arg, (void) data;
  options.onSuccess = on_subscribe;
  options.onFailure = on_failure;
  if (MQTTAsync_subscribe(s_client, TOPIC, 2, &options) != MQTTASYNC_SUCCESS) exit(2);
}

static int on_message(void *arg, char *topic, int topic_len, MQTTAsync_message *message) {
  (void) arg, (void) topic_len;
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  /* Other threads are still running. */
  if (echo_received(publish)) _exit(0);
  return 1;
}

int main(int argc, char **argv) {
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  char server[64];
  if (argc != 4) return 1;
  echo.qos = atoi(argv[2]);
  echo.messages = atol(argv[3]);
  snprintf(server, sizeof(server), "tcp://127.0.0.1:%s", argv[1]);
  if (MQTTAsync_create(&s_client, server, "throughput-paho", MQTTCLIENT_PERSISTENCE_NONE, NULL) != MQTTASYNC_SUCCESS) return 1;
  MQTTAsync_setCallbacks(s_client, NULL, NULL, on_message, NULL);
  options.cleansession = 1;
  options.maxInflight = 4 * AT_ONCE;
  options.onSuccess = on_connect;
  options.onFailure = on_failure;
  if (MQTTAsync_connect(s_client, &options) != MQTTASYNC_SUCCESS) return 1;
  for (;;) pause();
}
