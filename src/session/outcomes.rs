//! The outcome of outgoing messages: how many were given up, and what became of each watched one.
//!
//! A message is watched if its publisher asked for its outcome, gave it a lifetime, or lets a newer
//! one replace it. The watches are allocated by the first such message, and the functions that
//! update them are reached through pointers stored with them, so that firmware that never asks does
//! not contain them.

use super::keep_alive::{Millis, NEVER, earlier};
use super::outbox::Outbox;
use super::types::{GivenUp, Outcome};
use crate::heap::{CursorList, Lazy, OutOfMemory};
use crate::wire::PacketId;

/// Lifetimes are updated at least this often, in milliseconds, so that no comparison of timestamps
/// spans more than half their range.
const MAX_SWEEP_INTERVAL: u32 = 3_600_000;

/// What a watch waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    /// The acknowledgement of a message at QoS 1 or 2.
    Acknowledged,
    /// The link has taken all bytes up to the end of a QoS 0 message.
    Transmitted,
    /// Nothing: the outcome is to be reported.
    Reported(Outcome),
}

/// A watched message.
#[derive(Clone, Copy)]
struct Watch<H: Copy> {
    handler: H,
    until: Until,
    id: u16,
    replaceable: bool,
    has_lifetime: bool,
    /// Milliseconds left of the lifetime; at QoS 0, bytes that the link has not taken yet.
    left: u32,
}

impl<H: Copy> Watch<H> {
    /// Returns true from a QoS 0 message's acceptance until it is written.
    fn is_being_written(&self) -> bool {
        self.until == Until::Transmitted && self.left == u32::MAX
    }

    /// Returns true if the message awaits its acknowledgement and has a lifetime.
    fn is_limited(&self) -> bool {
        self.has_lifetime && self.until == Until::Acknowledged
    }
}

/// What the publisher of a watched message asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchOptions<H: Copy> {
    /// Whom to tell the outcome.
    pub handler: H,
    /// After this many milliseconds the message is dropped unless it was sent; 0 for no limit.
    pub lifetime: u32,
    /// A newer message with the same topic and this option replaces the message unless it was sent.
    pub replace: bool,
}

/// The functions that update watches.
struct Functions<H: Copy> {
    settle: fn(&mut Watches<H>, u16, Outcome),
    settle_all: fn(&mut Watches<H>, Outcome),
    transmitted: fn(&mut Watches<H>, usize),
    link_ended: fn(&mut Watches<H>),
    sweep: fn(&mut Outbox<H>, Millis),
}

/// All watches of a session.
struct Watches<H: Copy> {
    list: CursorList<Watch<H>>,
    functions: Functions<H>,
    /// Watches with an outcome to report.
    settled: u16,
    /// When the lifetimes were last updated.
    swept_at: Millis,
    /// When to update them next.
    sweep_at: Millis,
}

/// The outcomes of a session's messages.
pub struct Outcomes<H: Copy> {
    /// Messages given up since the app was last told.
    given_up: GivenUp,
    watches: Lazy<Watches<H>>,
}

impl<H: Copy> Outcomes<H> {
    /// No messages yet.
    pub const NEW: Self = Outcomes { given_up: GivenUp::NONE, watches: Lazy::EMPTY };

    /// The message with this packet ID was given up.
    pub fn give_up(&mut self, id: u16) {
        self.given_up.add(id);
        self.settle(id, Outcome::GivenUp);
    }

    /// The message with this packet ID has come to an end.
    pub fn settle(&mut self, id: u16, outcome: Outcome) {
        if let Some(watches) = self.watches.get_mut() {
            (watches.functions.settle)(watches, id, outcome);
        }
    }

    /// All messages have come to an end.
    pub fn settle_all(&mut self, outcome: Outcome) {
        self.given_up = GivenUp::NONE;
        if let Some(watches) = self.watches.get_mut() {
            (watches.functions.settle_all)(watches, outcome);
        }
    }

