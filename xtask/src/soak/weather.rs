//! The phases of a soak: each lets one kind of trouble happen while messages go both ways, then has all of it end, waits until what is under way has
//! arrived, and counts. What may be lost is said here, phase by phase, and nothing else may.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::app::App;
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

    /// In turn, over and over. A flood over each kind of connection comes first, so that the heap has been as full as it gets.
    pub fn number(n: usize) -> Phase {
        const TURN: [Phase; 8] =
            [Phase::Cuts, Phase::Restart, Phase::Names, Phase::Cuts, Phase::Crash, Phase::Amnesia, Phase::Cuts, Phase::Flood];
        if n < 3 { Phase::Flood } else { TURN[(n - 3) % TURN.len()] }
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

/// No phase waits longer for anything: only what hangs gets there.
const LIMIT: Duration = Duration::from_secs(60);

/// Tallies by direction and QoS.
pub type Tallies = [[Tally; 3]; 2];

/// Losses and repetitions that a phase has declared, and for what reason.
#[derive(Clone, Copy, Default, Debug)]
pub struct Declared {
    /// Given up by the app's full queue, and logged: at QoS 1 and 2 together.
    pub overflows: u32,
    /// With the broker's memory: released by the app and not completed, at QoS 2. The app sends
    /// them anew, and the broker may have passed them on already.
    pub released: u32,
    /// With the broker's memory: published for the app and not yet passed on, by QoS.
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
    pub fn hold(&mut self, phase: Phase, door: usize, random: &mut fastrand::Rng) -> Result<(Tallies, Declared)> {
        let (way, port) = (DOORS[door].name(), self.proxy.doors[door].port());
        let mut declared = Declared::default();
        let overflows = self.app.overflows();
        let serial = self.app.order("run", way, port)?;
        self.wait("to begin", |stage| {
            let state = stage.app.state();
            state.serial == serial && state.connected && stage.app.subscribed() > 0
        })?;
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
                    self.lose_sessions(&mut declared)?;
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
                self.app.order("flood", way, port)?;
                self.wait("for the queue to overflow", |stage| stage.app.overflows() > overflows + 40)?;
            }
        }
        let tallies = self.settle(way, port)?;
        declared.overflows = self.app.overflows() - overflows;
        for what in judge(&tallies, &declared) {
            self.ledger.bad(format!("{} over {way}: {what}", phase.name()));
        }
        Ok((tallies, declared))
    }

    /// End all trouble, wait until all is where it belongs, and count it.
    fn settle(&mut self, way: &str, port: u16) -> Result<Tallies> {
        self.names.set(Mood::Answers);
        self.proxy.rough(false);
        self.proxy.freeze(false);
        self.witness.publish(false);
        let serial = self.app.order("rest", way, port)?;
        self.wait("for the app to be rid of its messages", |stage| {
            let state = stage.app.state();
            state.serial == serial && state.connected && state.unsent == 0 && stage.witness.is_settled()
        })?;
        let serial = self.app.order("mark", way, port)?;
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

    fn lose_sessions(&mut self, declared: &mut Declared) -> Result<()> {
        self.quiet()?;
        let (subscribed, lost) = (self.app.subscribed(), self.witness.lost_sessions());
        for qos in [1, 2] {
            // With those that it has forgotten before.
            declared.stored[usize::from(qos)] = self.ledger.missing(Way::In, qos, self.witness.next(qos));
        }
        self.app.released();
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
            hold(qos == 1 || tally.twice <= most, format!("{} messages at QoS {qos} ({way:?}) came more than once", tally.twice));
            // Each that was given up in flight has let another one go beyond the 20 that mosquitto takes in order: see docs/interop.md.
            let most = if *way == Way::Out && qos > 0 { declared.overflows } else { 0 };
            let (late, newest) = tally.late.unwrap_or_default();
            let what = format!("{} messages at QoS {qos} ({way:?}) came out of order, first {late} behind {newest}", tally.disordered);
            hold(tally.disordered <= most, what);
        }
    }
    let [out, inward] = tallies;
    let most = declared.overflows;
    hold(
        out[1].lost + out[2].lost <= most,
        format!("{} and {} messages at QoS 1 and 2 (Out) are lost, {declared:?}", out[1].lost, out[2].lost),
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
        assert_eq!(judge(&tallies, &Declared { released: 2, ..Declared::default() }).len(), 1, "what was released is sent anew");
        assert!(judge(&tallies, &Declared { overflows: 2, ..Declared::default() }).is_empty());
        let mut tallies = Tallies::default();
        tallies[Way::In as usize][2].lost = 1;
        assert_eq!(judge(&tallies, &Declared { overflows: 5, released: 5, stored: [0, 5, 0] }).len(), 1);
    }

    #[test]
    fn at_qos_2_nothing_may_come_twice_and_nothing_out_of_order() {
        let mut tallies = Tallies::default();
        tallies[Way::In as usize][1].twice = 3;
        assert!(judge(&tallies, &Declared::default()).is_empty());
        tallies[Way::In as usize][2].twice = 1;
        tallies[Way::Out as usize][0].disordered = 1;
        assert_eq!(judge(&tallies, &Declared::default()).len(), 2);
    }

    #[test]
    fn over_a_lost_session_what_was_released_may_come_twice() {
        let mut tallies = Tallies::default();
        tallies[Way::Out as usize][2].twice = 2;
        assert_eq!(judge(&tallies, &Declared { released: 1, ..Declared::default() }).len(), 1);
        assert!(judge(&tallies, &Declared { released: 2, ..Declared::default() }).is_empty());
    }
}
