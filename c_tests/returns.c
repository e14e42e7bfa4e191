/*
 * What functions return, read as C without a prototype and mJS read it: as an int, the whole register. Before each call that
 * holds something else.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

#ifndef MQTT_UPSTREAM
extern uint16_t mgos_mqtt_conn_get_packet_id(struct mgos_mqtt_conn *c);
extern bool mgos_mqtt_init(void);

typedef void (*any_function)(void);

#define ARGS 6

#if defined(__x86_64__)
/* Calls it with these arguments, none of which is a floating-point number: a variadic one reads their count, 0, in al. */
int call_with_garbage(any_function fn, const uintptr_t args[ARGS]);

__asm__(".text\n"
        ".globl call_with_garbage\n"
        ".type call_with_garbage, @function\n"
        "call_with_garbage:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  mov %rdi, %r11\n"
        "  mov %rsi, %r10\n"
        "  mov (%r10), %rdi\n"
        "  mov 8(%r10), %rsi\n"
        "  mov 16(%r10), %rdx\n"
        "  mov 24(%r10), %rcx\n"
        "  mov 32(%r10), %r8\n"
        "  mov 40(%r10), %r9\n"
        "  movabs $0xdeadbeefdeadbe00, %rax\n"
        "  call *%r11\n"
        "  pop %rbp\n"
        "  ret\n"
        ".size call_with_garbage, .-call_with_garbage\n");

/* A structure of two words is passed as these; a va_list as its address. */
#define CAN_PASS_ALL 1
#else
static int call_with_garbage(any_function fn, const uintptr_t args[ARGS]) {
  typedef int (*as_int)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
  return ((as_int) fn)(args[0], args[1], args[2], args[3], args[4], args[5]);
}
#define CAN_PASS_ALL 0
#endif

/* In the app: calls are recorded as NAME=RESULT. */
static void call(const char *name, any_function fn, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f) {
  const uintptr_t args[ARGS] = {a, b, c, d, e, f};
  record("%s=%d", name, call_with_garbage(fn, args));
}

#define PTR(p) ((uintptr_t) (p))
#define CALL0(name) call(#name, (any_function) mgos_mqtt_##name, 0, 0, 0, 0, 0, 0)
#define CALL1(name, a) call(#name, (any_function) mgos_mqtt_##name, PTR(a), 0, 0, 0, 0, 0)
#define CALL2(name, a, b) call(#name, (any_function) mgos_mqtt_##name, PTR(a), PTR(b), 0, 0, 0, 0)
#define CALL5(name, a, b, c, d, e) call(#name, (any_function) mgos_mqtt_##name, PTR(a), PTR(b), PTR(c), PTR(d), PTR(e), 0)
#define CALL6(name, a, b, c, d, e, f) call(#name, (any_function) mgos_mqtt_##name, PTR(a), PTR(b), PTR(c), PTR(d), PTR(e), PTR(f))

#if CAN_PASS_ALL
static void call_conn_pubv(struct mgos_mqtt_conn *c, int qos, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  CALL6(conn_pubv, c, "t", qos, 0, fmt, ap);
  va_end(ap);
}

static void call_pubv(int qos, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  CALL5(pubv, "t", qos, 0, fmt, ap);
  va_end(ap);
}
#endif

static void offline(void *arg) {
  struct mgos_mqtt_conn *c = connection();
  CALL1(conn_connect, NULL);
  CALL1(conn_is_connected, c);
  CALL2(conn_unsub, c, "nothing");
  CALL2(conn_set_config, c, NULL);
  CALL2(conn_get_stats, c, NULL);
  CALL1(conn_get_packet_id, NULL);
#if CAN_PASS_ALL
  CALL6(conn_pub, c, "t", "m", 1, 0, 0);
  CALL6(conn_pubf, c, "t", 0, 0, "%d", 1);
  call_conn_pubv(c, 0, "%d", 1);
#endif
  (void) arg;
}

