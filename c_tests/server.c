/*
 * Valid values of mqtt.server, with and without scheme, port and path; and invalid ones.
 */

/* strcasestr(), memmem() */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

#define PATH_IN_REQUEST "GET %s HTTP/1.1\r\n"

/* The app connects to the broker where mqtt.server is this, with the broker's port for %d. */
static void expect_taken(const char *fmt) {
  char server[100];
  snprintf(server, sizeof(server), fmt, broker_port(0));
  cfg.server = server;
  create();
  expect_that(app_connect());
  expect_connect();
  forget_events();
}

static void taken(void) {
  expect_taken("127.0.0.1:%d");
  expect_taken("localhost:%d");
#ifdef MQTT_UPSTREAM
  check("HOST:PORT");
#else
  expect_taken("mqtt://127.0.0.1:%d");
  expect_taken("MQTT://127.0.0.1:%d/");
  expect_taken("tcp://127.0.0.1:%d");
  expect_taken("  127.0.0.1:%d\t ");
  expect_taken(" mqtt://localhost:%d ");
  expect_taken("127.0.0.1:%d,127.0.0.2:1");
  check("HOST:PORT, with or without mqtt://, with spaces around");
#endif
}

#ifndef MQTT_UPSTREAM

static void connect_and_look(void *arg) {
  struct mg_connection *nc;
  mgos_mqtt_conn_connect(connection());
  nc = app_nc();
  *(int *) arg = nc != NULL ? ntohs(nc->sa.sin.sin_port) : -1;
}

static void expect_port(const char *server, const char *ca, int port) {
  int got = 0;
  cfg.server = (char *) server;
  cfg.ssl_ca_cert = (char *) ca;
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  in_app(connect_and_look, &got);
  if (got != port) fail("%s%s: the port is %d, not %d", server, ca != NULL ? " and a CA" : "", got, port);
  forget_events();
}

static void ports(void) {
  expect_port("127.0.0.1", NULL, 1883);
  expect_port("mqtt://127.0.0.1", NULL, 1883);
  expect_port(" 127.0.0.1 ", NULL, 1883);
#if MG_ENABLE_IPV6
  expect_port("[::1]", NULL, 1883);
  expect_port("mqtt://[::1]/", NULL, 1883);
  expect_port("[::1]:1", NULL, 1);
#else
  left_out("addresses in brackets", "Mongoose is built without IPv6");
#endif
  expect_port("127.0.0.1", "*", 8883);
  expect_port("mqtts://127.0.0.1", "*", 8883);
  expect_port("mqtts://127.0.0.1:4", "*", 4);
  expect_port("ws://127.0.0.1/path", NULL, 80);
  expect_port("wss://127.0.0.1/path", "*", 443);
  check("the default port is that of the scheme");
}

/* The app requests WebSocket with this path and host if mqtt.server is this. */
static void expect_request(const char *fmt, const char *path) {
  char server[100], host[40], request[1000];
  size_t n = 0;
  snprintf(server, sizeof(server), fmt, broker_port(0));
  snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", broker_port(0));
  cfg.server = server;
  create();
  app_connect();
  expect_connection();
  while (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4) != 0) {
    if (n + 1 == sizeof(request)) fail("the request is too long");
    receive_bytes((uint8_t *) request + n++, 1);
  }
  request[n] = '\0';
  path = text(PATH_IN_REQUEST, path);
  if (strncmp(request, path, strlen(path)) != 0) fail("%s: expected %s, got %s", server, path, request);
  if (strcasestr(request, host) == NULL) fail("%s: expected %s, got %s", server, host, request);
  forget_events();
}

static void websocket(void) {
  expect_request("ws://127.0.0.1:%d/way?to=it", "/way?to=it");
  expect_request(" WS://127.0.0.1:%d/way  ", "/way");
  expect_request("ws://127.0.0.1:%d/", "/");
  expect_request("ws://127.0.0.1:%d", "/mqtt");
  cfg.ws_enable = true;
  expect_request("ws://127.0.0.1:%d/way", "/way");
  expect_request("mqtt://127.0.0.1:%d", "/mqtt");
  expect_request(" 127.0.0.1:%d ", "/mqtt");
  check("ws:// stands for ws_enable, and its path for ws_path");
}

#endif

