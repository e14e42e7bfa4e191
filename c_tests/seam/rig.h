/*
 * What the contract of the seam needs to see of an implementation, and of the world around it: app, Mongoose, the
 * other end of a connection, memory. There are two: rig_shim.c, around shim/ and a firmware; and stand_in/, around
 * what the library's own tests have in place of these.
 */

#ifndef RIG_H
#define RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mgos_mqtt_seam.h"

/* Checks it all, and prints what holds. The exit status. */
int contract(void);

const char *rig_name(void);
bool rig_begin(void);
/* False, with a line that says why, if something is left: memory, timers. */
bool rig_end(void);

/* ---- Memory ---- */

/* Whether allocations can be made to fail. */
bool rig_can_fail(void);
/* The allocation after the next `n` fails, and no other. */
void rig_fail_after(unsigned n);
/* Whether it has been asked for. Afterwards none fails. */
bool rig_has_failed(void);

/* ---- The app ---- */

/* How often it has been called: by log lines of the library, and by events. */
unsigned rig_calls(void);
/* The next time that it is called it does this, before it looks at the line. */
void rig_in_next_call(void (*hook)(void));
/* What the last log line says; or, where lines have no words, the text that it shows. */
const char *rig_line(void);
bool rig_has_words(void);
/* The last event: a cloud event by its name, else NULL with number and data. */
const char *rig_event(int *ev, void **data);

struct rig_options {
  bool clean_session, will_retain;
  unsigned keep_alive;
  const char *texts[4]; /* topic and message of the will, user name, password */
};

/* What a connect callback is given. */
void rig_read_options(const struct mg_send_mqtt_handshake_opts *opts, struct rig_options *to);
/* What it does: sends CONNECT; or makes Mongoose's MQTT handler the connection's. */
void rig_send_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts);
void rig_set_protocol_mqtt(struct mg_connection *nc);

struct rig_message {
  int cmd, qos, id;
  size_t size, topic_len, payload_len;
  const char *topic, *payload;
};

/* What an event handler is given for a packet. */
void rig_read_message(const void *ev_data, struct rig_message *to);

/* ---- Clocks and network ---- */

/* One round of the event loop, without waiting. */
void rig_round(void);
void rig_pass(int64_t ms);
void rig_set_time(double seconds);
void rig_net(bool up);
/* Mongoose OS announces a restart, which does not come. */
void rig_reboot(void);

/* ---- Configurations ---- */

/* A new one, as the library's mos.yml has it, but enabled and with a server that can be reached. */
struct mgos_config_mqtt *rig_config(void);
void rig_free(struct mgos_config_mqtt *cfg);
/* Those of the system: 0 and 1. */
const struct mgos_config_mqtt *rig_system(int which);
/* Booleans as 0 and 1, times in seconds. */
void rig_set_number(struct mgos_config_mqtt *cfg, mgos_mqtt_number which, double value);
/* By their place in mgos_mqtt_shim_config_strings(); NULL for none. */
void rig_set_text(struct mgos_config_mqtt *cfg, int which, const char *text);
void rig_set_server(struct mgos_config_mqtt *cfg, const char *server);
void rig_set_limit(struct mgos_config_mqtt *cfg, int limit);
void rig_set_device_id(const char *id);

/* ---- Connections ---- */

/* Runs the event loop until `nc`, which has just been opened, is connected. */
void rig_accept(struct mg_connection *nc);
/* The server sends; all of it is received, up to the limit. */
void rig_peer_sends(struct mg_connection *nc, const void *bytes, size_t len);
/* Runs the event loop. Returns how many bytes the server has got since this was last asked. */
size_t rig_peer_gets(struct mg_connection *nc, void *bytes, size_t size);
/* Mongoose has sent a request for WebSocket, and has data of its own at the connection. */
void rig_ws_begun(struct mg_connection *nc);
/* How often these data were freed. */
unsigned rig_ws_freed(void);
/* The server's reply, as comes with MG_EV_WEBSOCKET_HANDSHAKE_DONE; `protocol` is the header's, NULL for none. */
void *rig_ws_reply(int code, const char *words, const char *protocol);
/* A handler of Mongoose's stands between it and us. */
bool rig_has_handler_between(struct mg_connection *nc);

#endif /* RIG_H */
