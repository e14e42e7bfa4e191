/*
 * Handles for tests, to play the world around the device. Apps that also run on a
 * device use none of it. The way in, mgos_host_main(), is in mgos_host.h.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the main loop after its current round, as SIGTERM does. */
void mgos_host_stop(void);

/*
 * Drives a pin from outside. Interrupt and button handlers fire as on a device.
 * Shows at an input at once; at an output only when it becomes an input.
 */
void mgos_host_gpio_set(int pin, bool level);

/* Bytes that arrive at a UART. Returns how many fitted into its buffer. */
size_t mgos_host_uart_feed(int uart_no, const void *data, size_t len);

/* Lets both clocks jump ahead, so that a test need not wait. Negative: ignored. */
void mgos_host_time_skip(int64_t micros);

/*
 * Of the allocations from now on, `after` succeed, the next `count` fail, and all that follow succeed
 * again. Counted is what the main task asks for: app, libraries and system. Returns how many have
 * failed since the last call. Only where MGOS_HOST_HAS_ALLOC_FAULTS is 1, as in programs with sanitizers.
 */
uint32_t mgos_host_fail_allocations(uint32_t after, uint32_t count);

#ifndef MGOS_HOST_HAS_ALLOC_FAULTS
#define MGOS_HOST_HAS_ALLOC_FAULTS 0
#endif

#ifdef __cplusplus
}
#endif
