/*
 * The connection API of Mongoose 6.18 as a Mongoose OS app sees it: event
 * manager, connections, flags, events, and the WebSocket and MQTT client calls.
 * Names, numbers and types are Mongoose's; the layouts must equal those in
 * host/src/abi.rs. URIs, HTTP and SNTP are in headers of their own, included at
 * the end.
 * Not here: HTTP servers, DNS, CoAP, SOCKS.
 */

#ifndef MGOS_HOST_MONGOOSE_H_
#define MGOS_HOST_MONGOOSE_H_

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/platform.h"

#include "common/mbuf.h"
#include "common/mg_str.h"
#include "common/str_util.h"

#if defined(__unix__)
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#endif

#define MG_VERSION "6.18"

/*
 * What is built in. Not settings: the archive is compiled one way, and the
 * structures below have the layout that goes with it.
 */
#undef MG_ENABLE_SSL
#define MG_ENABLE_SSL 1
#undef MG_ENABLE_IPV6
#define MG_ENABLE_IPV6 1
#undef MG_ENABLE_MQTT
#define MG_ENABLE_MQTT 1
#undef MG_ENABLE_HTTP_WEBSOCKET
#define MG_ENABLE_HTTP_WEBSOCKET 1
#undef MG_ENABLE_BROADCAST
#define MG_ENABLE_BROADCAST 0

/* Room for a file name. */
#ifndef MG_MAX_PATH
#define MG_MAX_PATH 4096
#endif
#undef MG_ENABLE_HEXDUMP
#define MG_ENABLE_HEXDUMP 0
#undef MG_ENABLE_MQTT_BROKER
#define MG_ENABLE_MQTT_BROKER 0

/* Handlers get their connection's user data as a fourth argument, as everywhere in Mongoose OS. */
#undef MG_ENABLE_CALLBACK_USERDATA
#define MG_ENABLE_CALLBACK_USERDATA 1
#define MG_UD_ARG(ud) , ud
#define MG_CB(cb, ud) cb, ud

