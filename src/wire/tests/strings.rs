//! Strings (1.5.3): the validator against `core`'s, over all short sequences.

extern crate std;

use crate::wire::utf8::valid;

/// What `valid` is to say: `core` knows well-formed UTF-8, MQTT adds U+0000.
fn reference(s: &[u8]) -> bool {
    core::str::from_utf8(s).is_ok() && !s.contains(&0)
}

/// Which of all bytes are tried; under Miri, which takes a thousand times as long, not each.
const STEP: usize = if cfg!(miri) { 37 } else { 1 };

#[track_caller]
fn same(s: &[u8]) {
    if valid(s) != reference(s) {
        panic!("{s:02x?}: {} was expected", reference(s));
    }
}

#[test]
fn mqtt_1_5_3_1_all_sequences_of_up_to_three_bytes_are_judged_as_core_does() {
    same(&[]);
    for a in (0..=255).step_by(STEP) {
        same(&[a]);
        for b in (0..=255).step_by(STEP) {
            same(&[a, b]);
            for c in (0..=255).step_by(STEP) {
                same(&[a, b, c]);
            }
        }
    }
}

#[test]
fn mqtt_1_5_3_1_four_bytes_are_judged_as_core_does() {
    // What begins with a byte that starts no sequence of four splits into shorter ones, covered
    // above.
    let edges = [0, 1, 0x2b, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbe, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xf0, 0xf4, 0xff];
    for a in (0xe0..=255).step_by(STEP.min(16)) {
        for b in (0..=255).step_by(STEP) {
            for c in (0..=255).step_by(STEP) {
                for d in edges {
                    same(&[a, b, c, d]);
                }
            }
        }
    }
}

#[test]
fn mqtt_1_5_3_1_surrogates_are_refused() {
    assert!(valid(b"\xed\x9f\xbf") && valid(b"\xee\x80\x80"));
    for high in 0xa0..=0xbf {
        assert!(!valid(&[b'a', 0xed, high, 0x80]));
    }
}

#[test]
fn mqtt_1_5_3_2_the_null_character_is_refused() {
    for s in [&b"\0"[..], b"a\0", b"\0a", b"a\0b", b"a\xc0\x80"] {
        assert!(!valid(s), "{s:02x?}");
    }
}

#[test]
fn mqtt_1_5_3_3_a_byte_order_mark_is_data() {
    assert!(valid(b"\xef\xbb\xbf") && valid(b"\xef\xbb\xbfa") && valid(b"a\xef\xbb\xbf"));
    assert!(!super::super::matches(b"a", b"\xef\xbb\xbfa"), "it is not skipped");
}

#[test]
fn every_character_is_valid_but_not_cut_short() {
    for c in ('\u{1}'..=char::MAX).step_by(STEP * STEP) {
        let mut buf = [0; 4];
        let s = c.encode_utf8(&mut buf).as_bytes();
        assert!(valid(s), "{c:?}");
        for n in 1..s.len() {
            assert!(!valid(&s[..n]) && !valid(&s[n..]), "{c:?}");
        }
    }
}