    /// The link has taken this many bytes.
    pub fn transmitted(&mut self, bytes: usize) {
        if let Some(watches) = self.watches.get_mut() {
            (watches.functions.transmitted)(watches, bytes);
        }
    }

    /// The link is gone, with the bytes that it had not taken.
    pub fn link_ended(&mut self) {
        if let Some(watches) = self.watches.get_mut() {
            (watches.functions.link_ended)(watches);
        }
    }

    /// Returns the number of messages given up since the app was last told.
    pub fn given_up(&self) -> u16 {
        self.given_up.count
    }

    /// Returns the messages given up since the last call.
    pub fn take_given_up(&mut self) -> GivenUp {
        core::mem::replace(&mut self.given_up, GivenUp::NONE)
    }

    /// Returns the number of outcomes to report.
    pub fn num_settled(&self) -> u16 {
        self.watches.get().map_or(0, |watches| watches.settled)
    }

    /// Returns when something is to be done: now, if there are outcomes to report.
    pub fn due(&self, now: Millis) -> Millis {
        self.watches.get().map_or(NEVER, |watches| if watches.settled > 0 { now.max(1) } else { watches.sweep_at })
    }

    /// Returns the function that updates the lifetimes, if any message is watched.
    pub fn sweep_function(&self) -> Option<fn(&mut Outbox<H>, Millis)> {
        self.watches.get().map(|watches| watches.functions.sweep)
    }

    /// Watches the message with this packet ID, which is about to be published and is to be
    /// acknowledged or not.
    pub fn watch(&mut self, id: PacketId, acknowledged: bool, options: WatchOptions<H>, now: Millis) -> Result<(), OutOfMemory> {
        let WatchOptions { handler, lifetime, replace } = options;
        let watches = self.watches.get_or_alloc(|| Watches::NEW)?;
        let mut watch = Watch {
            handler,
            until: if acknowledged { Until::Acknowledged } else { Until::Transmitted },
            id: id.get(),
            replaceable: replace,
            has_lifetime: acknowledged && lifetime != 0,
            left: u32::MAX,
        };
        if watches.sweep_at == NEVER {
            watches.swept_at = now;
        }
        if watch.has_lifetime {
            // As if it had lived since the last sweep.
            watch.left = lifetime.saturating_add(now.wrapping_sub(watches.swept_at));
        }
        watches.list.push_back(watch, &[])?;
        if watch.has_lifetime {
            watches.sweep_at = earlier(watches.sweep_at, now.wrapping_add(lifetime.min(MAX_SWEEP_INTERVAL)).max(1));
        }
        Ok(())
    }

    /// The message with this packet ID was refused.
    pub fn refused(&mut self, id: u16) {
        let Some(watches) = self.watches.get_mut() else { return };
        // Not one at QoS 0 from long before, which may have had the same packet ID.
        let is_it = |w: &Watch<H>| w.id == id && (w.until == Until::Acknowledged || w.is_being_written());
        if let Some(found) = watches.list.find(|w| is_it(w.value)) {
            found.remove();
        }
    }

    /// A watched QoS 0 message was written; with it, this many bytes wait for the link.
    pub fn written(&mut self, id: PacketId, unsent: usize) {
        let Some(watches) = self.watches.get_mut() else { return };
        if let Some(mut found) = watches.list.find(|w| w.value.id == id.get() && w.value.is_being_written()) {
            found.value().left = unsent as u32;
            Watches::transmitted(watches, 0);
        }
    }

    /// Returns true if a newer message may replace the one with this packet ID.
    pub fn is_replaceable(&self, id: u16) -> bool {
        let is_it = |w: &Watch<H>| w.replaceable && w.id == id && w.until == Until::Acknowledged;
        self.watches.get().is_some_and(|watches| watches.list.iter().any(|w| is_it(w.value)))
    }

