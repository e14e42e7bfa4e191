//! One Mongoose connection of the stand-in, and the broker at its other end, which answers what it is told.
//! Not here: when what happens to them (loop.rs), and the functions that the pump calls (seam.rs).

extern crate std;

use super::super::types::{mg_connection, mgos_mqtt_conn};
use core::cell::{Cell, RefCell};
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

/// What Mongoose's own MQTT functions work on.
pub struct Proto {
    pub keep_alive: u16,
    /// The app has sent something by itself.
    pub app_sent: bool,
}

/// What `struct mg_connection *` points to here.
pub struct Nc {
    /// No other has this number.
    pub serial: usize,
    pub recv: Vec<u8>,
    pub send: Vec<u8>,
    pub limit: usize,
    pub connected: bool,
    pub close_now: bool,
    pub close_after_sending: bool,
    /// Mongoose's handler of HTTP stands between, until the pump takes over.
    pub http: bool,
    /// Mongoose has asked for WebSocket.
    pub is_websocket: bool,
    /// Mongoose's own data are where those of its MQTT functions belong.
    pub foreign: bool,
    pub proto: Option<Proto>,
    pub owner: *mut mgos_mqtt_conn,
    pub broker: Broker,
}

impl Nc {
    pub fn open(owner: *mut mgos_mqtt_conn, limit: usize, ws: bool) -> *mut mg_connection {
        let proto = if ws { None } else { Some(Proto { keep_alive: 0, app_sent: false }) };
        SERIAL.set(SERIAL.get() + 1);
        let nc = Nc {
            serial: SERIAL.get(),
            recv: vec![],
            send: vec![],
            limit,
            connected: false,
            close_now: false,
            close_after_sending: false,
            http: ws,
            is_websocket: false,
            foreign: ws,
            proto,
            owner,
            broker: Broker { ws, ..Broker::default() },
        };
        let place = if REUSES.get() { GONE.with_borrow_mut(Vec::pop) } else { None };
        let nc = match place {
            Some(mut place) => {
                *place = nc;
                Box::into_raw(place)
            }
            None => Box::into_raw(Box::new(nc)),
        };
        let nc = nc.cast();
        ALIVE.with_borrow_mut(|alive| alive.push(nc));
        nc
    }

    /// What Mongoose's MQTT functions work on. They, and the library, must not look for it where
    /// something else is.
    pub fn proto(&mut self) -> Option<&mut Proto> {
        assert!(!self.foreign, "Mongoose's own data are taken for those of its MQTT functions");
        self.proto.as_mut()
    }

    /// What the app writes by itself, as by mg_send().
    pub fn write(&mut self, bytes: &[u8]) {
        self.send.extend_from_slice(bytes);
        if let Some(proto) = &mut self.proto {
            proto.app_sent = true;
        }
    }
}

std::thread_local! {
    static SERIAL: Cell<usize> = const { Cell::new(0) };
    /// The connections that have not been freed.
    static ALIVE: RefCell<Vec<*mut mg_connection>> = const { RefCell::new(vec![]) };
    /// A new connection comes to lie where the last one was, as is usual on a device.
    static REUSES: Cell<bool> = const { Cell::new(false) };
    /// Those that have: in their boxes, as others come to lie where they were only if told so.
    #[allow(clippy::vec_box)]
    static GONE: RefCell<Vec<Box<Nc>>> = const { RefCell::new(vec![]) };
}

/// The connection behind the pointer, until the library or the app is called again. It stops the
/// test if that has been freed.
pub fn at<'a>(nc: *mut mg_connection) -> &'a mut Nc {
    assert!(ALIVE.with_borrow(|alive| alive.contains(&nc)), "a Mongoose connection is used that is gone");
    // SAFETY: it came from `Nc::open` and has not been freed; nobody keeps what this returns.
    unsafe { &mut *nc.cast::<Nc>() }
}

/// True if it has not been freed.
#[allow(dead_code)] // The contract of the seam asks.
pub fn is_alive(nc: *mut mg_connection) -> bool {
    ALIVE.with_borrow(|alive| alive.contains(&nc))
}

/// A test begins or ends.
pub fn forget_all() {
    ALIVE.take();
    GONE.take();
    REUSES.set(false);
}

/// From now on a new connection comes to lie where the last one was, if that is gone.
#[allow(dead_code)] // Not for the contract of the seam.
pub fn reuse_addresses() {
    REUSES.set(true);
}

/// Ends a connection.
pub fn free(nc: *mut mg_connection) {
    ALIVE.with_borrow_mut(|alive| alive.retain(|&other| other != nc));
    // SAFETY: it came from `Nc::open`, and is not used again.
    let gone = unsafe { Box::from_raw(nc.cast::<Nc>()) };
    // Another connection at its address would hide that this one is still used. Miri knows by itself.
    if !cfg!(miri) || REUSES.get() {
        GONE.with_borrow_mut(|all| all.push(gone));
    }
}

/// How the broker behaves; the world has one for all connections that are to come.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Session present, and return code.
    pub connack: [u8; 2],
    /// It sends nothing by itself.
    pub mute: bool,
    /// Bytes in each WebSocket frame that it sends.
    pub frame: usize,
}

