// MQTT for JavaScript, on the global connection, which the `mqtt` section of the configuration
// describes.
let MQTT = {
  _sub: ffi('void mgos_mqtt_sub(char *, void (*)(void *, void *, int, void *, int, userdata), userdata)'),
  _on: function(conn, topic, topicLen, msg, msgLen, ud) {
    return ud.cb(conn, mkstr(topic, topicLen), mkstr(msg, msgLen), ud.ud, MQTT._isRetained());
  },
  _isRetained: ffi('bool mgos_mqtt_is_retained()'),

  // ## **`MQTT.sub(topic, handler, userdata)`**
  // Subscribes to a topic filter, and again after every reconnect. Calls `handler(conn, topic, msg,
  // userdata, retained)` with each message that matches; `retained` is true for one that the broker
  // had kept, and not just received. Returns nothing.
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

  _pubOpt: ffi('int mgos_mqtt_pub_js(char *, void *, int, int, void (*)(userdata, int, int), userdata)'),
  // Callbacks that wait for the outcome of a message: pairs of packet ID and function.
  _waiting: [],
  _told: function(waiting, id, result) {
    for (let i = 0; i < waiting.length; i++) {
      if (waiting[i].id === id) {
        let cb = waiting[i].cb;
        waiting.splice(i, 1);
        return cb(id, result);
      }
    }
  },

  // ## **`MQTT.pubOpt(topic, message, options)`**
  // Publishes a message with options, all of which may be left out: `qos`, `retain`; `ttl`, after
  // how many seconds the message is dropped if it was not sent; `replace`, true if a newer message
  // with `replace` may take its place in the queue; `cb(id, result)`, called once with what became
  // of the message, one of the numbers `MQTT.RESULT_...` below. Returns as `MQTT.pub()` does; with 0,
  // `cb` is not called.
  //
  // ```javascript
  // load('api_mqtt.js');
  // MQTT.pubOpt('home/kitchen', '21.5', {
  //   qos: 1,
  //   ttl: 60,
  //   replace: true,
  //   cb: function(id, result) {
  //     if (result !== MQTT.RESULT_ACKNOWLEDGED) print('message', id, 'did not arrive:', result);
  //   },
  // });
  // ```
  pubOpt: function(topic, msg, options) {
    let how = (options.qos || 0) + (options.retain ? 4 : 0) + (options.replace ? 8 : 0) + (options.cb ? 16 : 0);
    let id = this._pubOpt(topic, msg, msg.length, how + (options.ttl || 0) * 32, this._told, this._waiting);
    if (id > 0 && options.cb) this._waiting.push({ id: id, cb: options.cb });
    return id;
  },

  _finish: ffi('bool mgos_mqtt_global_finish(int, void (*)(userdata, int), userdata)'),
  _finished: function(ud, left) {
    return ud.cb(left);
  },

  // ## **`MQTT.finish(timeout, cb)`**
  // Disconnects gracefully, before deep sleep or a restart: what is queued is sent and
  // acknowledged, for at most `timeout` milliseconds, then DISCONNECT. Calls `cb(left)` with the
  // number of messages that were not acknowledged. Nothing can be published meanwhile. Returns false
  // if that is under way already, or without memory.
  //
  // ```javascript
  // load('api_mqtt.js');
  // MQTT.finish(5000, function(left) {
  //   print('good night;', left, 'messages left');
  // });
  // ```
  finish: function(timeout, cb) {
    return this._finish(timeout, this._finished, { cb: cb });
  },

  // ## **`MQTT.isConnected()`**
  // True while the connection to the broker is up.
  isConnected: ffi('bool mgos_mqtt_global_is_connected()'),

  // ## **`MQTT.sessionPresent()`**
  // True if the broker has kept the session of the connections before, as it says when it accepts
  // the connection.
  sessionPresent: ffi('bool mgos_mqtt_session_present()'),

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

  RESULT_ACKNOWLEDGED: 0,  // The broker has acknowledged the message.
  RESULT_SENT: 1,  // At QoS 0: the link has taken it.
  RESULT_REPLACED: 2,  // A newer one has taken its place.
  RESULT_EXPIRED: 3,  // It was not sent in its time.
  RESULT_GIVEN_UP: 4,  // It was given up; it may have arrived.
  RESULT_LOST: 5,  // At QoS 0: the connection ended before.
  RESULT_FREED: 6,  // The connection was freed.

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
