/*
 * Common part of the three clients: each subscribes to the topic that it publishes to, keeps a few
 * messages in flight, and stops when all have come back.
 */

#ifndef ECHO_H
#define ECHO_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define TOPIC "throughput/echo"
#define AT_ONCE 16

static struct {
  int qos;
  long messages, published, received;
  double begun;
  char payload[64];
} echo;

static double echo_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* Called first: publishes as many messages as may be in flight. */
static void echo_begin(bool (*publish)(void)) {
  echo.begun = echo_now();
  while (echo.published < AT_ONCE && echo.published < echo.messages) {
    echo.published++;
    if (!publish()) exit(3);
  }
}

/* Called for each message that has come back; true if it was the last. Prints messages per second
 * and peak memory in KiB. */
static bool echo_received(bool (*publish)(void)) {
  struct rusage usage;
  if (++echo.received < echo.messages) {
    if (echo.published == echo.messages) return false;
    echo.published++;
    if (!publish()) exit(3);
    return false;
  }
  getrusage(RUSAGE_SELF, &usage);
  printf("done %.0f %ld\n", (double) echo.messages / (echo_now() - echo.begun), usage.ru_maxrss);
  fflush(stdout);
  return true;
}

#endif
