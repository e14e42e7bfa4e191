//! What end-to-end tests stand on: real brokers on loopback and their certificates, clients that
//! observe, and links that break.

pub mod aedes;
pub mod amqtt;
pub mod broker;
pub mod mosquitto;
pub mod observer;
pub mod proxy;
pub mod rabbitmq;
pub mod rumqttd;
pub mod transport;
pub mod web;
pub mod workdir;
