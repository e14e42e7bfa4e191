/*
 * A minimal Mongoose OS for a bare chip: the least that the library's shim needs, with a simulated
 * clock, a heap whose allocations fail on demand, and a broker at the other end of each connection.
 */

#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mg_connection;

/* ---- The machine: one file each, in its own directory; host.c for this one ---- */

void machine_print(const char *text);
void machine_exit(int status);
/* The free stack: its lowest address, and its size up to STACK_MARGIN bytes below the caller's
 * frame. Size 0 if it cannot be measured. */
#define STACK_MARGIN 128
void machine_stack(uint8_t **lowest, size_t *size);
/* A clock, and the nanoseconds since it was read, up to half a second: for bench/chip.c. */
uint32_t machine_clock(void);
uint32_t machine_ns_since(uint32_t clock);

/* ---- The heap: memory.c ---- */

/* The n-th allocation from now on fails, and the `count` - 1 after it; n = 0: none. */
void memory_fail(unsigned n, unsigned count);
/* Whether one has failed since. */
bool memory_has_failed(void);
size_t memory_in_use(void);
size_t memory_peak(void);
void memory_forget_peak(void);
/* Free bytes and blocks are as they were when recorded. */
bool memory_is_sound(void);
/* Blocks in use; and all that were ever allocated. */
unsigned memory_blocks(void);
unsigned memory_requests(void);

/* ---- Time and events: port.c ---- */

/* Advances the clock by this many milliseconds; everything due happens. */
void pass(unsigned ms);
/* For machine_print. */
void print_number(unsigned long n);
/* Log lines at level ERROR since the last call. */
unsigned errors_logged(void);
/* MGOS_NET_EV_IP_ACQUIRED. */
void net_up(void);
/* An event of a connection, as Mongoose raises it. */
void raise_event(struct mg_connection *nc, int ev, void *ev_data);
/* Bytes and blocks that this file itself has allocated: for timers, events, connections. */
size_t port_bytes(void);
unsigned port_blocks(void);
/* Defined by each program: called before and after the library. */
void library_begins(void);
void library_ends(void);

/* ---- The broker: broker.c ---- */

struct link {
  bool used;
  bool refused;       /* the connection fails */
  bool hung_up;       /* the broker has closed */
  const char *server; /* as named by the library */
  uint8_t from_client[2048];
  size_t from_client_len;
  uint8_t to_client[8192];
  size_t to_client_len;
  size_t large_left; /* bytes still to come of a message larger than `from_client` */
};

/* The broker's behaviour, and what it has seen. */
struct broker {
  const char *down;      /* connections to this server are refused */
  bool deaf;             /* answers nothing */
  unsigned connect_code; /* CONNACK's */
  bool session_present;
  unsigned num_connect, num_subscribe, num_unsubscribe, num_ping, num_disconnect;
  unsigned num_publish, num_dup, num_puback, num_pubrec, num_pubrel, num_pubcomp;
  unsigned num_bad; /* packets that a client must not send */
  char topic[64], payload[64];
  unsigned qos, id;
  size_t large_len;   /* payload bytes of messages larger than `from_client` */
  uint32_t large_sum; /* over them, see sum_up() */
  struct link *link; /* the newest open connection */
};
extern struct broker broker;

/* A checksum over bytes that come in pieces. */
uint32_t sum_up(uint32_t sum, const uint8_t *p, size_t len);
void broker_reset(void);
struct link *broker_accept(const char *server);
/* Processes data from the client. */
void broker_read(struct link *link);
/* Sends bytes, or a message, on the open connection. */
void broker_send(const void *bytes, size_t len);
void broker_publish(const char *topic, const char *payload, unsigned qos, unsigned id);
void broker_hang_up(void);

/* ---- The scenarios: scenarios.c; main.c calls them ---- */

struct scenario {
  const char *name;
  void (*run)(void);
};
extern const struct scenario scenarios[];
extern const size_t num_scenarios;

void check_that(bool ok, const char *what, int line);
#define CHECK(what) check_that(what, #what, __LINE__)

#endif
