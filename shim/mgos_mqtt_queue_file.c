/*
 * The file of the queue: two copies, written in turn. Nothing of this is in firmware that does not call mgos_mqtt_set_queue_file() or
 * mgos_mqtt_conn_set_queue_file().
 */

#include "mgos_mqtt_seam.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgos.h"

#ifndef O_BINARY
#define O_BINARY 0
#endif

/* What follows the name, the end included. */
#define ENDING_MAX sizeof(".bad")

/* A file that a connection has claimed. */
struct claim {
  struct claim *next;
  size_t len;
  /* Twice the name with room for an ending, as renaming takes two. */
  char names[];
};

static struct claim *s_claims;

void *mgos_mqtt_shim_queue_claim(const char *path) {
  struct claim *claim;
  size_t len = path != NULL ? strlen(path) : 0;
  if (len == 0) return NULL;
  for (claim = s_claims; claim != NULL; claim = claim->next) {
    if (claim->len == len && memcmp(claim->names, path, len) == 0) return NULL;
  }
  claim = (struct claim *) calloc(1, sizeof(*claim) + 2 * (len + ENDING_MAX));
  if (claim == NULL) return NULL;
  claim->len = len;
  memcpy(claim->names, path, len);
  memcpy(claim->names + len + ENDING_MAX, path, len);
  claim->next = s_claims;
  s_claims = claim;
  return claim;
}

void mgos_mqtt_shim_queue_release(void *file) {
  struct claim **link = &s_claims;
  while (*link != NULL && *link != file) link = &(*link)->next;
  if (*link != NULL) *link = (*link)->next;
  free(file);
}

static const char *copy_name(void *file, uint32_t copy) {
  struct claim *claim = (struct claim *) file;
  strcpy(claim->names + claim->len, copy ? ".b" : ".a");
  return claim->names;
}

int32_t mgos_mqtt_shim_queue_open(void *file, uint32_t copy, uint32_t to_write) {
  int fd = open(copy_name(file, copy), (to_write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY) | O_BINARY, 0600);
  if (fd >= 0) return fd;
  /* Not every file system of a device says that a file is not there; but what else may be wrong. */
  return errno == ENOMEM || errno == EMFILE || errno == ENFILE || errno == EIO || errno == EACCES ? -2 : -1;
}

size_t mgos_mqtt_shim_queue_read(int32_t fd, uint8_t *to, size_t len) {
  size_t done = 0;
  while (done < len) {
    int n = (int) read(fd, to + done, len - done);
    if (n <= 0) break;
    done += (size_t) n;
  }
  return done;
}

uint32_t mgos_mqtt_shim_queue_write(int32_t fd, const uint8_t *from, size_t len) {
  size_t done = 0;
  while (done < len) {
    int n = (int) write(fd, from + done, len - done);
    if (n <= 0) return 0;
    done += (size_t) n;
  }
  return 1;
}

uint32_t mgos_mqtt_shim_queue_close(int32_t fd) {
  uint32_t ok = 1;
#if CS_PLATFORM == CS_P_UNIX
  if (fsync(fd) != 0) ok = 0;
#endif
  return close(fd) == 0 && ok;
}

void mgos_mqtt_shim_queue_set_aside(void *file, uint32_t copy) {
  struct claim *claim = (struct claim *) file;
  char *bad = claim->names + claim->len + ENDING_MAX;
  strcpy(bad + claim->len, ".bad");
  /* Some file systems do not rename over another file. */
  remove(bad);
  rename(copy_name(file, copy), bad);
}

void mgos_mqtt_shim_queue_log(mgos_mqtt_queue_log what, int32_t conn, void *file, const char *path, uint32_t n) {
  static const char *const texts[] = {
      "%u messages restored",
      "one copy is incomplete, the other was used",
      "damaged: nothing was restored, the file was renamed to .bad",
      "not used: cannot be read, or out of memory; it is left as it is",
      "cannot be written, messages would not survive a restart; trying again",
      "not used: set it before the connection is begun and anything is published",
      "not used: another connection has it, or it has no name, or out of memory",
  };
  enum cs_log_level level = what == MGOS_MQTT_QUEUE_LOG_RESTORED ? LL_INFO : what == MGOS_MQTT_QUEUE_LOG_INCOMPLETE ? LL_WARN : LL_ERROR;
  char text[96];
  int len = path != NULL ? (int) strlen(path) : 0;
  if (file != NULL) {
    path = ((const struct claim *) file)->names;
    len = (int) ((const struct claim *) file)->len;
  }
  snprintf(text, sizeof(text), texts[what], (unsigned) n);
  LOG(level, ("MQTT%d queue file %.*s: %s", (int) conn, len, path != NULL ? path : "", text));
  (void) conn, (void) len, (void) level;
}

static void reboot_cb(int ev, void *ev_data, void *arg) {
  mgos_mqtt_core_reboot((struct mgos_mqtt_conn *) arg);
  (void) ev, (void) ev_data;
}

void mgos_mqtt_shim_watch_reboot(struct mgos_mqtt_conn *c, uint32_t on) {
  mgos_event_remove_handler(MGOS_EVENT_REBOOT, reboot_cb, c);
  if (on) mgos_event_add_handler(MGOS_EVENT_REBOOT, reboot_cb, c);
}
