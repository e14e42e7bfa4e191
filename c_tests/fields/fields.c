/*
 * An mqtt section with fields of other libraries before and after the library's: they change
 * nothing, and are copied along.
 */

#include <string.h>

#include "suite.h"

static void all_fields(void) {
  expect_that(offsetof(struct mgos_config_mqtt, front_flag) < offsetof(struct mgos_config_mqtt, enable));
  expect_that(offsetof(struct mgos_config_mqtt, behind_number) > offsetof(struct mgos_config_mqtt, debug_use_log_level));
  cfg.client_id = "c";
  cfg.user = "joe";
  cfg.pass = "pw";
  cfg.will_topic = "w/t";
  cfg.will_message = "gone";
  cfg.will_retain = true;
  cfg.keep_alive = 300;
  cfg.clean_session = false;
  create();
  app_connect();
  expect_connection();
  expect("10 21 0004 'MQTT' 04 e4 012c 0001 'c' 0003 'w/t' 0004 'gone' 0003 'joe' 0002 'pw'");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  check("CONNECT uses the library's fields");
}

static void limits(void) {
  cfg.max_queue_length = 2;
  cfg.max_qos = 1;
  create();
  app_pub("t", "1", 2, false);
  app_pub("t", "2", 2, false);
  app_pub("t", "3", 2, false);
  connect_up();
  expect(EITHER("32 06 0001 't' 0002 '2'", "3a 06 0001 't' 0002 '2'"));
  play("40 02 0002");
  expect(EITHER("32 06 0001 't' 0003 '3'", "3a 06 0001 't' 0003 '3'"));
  expect_events("g PUBACK 2\n");
  check("so do the limits");
}

static void copied(void) {
  char text[8] = "mine";
  struct mgos_config_mqtt config;
  create();
  connect_up();
  config = cfg;
  config.client_id = "copy";
  config.front_text = text;
  config.behind_text = text;
  expect_that(app_set_config(&config));
  memset(text, 'x', sizeof(text));
  expect_close();
#ifdef MQTT_UPSTREAM
  expect_that(app_connect());
#endif
  expect_connection();
  expect("10 10 0004 'MQTT' 04 02 003c 0004 'copy'");
  check("a configuration with such fields is copied, and freed");
  forget_events();
}

static const struct script scripts[] = {
    {"all fields", all_fields},
    {"limits", limits},
    {"copied", copied},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
