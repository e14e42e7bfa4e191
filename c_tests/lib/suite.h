/*
 * What the apps of the compatibility suite are made of. An app is a list of scripts. A script runs in a thread of its own, where it is the
 * broker: it says what bytes must come and what bytes to answer. Through the app_* functions it also has the app, in the main
 * task, call the library; and it says which events the app must have got, in which order.
 *
 * A script ends at the first expectation that fails; the next begins with a connection and a port of its own.
 */

#ifndef SUITE_H
#define SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

/*
 * What is expected: here, and of the original library. Each use is a difference that docs/differences.md lists. Built with
 * -DMQTT_UPSTREAM, the suite is to be linked with the original.
 */
#ifdef MQTT_UPSTREAM
#define EITHER(here, original) original
#else
#define EITHER(here, original) here
#endif

/*
 * In a list of scripts: one that is left out with the original, and why. The suite then prints
 * both. What is defined for such scripts alone stands behind #ifndef MQTT_UPSTREAM.
 */
#ifdef MQTT_UPSTREAM
#define HERE_ONLY(name, run, why) {name ": " why, NULL}
#else
#define HERE_ONLY(name, run, why) {name, run}
#endif

/* ---- Scripts and checks: check.c ---- */

struct script {
  const char *name;
  void (*run)(void);
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* To be called at the end of mgos_app_init(): runs the scripts, prints the count, leaves through exit(). */
enum mgos_app_init_result suite_start(const struct script *scripts, size_t num);

/* The name of the script that runs: for hooks, which stay if their script is cut short. */
const char *script_name(void);

/* What the script has expected since the last check has come true: prints a line. */
void check(const char *what);

/* Prints which part of the script is left out, and why. */
void left_out(const char *what, const char *why);

/* Says what is wrong and ends the script. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Ends the script if it is not so. */
#define expect_that(what) \
  if (!(what)) fail("line %d: not so: %s", __LINE__, #what)
#define expect_number(number, expected)                                                       \
  do {                                                                                        \
    long got_ = (long) (number), want_ = (long) (expected);                                   \
    if (got_ != want_) fail("line %d: %s is %ld, not %ld", __LINE__, #number, got_, want_);   \
  } while (0)

/* How long is waited for what must come, ms; SUITE_PATIENCE in the environment says otherwise. */
#define PATIENCE patience()
int patience(void);

/* ---- The broker: broker.c ---- */

/*
 * Packets and patterns are written in hexadecimal; 'text' in single quotes stands for its bytes. In patterns ?? stands for any byte, and
 * a * at the end for any bytes that follow. Blanks count for nothing.
 */

/* There are two brokers, each with its port: 0 is in use unless the script says otherwise. */
void use_broker(int which);
int broker_port(int which);

/* Waits for the app to connect. */
void expect_connection(void);
/* The app does not connect for so many milliseconds. */
void expect_no_connection(int ms);
/* True if it does. */
bool connection_waits(int ms);
/* The next packet is this. */
void expect(const char *pattern);
/* Connects and sends CONNECT as configured by default. */
void expect_connect(void);
/* The app sends nothing more: what comes next is a ping that the script has the app send. */
void expect_silence(void);
/* The app closes the connection, having sent nothing more. */
void expect_close(void);
/* The next packet: its length is returned, and the packet itself in *packet until the next call. */
size_t receive_packet(const uint8_t **packet);
/* Whether a packet is there within so many milliseconds. Not, too, where there is no connection, or its end comes. */
bool packet_waits(int ms);
bool has_connection(void);
/* So many bytes, whatever they are. */
void receive_bytes(uint8_t *bytes, size_t len);

/* Sends bytes, all at once. */
void play(const char *hex);
void play_bytes(const void *bytes, size_t len);
/* Sends them one by one, each in a segment of its own. */
void play_slowly(const char *hex);
/* Closes the connection. */
void drop(void);
/* Closes the door: connections are refused from now on. */
void stop_listening(void);
void listen_again(void);

/* Hexadecimal and text to bytes; `any` gets true for ??, may be NULL. Returns how many; *open: a * at the end. */
size_t parse_hex(const char *hex, uint8_t *bytes, bool *any, size_t size, bool *open);
/* A packet in words and hexadecimal. */
const char *show_packet(const uint8_t *packet, size_t len);
/* Formats a string that lives for some calls. */
const char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* accept.c: what a server answers to the key of a request for WebSocket, 24 characters. */
void websocket_accept(const char *key, char accept[40]);

/* For check.c. */
void broker_begin(void);
void broker_end(void);

/* ---- The app: app.c ---- */

/* Configuration of the connection that the script is going to make: reset before each script, to be changed by it. */
extern struct mgos_config_mqtt cfg;
extern struct mgos_config_mqtt cfg_backup;

/* Makes a connection with `cfg`, and adds a handler "g" to it, which records its events. */
void create(void);
/* The same with the global connection: in one script of an app only. */
void create_global(void);
/* With a backup server. */
void create_with_backup(void);
/* create(), if that was not done yet, and on to CONNACK; the events of that are taken for granted. */
void connect_up(void);
/* Connects again after the end of a connection, up to CONNACK, likewise. */
void come_back(void);
struct mgos_mqtt_conn *connection(void);

/* Has the app call a function and waits for its end. In the app's own thread, as in a handler, it is just called. */
void in_app(void (*fn)(void *arg), void *arg);

/* The library's functions, on the script's connection, in the app. */
bool app_connect(void);
void app_disconnect(void);
bool app_is_connected(void);
uint16_t app_pub(const char *topic, const char *msg, int qos, bool retain);
uint16_t app_pub_bytes(const char *topic, const void *msg, size_t len, int qos, bool retain);
uint16_t app_get_packet_id(void);
size_t app_num_unsent_bytes(void);
void app_set_max_qos(int qos);
bool app_set_config(const struct mgos_config_mqtt *config);
bool app_unsub(const char *topic);
/* Subscribes with record_event() as the handler. */
void app_sub(const char *topic, int qos, const char *tag);
void app_sub_handler(const char *topic, int qos, mg_event_handler_t handler, const char *tag);
void app_add_handler(mg_event_handler_t handler, const char *tag);
struct mg_connection *app_nc(void);
/* The network has come up (again). */
void app_ip_acquired(void);

/* A handler that records what it gets under the name that is its user data. */
void record_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data);
/* Records a line. */
void record(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The next lines recorded are these, each ending with \n; for "", there are none. What follows is for the next call to see, and what is
 * left at the end of a script is a failure. For each event: the handler's name, the event, and of
 *   MG_EV_MQTT_PUBLISH   TOPIC=PAYLOAD, or "N bytes" in place of a long payload, and " qosN idN" from QoS 1 up
 *   other MG_EV_MQTT_*   the message's id; for CONNACK nothing
 *   MG_EV_CLOSE          "with nc" if that is not NULL
 * MG_EV_POLL is only counted.
 */
void expect_events(const char *lines);
void expect_no_more_events(void);
/* What was recorded does not matter, as it depends on how long things took; the script ends here. */
void forget_events(void);
unsigned polls_seen(void);
/* How many lines with this text have been logged since the script began. */
unsigned logged(const char *text);
/* The number behind this text where it was logged for the nth time, counted from 0; waits for it. */
long logged_number(const char *text, unsigned nth);
/* Waits for such a line. */
void expect_logged(const char *text);

/* Whether the log is recorded. Where it is, log hooks get nothing of it. */
void record_log(bool on);
/* Whether LOG() raises MGOS_EVENT_LOG. On some ports of Mongoose OS it does not. */
bool log_raises_event(void);
#define NO_LOG_EVENT "LOG() raises no MGOS_EVENT_LOG on this port of Mongoose OS"
/* Prints what was logged since the script began. */
void show_log(void);

/* For check.c. */
void app_begin(void);
void app_end(void);
bool app_start(void);

#endif /* SUITE_H */
