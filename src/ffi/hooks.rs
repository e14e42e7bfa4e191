//! What features that only some apps use do in the event loop: they are reached through a table that the
//! first call of one allocates.

use super::connection::{Connection, ConnectionRef, Feature, Hook, Hooks};
use super::token::NoApp;
use crate::heap::{List, OutOfMemory};
use crate::session::{Millis, NEVER, earlier};

/// Stores the hook of a feature.
pub fn install(c: ConnectionRef<'_>, t: &mut NoApp, feature: Feature, hook: &'static Hook) -> Result<(), OutOfMemory> {
    let hooks = c.get(t).hooks.get_or_alloc(|| Hooks {
        run: run_all,
        due: all_due,
        of: [None; 5],
        pieces: None,
        incoming: List::new(),
        uploads: None,
        upload: List::new(),
        lifted: List::new(),
        lifted_len: 0,
        queue_file: None,
        finish: None,
    })?;
    hooks.of[feature as usize] = Some(hook);
    Ok(())
}

/// Runs the hooks, if there are any.
pub fn run(c: ConnectionRef<'_>, t: &mut NoApp) {
    if let Some(run) = c.look(t).hooks.get().map(|hooks| hooks.run) {
        run(c, t);
    }
}

/// Runs the hook of one feature.
pub fn run_one(c: ConnectionRef<'_>, t: &mut NoApp, feature: Feature) {
    if let Some(hook) = c.look(t).hooks.get().and_then(|hooks| hooks.of[feature as usize]) {
        (hook.run)(c, t);
    }
}

/// Has what has changed written to the file of the queue, now.
pub fn commit(c: ConnectionRef<'_>, t: &mut NoApp) {
    if let Some(commit) = c.look(t).hooks.get().and_then(|hooks| hooks.queue_file.as_ref()).map(|file| file.commit) {
        commit(c, t);
    }
}

/// The same, if that is not to wait: before a caller or the broker relies on it.
pub fn commit_first(c: ConnectionRef<'_>, t: &mut NoApp) {
    if c.look(t).hooks.get().is_some_and(|hooks| hooks.queue_file.as_ref().is_some_and(|file| file.delay == 0)) {
        commit(c, t);
    }
}

fn run_all(c: ConnectionRef<'_>, t: &mut NoApp) {
    run_one(c, t, Feature::Outcomes);
    run_one(c, t, Feature::Pieces);
    run_one(c, t, Feature::Uploads);
    run_one(c, t, Feature::QueueFile);
    run_one(c, t, Feature::Finish);
}

fn all_due(connection: &Connection, now: Millis) -> Millis {
    let hooks = connection.hooks.get().filter(|_| !connection.is_freed());
    let hooks = hooks.iter().flat_map(|hooks| &hooks.of).flatten();
    hooks.fold(NEVER, |at, hook| earlier(at, (hook.due)(connection, now)))
}
