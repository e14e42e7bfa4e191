/*
 * Layouts of the structures shared by C and Rust, as the C compiler sees them, in the order of the
 * test in abi.rs that compares them.
 */

#include <stddef.h>

#include "mgos_net.h"
#include "mgos_timers.h"
#include "mgos_uart.h"
#include "mongoose.h"

#define CONN(f) offsetof(struct mg_connection, f)

extern const uint32_t mgos_host_abi_layout[48];

const uint32_t mgos_host_abi_layout[48] = {
    sizeof(struct mbuf),
    sizeof(union socket_address),
    sizeof(struct mg_mgr),
    offsetof(struct mg_mgr, num_calls),
    offsetof(struct mg_mgr, ifaces),
    sizeof(struct mg_connection),
    CONN(mgr),
    CONN(sock),
    CONN(err),
    CONN(sa),
    CONN(recv_mbuf_limit),
    CONN(recv_mbuf),
    CONN(send_mbuf),
    CONN(last_io_time),
    CONN(ev_timer_time),
    CONN(proto_handler),
    CONN(proto_data),
    CONN(proto_data_destructor),
    CONN(handler),
    CONN(user_data),
    CONN(priv_1),
    CONN(mgr_data),
    CONN(iface),
    CONN(flags),
    CONN(ssl_if_data),
    sizeof(struct mg_add_sock_opts),
    sizeof(struct mg_bind_opts),
    sizeof(struct mg_connect_opts),
    offsetof(struct mg_connect_opts, error_string),
    offsetof(struct mg_connect_opts, ssl_ca_cert),
    offsetof(struct mg_connect_opts, ssl_psk_key),
    sizeof(struct mgos_timer_info),
    offsetof(struct mgos_timer_info, cb_arg),
    sizeof(struct mgos_net_ip_info),
    sizeof(struct mgos_net_event_data),
    offsetof(struct mgos_net_event_data, ip_info),
    sizeof(struct mgos_uart_config),
    offsetof(struct mgos_uart_config, rx_buf_size),
    offsetof(struct mgos_uart_config, tx_fc_type),
    sizeof(struct http_message),
    offsetof(struct http_message, resp_status_msg),
    offsetof(struct http_message, header_values),
    offsetof(struct http_message, content_length),
    sizeof(struct websocket_message),
    offsetof(struct websocket_message, flags),
    sizeof(struct mg_sntp_message),
    offsetof(struct mg_sntp_message, time),
    0xabcd,
};
