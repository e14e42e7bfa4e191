//! The phases of a soak: each lets one kind of trouble happen while messages go both ways, then has all of it end, waits until what is under way has
//! arrived, and counts. What may be lost is said here, phase by phase, and nothing else may.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::app::{App, Place};
use super::broker::{Broker, DOORS};
use super::ledger::{Ledger, Tally, WAYS, Way};
use super::names::{Mood, Names};
use super::proxy::Proxy;
use super::watch::Watch;
use super::witness::Witness;

/// What happens in a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Connections come to all the ends that the proxy knows.
    Cuts,
    /// Names can't be looked up, while connections are cut.
    Names,
    /// The broker ends in order and comes back, in the middle of everything.
    Restart,
    /// The broker is killed, and comes back with what it knew.
    Crash,
    /// The broker is killed, and comes back knowing nothing.
    Amnesia,
    /// The app publishes more than its queue takes while nothing passes.
    Flood,
}

impl Phase {
    pub const ALL: [Phase; 6] = [Phase::Cuts, Phase::Names, Phase::Restart, Phase::Crash, Phase::Amnesia, Phase::Flood];

    /// In turn, over and over, and the session with them: what has had the one in a turn has the other in the next. A flood over
    /// each kind of connection comes first, so that the heap has been as full as it gets.
    pub fn number(n: usize) -> (Phase, Session) {
        const TURN: [(Phase, Session); 8] = [
            (Phase::Cuts, Session::Kept),
            (Phase::Restart, Session::Clean),
            (Phase::Names, Session::Kept),
            (Phase::Cuts, Session::Clean),
            (Phase::Crash, Session::Clean),
            (Phase::Amnesia, Session::Kept),
            (Phase::Cuts, Session::Kept),
            (Phase::Flood, Session::Clean),
        ];
        if n < 3 {
            return (Phase::Flood, if n == 1 { Session::Clean } else { Session::Kept });
        }
        let (phase, session) = TURN[(n - 3) % TURN.len()];
        (phase, if ((n - 3) / TURN.len()).is_multiple_of(2) { session } else { session.other() })
    }

    pub fn name(self) -> &'static str {
        match self {
            Phase::Cuts => "cuts",
            Phase::Names => "names",
            Phase::Restart => "restart",
            Phase::Crash => "crash",
            Phase::Amnesia => "amnesia",
            Phase::Flood => "flood",
        }
    }
}

/// The phase that ends the first turn: a flood over TLS, when the allocator has what it keeps for itself. No heap is fuller.
pub const FIRST_TURN: usize = 10;

/// The app's, with the broker: `mqtt.clean_session` false, or true, which is the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session {
    Kept,
    /// It ends with each connection.
    Clean,
}

impl Session {
    pub const ALL: [Session; 2] = [Session::Kept, Session::Clean];

    /// As in the app's control file.
    pub fn name(self) -> &'static str {
        match self {
            Session::Kept => "kept",
            Session::Clean => "clean",
        }
    }

    fn other(self) -> Session {
        match self {
            Session::Kept => Session::Clean,
            Session::Clean => Session::Kept,
        }
    }
}

/// No phase waits longer for anything: only what hangs gets there.
const LIMIT: Duration = Duration::from_secs(60);

/// Tallies by direction and QoS.
pub type Tallies = [[Tally; 3]; 2];

/// Losses and repetitions that a phase has declared, and for what reason.
#[derive(Clone, Copy, Default, Debug)]
pub struct Declared {
    /// Given up, and the app was told: at QoS 1 and 2 together.
    pub given_up: u32,
    /// Released by the app and not completed when the session was lost, at QoS 2: the broker may have passed it on.
    pub released: u32,
    /// Published for the app and not yet passed on when the session was lost, by QoS.
    pub stored: [u32; 3],
}

/// All that takes part.
pub struct Stage {
    pub app: App,
    pub broker: Broker,
    pub proxy: Arc<Proxy>,
    pub names: Names,
    pub witness: Witness,
    pub ledger: Arc<Ledger>,
    pub watch: Arc<Watch>,
    pub restarts: u32,
    pub crashes: u32,
    pub amnesias: u32,
    pub floods: u32,
}