static void online(void *arg) {
  struct mgos_mqtt_conn *c = connection();
  struct mgos_mqtt_stats stats;
  CALL1(conn_connect, c);
  CALL1(conn_is_connected, c);
  CALL2(conn_unsub, c, "s");
  CALL2(conn_get_stats, c, &stats);
  CALL1(conn_get_packet_id, c);
#if CAN_PASS_ALL
  CALL6(conn_pub, c, "t", "m", 1, 0, 0);
  CALL6(conn_pubf, c, "t", 0, 0, "%d", 1);
  call_conn_pubv(c, 1, "%d", 1);
#endif
  CALL2(conn_set_config, c, &cfg);
  (void) arg;
}

static void of_connections(void) {
  create();
  in_app(offline, NULL);
  expect_events("conn_connect=0\nconn_is_connected=0\nconn_unsub=0\nconn_set_config=0\nconn_get_stats=0\nconn_get_packet_id=0\n");
#if CAN_PASS_ALL
  expect_events("conn_pub=0\nconn_pubf=0\nconn_pubv=0\n");
#endif
  check("0 is 0 in the whole register");
  connect_up();
  app_sub("s", 0, "s");
  expect("82 06 ?? ?? 0001 's' 00");
  in_app(online, NULL);
  expect_events("conn_connect=1\nconn_is_connected=1\nconn_unsub=1\nconn_get_stats=1\n");
#if CAN_PASS_ALL
  /* Three were refused, one was for SUBSCRIBE, one for UNSUBSCRIBE. */
  expect_events("conn_get_packet_id=6\nconn_pub=7\nconn_pubf=8\nconn_pubv=9\n");
#else
  expect_events("conn_get_packet_id=3\n");
#endif
  expect_events("conn_set_config=1\n");
  check("true is 1, and an identifier is itself");
  forget_events();
}

static void global_offline(void *arg) {
  CALL0(global_connect);
  CALL0(global_is_connected);
  CALL1(unsub, "nothing");
  CALL1(set_config, NULL);
  CALL1(get_stats, NULL);
  CALL5(pub, "t", "m", 1, 0, 0);
#if CAN_PASS_ALL
  CALL5(pubf, "t", 0, 0, "%d", 1);
  call_pubv(0, "%d", 1);
#endif
  (void) arg;
}

static void global_online(void *arg) {
  struct mgos_mqtt_stats stats;
  CALL0(init);
  CALL0(global_connect);
  CALL0(global_is_connected);
  CALL1(unsub, "s");
  CALL1(get_stats, &stats);
  CALL5(pub, "t", "m", 1, 1, 0);
#if CAN_PASS_ALL
  CALL5(pubf, "t", 1, 0, "%d", 1);
  call_pubv(1, "%d", 1);
#endif
  CALL0(get_packet_id);
  CALL1(set_config, &cfg);
  (void) arg;
}

static void of_the_global_one(void) {
  in_app(global_offline, NULL);
  expect_events("global_connect=0\nglobal_is_connected=0\nunsub=0\nset_config=0\nget_stats=0\npub=0\n");
#if CAN_PASS_ALL
  expect_events("pubf=0\npubv=0\n");
#endif
  check("0 is 0 in the whole register");
  create_global();
  connect_up();
  app_sub("s", 0, "s");
  expect("82 06 ?? ?? 0001 's' 01");
  in_app(global_online, NULL);
  expect_events("init=1\nglobal_connect=1\nglobal_is_connected=1\nunsub=1\nget_stats=1\n");
#if CAN_PASS_ALL
  expect_events("pub=6\npubf=7\npubv=8\nget_packet_id=9\n");
#else
  expect_events("pub=4\nget_packet_id=5\n");
#endif
  expect_events("set_config=1\n");
  check("true is 1, and an identifier is itself");
  forget_events();
}
#endif

static const struct script scripts[] = {
    HERE_ONLY("functions of a connection", of_connections, "it returns what the compiler leaves there"),
    HERE_ONLY("functions of the global connection", of_the_global_one, "it returns what the compiler leaves there"),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
