/*
 * The machine: memory, watchdog, restart, delays, callbacks from the main loop,
 * locks. What a workstation has no counterpart for does nothing, as said below.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The heap of an imagined device of 64 MiB: its size, what the process has left
 * of it, and the least it ever had left when asked.
 */
size_t mgos_get_heap_size(void);
size_t mgos_get_free_heap_size(void);
size_t mgos_get_min_free_heap_size(void);

/* The space of the machine's file system, and what is free of it: see mgos_vfs.h. */
size_t mgos_get_fs_size(void);
size_t mgos_get_free_fs_size(void);

/* It uses none of the device's memory, and needs no collecting: 0, does nothing. */
size_t mgos_get_fs_memory_usage(void);
void mgos_fs_gc(void);

/* There is no watchdog: these do nothing. */
void mgos_wdt_feed(void);
void mgos_wdt_set_timeout(int secs);
void mgos_wdt_enable(void);
void mgos_wdt_disable(void);

/* Raises MGOS_EVENT_REBOOT, says so, and ends the process with status 0. */
void mgos_system_restart(void) __attribute__((noreturn));

/* Stop everything for so long. */
void mgos_msleep(uint32_t msecs);
void mgos_usleep(uint32_t usecs);

/* Delay of n x 100 ns, as near as the system can. */
extern void (*mgos_nsleep100)(uint32_t n);

/* There are no interrupts: these do nothing. */
void mgos_ints_disable(void);
void mgos_ints_enable(void);

typedef void (*mgos_cb_t)(void *arg);

#define MGOS_INVOKE_CB_F_FROM_ISR (1 << 0)
#define MGOS_INVOKE_CB_F_BG_TASK (1 << 1)

/*
 * Calls cb(arg) from the main loop, in its next round; in the order asked. May be
 * called from any thread. With MGOS_INVOKE_CB_F_BG_TASK, too, it is the main loop
 * that calls. False if `cb` is NULL.
 */
bool mgos_invoke_cb(mgos_cb_t cb, void *arg, uint32_t flags);

/* Nominal, Hz. */
uint32_t mgos_get_cpu_freq(void);

/* Recursive locks. */
struct mgos_rlock_type;
struct mgos_rlock_type *mgos_rlock_create(void);
void mgos_rlock(struct mgos_rlock_type *l);
void mgos_runlock(struct mgos_rlock_type *l);
void mgos_rlock_destroy(struct mgos_rlock_type *l);

/* Digits of `value` in base 2 to 16 and a NUL; return how many, 0 for another base. */
int mgos_itoa(int value, char *out, int base);
int mgos_utoa(unsigned int value, char *out, int base);

#ifdef __cplusplus
}
#endif
