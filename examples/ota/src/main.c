/*
 * ota: takes a firmware image over MQTT. ID is the device's id:
 *   ID/ota/sha256   in    the SHA-256 of the image to come, 64 hexadecimal digits
 *   ID/ota/image    in    the image, of any size
 *   ID/ota/status   out   what became of it
 *
 * The image comes in pieces of at most mqtt.recv_mbuf_limit and is never in memory as a whole. It is
 * written to a file and counts only if its hash is the one announced; a device would then hand it to
 * its boot loader. If the connection ends inside, the broker sends it again, as it was subscribed to
 * at QoS 1, and mqtt.clean_session is false.
 *
 * On this machine: cargo xtask run examples/ota -- --set mqtt.server=localhost:1883
 *   mosquitto_pub -t ID/ota/sha256 -m $(sha256sum < image | cut -c1-64) -r
 *   mosquitto_pub -t ID/ota/image -f image -q 1
 */

#include "mbedtls/sha256.h"

#include "mgos.h"
#include "mgos_mqtt.h"

static char s_expected[65];
static mbedtls_sha256_context s_sha256;
static FILE *s_file;

static void publish_status(const char *status) {
  char topic[80];
  snprintf(topic, sizeof(topic), "%s/ota/status", mgos_sys_config_get_device_id());
  LOG(LL_INFO, ("%s", status));
  mgos_mqtt_pub(topic, status, strlen(status), 1, false /* retain */);
}

static void give_up(const char *why) {
  if (s_file != NULL) fclose(s_file);
  s_file = NULL;
  remove(mgos_sys_config_get_ota_file());
  publish_status(why);
}

static bool is_expected(void) {
  unsigned char hash[32];
  char hex[65];
  int i;
  mbedtls_sha256_finish_ret(&s_sha256, hash);
  for (i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", hash[i]);
  return strcmp(hex, s_expected) == 0;
}

static bool on_piece(struct mgos_mqtt_conn *c, const struct mgos_mqtt_piece *piece, void *arg) {
  (void) c, (void) arg;
  if (piece->data == NULL) {
    LOG(LL_WARN, ("cut off at %u of %u bytes, it will come again", (unsigned) piece->offset, (unsigned) piece->total));
    return false;
  }
  if (piece->offset == 0) {
    if (s_file != NULL) fclose(s_file);
    s_file = fopen(mgos_sys_config_get_ota_file(), "wb");
    mbedtls_sha256_init(&s_sha256);
    mbedtls_sha256_starts_ret(&s_sha256, 0 /* not SHA-224 */);
  }
  if (s_file == NULL || fwrite(piece->data, 1, piece->len, s_file) != piece->len) {
    give_up("refused: cannot write the file");
    return false;
  }
  mbedtls_sha256_update_ret(&s_sha256, (const unsigned char *) piece->data, piece->len);
  if (piece->offset + piece->len < piece->total) return true;
  if (!is_expected()) {
    give_up("refused: wrong hash");
    return true;
  }
  if (fclose(s_file) != 0) {
    s_file = NULL;
    give_up("refused: cannot write the file");
    return true;
  }
  s_file = NULL;
  publish_status("ready");
  return true;
}

static void on_hash(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  snprintf(s_expected, sizeof(s_expected), "%.*s", msg_len, msg);
  LOG(LL_INFO, ("expecting %s", s_expected));
  (void) nc, (void) topic, (void) topic_len, (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  char topic[80];
  snprintf(topic, sizeof(topic), "%s/ota/sha256", mgos_sys_config_get_device_id());
  mgos_mqtt_sub(topic, on_hash, NULL);
  snprintf(topic, sizeof(topic), "%s/ota/image", mgos_sys_config_get_device_id());
  mgos_mqtt_sub_stream(topic, on_piece, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
