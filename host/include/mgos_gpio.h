/*
 * Pins. On the host they live in memory: apps write and read them, and
 * mgos_host_gpio_set() (mgos_host_hooks.h) plays what is wired to them.
 */

#pragma once

#include <stdbool.h>

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mgos_gpio_mode {
  MGOS_GPIO_MODE_INPUT = 0,
  MGOS_GPIO_MODE_OUTPUT = 1,
  MGOS_GPIO_MODE_OUTPUT_OD = 2, /* open drain */
};

enum mgos_gpio_pull_type {
  MGOS_GPIO_PULL_NONE = 0,
  MGOS_GPIO_PULL_UP = 1,
  MGOS_GPIO_PULL_DOWN = 2,
};

enum mgos_gpio_int_mode {
  MGOS_GPIO_INT_NONE = 0,
  MGOS_GPIO_INT_EDGE_POS = 1,
  MGOS_GPIO_INT_EDGE_NEG = 2,
  MGOS_GPIO_INT_EDGE_ANY = 3,
  MGOS_GPIO_INT_LEVEL_HI = 4,
  MGOS_GPIO_INT_LEVEL_LO = 5,
};

typedef void (*mgos_gpio_int_handler_f)(int pin, void *arg);

/*
 * Pins 0 to 255 exist. Functions that return bool return false for any other
 * pin, or a value that is none of the enum's; the others do nothing.
 */

bool mgos_gpio_set_mode(int pin, enum mgos_gpio_mode mode);

/* An input that nothing drives reads 1 with PULL_UP, else 0. */
bool mgos_gpio_set_pull(int pin, enum mgos_gpio_pull_type pull);

/* Mode and pull, or mode and level, in one call. */
bool mgos_gpio_setup_input(int pin, enum mgos_gpio_pull_type pull);
bool mgos_gpio_setup_output(int pin, bool level);

/* The level at the pin: an output's own, an input's from outside or its pull. */
bool mgos_gpio_read(int pin);

/* The output level; on a pin that is an input it shows when the mode changes. */
void mgos_gpio_write(int pin, bool level);

/* Writes the opposite of the output level, and returns what was written. */
bool mgos_gpio_toggle(int pin);

/* The output level. */
bool mgos_gpio_read_out(int pin);

/*
 * Calls cb(pin, arg) from the main loop each time the level at the pin changes as
 * `mode` says, once enabled with mgos_gpio_enable_int(). The level modes fire
 * when the level is entered, not as long as it lasts.
 */
bool mgos_gpio_set_int_handler(int pin, enum mgos_gpio_int_mode mode,
                               mgos_gpio_int_handler_f cb, void *arg);

/* As above, called at once from inside the call that changes the level. */
bool mgos_gpio_set_int_handler_isr(int pin, enum mgos_gpio_int_mode mode,
                                   mgos_gpio_int_handler_f cb, void *arg);

bool mgos_gpio_enable_int(int pin);
bool mgos_gpio_disable_int(int pin);

/* Forgets the changes that the handler was not yet called for. */
void mgos_gpio_clear_int(int pin);

/* Removes the handler; *old_cb and *old_arg, unless NULL, get what it was. */
void mgos_gpio_remove_int_handler(int pin, mgos_gpio_int_handler_f *old_cb,
                                  void **old_arg);

/*
 * A button: sets up the input and calls cb(pin, arg) when it was pressed or
 * released (int_mode is one of the EDGE modes) and is still so `debounce_ms` ms
 * later. A NULL cb removes the handler.
 */
bool mgos_gpio_set_button_handler(int pin, enum mgos_gpio_pull_type pull_type,
                                  enum mgos_gpio_int_mode int_mode,
                                  int debounce_ms, mgos_gpio_int_handler_f cb,
                                  void *arg);

/* Toggles an output: on_ms high, off_ms low, and so on. 0, 0 ends it. */
bool mgos_gpio_blink(int pin, int on_ms, int off_ms);

/* Prints the pin's number to `buf`, and returns `buf`. */
const char *mgos_gpio_str(int pin_def, char buf[8]);

#ifdef __cplusplus
}
#endif
