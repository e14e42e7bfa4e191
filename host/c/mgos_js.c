/*
 * What the files of the library mjs call through ffi() to reach the fields of C structures. No
 * header declares these functions; each does what its name says.
 */

#include <stdlib.h>

#include "mgos_mongoose.h"
#include "mgos_uart.h"

struct mbuf *mgos_get_recv_mbuf(struct mg_connection *nc);
void *mgos_get_mbuf_ptr(struct mbuf *mb);
int mgos_get_mbuf_len(struct mbuf *mb);
void *mgos_get_mgstr_ptr(struct mg_str *s);
int mgos_get_mgstr_len(struct mg_str *s);
struct mg_str *mgos_get_msg_ptr(struct http_message *hm);
struct mg_str *mgos_get_body_ptr(struct http_message *hm);
bool mgos_is_inbound(struct mg_connection *nc);
struct mgos_uart_config *mgos_uart_config_get_default(int uart_no);
void mgos_uart_config_set_basic_params(struct mgos_uart_config *cfg, int baud_rate, int num_data_bits, int parity,
                                       int stop_bits);
void mgos_uart_config_set_rx_params(struct mgos_uart_config *cfg, int rx_buf_size, int rx_fc_type, int linger_micros);
void mgos_uart_config_set_tx_params(struct mgos_uart_config *cfg, int tx_buf_size, int tx_fc_type);

struct mbuf *mgos_get_recv_mbuf(struct mg_connection *nc) {
  return &nc->recv_mbuf;
}

void *mgos_get_mbuf_ptr(struct mbuf *mb) {
  return mb->buf;
}

int mgos_get_mbuf_len(struct mbuf *mb) {
  return (int) mb->len;
}

void *mgos_get_mgstr_ptr(struct mg_str *s) {
  return (void *) s->p;
}

int mgos_get_mgstr_len(struct mg_str *s) {
  return (int) s->len;
}

struct mg_str *mgos_get_msg_ptr(struct http_message *hm) {
  return &hm->message;
}

struct mg_str *mgos_get_body_ptr(struct http_message *hm) {
  return &hm->body;
}

bool mgos_is_inbound(struct mg_connection *nc) {
  return nc->listener != NULL;
}

/* From malloc; NULL if there is no memory. */
struct mgos_uart_config *mgos_uart_config_get_default(int uart_no) {
  struct mgos_uart_config *cfg = (struct mgos_uart_config *) calloc(1, sizeof(*cfg));
  if (cfg != NULL) mgos_uart_config_set_defaults(uart_no, cfg);
  return cfg;
}

void mgos_uart_config_set_basic_params(struct mgos_uart_config *cfg, int baud_rate, int num_data_bits, int parity,
                                       int stop_bits) {
  cfg->baud_rate = baud_rate;
  cfg->num_data_bits = num_data_bits;
  cfg->parity = (enum mgos_uart_parity) parity;
  cfg->stop_bits = (enum mgos_uart_stop_bits) stop_bits;
}

void mgos_uart_config_set_rx_params(struct mgos_uart_config *cfg, int rx_buf_size, int rx_fc_type, int linger_micros) {
  cfg->rx_buf_size = rx_buf_size;
  cfg->rx_fc_type = (enum mgos_uart_fc_type) rx_fc_type;
  cfg->rx_linger_micros = linger_micros;
}

void mgos_uart_config_set_tx_params(struct mgos_uart_config *cfg, int tx_buf_size, int tx_fc_type) {
  cfg->tx_buf_size = tx_buf_size;
  cfg->tx_fc_type = (enum mgos_uart_fc_type) tx_fc_type;
}