#ifdef __cplusplus
extern "C" {
#endif

#if !defined(__unix__) && !defined(MG_HAVE_SOCKADDR)
/*
 * Stand-ins for a compiler without a network stack (the library's shim is
 * compiled for bare metal to see how large it is). Shaped as lwIP's.
 */
#define MG_HAVE_SOCKADDR 1
#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif
struct in_addr {
  uint32_t s_addr;
};
struct in6_addr {
  uint8_t s6_addr[16];
};
struct sockaddr {
  uint8_t sa_len;
  uint8_t sa_family;
  char sa_data[14];
};
struct sockaddr_in {
  uint8_t sin_len;
  uint8_t sin_family;
  uint16_t sin_port;
  struct in_addr sin_addr;
  char sin_zero[8];
};
struct sockaddr_in6 {
  uint8_t sin6_len;
  uint8_t sin6_family;
  uint16_t sin6_port;
  uint32_t sin6_flowinfo;
  struct in6_addr sin6_addr;
  uint32_t sin6_scope_id;
};
#endif

#ifndef INVALID_SOCKET
#define INVALID_SOCKET (-1)
#endif

/* --- Event manager and connections --------------------------------------- */

union socket_address {
  struct sockaddr sa;
  struct sockaddr_in sin;
  struct sockaddr_in6 sin6;
};

struct mg_mgr;
struct mg_connection;
struct mg_iface_vtable;

/* A network interface. The host has one per manager; `data` is the Rust side's. */
struct mg_iface {
  struct mg_mgr *mgr;
  void *data;
  const struct mg_iface_vtable *vtable;
};

/* An event handler: gets MG_EV_* numbers, and data that depends on the event. */
typedef void (*mg_event_handler_t)(struct mg_connection *nc, int ev,
                                   void *ev_data MG_UD_ARG(void *user_data));

/* Events, with the type that ev_data points to. */
#define MG_EV_POLL 0    /* every mg_mgr_poll(), to every connection; time_t */
#define MG_EV_ACCEPT 1  /* a client has connected; union socket_address */
#define MG_EV_CONNECT 2 /* connecting has ended; int: 0, errno, -1 no such name, -3 TLS */
#define MG_EV_RECV 3    /* data was appended to recv_mbuf; int: how many bytes */
#define MG_EV_SEND 4    /* data was written to the socket; int: how many bytes */
#define MG_EV_CLOSE 5   /* the last event; NULL. The connection is freed next */
#define MG_EV_TIMER 6   /* ev_timer_time has passed; double: that time */

/* An event manager: owns its connections and runs them from mg_mgr_poll(). */
struct mg_mgr {
  struct mg_connection *active_connections; /* newest first */
  void *user_data;
  int num_ifaces;
  int num_calls; /* events delivered so far, POLL not counted */
  struct mg_iface **ifaces;
  const char *nameserver; /* not used: the system resolves names */
};

struct mg_connection {
  struct mg_connection *next, *prev; /* in mg_mgr::active_connections */
  struct mg_connection *listener;    /* where an accepted connection came from */
  struct mg_mgr *mgr;

  sock_t sock; /* the socket, or INVALID_SOCKET */
  int err;     /* errno of a connect() that failed at once */
  union socket_address sa; /* address of the peer */
  size_t recv_mbuf_limit;  /* reading pauses while recv_mbuf holds this much */
  struct mbuf recv_mbuf;   /* received, not yet taken by a handler */
  struct mbuf send_mbuf;   /* not yet written to the socket */
  time_t last_io_time;     /* when data last moved */
  double ev_timer_time;    /* when to raise MG_EV_TIMER; 0 for never */
  mg_event_handler_t proto_handler; /* called in place of `handler` when set */
  void *proto_data;
  void (*proto_data_destructor)(void *proto_data);
  mg_event_handler_t handler;
  void *user_data;
  union {
    void *v;
    mg_event_handler_t f;
  } priv_1;
  void *priv_2;
  void *mgr_data; /* the event manager's own: do not touch */
  struct mg_iface *iface;
  unsigned long flags; /* MG_F_* */
  void *ssl_if_data;
};

/* Flags that only the event manager sets. A handler's changes to them are undone. */
#define MG_F_LISTENING (1 << 0)
#define MG_F_UDP (1 << 1)
#define MG_F_RESOLVING (1 << 2)  /* the name is being looked up */
#define MG_F_CONNECTING (1 << 3) /* connect() is under way */
#define MG_F_SSL (1 << 4)
#define MG_F_SSL_HANDSHAKE_DONE (1 << 5)
#define MG_F_WANT_READ (1 << 6)
#define MG_F_WANT_WRITE (1 << 7)
#define MG_F_IS_WEBSOCKET (1 << 8)
#define MG_F_RECV_AND_CLOSE (1 << 9) /* close once what has arrived was taken */

/* Flags that an app sets to end a connection. */
#define MG_F_SEND_AND_CLOSE (1 << 10)    /* once send_mbuf has been written */
#define MG_F_CLOSE_IMMEDIATELY (1 << 11) /* in the next mg_mgr_poll() */

/* Flags of protocol handlers. */
#define MG_F_PROTO_1 (1 << 12)
#define MG_F_PROTO_2 (1 << 13)
#define MG_F_ENABLE_BROADCAST (1 << 14)
#define MG_F_WEBSOCKET_NO_DEFRAG MG_F_PROTO_1
#define MG_F_DELETE_CHUNK MG_F_PROTO_2

/* Flags free for the app. */
#define MG_F_USER_1 (1 << 20)
#define MG_F_USER_2 (1 << 21)
#define MG_F_USER_3 (1 << 22)
#define MG_F_USER_4 (1 << 23)
#define MG_F_USER_5 (1 << 24)
#define MG_F_USER_6 (1 << 25)

/* Makes *mgr a manager with no connections. SIGPIPE is ignored from then on. */
void mg_mgr_init(struct mg_mgr *mgr, void *user_data);

/* Polls once more, then closes and frees all connections. NULL is allowed. */
void mg_mgr_free(struct mg_mgr *mgr);

/*
 * One round: waits at most `milli` ms for a socket or a connection's timer, then
 * delivers events. Returns how many events other than MG_EV_POLL there were.
 */
int mg_mgr_poll(struct mg_mgr *mgr, int milli);

/* The connection after `c`, or the first one for NULL; NULL after the last. */
struct mg_connection *mg_next(struct mg_mgr *mgr, struct mg_connection *c);

/* Options of mg_add_sock_opt(). */
struct mg_add_sock_opts {
  void *user_data;
  unsigned int flags;        /* MG_F_USER_* to begin with */
  const char **error_string; /* if not NULL, gets the reason for a failure */
  struct mg_iface *iface;    /* not used */
};

/*
 * Makes a connection of a socket that is connected already; the manager owns the
 * socket from then on. With INVALID_SOCKET the connection has only POLL and TIMER.
 */
struct mg_connection *mg_add_sock(struct mg_mgr *mgr, sock_t sock,
                                  MG_CB(mg_event_handler_t handler,
                                        void *user_data));
struct mg_connection *mg_add_sock_opt(struct mg_mgr *mgr, sock_t sock,
                                      MG_CB(mg_event_handler_t handler,
                                            void *user_data),
                                      struct mg_add_sock_opts opts);

/* Options of mg_bind_opt(). */
struct mg_bind_opts {
  void *user_data;
  unsigned int flags;
  const char **error_string;
  struct mg_iface *iface;
  const char *ssl_cert;
  const char *ssl_key;
  const char *ssl_ca_cert;
  const char *ssl_cipher_suites;
};

/*
 * Listens. `address` is [tcp://][IP]:PORT or just PORT; port 0 takes a free one,
 * to be read from `sa`. Each client becomes a connection with the same handler,
 * whose first event is MG_EV_ACCEPT. NULL on failure.
 */
struct mg_connection *mg_bind(struct mg_mgr *mgr, const char *address,
                              MG_CB(mg_event_handler_t handler,
                                    void *user_data));
struct mg_connection *mg_bind_opt(struct mg_mgr *mgr, const char *address,
                                  MG_CB(mg_event_handler_t handler,
                                        void *user_data),
                                  struct mg_bind_opts opts);

/* Options of mg_connect_opt(). Zero all, then set what is wanted. */
struct mg_connect_opts {
  void *user_data; /* not used: the argument of mg_connect_opt() counts */
  unsigned int flags;
  const char **error_string;
  struct mg_iface *iface;
  const char *nameserver; /* not used: the system resolves names */
  const char *ssl_cert;
  const char *ssl_key;     /* ssl_cert's file when NULL */
  const char *ssl_ca_cert; /* turns TLS on; "*" checks nothing */
  const char *ssl_cipher_suites;
  const char *ssl_server_name; /* the host when NULL; "*" checks no name */
  const char *ssl_psk_identity;
  const char *ssl_psk_key;
};

/*
 * Connects to [tcp://]HOST:PORT, where HOST is a name, an IPv4 address or an IPv6
 * address in brackets. Returns at once; MG_EV_CONNECT tells how it went. NULL,
 * with *error_string set, when the address or the options make no sense.
 */
struct mg_connection *mg_connect(struct mg_mgr *mgr, const char *address,
                                 MG_CB(mg_event_handler_t handler,
                                       void *user_data));
struct mg_connection *mg_connect_opt(struct mg_mgr *mgr, const char *address,
                                     MG_CB(mg_event_handler_t handler,
                                           void *user_data),
                                     struct mg_connect_opts opts);

/*
 * Appends to send_mbuf; the next rounds write it to the socket. Without memory
 * nothing is appended.
 */
void mg_send(struct mg_connection *nc, const void *buf, int len);

/* Formatted mg_send(). Both return the length of the text, below 0 on failure. */
int mg_printf(struct mg_connection *nc, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
int mg_vprintf(struct mg_connection *nc, const char *fmt, va_list ap);

/* Asks for MG_EV_TIMER at `timestamp` (of mg_time()); 0 cancels. Returns the old one. */
double mg_set_timer(struct mg_connection *c, double timestamp);

/* Wall time: seconds since 1970, with their fraction. */
double mg_time(void);

/*
 * For protocol handlers: delivers an event to `handler`, or when that is NULL to
 * the connection's proto_handler or handler.
 */
void mg_call(struct mg_connection *nc, mg_event_handler_t handler,
             void *user_data, int ev, void *ev_data);

#define MG_SOCK_STRINGIFY_IP 1
#define MG_SOCK_STRINGIFY_PORT 2
#define MG_SOCK_STRINGIFY_REMOTE 4

/* Prints an address, "IP", "PORT" or "IP:PORT". Returns its length; cut to fit. */
int mg_conn_addr_to_str(struct mg_connection *c, char *buf, size_t len,
                        int flags);
int mg_sock_addr_to_str(const union socket_address *sa, char *buf, size_t len,
                        int flags);

/* What a failed TLS handshake gives as the status of MG_EV_CONNECT. */
enum mg_ssl_if_result {
  MG_SSL_OK = 0,
  MG_SSL_WANT_READ = -1,
  MG_SSL_WANT_WRITE = -2,
  MG_SSL_ERROR = -3,
};

/* --- WebSocket clients, and of HTTP what they need ------------------------ */

#ifndef MG_MAX_HTTP_HEADERS
#define MG_MAX_HTTP_HEADERS 40
#endif

/* A parsed HTTP request or reply. */
struct http_message {
  struct mg_str message;
  struct mg_str body;
  struct mg_str method;
  struct mg_str uri;
  struct mg_str proto;
  int resp_code;
  struct mg_str resp_status_msg;
  struct mg_str query_string;
  struct mg_str header_names[MG_MAX_HTTP_HEADERS];
  struct mg_str header_values[MG_MAX_HTTP_HEADERS];
  size_t content_length; /* MG_HTTP_CONTENT_LENGTH_UNKNOWN when not given */
};
#define MG_HTTP_CONTENT_LENGTH_UNKNOWN ((size_t) -1)

/* A WebSocket message or control frame. */
struct websocket_message {
  unsigned char *data;
  size_t size;
  unsigned char flags;
};

#define MG_EV_HTTP_REQUEST 100
#define MG_EV_HTTP_REPLY 101
#define MG_EV_HTTP_CHUNK 102
#define MG_EV_WEBSOCKET_HANDSHAKE_REQUEST 111 /* struct http_message */
#define MG_EV_WEBSOCKET_HANDSHAKE_DONE 112    /* struct http_message */
#define MG_EV_WEBSOCKET_FRAME 113             /* struct websocket_message */
#define MG_EV_WEBSOCKET_CONTROL_FRAME 114     /* struct websocket_message */

#define WEBSOCKET_OP_CONTINUE 0
#define WEBSOCKET_OP_TEXT 1
#define WEBSOCKET_OP_BINARY 2
#define WEBSOCKET_OP_CLOSE 8
#define WEBSOCKET_OP_PING 9
#define WEBSOCKET_OP_PONG 10
#define WEBSOCKET_DONT_FIN 0x100

/*
 * Makes the connection a WebSocket client, whose handshake is to be sent by one
 * of the calls below. Its reply, whatever it says, raises
 * MG_EV_WEBSOCKET_HANDSHAKE_DONE: look at resp_code, as the connection is closed
 * next if that is not 101. Pings are answered, close frames too, and fragmented
 * messages put together, unless MG_F_WEBSOCKET_NO_DEFRAG is set.
 */
void mg_set_protocol_http_websocket(struct mg_connection *nc);

/*
 * Send a handshake. NULL leaves a part out; `extra_headers` are whole lines with
 * their "\r\n".
 */
void mg_send_websocket_handshake(struct mg_connection *nc, const char *path,
                                 const char *extra_headers);
void mg_send_websocket_handshake2(struct mg_connection *nc, const char *path,
                                  const char *host, const char *protocol,
                                  const char *extra_headers);
void mg_send_websocket_handshake3(struct mg_connection *nc, const char *path,
                                  const char *host, const char *protocol,
                                  const char *extra_headers, const char *user,
                                  const char *pass);

/*
 * Connects to `url`, [ws[s]://][USER:PASSWORD@]HOST[:PORT][/PATH][?QUERY], and
 * sends the handshake. wss:// checks the server's certificate by
 * opts.ssl_ca_cert, or without that not at all. NULL if the URL is invalid.
 */
struct mg_connection *mg_connect_ws(
    struct mg_mgr *mgr, MG_CB(mg_event_handler_t event_handler, void *user_data),
    const char *url, const char *protocol, const char *extra_headers);
struct mg_connection *mg_connect_ws_opt(
    struct mg_mgr *mgr, MG_CB(mg_event_handler_t ev_handler, void *user_data),
    struct mg_connect_opts opts, const char *url, const char *protocol,
    const char *extra_headers);

/*
 * Send one frame: WEBSOCKET_OP_*, with WEBSOCKET_DONT_FIN for all fragments of a
 * message but the last. After WEBSOCKET_OP_CLOSE the connection is closed.
 */
void mg_send_websocket_frame(struct mg_connection *nc, int op, const void *data,
                             size_t len);
void mg_send_websocket_framev(struct mg_connection *nc, int op,
                              const struct mg_str *strings, int num_strings);
void mg_printf_websocket_frame(struct mg_connection *nc, int op,
                               const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Prints `len` bytes in hexadecimal and as text, 16 a line. */
void mg_hexdumpf(FILE *fp, const void *buf, int len);

/* --- MQTT client ---------------------------------------------------------- */

/* One packet, as handlers of MG_EV_MQTT_* get it. Strings are not NUL-terminated. */
struct mg_mqtt_message {
  int cmd;
  int qos;
  int len; /* of the whole packet in recv_mbuf */
  struct mg_str topic;
  struct mg_str payload;

  uint8_t connack_ret_code;
  uint16_t message_id;

  /* Only in a CONNECT. */
  uint8_t protocol_version;
  uint8_t connect_flags;
  uint16_t keep_alive_timer;
  struct mg_str protocol_name;
  struct mg_str client_id;
  struct mg_str will_topic;
  struct mg_str will_message;
  struct mg_str user_name;
  struct mg_str password;
};

/* A topic filter and the QoS asked for it. */
struct mg_mqtt_topic_expression {
  const char *topic;
  uint8_t qos;
};

/* What goes into a CONNECT beside the client id. */
struct mg_send_mqtt_handshake_opts {
  unsigned char flags; /* MG_MQTT_CLEAN_SESSION and the like */
  uint16_t keep_alive;
  const char *will_topic;
  const char *will_message;
  const char *user_name;
  const char *password;
};

/* Behind proto_data of a connection that speaks MQTT. */
struct mg_mqtt_proto_data {
  uint16_t keep_alive;
  double last_control_time;
};

#define MG_MQTT_CMD_CONNECT 1
#define MG_MQTT_CMD_CONNACK 2
#define MG_MQTT_CMD_PUBLISH 3
#define MG_MQTT_CMD_PUBACK 4
#define MG_MQTT_CMD_PUBREC 5
#define MG_MQTT_CMD_PUBREL 6
#define MG_MQTT_CMD_PUBCOMP 7
#define MG_MQTT_CMD_SUBSCRIBE 8
#define MG_MQTT_CMD_SUBACK 9
#define MG_MQTT_CMD_UNSUBSCRIBE 10
#define MG_MQTT_CMD_UNSUBACK 11
#define MG_MQTT_CMD_PINGREQ 12
#define MG_MQTT_CMD_PINGRESP 13
#define MG_MQTT_CMD_DISCONNECT 14

#define MG_MQTT_EVENT_BASE 200
#define MG_EV_MQTT_CONNECT (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_CONNECT)
#define MG_EV_MQTT_CONNACK (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_CONNACK)
#define MG_EV_MQTT_PUBLISH (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PUBLISH)
#define MG_EV_MQTT_PUBACK (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PUBACK)
#define MG_EV_MQTT_PUBREC (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PUBREC)
#define MG_EV_MQTT_PUBREL (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PUBREL)
#define MG_EV_MQTT_PUBCOMP (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PUBCOMP)
#define MG_EV_MQTT_SUBSCRIBE (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_SUBSCRIBE)
#define MG_EV_MQTT_SUBACK (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_SUBACK)
#define MG_EV_MQTT_UNSUBSCRIBE (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_UNSUBSCRIBE)
#define MG_EV_MQTT_UNSUBACK (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_UNSUBACK)
#define MG_EV_MQTT_PINGREQ (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PINGREQ)
#define MG_EV_MQTT_PINGRESP (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_PINGRESP)
#define MG_EV_MQTT_DISCONNECT (MG_MQTT_EVENT_BASE + MG_MQTT_CMD_DISCONNECT)

/* Flags of a PUBLISH, for mg_mqtt_publish(). */
#define MG_MQTT_RETAIN 0x1
#define MG_MQTT_QOS(qos) ((qos) << 1)
#define MG_MQTT_GET_QOS(flags) (((flags) &0x6) >> 1)
#define MG_MQTT_SET_QOS(flags, qos) (flags) = ((flags) & ~0x6) | ((qos) << 1)
#define MG_MQTT_DUP 0x8

/* Flags of a CONNECT. */
#define MG_MQTT_CLEAN_SESSION 0x02
#define MG_MQTT_HAS_WILL 0x04
#define MG_MQTT_WILL_RETAIN 0x20
#define MG_MQTT_HAS_PASSWORD 0x40
#define MG_MQTT_HAS_USER_NAME 0x80
#define MG_MQTT_GET_WILL_QOS(flags) (((flags) &0x18) >> 3)
#define MG_MQTT_SET_WILL_QOS(flags, qos) \
  (flags) = ((flags) & ~0x18) | ((qos) << 3)

/* Codes in a CONNACK. */
#define MG_EV_MQTT_CONNACK_ACCEPTED 0
#define MG_EV_MQTT_CONNACK_UNACCEPTABLE_VERSION 1
#define MG_EV_MQTT_CONNACK_IDENTIFIER_REJECTED 2
#define MG_EV_MQTT_CONNACK_SERVER_UNAVAILABLE 3
#define MG_EV_MQTT_CONNACK_BAD_AUTH 4
#define MG_EV_MQTT_CONNACK_NOT_AUTHORIZED 5

/* Makes the connection speak MQTT: its handler gets MG_EV_MQTT_* from then on. */
void mg_set_protocol_mqtt(struct mg_connection *nc);

/* Sends CONNECT. */
void mg_send_mqtt_handshake(struct mg_connection *nc, const char *client_id);
void mg_send_mqtt_handshake_opt(struct mg_connection *nc, const char *client_id,
                                struct mg_send_mqtt_handshake_opts opts);

/* Sends PUBLISH. `flags` is MG_MQTT_QOS(n), MG_MQTT_RETAIN, MG_MQTT_DUP. */
void mg_mqtt_publish(struct mg_connection *nc, const char *topic,
                     uint16_t message_id, int flags, const void *data,
                     size_t len);

/* Sends one SUBSCRIBE, or UNSUBSCRIBE, for all the topics. */
void mg_mqtt_subscribe(struct mg_connection *nc,
                       const struct mg_mqtt_topic_expression *topics,
                       size_t topics_len, uint16_t message_id);
void mg_mqtt_unsubscribe(struct mg_connection *nc, char **topics,
                         size_t topics_len, uint16_t message_id);

/* Each sends the packet it is named after. */
void mg_mqtt_disconnect(struct mg_connection *nc);
void mg_mqtt_connack(struct mg_connection *nc, uint8_t return_code);
void mg_mqtt_puback(struct mg_connection *nc, uint16_t message_id);
void mg_mqtt_pubrec(struct mg_connection *nc, uint16_t message_id);
void mg_mqtt_pubrel(struct mg_connection *nc, uint16_t message_id);
void mg_mqtt_pubcomp(struct mg_connection *nc, uint16_t message_id);
void mg_mqtt_suback(struct mg_connection *nc, uint8_t *qoss, size_t qoss_len,
                    uint16_t message_id);
void mg_mqtt_unsuback(struct mg_connection *nc, uint16_t message_id);
void mg_mqtt_ping(struct mg_connection *nc);
void mg_mqtt_pong(struct mg_connection *nc);

/*
 * Walks the topics of a SUBSCRIBE: begin with `pos` 0, go on with what is
 * returned, stop at -1.
 */
int mg_mqtt_next_subscribe_topic(struct mg_mqtt_message *msg,
                                 struct mg_str *topic, uint8_t *qos, int pos);

/* 1 if the topic filter matches the topic, else 0. */
int mg_mqtt_match_topic_expression(struct mg_str exp, struct mg_str topic);
int mg_mqtt_vmatch_topic_expression(const char *exp, struct mg_str topic);

#ifdef __cplusplus
}
#endif

#include "mongoose/mg_http.h"
#include "mongoose/mg_sntp.h"
#include "mongoose/mg_uri.h"

#endif /* MGOS_HOST_MONGOOSE_H_ */
