/*
 * UARTs. On the host UART 0 writes to standard output and UART 1 to standard
 * error; mgos_host_uart_feed() (mgos_host_hooks.h) plays what is wired to them.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/mbuf.h"
#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mgos_uart_fc_type {
  MGOS_UART_FC_NONE = 0,
  MGOS_UART_FC_HW = 1,
  MGOS_UART_FC_SW = 2,
};

enum mgos_uart_parity {
  MGOS_UART_PARITY_NONE = 0,
  MGOS_UART_PARITY_EVEN = 1,
  MGOS_UART_PARITY_ODD = 2,
};

enum mgos_uart_stop_bits {
  MGOS_UART_STOP_BITS_1 = 1,
  MGOS_UART_STOP_BITS_2 = 2,
  MGOS_UART_STOP_BITS_1_5 = 3,
};

/* Settings of one UART. The host keeps them, and heeds none but rx_buf_size. */
struct mgos_uart_config {
  int baud_rate;
  int num_data_bits;
  enum mgos_uart_parity parity;
  enum mgos_uart_stop_bits stop_bits;
  int rx_buf_size;
  enum mgos_uart_fc_type rx_fc_type;
  int rx_linger_micros;
  int tx_buf_size;
  enum mgos_uart_fc_type tx_fc_type;
};

/* UARTs 0 to 3 exist. 115200 baud, 8 bits, no parity, 1 stop bit, buffers of 256. */
void mgos_uart_config_set_defaults(int uart_no, struct mgos_uart_config *cfg);

/* Applies settings; false for a UART that does not exist. */
bool mgos_uart_configure(int uart_no, const struct mgos_uart_config *cfg);

/* The settings applied last; false if there were none. */
bool mgos_uart_config_get(int uart_no, struct mgos_uart_config *cfg);

/* Called from the main loop when there is something to read, or when asked for. */
typedef void (*mgos_uart_dispatcher_t)(int uart_no, void *arg);
void mgos_uart_set_dispatcher(int uart_no, mgos_uart_dispatcher_t cb,
                              void *arg);
void mgos_uart_schedule_dispatcher(int uart_no, bool from_isr);

/* All of it is written at once; what goes to UARTs 2 and 3 is dropped. */
size_t mgos_uart_write(int uart_no, const void *buf, size_t len);
size_t mgos_uart_write_avail(int uart_no);
int mgos_uart_printf(int uart_no, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Take what has arrived, at most `len` bytes; return how many. */
size_t mgos_uart_read(int uart_no, void *buf, size_t len);
size_t mgos_uart_read_mbuf(int uart_no, struct mbuf *mb, size_t len);
size_t mgos_uart_read_avail(int uart_no);

void mgos_uart_set_rx_enabled(int uart_no, bool enabled);
bool mgos_uart_is_rx_enabled(int uart_no);

/* There is nothing to wait for: does nothing. */
void mgos_uart_flush(int uart_no);

#ifdef __cplusplus
}
#endif