/// The other end of one connection.
#[derive(Default)]
pub struct Broker {
    pub ws: bool,
    /// The request for WebSocket has come; the answer has not been dealt with.
    pub asked_for_ws: bool,
    upgraded: bool,
    raw: Vec<u8>,
    mqtt: Vec<u8>,
    /// What has come in, packet by packet.
    heard: Vec<Vec<u8>>,
    /// What of that nobody has asked for yet.
    pub fresh: Vec<Vec<u8>>,
    /// Control frames that have come in, over WebSocket: opcode and payload.
    pub frames: Vec<(u8, Vec<u8>)>,
    /// What is on its way to the client.
    pub says: Vec<u8>,
    /// It has closed the connection, or lost it.
    pub gone: bool,
    /// Where it is there, all that comes in is put there, whatever it is, and nothing is answered.
    pub bytes: Option<Vec<u8>>,
    accepted: bool,
}

impl Broker {
    /// Bytes have come in.
    pub fn hear(&mut self, bytes: &[u8], manner: Manner) {
        if let Some(all) = &mut self.bytes {
            return all.extend_from_slice(bytes);
        }
        if self.ws && !self.upgraded {
            assert_eq!(bytes, b"GET");
            self.asked_for_ws = true;
            self.upgraded = true;
            return;
        }
        if self.ws {
            self.raw.extend_from_slice(bytes);
            self.unframe();
        } else {
            self.mqtt.extend_from_slice(bytes);
        }
        while let Some(packet) = first_packet(&mut self.mqtt) {
            self.judge(&packet);
            if !manner.mute {
                self.answer(&packet, manner);
            }
            self.fresh.push(packet.clone());
            self.heard.push(packet);
        }
    }

    fn unframe(&mut self) {
        loop {
            let &[first, second, ref rest @ ..] = &self.raw[..] else { return };
            assert!(second & 0x80 != 0, "a client masks");
            let (head, len) = match second & 0x7f {
                126 if rest.len() < 2 => return,
                126 => (2, u16::from_be_bytes([rest[0], rest[1]]) as usize),
                127 => panic!("no frame here is so long"),
                len => (0, len as usize),
            };
            let Some(mask) = rest.get(head..head + 4) else { return };
            let Some(payload) = rest.get(head + 4..head + 4 + len) else { return };
            let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
            self.raw.drain(..2 + head + 4 + len);
            if first == 0x82 {
                self.mqtt.extend(payload);
            } else {
                self.frames.push((first & 15, payload));
            }
        }
    }

    /// What holds of every packet, whatever the app does.
    fn judge(&self, packet: &[u8]) {
        let kind = packet[0] >> 4;
        assert_eq!(kind == 1, self.heard.is_empty(), "CONNECT first and once: {packet:02x?} after {:02x?}", self.heard);
        assert!(self.heard.last().is_none_or(|last| last[0] != 0xe0), "nothing after DISCONNECT: {packet:02x?}");
        assert!(matches!(kind, 1 | 14) || self.accepted, "nothing before CONNACK: {packet:02x?}");
        let flags = match kind {
            3 => packet[0] & 15,
            6 | 8 | 10 => 2,
            _ => 0,
        };
        assert_eq!(packet[0] & 15, flags, "{packet:02x?}");
        if matches!(kind, 4..=8 | 10) {
            assert_ne!(packet[2..4], [0, 0], "{packet:02x?}");
        }
    }

    fn answer(&mut self, packet: &[u8], manner: Manner) {
        let id = |at: usize| [packet[at], packet[at + 1]];
        match packet[0] >> 4 {
            1 => self.accept(manner),
            3 if packet[0] & 6 > 0 => {
                let head = 2 + packet[1..].iter().take_while(|&&b| b & 0x80 != 0).count();
                let [a, b] = id(head + 2 + u16::from_be_bytes(id(head)) as usize);
                self.say(&[if packet[0] & 2 > 0 { 0x40 } else { 0x50 }, 2, a, b], manner);
            }
            5 => self.say(&[0x62, 2, packet[2], packet[3]], manner),
            6 => self.say(&[0x70, 2, packet[2], packet[3]], manner),
            8 => self.say(&[0x90, 3, packet[2], packet[3], packet[packet.len() - 1]], manner),
            10 => self.say(&[0xb0, 2, packet[2], packet[3]], manner),
            12 => self.say(&[0xd0, 0], manner),
            14 => self.gone = true,
            _ => {}
        }
    }

    /// CONNACK.
    pub fn accept(&mut self, manner: Manner) {
        let [present, code] = manner.connack;
        self.accepted = code == 0;
        self.say(&[0x20, 2, present, code], manner);
    }

    /// Sends MQTT.
    pub fn say(&mut self, bytes: &[u8], manner: Manner) {
        if !self.ws {
            return self.says.extend_from_slice(bytes);
        }
        for piece in bytes.chunks(manner.frame.min(125)) {
            self.says.extend([0x82, piece.len() as u8]);
            self.says.extend_from_slice(piece);
        }
    }
}

/// Takes the first packet away, if it is there whole.
fn first_packet(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (mut len, mut shift, mut at) = (0, 0, 1);
    loop {
        let &byte = bytes.get(at)?;
        len |= (byte as usize & 0x7f) << shift;
        (shift, at) = (shift + 7, at + 1);
        if byte & 0x80 == 0 {
            break;
        }
    }
    if bytes.len() < at + len {
        return None;
    }
    Some(bytes.drain(..at + len).collect())
}
