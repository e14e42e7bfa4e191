/*
 * upload: publishes a file of any size, such as a picture or a log, to ID/file, where ID is the device's id.
 *
 * It is read in pieces of at most 256 bytes as the link takes them, and is never in memory as a whole. It
 * begins anew if the connection ends inside it.
 *
 * On this machine: cargo xtask run examples/upload -- --set mqtt.server=localhost:1883 --set upload.file=FILE
 */

#include <stdio.h>

#include "mgos.h"
#include "mgos_mqtt.h"

static FILE *s_file;

static int read_file(void *arg, size_t offset, void *buf, size_t size) {
  size_t n;
  (void) arg;
  if (ftell(s_file) != (long) offset && fseek(s_file, (long) offset, SEEK_SET) != 0) return -1;
  n = fread(buf, 1, size, s_file);
  return n > 0 ? (int) n : -1; /* it has become shorter */
}

static void on_result(void *arg, uint16_t id, int result) {
  if (result == MGOS_MQTT_RESULT_ACKNOWLEDGED) {
    LOG(LL_INFO, ("%s was published", mgos_sys_config_get_upload_file()));
  } else {
    LOG(LL_ERROR, ("%s was not published (%d)", mgos_sys_config_get_upload_file(), result));
  }
  fclose(s_file);
  s_file = NULL;
  (void) arg, (void) id;
}

enum mgos_app_init_result mgos_app_init(void) {
  char topic[80];
  const char *name = mgos_sys_config_get_upload_file();
  long size;
  s_file = fopen(name, "rb");
  if (s_file == NULL || fseek(s_file, 0, SEEK_END) != 0 || (size = ftell(s_file)) < 0) {
    LOG(LL_ERROR, ("cannot read %s", name));
    return MGOS_APP_INIT_SUCCESS;
  }
  snprintf(topic, sizeof(topic), "%s/file", mgos_sys_config_get_device_id());
  if (!mgos_mqtt_pub_stream(topic, (size_t) size, 1, false /* retain */, read_file, on_result, NULL)) fclose(s_file);
  return MGOS_APP_INIT_SUCCESS;
}
