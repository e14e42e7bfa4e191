//! The sender's table of 4.3.2 and 4.3.3, every state against every acknowledgement.

use super::{Q0, Q1, Q2};
use crate::session::entry::Step::{self, Done, Downgraded, Ignore, Release, ReleaseAgain, Wrong};
use crate::session::entry::on_ack;
use crate::session::entry::{BARE, DROPPED, ECHO, FRESH, HELD, RELEASED, SENT, SUBSCRIBE, UNSUBSCRIBE};
use crate::wire::kind::{PUBACK, PUBCOMP, PUBREC, UNSUBACK};

#[test]
fn each_acknowledgement_does_to_each_state_what_the_table_says() {
    #[rustfmt::skip]
    let table = [
        // QoS, state   PUBACK      PUBREC        PUBCOMP     UNSUBACK
        (Q1, FRESH,     [Ignore,     Ignore,       Ignore,     Ignore]),
        (Q2, FRESH,     [Ignore,     Ignore,       Ignore,     Ignore]),
        (Q1, SENT,      [Done,       Wrong,        Wrong,      Wrong ]),
        (Q2, SENT,      [Downgraded, Release,      Wrong,      Wrong ]),
        (Q1, BARE,      [Done,       Wrong,        Wrong,      Wrong ]),
        (Q2, BARE,      [Downgraded, Release,      Wrong,      Wrong ]),
        (Q2, HELD,      [Wrong,      ReleaseAgain, Done,       Wrong ]),
        (Q2, RELEASED,  [Wrong,      ReleaseAgain, Done,       Wrong ]),
        (Q1, DROPPED,   [Ignore,     Ignore,       Ignore,     Ignore]),
        (Q0, SUBSCRIBE, [Wrong,      Wrong,        Wrong,      Wrong ]),
        (Q0, UNSUBSCRIBE, [Wrong,    Wrong,        Wrong,      Done  ]),
        (Q0, ECHO,      [Step::Echo, Step::Echo,   Step::Echo, Step::Echo]),
    ];
    for (qos, state, steps) in table {
        for (ack, step) in [PUBACK, PUBREC, PUBCOMP, UNSUBACK].into_iter().zip(steps) {
            assert_eq!(on_ack(qos, state, ack), step, "{qos:?} {state:?} {ack:?}");
        }
    }
}
