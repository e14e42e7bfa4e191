//! The sender's table of 4.3.2 and 4.3.3, every state against every acknowledgement.

use super::{Q0, Q1, Q2};
use crate::session::entry::Step::{self, Done, Downgraded, Ignore, ProtocolError, Release, ReleaseAgain};
use crate::session::entry::on_ack;
use crate::session::entry::{DROPPED, DUPLICATE_ACK, PUBREC_SEEN, PUBREC_SEEN_ID_ONLY, QUEUED, SENT, SENT_ID_ONLY, SUBSCRIBE, UNSUBSCRIBE};
use crate::wire::kind::{PUBACK, PUBCOMP, PUBREC, UNSUBACK};

#[test]
fn each_acknowledgement_does_to_each_state_what_the_table_says() {
    #[rustfmt::skip]
    let table = [
        // QoS, state   PUBACK      PUBREC        PUBCOMP     UNSUBACK
        (Q1, QUEUED,     [Ignore,     Ignore,       Ignore,     Ignore]),
        (Q2, QUEUED,     [Ignore,     Ignore,       Ignore,     Ignore]),
        (Q1, SENT,      [Done,       ProtocolError,        ProtocolError,      ProtocolError ]),
        (Q2, SENT,      [Downgraded, Release,      ProtocolError,      ProtocolError ]),
        (Q1, SENT_ID_ONLY,      [Done,       ProtocolError,        ProtocolError,      ProtocolError ]),
        (Q2, SENT_ID_ONLY,      [Downgraded, Release,      ProtocolError,      ProtocolError ]),
        (Q2, PUBREC_SEEN,      [ProtocolError,      ReleaseAgain, Done,       ProtocolError ]),
        (Q2, PUBREC_SEEN_ID_ONLY,  [ProtocolError,      ReleaseAgain, Done,       ProtocolError ]),
        (Q1, DROPPED,   [Ignore,     Ignore,       Ignore,     Ignore]),
        (Q0, SUBSCRIBE, [ProtocolError,      ProtocolError,        ProtocolError,      ProtocolError ]),
        (Q0, UNSUBSCRIBE, [ProtocolError,    ProtocolError,        ProtocolError,      Done  ]),
        (Q0, DUPLICATE_ACK,      [Step::DuplicateAck, Step::DuplicateAck,   Step::DuplicateAck, Step::DuplicateAck]),
    ];
    for (qos, state, steps) in table {
        for (ack, step) in [PUBACK, PUBREC, PUBCOMP, UNSUBACK].into_iter().zip(steps) {
            assert_eq!(on_ack(qos, state, ack), step, "{qos:?} {state:?} {ack:?}");
        }
    }
}
