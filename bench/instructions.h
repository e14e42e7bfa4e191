/*
 * What instructions.c measures, and the counters that it uses: callgrind.c or chip.c, which also
 * have main().
 */

#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H

void measure_operations(void);
/* With up to 1,000 subscriptions and queued messages. */
void measure_growth(void);

/* Counting starts and stops. */
void count_on(void);
void count_off(void);
void count_forget(void);
/* A figure is complete. Its line, without the end, is printed. */
void count_report(const char *name);

#endif