impl Stage {
    /// Hold a phase over one kind of connection, and judge it.
    pub fn hold(&mut self, phase: Phase, session: Session, door: usize, random: &mut fastrand::Rng) -> Result<(Tallies, Declared)> {
        let place = Place { way: DOORS[door].name(), port: self.proxy.doors[door].port(), session };
        let mut declared = Declared::default();
        let given_up = self.app.given_up();
        self.witness.forgets(session == Session::Clean);
        let serial = self.app.order("run", place)?;
        self.wait("to begin", |stage| {
            let state = stage.app.state();
            state.serial == serial && state.ready
        })?;
        self.app.released();
        self.witness.publish(true);
        let rough = matches!(phase, Phase::Cuts | Phase::Names | Phase::Restart);
        self.proxy.rough(rough);
        if rough {
            // This one was begun in fair weather, and would stay.
            self.proxy.cut_all();
        }
        match phase {
            Phase::Cuts => self.sleep(10.0)?,
            Phase::Names => self.spoil_names(random)?,
            Phase::Restart => {
                for _ in 0..2 {
                    self.sleep(1.0 + random.f64())?;
                    self.restart()?;
                }
                self.sleep(0.5)?;
            }
            Phase::Crash => {
                for _ in 0..2 {
                    self.sleep(1.0 + random.f64())?;
                    self.crash()?;
                }
                self.sleep(0.5)?;
            }
            Phase::Amnesia => {
                for _ in 0..2 {
                    self.sleep(1.0 + random.f64())?;
                    self.lose_sessions(session, &mut declared)?;
                }
                self.sleep(0.5)?;
            }
            Phase::Flood => {
                self.sleep(0.5)?;
                // With a connection that takes nothing more, or without one.
                self.proxy.freeze(true);
                // At first without, as a TLS handshake beside a full queue is what takes most of the heap.
                if self.floods < 3 || random.bool() {
                    self.proxy.cut_all();
                }
                self.floods += 1;
                let overflows = self.app.overflows();
                self.app.order("flood", place)?;
                self.wait("for the queue to overflow", |stage| stage.app.overflows() > overflows)?;
                // Some more.
                self.sleep(0.1)?;
            }
        }
        let tallies = self.settle(place)?;
        if session == Session::Clean {
            declared.released += self.app.released();
            // Whatever was published while the app was away.
            declared.stored = tallies[Way::In as usize].map(|tally| tally.lost);
        }
        if phase == Phase::Flood {
            // The app is told once a second.
            self.sleep(1.2)?;
        }
        declared.given_up = self.app.given_up() - given_up;
        for what in judge(&tallies, &declared) {
            self.ledger.bad(format!("{} over {}, session {}: {what}", phase.name(), place.way, session.name()));
        }
        Ok((tallies, declared))
    }

    /// End all trouble, wait until all is where it belongs, and count it.
    fn settle(&mut self, place: Place) -> Result<Tallies> {
        self.names.set(Mood::Answers);
        self.proxy.rough(false);
        self.proxy.freeze(false);
        self.witness.publish(false);
        let serial = self.app.order("rest", place)?;
        self.wait("for the app to be rid of its messages", |stage| {
            let state = stage.app.state();
            state.serial == serial && state.ready && state.unsent == 0 && stage.witness.is_settled()
        })?;
        let serial = self.app.order("mark", place)?;
        self.witness.mark(serial);
        self.wait("for the last messages to arrive", |stage| stage.ledger.marked(serial) && stage.app.state().serial == serial)?;
        let state = self.app.state();
        Ok(WAYS.map(|way| {
            [0, 1, 2].map(|qos: u8| {
                let sent = if way == Way::Out { state.next[usize::from(qos)] } else { self.witness.next(qos) };
                self.ledger.close(way, qos, sent)
            })
        }))
    }

