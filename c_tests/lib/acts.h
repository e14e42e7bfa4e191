/*
 * What an app may do in a callback, by name: each function of the library, on one connection. It is not
 * said from which callback.
 */

#ifndef ACTS_H
#define ACTS_H

#include <stddef.h>

#include "mgos_mqtt_conn.h"

struct act {
  const char *name;
  void (*call)(void);
};

extern const struct act acts[];
extern const size_t acts_count;

/* The connection; NULL once it has been freed. */
extern struct mgos_mqtt_conn *acts_conn;

/* A handler. */
void do_nothing(struct mg_connection *nc, int ev, void *ev_data, void *ud);

#endif /* ACTS_H */