#if MG_ENABLE_IPV6
#define IPV6 "with IPv6 in brackets"
#else
#define IPV6 "without IPv6 (MG_ENABLE_IPV6)"
#endif
#define FORM "mqtt.server must be HOST[:PORT], " IPV6 "; mqtt://, mqtts://, ws:// or wss:// may precede it"
#define NEEDS_CA "mqtts:// and wss:// need mqtt.ssl_ca_cert"

static void expect_refused(const char *server, const char *why) {
  cfg.server = (char *) server;
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  if (app_connect()) fail("%s is taken", server);
  expect_events(EITHER("cloud CONNECTING\ncloud CONNECTERROR\n", "cloud CONNECTING\n"));
  if (logged(why) != 1) {
    show_log();
    fail("%s: not in the log: %s", server, why);
  }
  forget_events();
}

static void refused(void) {
#ifdef MQTT_UPSTREAM
  expect_refused("mqtt://h:1", "cannot parse address");
  expect_refused("ws://h", "cannot parse address");
  check("a scheme");
#else
  expect_refused("h:99999", FORM);
  expect_refused("h:0", FORM);
  expect_refused("h:", FORM);
  expect_refused("h:1x", FORM);
  expect_refused("h:-1", FORM);
  expect_refused("h:4294968179", FORM);
  check("an invalid port");
  expect_refused("::1", FORM);
  expect_refused("::1:1883", FORM);
  expect_refused("mqtt://fe80::1", FORM);
  expect_refused("[::1", FORM);
  expect_refused("[::1]x:5", FORM);
  check("an IPv6 address without brackets");
  expect_refused("   ", FORM);
  expect_refused(":1883", FORM);
  expect_refused("mqtt://", FORM);
  expect_refused("my host", FORM);
  expect_refused("h/path", FORM);
  expect_refused("mqtt://h:1/path", FORM);
  expect_refused("http://h", FORM);
  expect_refused("udp://h:1", FORM);
  check("no host, a path, another scheme");
  expect_refused("mqtt://joe:secret@h", FORM);
  expect_number(logged("secret"), 0);
  check("a user and password, which are not logged");
#endif
}

#ifndef MQTT_UPSTREAM

static void unverified(void) {
  expect_refused("mqtts://h:1", NEEDS_CA);
  expect_refused("wss://h/path", NEEDS_CA);
  cfg.ssl_ca_cert = "";
  expect_refused(" MQTTS://h:1", NEEDS_CA);
  cfg.ssl_cert = "client.pem";
  cfg.ssl_key = "client.key";
  expect_refused("mqtts://h", NEEDS_CA);
  check("TLS without a CA to verify the server");
}
#endif

static void default_port(void) {
  cfg.server = "127.0.0.1";
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 60;
  create();
  expect_that(app_connect());
  check("HOST alone");
  forget_events();
}

#ifndef MQTT_UPSTREAM
/* Whether the next connection's first TLS record, ClientHello, has this text. */
static bool client_hello_has(const char *text) {
  uint8_t head[5], hello[2000];
  size_t len;
  expect_connection();
  receive_bytes(head, sizeof(head));
  expect_number(head[0], 22);
  len = (size_t) head[3] << 8 | head[4];
  expect_that(len <= sizeof(hello));
  receive_bytes(hello, len);
  drop();
  return memmem(hello, len, text, strlen(text)) != NULL;
}

static void server_name(void) {
  cfg.ssl_ca_cert = "*";
  cfg.ssl_server_name = "broker.example";
  create();
  app_connect();
  expect_that(client_hello_has("broker.example"));
  check("mqtt.ssl_server_name is the name that is asked for");
  forget_events();
}

static void host_name(void) {
  char server[30];
  cfg.ssl_ca_cert = "*";
  create();
  app_connect();
  expect_that(!client_hello_has("127.0.0.1"));
  snprintf(server, sizeof(server), "localhost:%d", broker_port(0));
  cfg.server = server;
  app_set_config(&cfg);
  expect_that(client_hello_has("localhost"));
  check("the host in mqtt.server without it, but no address");
  forget_events();
}
#endif

static const struct script scripts[] = {
    {"host", default_port},
    {"taken", taken},
    HERE_ONLY("ports", ports, "it knows no schemes and no brackets"),
    HERE_ONLY("WebSocket", websocket, "it knows no schemes"),
    {"refused", refused},
    HERE_ONLY("unverified", unverified, "it knows no schemes"),
    HERE_ONLY("name in the certificate", server_name, "it has no such key"),
    HERE_ONLY("name of the host", host_name, "it leaves that to Mongoose, which asks for no name of the hosts file"),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
