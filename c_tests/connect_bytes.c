/*
 * CONNECT, byte by byte, for every setting that affects it. When it is sent, and the response:
 * reconnect.c.
 */

#include "suite.h"

static void configured_by_default(void) {
  cfg.client_id = NULL;
  create_global();
  app_connect();
  expect_connection();
  expect("10 11 0004 'MQTT' 04 02 003c 0005 'suite'");
  check("an empty client_id stands for device.id");
  expect_events("cloud CONNECTING\n");
}

static void client_id(void) {
  cfg.client_id = "cid7";
  create();
  app_connect();
  expect_connection();
  expect("10 10 0004 'MQTT' 04 02 003c 0004 'cid7'");
  check("client_id");
  expect_events("cloud CONNECTING\n");
}

static void expect_bytes(const char *pattern, const char *what) {
  create();
  app_connect();
  expect_connection();
  expect(pattern);
  check(what);
  expect_events("cloud CONNECTING\n");
}

static void user(void) {
  cfg.user = "joe";
  expect_bytes("10 12 0004 'MQTT' 04 82 003c 0001 'c' 0003 'joe'", "user");
}

static void user_and_pass(void) {
  cfg.user = "joe";
  cfg.pass = "pw";
  expect_bytes("10 16 0004 'MQTT' 04 c2 003c 0001 'c' 0003 'joe' 0002 'pw'", "user and password");
}

