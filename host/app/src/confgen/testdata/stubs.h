/* For the test programs: checks, and stubs for the host functions that configuration code calls. */

#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/cs_dbg.h"
#include "mgos_config_util.h"

static int failures;

#define CHECK(cond)                                                   \
  do {                                                                \
    if (!(cond)) {                                                    \
      failures++;                                                     \
      fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #cond); \
    }                                                                 \
  } while (0)

#define CHECK_STR(is, should)                                                                     \
  do {                                                                                            \
    const char *is_ = (is), *should_ = (should);                                                  \
    if (is_ == NULL || strcmp(is_, should_) != 0) {                                               \
      failures++;                                                                                 \
      fprintf(stderr, "%s:%d: is [%s], not [%s]\n", __FILE__, __LINE__, is_ ? is_ : "NULL", should_); \
    }                                                                                             \
  } while (0)

static uint8_t stub_mac[6];

void device_set_mac_address(uint8_t mac[6]);
void device_set_mac_address(uint8_t mac[6]) {
  memcpy(stub_mac, mac, sizeof(stub_mac));
}

void mgos_expand_mac_address_placeholders(char *str);
void mgos_expand_mac_address_placeholders(char *str) {
  char text[13];
  struct mg_str s = mg_mk_str(str);
  snprintf(text, sizeof(text), "%02X%02X%02X%02X%02X%02X", stub_mac[0], stub_mac[1], stub_mac[2], stub_mac[3],
           stub_mac[4], stub_mac[5]);
  mgos_expand_placeholders(mg_mk_str(text), &s);
}

static int stub_log_level;

void cs_log_set_level(enum cs_log_level level) {
  stub_log_level = level;
}

void cs_log_set_file_level(const char *file_level) {
  (void) file_level;
}

int cs_log_print_prefix(enum cs_log_level level, const char *file, int line) {
  (void) level;
  (void) file;
  (void) line;
  return 0;
}

void cs_log_printf(const char *fmt, ...) {
  (void) fmt;
}

bool mgos_set_stdout_uart(int uart_no);
bool mgos_set_stdout_uart(int uart_no) {
  return uart_no == 0;
}

bool mgos_set_stderr_uart(int uart_no);
bool mgos_set_stderr_uart(int uart_no) {
  return uart_no == 0;
}