    fn spoil_names(&mut self, random: &mut fastrand::Rng) -> Result<()> {
        for mood in [Mood::Denies, Mood::Silent, Mood::Fails, Mood::Silent] {
            self.names.set(mood);
            self.sleep(0.5 + 1.5 * random.f64())?;
            self.names.set(Mood::Answers);
            self.sleep(0.7)?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.broker.end()?;
        self.back(|_| Ok(()))?;
        self.restarts += 1;
        Ok(())
    }

    /// Nothing passes any more between app and broker, and the broker has passed on to the witness all that it has.
    fn quiet(&mut self) -> Result<()> {
        self.proxy.freeze(true);
        self.witness.publish(false);
        self.wait("for the witness to be rid of its messages", |stage| stage.witness.is_settled())?;
        // The broker takes one packet of a client at a time, and answers the witness as often.
        self.witness.ping(100);
        self.wait("for the broker to answer", |stage| stage.witness.has_pinged() && stage.witness.is_settled())
    }

    fn crash(&mut self) -> Result<()> {
        self.quiet()?;
        self.broker.save()?;
        self.broker.kill();
        self.back(|_| Ok(()))?;
        self.proxy.freeze(false);
        self.witness.publish(true);
        self.crashes += 1;
        Ok(())
    }

    fn lose_sessions(&mut self, session: Session, declared: &mut Declared) -> Result<()> {
        self.quiet()?;
        let (subscribed, lost) = (self.app.subscribed(), self.witness.lost_sessions());
        for qos in [1, 2] {
            // With those that it has forgotten before.
            declared.stored[usize::from(qos)] = self.ledger.missing(Way::In, qos, 0, self.witness.next(qos));
        }
        let released = self.app.released();
        if session == Session::Clean {
            declared.released += released;
        }
        self.broker.kill();
        self.back(Broker::forget)?;
        // The witness has subscribed again: from now on, nothing that the app publishes goes past it.
        self.proxy.freeze(false);
        self.wait("for the app to subscribe again", |stage| stage.app.subscribed() > subscribed)?;
        declared.released += self.app.released();
        if self.witness.lost_sessions() == lost {
            bail!("the broker has forgotten nothing");
        }
        self.witness.publish(true);
        self.amnesias += 1;
        Ok(())
    }

    /// The broker has gone: start it again, and wait until the witness is there.
    fn back(&mut self, between: impl FnOnce(&Broker) -> Result<()>) -> Result<()> {
        self.wait("for the witness to notice", |stage| !stage.witness.is_ready())?;
        between(&self.broker)?;
        self.broker.start_again()?;
        self.watch.hindered("the broker was away");
        self.wait("for the witness to come back", |stage| stage.witness.is_ready())
    }

    fn sleep(&mut self, seconds: f64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        self.wait("", |_| Instant::now() >= until)
    }

    /// Wait for it, and see that the app lives. Public for the beginning.
    pub fn wait(&mut self, what: &str, mut done: impl FnMut(&Stage) -> bool) -> Result<()> {
        let end = Instant::now() + LIMIT;
        while !done(self) {
            if let Some(status) = self.app.ended()? {
                bail!("the app has ended ({status}) while waiting {what}");
            }
            if Instant::now() > end {
                bail!("waited {what}, in vain; the app: {:?}; the witness settled: {}", self.app.state(), self.witness.is_settled());
            }
            thread::sleep(Duration::from_millis(3));
        }
        Ok(())
    }
}

/// What is not as promised.
fn judge(tallies: &Tallies, declared: &Declared) -> Vec<String> {
    let mut bad = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            bad.push(what);
        }
    };
    for (way, flows) in WAYS.iter().zip(tallies) {
        for (qos, tally) in flows.iter().enumerate() {
            let most = if *way == Way::Out && qos == 2 { declared.released } else { 0 };
            let what = format!("{} messages at QoS {qos} ({way:?}) came more than once, {most} were released", tally.twice);
            hold(qos == 1 || tally.twice <= most, what);
            // Each that was given up in flight has let another one go beyond the 20 that mosquitto takes in order: see docs/interop.md.
            let most = if *way == Way::Out && qos > 0 { declared.given_up } else { 0 };
            let (late, newest) = tally.late.unwrap_or_default();
            let what = format!("{} messages at QoS {qos} ({way:?}) came out of order, first {late} behind {newest}", tally.disordered);
            hold(tally.disordered <= most, what);
        }
    }
    let [out, inward] = tallies;
    let most = declared.given_up;
    hold(
        out[1].lost + out[2].lost <= most,
        format!("{} and {} messages at QoS 1 and 2 (Out) are lost, {most} were given up", out[1].lost, out[2].lost),
    );
    for (qos, &most) in declared.stored.iter().enumerate().skip(1) {
        hold(inward[qos].lost <= most, format!("{} messages at QoS {qos} (In) are lost, the broker forgot {most}", inward[qos].lost));
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_needs_a_declared_cause() {
        let mut tallies = Tallies::default();
        assert!(judge(&tallies, &Declared::default()).is_empty());
        tallies[Way::Out as usize][1].lost = 2;
        assert_eq!(judge(&tallies, &Declared::default()).len(), 1);
        assert_eq!(judge(&tallies, &Declared { released: 2, ..Declared::default() }).len(), 1, "what was released is sent again");
        assert!(judge(&tallies, &Declared { given_up: 2, ..Declared::default() }).is_empty());
        let mut tallies = Tallies::default();
        tallies[Way::In as usize][2].lost = 1;
        assert_eq!(judge(&tallies, &Declared { given_up: 5, released: 5, stored: [0, 5, 0] }).len(), 1);
    }

    #[test]
    fn at_qos_2_nothing_may_come_twice_within_a_session_and_nothing_out_of_order() {
        let mut tallies = Tallies::default();
        tallies[Way::In as usize][1].twice = 3;
        assert!(judge(&tallies, &Declared::default()).is_empty());
        tallies[Way::In as usize][2].twice = 1;
        tallies[Way::Out as usize][0].disordered = 1;
        assert_eq!(judge(&tallies, &Declared::default()).len(), 2);
        let mut tallies = Tallies::default();
        tallies[Way::Out as usize][2].twice = 2;
        assert!(judge(&tallies, &Declared { released: 2, ..Declared::default() }).is_empty());
        assert_eq!(judge(&tallies, &Declared { released: 1, ..Declared::default() }).len(), 1);
    }
}
