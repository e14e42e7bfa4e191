// javascript: a lamp by MQTT, in JavaScript. Where ID is the device's id:
//   ID/lamp/set   in    "on" or "off"
//   ID/lamp       out   the same once it is done, retained, so that who comes later knows it
//   ID/uptime     out   seconds, every minute
//
// Set the broker in mos.yml or by `mos config-set mqtt.server=HOST:PORT`, the pin below; then mos build, mos flash. For
// devices alone: there is no JavaScript in the host of this project.

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
  // QoS 1: kept, and sent again, until the broker has it.
  if (MQTT.pub(id + '/lamp', on ? 'on' : 'off', 1, true) === 0) print('no room for the answer');
}, null);

Timer.set(60000, Timer.REPEAT, function() {
  // QoS 0 is for what is out of date when it comes late.
  if (MQTT.isConnected()) MQTT.pub(id + '/uptime', JSON.stringify(Sys.uptime()));
}, null);

MQTT.setEventHandler(function(conn, ev, edata) {
  if (ev === MQTT.EV_CONNACK) print('connected');
  if (ev === MQTT.EV_CLOSE) print('connection lost');
}, null);
