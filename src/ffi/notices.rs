//! What the app is told without having asked: log lines about messages and subscriptions as they
//! happen, and the library's own events, gathered for a second.

use super::app::Line;
use super::clock::now;
use super::connection::{Connection, ConnectionRef};
use super::shim::Log;
use super::token::NoApp;
use super::types::mgos_mqtt_event;
use crate::LOGS;
use crate::session::{GivenUp, Millis, Notice, reached};

/// What the app is to be told of is gathered for this long, milliseconds.
const EPISODE: u32 = 1000;

/// Logs what the session has to say, and notes what the app is to be told by an event.
#[inline(never)]
pub fn log_notices(c: ConnectionRef<'_>, t: &mut NoApp) {
    if c.look(t).core.session.may_have_notices() {
        log_all(c, t);
    }
}

#[cold]
#[inline(never)]
fn log_all(c: ConnectionRef<'_>, t: &mut NoApp) {
    while c.log_found(t, |connection, _| next_line(connection)) {}
}

fn next_line(connection: &mut Connection) -> Option<Line<'_>> {
    let Connection { core, set_aside, subs_refused, overflow_logged, .. } = connection;
    let none: &[u8] = &[];
    let (what, text, a, b) = match core.session.notice()? {
        Notice::Overdue(id) => (Some(Log::Overdue), none, id.get(), 0),
        Notice::SubscribeOverdue => (Some(Log::SubOverdue), none, 0, 0),
        Notice::SubscribeUnanswered { filter } => (Some(Log::SubUnanswered), filter, 0, 0),
        Notice::SetAside { id, topic, size } => {
            set_aside.add(id.get());
            (Some(Log::SetAside), topic, id.get(), size)
        }
        Notice::SubscriptionSetAside { filter } => {
            *subs_refused = subs_refused.saturating_add(1);
            (Some(Log::SubSetAside), filter, 0, 0)
        }
        Notice::Dropped { id, topic } => {
            // The first; the event then says how many there were.
            let is_first = LOGS && !core::mem::replace(overflow_logged, true);
            (is_first.then_some(Log::Overflow), topic, id.get(), 0)
        }
        Notice::GivenUpAside { id, topic } => (Some(Log::GivenUpAside), topic, id.get(), 0),
        Notice::SessionPresent => (Some(Log::SessionPresent), none, 0, 0),
    };
    Some(Line { what, text, a: a as i32, b: b as i32 })
}

impl Connection {
    /// True if the app is to be told of something by an event.
    #[inline(always)]
    pub fn has_events(&self) -> bool {
        let told = self.subs_refused > 0 || self.set_aside.count > 0;
        !self.is_freed() && (told || self.core.session.has_given_up())
    }

    /// When the events are to be raised, as there are some.
    pub fn events_deadline(&mut self) -> Millis {
        if self.events_at == 0 {
            self.events_at = now().wrapping_add(EPISODE).max(1);
        }
        self.events_at
    }
}

/// The event loop goes round: tells the app what has become of messages and subscriptions, once for
/// all that has come together.
pub fn raise_events(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    if connection.events_at == 0 || !connection.has_events() || !reached(now(), connection.events_at) {
        return;
    }
    connection.events_at = 0;
    let given_up = connection.core.session.take_given_up();
    let logged = core::mem::take(&mut connection.overflow_logged);
    let set_aside = core::mem::take(&mut connection.set_aside);
    let refused = core::mem::take(&mut connection.subs_refused) as u32;
    if LOGS && given_up.count > logged as u16 {
        let ids = (given_up.first as u32) << 16 | given_up.last as u32;
        c.log(t, Log::GivenUp, given_up.count as i32, ids as i32);
    }
    let mut tell = |which, of: GivenUp| c.event(t, which, of.count as u32, [of.first, of.last]);
    tell(mgos_mqtt_event::GivenUp, given_up);
    tell(mgos_mqtt_event::SetAside, set_aside);
    c.event(t, mgos_mqtt_event::SubRefused, refused, [0, 0]);
}
