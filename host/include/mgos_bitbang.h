/*
 * Protocols timed by software on a pin. The host cannot do that: a pin there has
 * no wire, and a process no exact timing.
 */

#pragma once

#include <stdint.h>
#include <stdlib.h>

#include "mgos_features.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mgos_delay_unit {
  MGOS_DELAY_MSEC = 0,
  MGOS_DELAY_USEC = 1,
  MGOS_DELAY_100NSEC = 2,
};

/* Both log an error and leave the pin as it is. */
void mgos_bitbang_write_bits(int gpio, enum mgos_delay_unit delay_unit, int t0h,
                             int t0l, int t1h, int t1l, const uint8_t *data,
                             size_t len);
void mgos_bitbang_write_bits_js(int gpio, enum mgos_delay_unit delay_unit,
                                uint32_t t, const uint8_t *data, size_t len);

/* Calibration of 100 ns delays: 0. */
extern uint32_t mgos_bitbang_n100_cal;

#ifdef __cplusplus
}
#endif
