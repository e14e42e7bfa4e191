/*
 * Packet Identifiers: one counter, around the end of its range, past those in use.
 */

#include "suite.h"

static void skip(void *arg) {
  unsigned last = *(unsigned *) arg;
  while (mgos_mqtt_get_packet_id() != last) {
  }
}

static void skip_to(unsigned last) {
  in_app(skip, &last);
}

static void around(void) {
  create_global();
  expect_number(app_get_packet_id(), 1);
  check("the first is 1");
  skip_to(65534);
  expect_number(app_pub("q", "1", 1, false), 65535);
  expect_number(app_pub("q", "2", 1, false), 1);
  check("behind 65535 comes 1");
  skip_to(4);
  expect_number(app_pub("q", "3", 1, false), 5);
  skip_to(65533);
  expect_number(app_get_packet_id(), 65534);
  expect_number(app_get_packet_id(), 2);
  expect_number(app_get_packet_id(), 3);
  expect_number(app_get_packet_id(), 4);
  expect_number(app_get_packet_id(), 6);
  expect_number(app_get_packet_id(), 7);
  check("those of queued messages are passed over");
  connect_up();
  expect(EITHER("32 06 0001 'q' ffff '1'", "3a 06 0001 'q' ffff '1'"));
  play("40 02 ffff");
  expect(EITHER("32 06 0001 'q' 0001 '2'", "3a 06 0001 'q' 0001 '2'"));
  play("40 02 0001");
  expect(EITHER("32 06 0001 'q' 0005 '3'", "3a 06 0001 'q' 0005 '3'"));
  play("40 02 0005");
  expect_events("g PUBACK 65535\ng PUBACK 1\ng PUBACK 5\n");
  skip_to(65535);
  expect_number(app_get_packet_id(), 1);
  check("and free again once they are acknowledged");
  drop();
  expect_events("cloud DISCONNECTED\ng CLOSE\n");
  come_back();
  expect_number(app_get_packet_id(), 2);
  check("a new connection changes nothing");
}

#ifndef MQTT_UPSTREAM
static void publish_many(void *arg) {
  long i, hits = 0;
  for (i = 0; i < 65535; i++) {
    uint16_t id = app_pub("q", "m", 0, false);
    hits += (id == 1 || id == 2);
  }
  *(long *) arg = hits;
}

/* The original knows only of what is in its queue. */
static void under_way(void) {
  long i, hits = -1;
  connect_up();
  app_sub("s", 1, "s");
  expect("82 06 0001 0001 's' 01");
  app_pub("q", "m", 2, false);
  expect("34 06 0001 'q' 0002 'm'");
  play("50 02 0002");
  expect("62 02 0002");
  expect_events("g PUBREC 2\n");
  in_app(publish_many, &hits);
  for (i = 0; i < 65535; i++) expect("30 04 0001 'q' 'm'");
  expect_number(hits, 0);
  check("those that await SUBACK or PUBCOMP are passed over");
}
#endif

static const struct script scripts[] = {
    {"identifiers", around},
#ifndef MQTT_UPSTREAM
    {"under way", under_way},
#endif
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
