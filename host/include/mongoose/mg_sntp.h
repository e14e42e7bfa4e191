/*
 * SNTP clients, as in Mongoose 6.18: asking a time server. Included by mongoose.h.
 * The library sntp, which sets the clock: libs/sntp.
 */

#ifndef MGOS_HOST_MG_SNTP_H_
#define MGOS_HOST_MG_SNTP_H_

#include "mongoose.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MG_SNTP_EVENT_BASE 500
#define MG_SNTP_REPLY (MG_SNTP_EVENT_BASE + 1) /* struct mg_sntp_message */
#define MG_SNTP_MALFORMED_REPLY (MG_SNTP_EVENT_BASE + 2) /* NULL */
#define MG_SNTP_FAILED (MG_SNTP_EVENT_BASE + 3) /* no reply in time; NULL */

struct mg_sntp_message {
  int kiss_of_death; /* 1: the server wants no further requests */
  double time;       /* seconds since 1970, of mg_time()'s kind */
};

/*
 * Opens a connection to a time server, HOST[:PORT], by UDP; the port is 123 if it
 * is missing. On MG_EV_CONNECT the app calls mg_sntp_send_request(), as often as
 * it needs to; each reply is one of the events above. NULL on failure.
 */
struct mg_connection *mg_sntp_connect(struct mg_mgr *mgr,
                                      MG_CB(mg_event_handler_t event_handler,
                                            void *user_data),
                                      const char *sntp_server_name);
void mg_sntp_send_request(struct mg_connection *c);

/*
 * Connects, asks up to three times in intervals of 10 s, raises MG_SNTP_REPLY or
 * MG_SNTP_FAILED, and closes the connection.
 */
struct mg_connection *mg_sntp_get_time(struct mg_mgr *mgr,
                                       mg_event_handler_t event_handler,
                                       const char *sntp_server_name);

#ifdef __cplusplus
}
#endif

#endif /* MGOS_HOST_MG_SNTP_H_ */
