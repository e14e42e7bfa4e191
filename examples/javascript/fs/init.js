// javascript: a lamp controlled over MQTT, in JavaScript. ID is the device's id:
//   ID/lamp/set   in    "on" or "off"
//   ID/lamp       out   the resulting state, retained for later subscribers
//   ID/uptime     out   seconds, every minute
//
// Set the broker in mos.yml or with `mos config-set mqtt.server=HOST:PORT`, the pin below; then mos
// build, mos flash. host/README.md says how to run it on Linux.

load('api_config.js');
load('api_gpio.js');
load('api_mqtt.js');
load('api_sys.js');
load('api_timer.js');

let pin = 2;
let id = Cfg.get('device.id');
GPIO.set_mode(pin, GPIO.MODE_OUTPUT);

MQTT.sub(id + '/lamp/set', function(conn, topic, msg) {
  let on = msg === 'on';
  GPIO.write(pin, on ? 1 : 0);
  // QoS 1: kept and retransmitted until the broker has it.
  if (MQTT.pub(id + '/lamp', on ? 'on' : 'off', 1, true) === 0) print('no room for the answer');
}, null);

Timer.set(60000, Timer.REPEAT, function() {
  // QoS 0 suits data that is outdated when it arrives late.
  if (MQTT.isConnected()) MQTT.pub(id + '/uptime', JSON.stringify(Sys.uptime()));
}, null);

MQTT.setEventHandler(function(conn, ev, edata) {
  if (ev === MQTT.EV_CONNACK) print('connected');
  if (ev === MQTT.EV_CLOSE) print('connection lost');
}, null);
