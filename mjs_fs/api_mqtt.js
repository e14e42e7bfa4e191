// MQTT for JavaScript, on the global connection, which the `mqtt` section of the configuration
// describes.
let MQTT = {
  _sub: ffi('void mgos_mqtt_sub(char *, void (*)(void *, void *, int, void *, int, userdata), userdata)'),
  _on: function(conn, topic, topicLen, msg, msgLen, ud) {
    return ud.cb(conn, mkstr(topic, topicLen), mkstr(msg, msgLen), ud.ud);
  },

  // ## **`MQTT.sub(topic, handler, userdata)`**
  // Subscribes to a topic filter, and again after every reconnect. Calls `handler(conn, topic, msg,
  // userdata)` with each message that matches. Returns nothing.
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
  // Publishes a message; `qos` is 0 and `retain` false unless given. Returns the packet ID, > 0; or
  // 0 if the message was neither sent nor queued: at QoS 0 without a connection, or if the topic is
  // invalid.
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
  // Adds a handler of the connection's events: `handler(conn, ev, edata, userdata)`. `ev` is one of
  // the numbers below, or 0 for every round of the event loop.
  //
  // ```javascript
  // MQTT.setEventHandler(function(conn, ev, edata) {
  //   if (ev === MQTT.EV_CONNACK) print('connected');
  //   if (ev === MQTT.EV_CLOSE) print('connection lost');
  // }, null);
  // ```
  setEventHandler: ffi('void mgos_mqtt_add_global_handler(void (*)(void *, int, void *, userdata), userdata)'),

  _stat: ffi('int mgos_mqtt_get_stat(int)'),
  // In the order of `struct mgos_mqtt_stats`.
  _stats: ['connects', 'disconnects', 'last_reason', 'sent', 'retried', 'received', 'dropped', 'oversized', 'queued', 'queued_max',
           'bytes_sent', 'bytes_received', 'ping_ms', 'connected_ms', 'set_aside'],

  // ## **`MQTT.stats()`**
  // What has happened to the connection since the device started, as an object of numbers:
  // `connects` and `disconnects`; `last_reason`, why it ended last, one of the numbers below;
  // messages `sent`, `retried` (of those sent), `received`, `dropped`; `oversized` packets, skipped
  // for their size; messages `queued` now and at most (`queued_max`); `bytes_sent` and
  // `bytes_received`; `ping_ms`, the round-trip time of the last ping, and `connected_ms`, how long
  // the connection has been up, both in milliseconds; `set_aside`, how many of the queued messages
  // are set aside, as the broker closes the connection on them. mgos_mqtt_conn.h has the details.
  //
  // ```javascript
  // let s = MQTT.stats();
  // print('connected', s.connects, 'times, lost', s.dropped, 'messages; the last ping took', s.ping_ms, 'ms');
  // ```
  stats: function() {
    let result = {};
    for (let i = 0; i < this._stats.length; i++) {
      let n = this._stat(i);
      result[this._stats[i]] = n < 0 ? n + 4294967296 : n;
    }
    return result;
  },

  // ## **Events of the library**
  // For `Event.addHandler()` of api_events.js. Each is raised at most once a second, for everything
  // since the last.
  //
  // ```javascript
  // load('api_events.js');
  // Event.addHandler(MQTT.EVENT_GIVEN_UP, function(ev, evdata, ud) {
  //   print('messages were given up,', MQTT.stats().dropped, 'in all');
  // }, null);
  // ```
  EVENT_GIVEN_UP: 0x4d515400,  // Messages at QoS 1 or 2 were dropped without an acknowledgement.
  EVENT_SET_ASIDE: 0x4d515401,  // The broker closes the connection on some messages.
  EVENT_SUB_REFUSED: 0x4d515402,  // The broker has refused subscriptions.

  REASON_NONE: 0,  // No connection has ended yet.
  REASON_LOST: 1,  // The server or the network has closed it.
  REASON_UNREACHABLE: 2,  // The server cannot be reached.
  REASON_REFUSED: 3,  // The server has refused it.
  REASON_VIOLATION: 4,  // The broker has violated the protocol.
  REASON_PING_TIMEOUT: 5,  // The broker did not answer a ping.
  REASON_CONNECT_TIMEOUT: 6,  // The broker did not answer CONNECT in time.
  REASON_ASKED: 7,  // The app has disconnected.
  REASON_CONFIG: 8,  // The configuration was changed.
  REASON_NO_MEMORY: 9,  // Out of memory.
  REASON_TLS: 10,  // The server was reached, but the TLS handshake failed.

  EV_CONNACK: 202,  // The broker has accepted the connection.
  EV_PUBLISH: 203,  // A message that no MQTT.sub() handler has taken.
  EV_PUBACK: 204,  // A message published at QoS 1 has arrived at the broker.
  EV_SUBACK: 209,  // The broker has answered a subscription.
  EV_UNSUBACK: 211,  // The broker has answered the end of a subscription.
  EV_CLOSE: 5,  // The connection is gone.
};
