//! What features that only some apps use do in the event loop: they are reached through a table that the
//! first call of one allocates.

use super::connection::{Connection, ConnectionRef, Feature, Hook, Hooks, Moment};
use super::token::{Lent, NoApp};
use crate::heap::{CursorList, List, OutOfMemory};
use crate::session::{Millis, NEVER, earlier};

/// Stores the hook of a feature.
pub fn install(c: ConnectionRef<'_>, t: &mut NoApp, feature: Feature, hook: &'static Hook) -> Result<(), OutOfMemory> {
    let hooks = c.get(t).hooks.get_or_alloc(|| Hooks {
        run: run_all,
        due: all_due,
        of: [None; 5],
        whole: None,
        incoming: List::new(),
        lift: None,
        upload: List::new(),
        lifted: CursorList::new(),
        lifted_len: 0,
        queue_file: None,
        finish: None,
    })?;
    hooks.of[feature as usize] = Some(hook);
    Ok(())
}

/// Runs the hooks, if there are any. True if one of them says so; `n` and what that means: [`Moment`].
#[inline(always)]
pub fn run(c: ConnectionRef<'_>, t: &mut NoApp, moment: Moment, n: usize) -> bool {
    c.look(t).hooks.get().is_some() && run_now(c, t, moment, n)
}

#[inline(never)]
fn run_now(c: ConnectionRef<'_>, t: &mut NoApp, moment: Moment, n: usize) -> bool {
    c.look(t).hooks.get().map(|hooks| hooks.run).is_some_and(|run| run(c, t.lend(), moment, n))
}

fn run_all(c: ConnectionRef<'_>, mut t: Lent<'_>, moment: Moment, n: usize) -> bool {
    let t = t.get();
    let mut answer = false;
    for feature in 0..5 {
        // Looked up each time, as one hook may install another.
        let hook = c.look(t).hooks.get().and_then(|hooks| hooks.of.get(feature).copied().flatten());
        answer |= hook.is_some_and(|hook| (hook.run)(c, t.lend(), moment, n));
    }
    answer
}

fn all_due(connection: &Connection, now: Millis) -> Millis {
    let hooks = connection.hooks.get().filter(|_| !connection.is_freed());
    let hooks = hooks.iter().flat_map(|hooks| &hooks.of).flatten();
    hooks.fold(NEVER, |at, hook| earlier(at, (hook.due)(connection, now)))
}
