/*
 * Whether the time is synchronised. On the host it is once the network is up, by
 * the machine's clock. To ask a time server: mg_sntp_connect() of mongoose.h.
 */

#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* When the time was synchronised last, by mgos_uptime(); 0: not yet. */
double mgos_sntp_get_last_synced_uptime(void);

#ifdef __cplusplus
}
#endif
