/*
 * This machine in place of a chip: to run the scenarios under a debugger or with sanitizers. Each
 * chip has a directory.
 */

#include <stdio.h>
#include <stdlib.h>

#include "port.h"

void machine_print(const char *text) {
  fputs(text, stdout);
}

void machine_exit(int status) {
  fflush(stdout);
  _Exit(status);
}

void machine_stack(uint8_t **lowest, size_t *size) {
  *lowest = NULL;
  *size = 0;
}