static void pass_alone(void) {
  cfg.pass = "pw";
  expect_bytes(EITHER("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "10 11 0004 'MQTT' 04 42 003c 0001 'c' 0002 'pw'"),
               EITHER("a password without a user is not sent", "a password without a user"));
#ifndef MQTT_UPSTREAM
  expect_logged("mqtt.pass ignored");
  check("and the log says so");
#else
  left_out("the log", "it says nothing of it");
#endif
}

static void will(void) {
  cfg.will_topic = "w/t";
  cfg.will_message = "gone";
  expect_bytes("10 18 0004 'MQTT' 04 06 003c 0001 'c' 0003 'w/t' 0004 'gone'", "will, at QoS 0");
}

static void will_retained(void) {
  cfg.will_topic = "w/t";
  cfg.will_message = "gone";
  cfg.will_retain = true;
  expect_bytes("10 18 0004 'MQTT' 04 26 003c 0001 'c' 0003 'w/t' 0004 'gone'", "will with will_retain");
}

static void will_without_message(void) {
  cfg.will_topic = "w/t";
  expect_bytes("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "a will_topic alone is no will");
}

static void will_without_topic(void) {
  cfg.will_message = "gone";
  expect_bytes("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "a will_message alone is no will");
}

static void will_retain_alone(void) {
  cfg.will_retain = true;
  expect_bytes(EITHER("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "10 0d 0004 'MQTT' 04 22 003c 0001 'c'"),
               EITHER("will_retain without a will is not sent", "will_retain without a will"));
#ifndef MQTT_UPSTREAM
  expect_logged("will_retain needs will_topic and will_message");
  check("and the log says so");
#else
  left_out("the log", "it says nothing of it");
#endif
}

static void will_with_wildcard(void) {
  cfg.will_topic = "w/#";
  cfg.will_message = "gone";
  cfg.will_retain = true;
  expect_bytes(EITHER("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "10 18 0004 'MQTT' 04 26 003c 0001 'c' 0003 'w/#' 0004 'gone'"),
               EITHER("a will with a wildcard in its topic is not sent", "a will with a wildcard in its topic"));
#ifndef MQTT_UPSTREAM
  expect_logged("invalid mqtt.will_topic, no will sent: w/#");
  expect_number(logged("will_retain needs"), 0);
  check("and the log names the topic");
#else
  left_out("the log", "it says nothing of it");
#endif
}

static void will_with_empty_topic(void) {
  cfg.will_topic = "";
  cfg.will_message = "gone";
  expect_bytes("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "a will with an empty topic is no will");
}

static void clean_session_off(void) {
  cfg.clean_session = false;
  expect_bytes("10 0d 0004 'MQTT' 04 00 003c 0001 'c'", "clean_session false");
}

static void keep_alive_zero(void) {
  cfg.keep_alive = 0;
  expect_bytes("10 0d 0004 'MQTT' 04 02 003c 0001 'c'", "keep_alive 0 stands for 60");
}

static void keep_alive_five(void) {
  cfg.keep_alive = 5;
  expect_bytes("10 0d 0004 'MQTT' 04 02 0005 0001 'c'", "keep_alive 5");
}

static void keep_alive_too_long(void) {
  cfg.keep_alive = 70000;
  expect_bytes(EITHER("10 0d 0004 'MQTT' 04 02 ffff 0001 'c'", "10 0d 0004 'MQTT' 04 02 1170 0001 'c'"),
               EITHER("keep_alive over 65535 is 65535", "keep_alive over 65535 loses its upper bits"));
}

static void set_device_id(void *arg) {
  mgos_sys_config_set_device_id((const char *) arg);
}

static void no_id(void) {
  cfg.client_id = NULL;
  in_app(set_device_id, NULL);
  expect_bytes("10 0c 0004 'MQTT' 04 02 003c 0000", "without client_id and device.id the id is empty");
  in_app(set_device_id, (void *) "suite");
}

static void no_id_kept_session(void) {
  cfg.client_id = NULL;
  cfg.clean_session = false;
  in_app(set_device_id, NULL);
  expect_bytes(EITHER("10 0c 0004 'MQTT' 04 02 003c 0000", "10 0c 0004 'MQTT' 04 00 003c 0000"),
               EITHER("an empty client id requests a clean session", "an empty client id with clean_session false"));
  in_app(set_device_id, (void *) "suite");
}

static void keep_alive_negative(void) {
  cfg.keep_alive = -1;
  expect_bytes(EITHER("10 0d 0004 'MQTT' 04 02 0000 0001 'c'", "10 0d 0004 'MQTT' 04 02 ffff 0001 'c'"),
               EITHER("a negative keep_alive is none", "a negative keep_alive is 65535"));
}

static void max_qos_zero(void) {
  cfg.max_qos = 0;
  cfg.will_topic = "w/t";
  cfg.will_message = "gone";
  expect_bytes("10 18 0004 'MQTT' 04 06 003c 0001 'c' 0003 'w/t' 0004 'gone'", "max_qos does not change CONNECT");
}

static void everything(void) {
  cfg.clean_session = false;
  cfg.keep_alive = 300;
  cfg.will_topic = "w/t";
  cfg.will_message = "gone";
  cfg.will_retain = true;
  cfg.user = "joe";
  cfg.pass = "pw";
  expect_bytes("10 21 0004 'MQTT' 04 e4 012c 0001 'c' 0003 'w/t' 0004 'gone' 0003 'joe' 0002 'pw'",
               "all of it: client id, will, user, password");
}

static const struct script scripts[] = {
    {"configured by default", configured_by_default},
    {"client id", client_id},
    {"user", user},
    {"user and password", user_and_pass},
    {"password alone", pass_alone},
    {"will", will},
    {"retained will", will_retained},
    {"will without message", will_without_message},
    {"will without topic", will_without_topic},
    {"will_retain alone", will_retain_alone},
    {"will with a wildcard", will_with_wildcard},
    {"will with an empty topic", will_with_empty_topic},
    {"clean_session", clean_session_off},
    {"keep_alive 0", keep_alive_zero},
    {"keep_alive 5", keep_alive_five},
    {"keep_alive 70000", keep_alive_too_long},
    {"keep_alive -1", keep_alive_negative},
    {"no id", no_id},
    {"no id, kept session", no_id_kept_session},
    {"max_qos 0", max_qos_zero},
    {"everything", everything},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
