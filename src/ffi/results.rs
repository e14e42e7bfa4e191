//! What became of single messages, told to those who asked when they published them.

use super::clock::now;
use super::connection::{ConnectionRef, Hook, Moment};
use super::pump::arm;
use super::token::{Lent, NoApp};
use super::types::mgos_mqtt_result;
use crate::session::{NEVER, Outcome, reached};
use core::ffi::c_int;

pub static HOOK: Hook = Hook { run, due: |connection, now| connection.core.session.outcome_due(now) };

fn run(c: ConnectionRef<'_>, mut t: Lent<'_>, moment: Moment, _: usize) -> bool {
    let t = t.get();
    if moment == Moment::Round {
        report(c, t);
    }
    false
}

/// Tells the outcomes there are. Those that come about meanwhile follow in the next round of the event
/// loop, so that an app that publishes whenever it is told something does not stay in here.
fn report(c: ConnectionRef<'_>, t: &mut NoApp) {
    let (session, now) = (&mut c.get(t).core.session, now());
    let due = session.outcome_due(now);
    if due == NEVER || !reached(now, due) {
        return;
    }
    session.sweep(now);
    for _ in 0..c.look(t).core.session.num_settled() {
        let Some((id, outcome, handler)) = c.get(t).core.session.take_settled() else { break };
        c.call_result(t, handler, id, result(outcome) as c_int);
    }
    if !c.look(t).is_freed() {
        arm(c, t);
    }
}

fn result(outcome: Outcome) -> mgos_mqtt_result {
    match outcome {
        Outcome::Acknowledged => mgos_mqtt_result::Acknowledged,
        Outcome::Sent => mgos_mqtt_result::Sent,
        Outcome::Replaced => mgos_mqtt_result::Replaced,
        Outcome::Expired => mgos_mqtt_result::Expired,
        Outcome::GivenUp => mgos_mqtt_result::GivenUp,
        Outcome::Lost => mgos_mqtt_result::Lost,
        Outcome::Freed => mgos_mqtt_result::Freed,
    }
}
