//! Which faults the proxy injects into the connections of the soak test, drawn from a seed. Not here:
//! when faults are enabled (faults.rs), and what they do (e2e/kit/src/proxy.rs).

use test_kit::proxy::{Fault, Plan};

/// Probability of each, in percent.
pub const FAULTS: [(Fault, u32); 9] = [
    (Fault::Cut, 40),
    (Fault::Reset, 19),
    (Fault::CutInHandshake, 11),
    (Fault::ResetInHandshake, 9),
    (Fault::Refused, 5),
    (Fault::HalfOpen, 2),
    (Fault::Stall, 4),
    (Fault::Delay, 5),
    (Fault::Bytewise, 5),
];

/// Minimum of bytes on a connection that should survive the handshake.
const SHORTEST: f64 = 60.0;

/// `handshake_bytes` is the approximate number of bytes before MQTT on each endpoint. `longest` is
/// the maximum of bytes on a faulty connection.
pub fn plan(seed: u64, longest: u32, handshake_bytes: Vec<u32>) -> Plan {
    let mut random = fastrand::Rng::with_seed(seed);
    Box::new(move |endpoint| {
        let mut n = random.u32(..100);
        let fault = FAULTS.iter().find(|(_, weight)| {
            let hit = n < *weight;
            n = n.wrapping_sub(*weight);
            hit
        });
        let fault = fault.map_or(Fault::Cut, |(fault, _)| *fault);
        let handshake = handshake_bytes[endpoint];
        let bytes = match fault {
            Fault::CutInHandshake | Fault::ResetInHandshake => random.u32(..handshake + 60),
            // Log-uniform: between 100 and 200 bytes as often as between 10,000 and 20,000, since
            // retransmissions alone need some.
            _ => handshake + (SHORTEST * (f64::from(longest) / SHORTEST).powf(random.f64())) as u32,
        };
        (fault, bytes.into())
    })
}
