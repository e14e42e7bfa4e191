//! The graceful disconnect that an app asks for before deep sleep, an update or a restart: what is
//! queued goes out and is acknowledged, then DISCONNECT, then the app is told.

use super::clock::now;
use super::connection::{Connection, ConnectionRef, Feature, Finish, FinishStage, Handler, Hook, Moment};
use super::hooks;
use super::lifecycle;
use super::pump::{arm, close_now};
use super::shim::Log;
use super::token::{Lent, NoApp};
use super::types::Reason;
use crate::session::{Millis, NEVER, reached};
use core::ffi::c_int;

static HOOK: Hook =
    Hook { run, due: |connection, _| connection.hooks.get().and_then(|hooks| hooks.finish).map_or(NEVER, |finish| finish.at) };

/// How long DISCONNECT may take when the app's time is up, milliseconds.
const LAST_WORDS: u32 = 1000;

/// A time that far ahead, at most half the range of the clock.
fn after(ms: u32, now: Millis) -> Millis {
    now.wrapping_add(ms.min(i32::MAX as u32)).max(1)
}

/// Begins to finish. False if that is under way already, or without memory.
pub fn finish(c: ConnectionRef<'_>, t: &mut NoApp, timeout: u32, callback: Handler) -> bool {
    let connection = c.get(t);
    if connection.is_freed() || connection.finish().is_some() {
        return false;
    }
    let now = now();
    let begun = hooks::install(c, t, Feature::Finish, &HOOK).is_ok();
    if let Some(hooks) = c.get(t).hooks.get_mut() {
        let limit = after(timeout, now);
        hooks.finish = Some(Finish { callback, at: now.max(1), stage: FinishStage::Draining, limit, left: 0 });
    }
    arm(c, t);
    let connection = c.get(t);
    // With neither a timer nor the events of a connection, `step` would never be called.
    if begun && (connection.timer != 0 || connection.nc.is_some()) {
        return true;
    }
    if let Some(hooks) = connection.hooks.get_mut() {
        hooks.finish = None;
    }
    c.say(t, Log::NoMemory);
    false
}

impl Connection {
    /// True if nothing more is to be waited for.
    fn is_drained(&self, limit: Millis) -> bool {
        !self.core.is_wanted() || reached(now(), limit) || self.core.session.is_drained() && !self.has_upload()
    }

    fn has_upload(&self) -> bool {
        self.hooks.get().is_some_and(|hooks| !hooks.upload.is_empty())
    }

    /// How many messages were neither acknowledged nor given up.
    fn num_left(&self) -> u16 {
        self.core.session.unacknowledged() + self.has_upload() as u16
    }
}

/// True to `Moment::Publishing` while the app may not publish.
fn run(c: ConnectionRef<'_>, mut t: Lent<'_>, moment: Moment, _: usize) -> bool {
    let t = t.get();
    if matches!(moment, Moment::Round | Moment::Freeing) {
        step(c, t);
    }
    moment == Moment::Publishing && c.get(t).finish().is_some()
}

/// Brings it forward, if anything can be done.
fn step(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    let left = connection.num_left();
    let is_freed = connection.is_freed();
    let Some(&mut Finish { stage, limit, .. }) = connection.finish() else { return };
    match stage {
        FinishStage::Freed => return done(c, t),
        _ if is_freed => {
            if let Some(finish) = connection.finish() {
                (finish.stage, finish.left) = (FinishStage::Freed, left);
            }
            return;
        }
        FinishStage::Draining if connection.is_drained(limit) => {
            let nc = connection.nc;
            if let Some(finish) = connection.finish() {
                (finish.stage, finish.at) = (FinishStage::Closing(nc), after(LAST_WORDS, now()));
            }
            lifecycle::disconnect(c, t);
        }
        FinishStage::Draining => wait(c, t, limit),
        FinishStage::Closing(_) => {}
    }
    closing(c, t);
}

/// The connection is being closed: whether it is gone.
fn closing(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    let left = connection.num_left();
    let (nc, is_pending) = (connection.nc, connection.close_pending);
    let Some(finish) = connection.finish() else { return };
    let FinishStage::Closing(closing) = finish.stage else { return };
    if is_pending || nc.is_some() && nc == closing {
        if finish.at != NEVER && reached(now(), finish.at) {
            finish.at = NEVER;
            close_now(c, t, Reason::Asked);
        }
        return;
    }
    finish.left = left;
    hooks::run(c, t, Moment::Leaving, 0);
    done(c, t);
}

/// Looks again at this time, or when something happens.
fn wait(c: ConnectionRef<'_>, t: &mut NoApp, at: Millis) {
    if let Some(finish) = c.get(t).finish() {
        finish.at = at;
    }
    arm(c, t);
}

/// Tells the app, which may publish again.
fn done(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some(Finish { callback, left, .. }) = c.get(t).hooks.get_mut().and_then(|hooks| hooks.finish.take()) else { return };
    c.call_finished(t, callback, left as c_int);
}
