/*
 * Aedes as a program: node server.js CONFIG.json, written by e2e/kit/src/aedes.rs. Aedes is a
 * library; this adds listeners, a password and a database. Everything specific to a scenario is in
 * CONFIG.json.
 */

import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { Aedes } from 'aedes'
import persistence from 'aedes-persistence-level'
import { ClassicLevel } from 'classic-level'
import { createWebSocketStream, WebSocketServer } from 'ws'

const config = JSON.parse(readFileSync(process.argv[2]))

const options = {}
if (config.data) options.persistence = persistence(new ClassicLevel(config.data))
if (config.login) {
  options.authenticate = (client, user, password, done) => {
    if (user === config.login.user && String(password) === config.login.password) return done(null, true)
    // CONNACK code 5.
    done(Object.assign(new Error('not authorized'), { returnCode: 5 }), false)
  }
}
if (config.refused) {
  // Null instead of a subscription: SUBACK code 0x80.
  options.authorizeSubscribe = (client, subscription, done) => done(null, subscription.topic.startsWith(config.refused) ? null : subscription)
}
const broker = await Aedes.createBroker(options)
broker.on('client', client => console.log(`${client.id} has come`))
broker.on('clientDisconnect', client => console.log(`${client.id} has gone`))
broker.on('clientError', (client, error) => console.log(`${client.id}: ${error.message}`))
broker.on('connectionError', (client, error) => console.log(`${client.id}: no connection: ${error.message}`))

const { plain, app } = config
net.createServer(broker.handle).listen(plain.port, plain.host)
if (app) server().listen(app.port, app.host)

function server () {
  const certificate = app.cert && { cert: readFileSync(app.cert), key: readFileSync(app.key) }
  let found
  if (app.websocket) {
    found = certificate ? https.createServer(certificate) : http.createServer()
    const sockets = new WebSocketServer({ server: found, path: '/mqtt' })
    sockets.on('connection', (socket, request) => broker.handle(createWebSocketStream(socket), request))
  } else if (app.psk) {
    const { identity, key } = app.psk
    const pskCallback = (socket, who) => who === identity ? Buffer.from(key, 'hex') : null
    found = tls.createServer({ pskCallback, pskIdentityHint: 'interop', ciphers: 'PSK' }, broker.handle)
  } else {
    const asked = app.ca && { ca: readFileSync(app.ca), requestCert: true, rejectUnauthorized: true }
    found = tls.createServer({ ...certificate, ...asked }, broker.handle)
  }
  found.on('tlsClientError', error => console.log(`TLS: ${error.message}`))
  return found
}
