/*
 * Connections of the global manager, as in mgos_mongoose_internal.h: calls of
 * mongoose.h with fewer arguments.
 */
#include "mgos_mongoose_internal.h"

struct mg_connection *mgos_connect(const char *addr, mg_event_handler_t func,
                                   void *ud) {
  return mg_connect(mgos_get_mgr(), addr, func, ud);
}

struct mg_connection *mgos_connect_ssl(const char *addr, mg_event_handler_t f,
                                       void *ud, const char *cert,
                                       const char *key, const char *ca_cert) {
  struct mg_connect_opts opts;
  memset(&opts, 0, sizeof(opts));
  opts.ssl_cert = cert;
  opts.ssl_key = key;
  opts.ssl_ca_cert = ca_cert;
  return mg_connect_opt(mgos_get_mgr(), addr, f, ud, opts);
}

struct mg_connection *mgos_bind(const char *addr, mg_event_handler_t func,
                                void *ud) {
  return mg_bind(mgos_get_mgr(), addr, func, ud);
}

void mgos_disconnect(struct mg_connection *c) {
  if (c != NULL) c->flags |= MG_F_CLOSE_IMMEDIATELY;
}

struct mg_connection *mgos_connect_http(const char *addr, mg_event_handler_t f,
                                        void *ud) {
  struct mg_connection *c = mgos_connect(addr, f, ud);
  if (c != NULL) mg_set_protocol_http_websocket(c);
  return c;
}

struct mg_connection *mgos_connect_http_ssl(const char *addr,
                                            mg_event_handler_t f, void *ud,
                                            const char *cert, const char *key,
                                            const char *ca_cert) {
  struct mg_connection *c = mgos_connect_ssl(addr, f, ud, cert, key, ca_cert);
  if (c != NULL) mg_set_protocol_http_websocket(c);
  return c;
}
