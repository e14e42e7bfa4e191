//! Resolves host names: each lookup blocks a thread of its own, wakes the loop when it is done, and
//! is processed in the next round.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex},
    thread,
};

use polling::Poller;

use crate::{abi::*, alloc_faults, clock, conn, connect, io as conn_io, log::log, mgr::Mgr, name_server, sync::lock};

/// Results not processed yet, with the key of the requesting connection.
pub(crate) type Answers = Arc<Mutex<Vec<(usize, io::Result<Vec<SocketAddr>>)>>>;

/// Starts a lookup.
pub(crate) fn begin(host: String, port: u16, key: usize, answers: Answers, poller: Arc<Poller>) -> io::Result<()> {
    let look_up = move || {
        let found = match name_server::chosen() {
            Some(server) => name_server::ask(server, &host, port),
            None => (host.as_str(), port).to_socket_addrs().map(Iterator::collect),
        };
        lock(&answers).push((key, found));
        // If this fails, the result waits for the round's time limit.
        let _ = poller.notify();
    };
    alloc_faults::exempt(|| thread::Builder::new().name("look-up".to_owned()).spawn(look_up).map(drop))
}

/// Continues connections whose lookup is complete or timed out.
pub(crate) fn deliver(mgr: Mgr) {
    let answers = mgr.state(|m| std::mem::take(&mut *lock(&m.answers)));
    for (key, answer) in answers {
        let asked = mgr.state(|m| {
            let at = m.resolving.iter().position(|c| c.state(|s| s.key) == key)?;
            Some(m.resolving.remove(at))
        });
        // `None` if it was closed meanwhile.
        let Some(conn) = asked else { continue };
        match answer {
            Ok(addrs) if !addrs.is_empty() => connect::begin(conn, addrs),
            Ok(_) => {
                log!(Error, "{:?} host has no address", conn.ptr());
                connect::look_up_failed(conn);
            }
            Err(e) => {
                log!(Error, "{:?} host not found: {e}", conn.ptr());
                connect::look_up_failed(conn);
            }
        }
    }
    let now = clock::wall();
    for conn in mgr.state(|m| m.resolving.clone()) {
        let late = conn.timer() > 0.0 && now >= conn.timer();
        if !late && !conn_io::closes(conn) {
            continue;
        }
        // A handler may have run a round that processed it already.
        let ours = mgr.state(|m| {
            let at = m.resolving.iter().position(|c| *c == conn)?;
            Some(m.resolving.remove(at))
        });
        if ours.is_none() {
            continue;
        }
        conn.clear(F_RESOLVING);
        if late {
            conn_io::fire_timer(conn, now);
            connect::look_up_failed(conn);
        } else {
            conn::finish(conn);
        }
    }
}
