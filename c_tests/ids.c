/*
 * Packet IDs: one counter that wraps around and skips those in use.
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

struct ids {
  uint16_t one, another;
  int hits;
};

static void look_for(void *arg) {
  struct ids *ids = (struct ids *) arg;
  long i;
  for (i = 0; i < 65535; i++) {
    uint16_t id = mgos_mqtt_get_packet_id();
    ids->hits += (id == ids->one || id == ids->another);
  }
}

/* One awaits SUBACK, one awaits PUBCOMP. */
static void under_way(void) {
  struct ids ids = {.one = 3, .another = 4};
  app_sub("s", 1, "s");
  expect("82 06 0003 0001 's' 01");
  app_pub("q", "m", 2, false);
  expect("34 06 0001 'q' 0004 'm'");
  play("50 02 0004");
  expect("62 02 0004");
  expect_events("g PUBREC 4\n");
  in_app(look_for, &ids);
#ifdef MQTT_UPSTREAM
  expect_number(ids.hits, 2);
  check("packet IDs that await SUBACK or PUBCOMP are not");
#else
  expect_number(ids.hits, 0);
  check("and so are those that await SUBACK or PUBCOMP");
#endif
}

static void around(void) {
  create_global();
  expect_number(app_get_packet_id(), 1);
  check("the first is 1");
  skip_to(65534);
  expect_number(app_pub("q", "1", 1, false), 65535);
  expect_number(app_pub("q", "2", 1, false), 1);
  check("1 follows 65535");
  skip_to(4);
  expect_number(app_pub("q", "3", 1, false), 5);
  skip_to(65533);
  expect_number(app_get_packet_id(), 65534);
  expect_number(app_get_packet_id(), 2);
  expect_number(app_get_packet_id(), 3);
  expect_number(app_get_packet_id(), 4);
  expect_number(app_get_packet_id(), 6);
  expect_number(app_get_packet_id(), 7);
  check("those of queued messages are skipped");
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
  under_way();
}

static const struct script scripts[] = {
    {"identifiers", around},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
