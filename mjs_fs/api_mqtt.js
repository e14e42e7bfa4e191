// MQTT for JavaScript, on the global connection: the one that the `mqtt` section of the configuration describes.
let MQTT = {
  _sub: ffi('void mgos_mqtt_sub(char *, void (*)(void *, void *, int, void *, int, userdata), userdata)'),
  _on: function(conn, topic, topicLen, msg, msgLen, ud) {
    return ud.cb(conn, mkstr(topic, topicLen), mkstr(msg, msgLen), ud.ud);
  },

  // ## **`MQTT.sub(topic, handler, userdata)`**
  // Subscribes to a topic filter. `handler(conn, topic, msg, userdata)` is called with each message that matches, now and after
  // every reconnection. Returns nothing.
  //
  // ```javascript
  // load('api_mqtt.js');
  // MQTT.sub('home/+/set', function(conn, topic, msg) {
  //   print(topic, 'is to be', msg);
  // }, null);
  // ```
  sub: function(topic, cb, ud) {
    return this._sub(topic, this._on, { cb: cb, ud: ud });
  },

  _pub: ffi('int mgos_mqtt_pub(char *, void *, int, int, bool)'),

  // ## **`MQTT.pub(topic, message, qos, retain)`**
  // Publishes a message; `qos` is 0 and `retain` false unless given. Returns the packet id, more than 0; or 0 if the message was
  // neither sent nor kept for sending: at QoS 0 when there is no connection, and for a topic that is not valid.
  //
  // ```javascript
  // load('api_mqtt.js');
  // load('api_timer.js');
  // Timer.set(60000, Timer.REPEAT, function() {
  //   MQTT.pub('home/kitchen', JSON.stringify({ uptime: Sys.uptime() }), 1);
  // }, null);
  // ```
  pub: function(topic, msg, qos, retain) {
    return this._pub(topic, msg, msg.length, qos || 0, retain || false);
  },

  // ## **`MQTT.isConnected()`**
  // True while the connection to the broker is up.
  isConnected: ffi('bool mgos_mqtt_global_is_connected()'),

  // ## **`MQTT.setEventHandler(handler, userdata)`**
  // Adds a handler of the connection's events: `handler(conn, ev, edata, userdata)`. `ev` is one of the numbers below, or 0 for every
  // round of the event loop.
  //
  // ```javascript
  // MQTT.setEventHandler(function(conn, ev, edata) {
  //   if (ev === MQTT.EV_CONNACK) print('connected');
  //   if (ev === MQTT.EV_CLOSE) print('connection lost');
  // }, null);
  // ```
  setEventHandler: ffi('void mgos_mqtt_add_global_handler(void (*)(void *, int, void *, userdata), userdata)'),

  EV_CONNACK: 202,  // The broker has accepted the connection.
  EV_PUBLISH: 203,  // A message that no MQTT.sub() handler has taken.
  EV_PUBACK: 204,  // A message published at QoS 1 has arrived at the broker.
  EV_SUBACK: 209,  // The broker has answered a subscription.
  EV_UNSUBACK: 211,  // The broker has answered the end of a subscription.
  EV_CLOSE: 5,  // The connection is gone.
};
