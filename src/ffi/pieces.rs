//! Messages that are delivered in pieces, as they come in: also those that exceed the receive limit.

use super::connection::{Connection, ConnectionRef, Feature, Handler, Hook, Incoming, Moment};
use super::hooks;
use super::shim::Log;
use super::token::{Lent, NoApp};
use super::types::{mgos_mqtt_packet, mgos_mqtt_piece};
use crate::heap::OutOfMemory;
use crate::session::NEVER;
use crate::wire::{MessageStart, QoS, message_start};
use core::ffi::c_int;
use core::ptr::null;

static HOOK: Hook = Hook { run, due: |_, _| NEVER };

/// Has subscriptions take messages in pieces from now on.
pub fn install(c: ConnectionRef<'_>, t: &mut NoApp) -> Result<(), OutOfMemory> {
    hooks::install(c, t, Feature::Pieces, &HOOK)?;
    if let Some(hooks) = c.get(t).hooks.get_mut() {
        hooks.whole = Some(whole);
    }
    Ok(())
}

impl Connection {
    fn incoming(&mut self) -> Option<&mut Incoming> {
        let hooks = self.hooks.get_mut()?;
        hooks.incoming.first_value_mut()
    }

    /// What there is to say of the message, without data.
    fn piece(&self) -> Option<mgos_mqtt_piece> {
        let item = self.hooks.get()?.incoming.iter().next()?;
        let &Incoming { first, total, offset, .. } = item.value;
        Some(mgos_mqtt_piece {
            topic: item.bytes.as_ptr().cast(),
            topic_len: item.bytes.len(),
            total,
            offset,
            data: null(),
            len: 0,
            qos: QoS::of_flags(first) as c_int,
            retained: first & 1,
        })
    }

    /// True unless the rest of the message is not wanted, or its subscription is gone.
    fn wants_more(&mut self) -> bool {
        let Connection { core, hooks, .. } = self;
        let Some(item) = hooks.get().and_then(|hooks| hooks.incoming.iter().next()) else { return false };
        !item.value.skips && core.session.take_pieces(item.bytes).any(|handler| handler == item.value.handler)
    }

    fn forget_incoming(&mut self) {
        if let Some(hooks) = self.hooks.get_mut() {
            hooks.incoming.clear();
        }
    }
}

fn run(c: ConnectionRef<'_>, mut t: Lent<'_>, moment: Moment, n: usize) -> bool {
    let t = t.get();
    match moment {
        Moment::Round => tell_of_the_end(c, t),
        Moment::Oversized => return begin(c, t),
        Moment::Piece => next(c, t, n),
        _ => {}
    }
    false
}

/// A message that fits the receive limit, as one piece.
fn whole(c: ConnectionRef<'_>, mut t: Lent<'_>, packet: &mgos_mqtt_packet, handler: Handler) {
    let t = t.get();
    let Some((_, live)) = c.live(t) else { return };
    let received = live.received().0;
    let (Some(topic), Some(payload)) = (received.get(packet.topic_at..), received.get(packet.payload_at..)) else { return };
    let piece = mgos_mqtt_piece {
        topic: topic.as_ptr().cast(),
        topic_len: packet.topic_len,
        total: packet.payload_len,
        offset: 0,
        data: payload.as_ptr().cast(),
        len: packet.payload_len,
        qos: QoS::of_flags(packet.first) as c_int,
        retained: packet.first & 1,
    };
    // SAFETY: the packet is at the front of the receive buffer, where nothing is removed before the
    // handler has returned.
    unsafe { c.call_with_piece(t, handler, &piece) };
}

/// An oversized message is at the front of the receive buffer. True if a subscription takes it.
#[inline(never)]
fn begin(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    let Some((connection, live)) = c.live(t) else { return false };
    let nc = live.id();
    let received = live.received().0;
    // Over WebSocket the rest is still in its frames.
    let buf = received.get(..connection.readable(received.len())).unwrap_or(&[]);
    let Some(message) = message_start(buf) else { return false };
    let Some(handler) = connection.core.session.take_pieces(message.topic).next() else { return false };
    let MessageStart { first, topic, payload_at: before, payload_len: total } = message;
    let incoming = Incoming { handler, nc, first, skips: false, calling: false, before, total, offset: 0 };
    let Some(hooks) = connection.hooks.get_mut() else { return false };
    hooks.incoming.clear();
    if hooks.incoming.push_front(incoming, &[topic]).is_err() {
        c.say(t, Log::NoMemory);
        return false;
    }
    connection.core.session.pieces_started();
    true
}

/// `n` bytes of the message are at the front of the receive buffer.
fn next(c: ConnectionRef<'_>, t: &mut NoApp, n: usize) {
    let Some((connection, live)) = c.live(t) else { return };
    let nc = live.id();
    let Some(&mut Incoming { handler, first, before, total, offset, .. }) = connection.incoming() else { return };
    let passed = before.min(n);
    let len = n - passed;
    let is_exactly_once = QoS::of_flags(first) == QoS::ExactlyOnce;
    // The packet ID has been received, as it is the last before the payload.
    let is_at_payload = passed == before && offset == 0;
    let is_known = is_exactly_once && is_at_payload && connection.core.session.is_known_in_pieces(first);
    let Some(incoming) = connection.incoming() else { return };
    incoming.before -= passed;
    incoming.skips |= is_known;
    if passed < before || len == 0 && total > 0 {
        return;
    }
    let data = live.received().0.get(passed..n).map_or(null(), <[u8]>::as_ptr);
    if connection.wants_more()
        && let Some(piece) = connection.piece()
    {
        if let Some(incoming) = connection.incoming() {
            (incoming.calling, incoming.offset) = (true, offset + len);
        }
        let piece = mgos_mqtt_piece { data: data.cast(), len, ..piece };
        // SAFETY: the topic is in a block that stays while `calling`; the data are at the front of the
        // receive buffer, where nothing is removed before the handler has returned.
        let goes_on = unsafe { c.call_with_piece(t, handler, &piece) };
        if let Some(incoming) = c.get(t).incoming() {
            (incoming.calling, incoming.skips) = (false, !goes_on);
        }
    } else if let Some(incoming) = connection.incoming() {
        incoming.offset = offset + len;
    }
    let connection = c.get(t);
    if connection.nc != Some(nc) {
        return;
    }
    if offset + len < total {
        return;
    }
    connection.forget_incoming();
    connection.counters.received = connection.counters.received.wrapping_add(1);
    if is_exactly_once {
        connection.core.session.pieces_delivered();
    }
}

/// Tells of a message whose connection has ended before its last piece.
fn tell_of_the_end(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    let (nc, is_freed, wants_more) = (connection.nc, connection.is_freed(), connection.wants_more());
    let Some(incoming) = connection.incoming() else { return };
    if is_freed || incoming.calling || nc == Some(incoming.nc) {
        return;
    }
    let handler = incoming.handler;
    incoming.calling = true;
    if wants_more && let Some(piece) = connection.piece() {
        // SAFETY: the topic is in a block that stays while `calling`; there are no data.
        unsafe { c.call_with_piece(t, handler, &piece) };
    }
    c.get(t).forget_incoming();
}
