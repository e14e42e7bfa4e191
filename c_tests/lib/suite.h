/*
 * Framework of the compatibility suite's apps. An app is a list of scripts. A script runs in its
 * own thread and plays the broker: it says which bytes must arrive and which to send. Through the
 * app_* functions it makes the app call the library in the main task; and it says which events the
 * app must have got, in which order.
 *
 * A script ends at the first failed expectation; the next starts with a new connection and port.
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
 * Expected values: for this library, and for the original. Each use is a difference listed in
 * docs/differences.md. Built with -DMQTT_UPSTREAM, the suite is to be linked with the original.
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

/* Called at the end of mgos_app_init(): runs the scripts, prints the totals, calls exit(). */
enum mgos_app_init_result suite_start(const struct script *scripts, size_t num);

/* The name of the running script: for hooks, which stay installed if their script is aborted. */
const char *script_name(void);

/* The script's expectations since the last check were met: prints a line. */
void check(const char *what);

/* Prints which part of the script is left out, and why. */
void left_out(const char *what, const char *why);

/* Says what is wrong and ends the script. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Ends the script unless the condition holds. */
#define expect_that(what) \
  if (!(what)) fail("line %d: check failed: %s", __LINE__, #what)
#define expect_number(number, expected)                                                       \
  do {                                                                                        \
    long got_ = (long) (number), want_ = (long) (expected);                                   \
    if (got_ != want_) fail("line %d: %s is %ld, not %ld", __LINE__, #number, got_, want_);   \
  } while (0)

/* Time limit for expected events in ms; SUITE_PATIENCE in the environment overrides it. */
#define PATIENCE patience()
int patience(void);

/* ---- The broker: broker.c ---- */

/*
 * Packets and patterns are written in hexadecimal; 'text' in single quotes stands for its bytes. In
 * patterns ?? matches any byte, and * at the end any further bytes. Blanks are ignored.
 */

/* There are two brokers with different ports: 0 is used unless the script says otherwise. */
void use_broker(int which);
int broker_port(int which);

/* Waits for the app to connect. */
void expect_connection(void);
/* The app does not connect for this many milliseconds. */
void expect_no_connection(int ms);
/* Whether it does. */
bool connection_waits(int ms);
/* The next packet must match. */
void expect(const char *pattern);
/* Connects and sends the default CONNECT. */
void expect_connect(void);
/* The app sends nothing more: the next packet must be a ping that the script makes the app send. */
void expect_silence(void);
/* The app closes the connection without sending anything more. */
void expect_close(void);
/* Returns the length of the next packet, and the packet itself in *packet until the next call. */
size_t receive_packet(const uint8_t **packet);
/* Whether a packet arrives within this many milliseconds. False also without a connection or at its
 * end. */
bool packet_waits(int ms);
bool has_connection(void);
/* Reads this many bytes, whatever they are. */
void receive_bytes(uint8_t *bytes, size_t len);

/* Sends bytes in one segment. */
void play(const char *hex);
void play_bytes(const void *bytes, size_t len);
/* Sends them one by one, each in its own segment. */
void play_slowly(const char *hex);
/* Closes the connection. */
void drop(void);
/* Refuses connections from now on. */
void stop_listening(void);
void listen_again(void);

/* Hexadecimal and text to bytes; `any` becomes true for ??, may be NULL. Returns their number;
 * *open: a * at the end. */
size_t parse_hex(const char *hex, uint8_t *bytes, bool *any, size_t size, bool *open);
/* A description of a packet, with hexadecimal. */
const char *show_packet(const uint8_t *packet, size_t len);
/* Formats a string that stays valid for some calls. */
const char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* accept.c: what a server answers to the key of a request for WebSocket, 24 characters. */
void websocket_accept(const char *key, char accept[40]);

/* For check.c. */
void broker_begin(void);
void broker_end(void);

/* ---- The app: app.c ---- */

/* Configuration of the next connection: reset before each script, and changed by it. */
extern struct mgos_config_mqtt cfg;
extern struct mgos_config_mqtt cfg_backup;

/* Creates a connection with `cfg`, and adds a handler "g" that records its events. */
void create(void);
/* The same with the global connection: in one script per app only. */
void create_global(void);
/* With a backup server. */
void create_with_backup(void);
/* Creates the connection if necessary, and connects up to CONNACK; its events are implied. */
void connect_up(void);
/* Reconnects up to CONNACK after a disconnect; the events of that are implied. */
void come_back(void);
struct mgos_mqtt_conn *connection(void);

/* Makes the app call a function and waits until it returns. In the app's own thread, as in a
 * handler, calls it directly. */
void in_app(void (*fn)(void *arg), void *arg);

/* The library's functions, called by the app on the script's connection. */
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

/* A handler that records its events under the name in its user data. */
void record_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data);
/* Records a line. */
void record(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The next recorded lines must be these, each ending with \n; "" means that there are none. Further
 * lines are left to the next call; lines left at the end of a script are a failure. Each event has
 * the handler's name, the event, and for
 *   MG_EV_MQTT_PUBLISH   TOPIC=PAYLOAD, or "N bytes" if it is long, and " qosN idN" above QoS 0
 *   other MG_EV_MQTT_*   the packet ID; for CONNACK nothing
 *   MG_EV_CLOSE          "with nc" if that is not NULL
 * MG_EV_POLL is only counted.
 */
void expect_events(const char *lines);
void expect_no_more_events(void);
/* Discards recorded lines, as they depend on timing; the script ends here. */
void forget_events(void);
unsigned polls_seen(void);
/* Number of lines with this text logged since the script started. */
unsigned logged(const char *text);
/* The number after this text where it was logged for the nth time, counted from 0; waits for it. */
long logged_number(const char *text, unsigned nth);
/* Waits for such a line. */
void expect_logged(const char *text);

/* Whether the log is recorded. If so, log hooks do not get it. */
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
