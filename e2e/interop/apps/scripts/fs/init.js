// Calls every function of MQTT and reports what it sees: "ok" and "not ok" for checks, ">" for
// steps that the other side waits for.

load('api_config.js');
load('api_mqtt.js');
load('api_timer.js');

let checks = 0;
let check = function(holds, what) {
  checks++;
  print((holds ? 'ok ' : 'not ok ') + JSON.stringify(checks) + ' - ' + what);
};

let topic = Cfg.get('device.id') + '/';
let connects = 0, acknowledged = 0, packet = 0;

check(!MQTT.isConnected(), 'a script starts before the connection');
check(MQTT.pub(topic + 'early', 'lost') === 0, 'at QoS 0 without a connection nothing is sent');
packet = MQTT.pub(topic + 'queued', 'kept', 1, true);
check(packet > 0, 'at QoS 1 it is queued');

MQTT.sub(topic + 'in/+', function(conn, topic, msg, ud) {
  check(ud.name === 'data', 'the handler gets its data');
  check(MQTT.pub(topic + '/answer', msg, 1) > 0, 'a handler publishes');
  print('> handled ' + topic);
}, { name: 'data' });

MQTT.sub(topic + 'kept', function(conn, topic, msg, ud, retained) {
  check(retained, 'a retained message is told from others');
  print('> kept');
}, null);

MQTT.setEventHandler(function(conn, ev, edata, ud) {
  if (ev === MQTT.EV_CONNACK) {
    connects++;
    check(MQTT.isConnected(), 'connected when CONNACK has arrived');
    print('> connected ' + JSON.stringify(connects));
  } else if (ev === MQTT.EV_PUBACK) {
    acknowledged++;
  } else if (ev === MQTT.EV_CLOSE) {
    check(!MQTT.isConnected(), 'not connected when it is closed');
    check(ud === 7, 'the event handler gets its number');
    print('> closed');
  }
}, 7);

MQTT.sub(topic + 'end', function(conn, topic, msg) {
  let s = MQTT.stats();
  check(s.connects === 2 && s.disconnects === 1, 'statistics count both connections');
  check(s.last_reason === MQTT.REASON_LOST, 'and say why the first one ended');
  check(s.sent >= 3 && s.received >= 3 && s.bytes_sent > 0 && s.bytes_received > 0, 'and count messages and bytes');
  check(s.dropped === 1 && s.oversized === 0, 'and only the first message, at QoS 0, was given up');
  check(acknowledged > 0, 'PUBACK is an event');
  check(!MQTT.sessionPresent(), 'the broker has kept no session');
  MQTT.pubOpt(topic + '/last', 'x', {
    qos: 1,
    ttl: 60,
    replace: true,
    cb: function(id, result) {
      check(id > 0 && result === MQTT.RESULT_ACKNOWLEDGED, 'the outcome of a message is reported');
      print('> outcome');
      check(MQTT.finish(5000, function(left) {
        check(left === 0, 'a graceful disconnect leaves nothing');
        print('> end');
      }), 'the end begins');
    },
  });
}, null);
