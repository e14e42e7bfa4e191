/*
 * Connections of the global manager: what JavaScript and some libraries call.
 */

#pragma once

#include <stdbool.h>

#include "mgos_init.h"

#include "mgos_mongoose.h"

#ifdef __cplusplus
extern "C" {
#endif

/* mg_connect() and mg_bind() with the global manager; addresses as there. */
struct mg_connection *mgos_connect(const char *addr, mg_event_handler_t func,
                                   void *ud);
struct mg_connection *mgos_connect_ssl(const char *addr, mg_event_handler_t f,
                                       void *ud, const char *cert,
                                       const char *key, const char *ca_cert);
struct mg_connection *mgos_bind(const char *addr, mg_event_handler_t func,
                                void *ud);

/* Closes a connection in the next round: sets MG_F_CLOSE_IMMEDIATELY. */
void mgos_disconnect(struct mg_connection *c);

/*
 * Connections on which the app sends an HTTP request itself and gets the reply as
 * MG_EV_HTTP_REPLY.
 */
struct mg_connection *mgos_connect_http(const char *addr, mg_event_handler_t f,
                                        void *ud);
struct mg_connection *mgos_connect_http_ssl(const char *addr,
                                            mg_event_handler_t f, void *ud,
                                            const char *cert, const char *key,
                                            const char *ca_cert);

/* The host has no HTTP server: they log an error, and return NULL and false. */
struct mg_connection *mgos_bind_http(const char *addr);
bool mgos_add_http_endpoint(struct mg_connection *c, const char *uri,
                            mg_event_handler_t handler, void *user_data);

#ifdef __cplusplus
}
#endif