    /// Returns how many milliseconds are left of the lifetime of the message with this packet ID, as
    /// of the last sweep, at least one; 0 if it has none.
    pub fn lifetime_left(&self, id: u16) -> u32 {
        let watch = self.watches.get().and_then(|watches| watches.list.iter().find(|w| w.value.id == id && w.value.is_limited()));
        watch.map_or(0, |w| w.value.left.max(1))
    }

    /// Returns the next outcome to report, that of the oldest message first: the packet ID, the
    /// outcome, and whom to tell.
    pub fn take_settled(&mut self) -> Option<(u16, Outcome, H)> {
        let watches = self.watches.get_mut()?;
        let found = watches.list.find(|w| matches!(w.value.until, Until::Reported(_)))?;
        let Watch { until: Until::Reported(outcome), id, handler, .. } = found.with(|w, _| *w) else { return None };
        found.remove();
        watches.settled -= 1;
        Some((id, outcome, handler))
    }
}

impl<H: Copy> Watches<H> {
    const FUNCTIONS: Functions<H> = Functions {
        settle: Self::settle,
        settle_all: Self::settle_all,
        transmitted: Self::transmitted,
        link_ended: Self::link_ended,
        sweep,
    };

    const NEW: Self = Watches { list: CursorList::new(), functions: Self::FUNCTIONS, settled: 0, swept_at: 0, sweep_at: NEVER };

    fn settle_where(&mut self, outcome: Outcome, ends: impl Fn(&Watch<H>) -> bool) {
        let settled = &mut self.settled;
        self.list.for_each(|w, _| {
            if ends(w) {
                w.until = Until::Reported(outcome);
                *settled += 1;
            }
        });
    }

    fn settle(&mut self, id: u16, outcome: Outcome) {
        self.settle_where(outcome, |w| w.id == id && w.until == Until::Acknowledged);
    }

    fn settle_all(&mut self, outcome: Outcome) {
        self.settle_where(outcome, |w| matches!(w.until, Until::Acknowledged | Until::Transmitted));
    }

    fn transmitted(&mut self, bytes: usize) {
        self.list.for_each(|w, _| {
            if w.until == Until::Transmitted && !w.is_being_written() {
                w.left = w.left.saturating_sub(bytes as u32);
            }
        });
        self.settle_where(Outcome::Sent, |w| w.until == Until::Transmitted && w.left == 0);
    }

    fn link_ended(&mut self) {
        self.settle_where(Outcome::Lost, |w| w.until == Until::Transmitted);
    }
}

/// Updates the lifetimes, and drops each message that has outlived its own unless it was sent.
fn sweep<H: Copy>(outbox: &mut Outbox<H>, now: Millis) {
    let Some(watches) = outbox.outcomes.watches.get_mut() else { return };
    let elapsed = now.wrapping_sub(core::mem::replace(&mut watches.swept_at, now));
    watches.list.for_each(|w, _| {
        if w.is_limited() {
            w.left = w.left.saturating_sub(elapsed);
        }
    });
    while let Some(id) = first_expired(outbox) {
        outbox.forget(id, !0);
        outbox.outcomes.settle(id.get(), Outcome::Expired);
    }
    let Some(watches) = outbox.outcomes.watches.get_mut() else { return };
    watches.sweep_at = NEVER;
    for w in watches.list.iter().map(|w| w.value).filter(|w| w.is_limited() && w.left > 0) {
        watches.sweep_at = earlier(watches.sweep_at, now.wrapping_add(w.left.min(MAX_SWEEP_INTERVAL)).max(1));
    }
}

/// Finds a message that has outlived its lifetime and was not sent.
fn first_expired<H: Copy>(outbox: &Outbox<H>) -> Option<PacketId> {
    let watches = outbox.outcomes.watches.get()?;
    let mut over = watches.list.iter().map(|w| w.value).filter(|w| w.is_limited() && w.left == 0);
    over.find(|w| outbox.is_unsent(w.id)).and_then(|w| PacketId::new(w.id))
}
