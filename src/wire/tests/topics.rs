//! Topic names and filters (4.7): the standard's own examples, and all short ones against a slow
//! and plain matcher.

extern crate std;

use crate::wire::{TopicError, check_filter, check_name, matches};
use std::vec;
use std::vec::Vec;

fn levels(s: &[u8]) -> Vec<&[u8]> {
    s.split(|&b| b == b'/').collect()
}

/// 4.7.1 word for word, level by level.
fn reference(filter: &[u8], name: &[u8]) -> bool {
    let (f, n) = (levels(filter), levels(name));
    if name.starts_with(b"$") && (f[0] == b"+" || f[0] == b"#") {
        return false;
    }
    if f.last() == Some(&&b"#"[..]) {
        let parent = &f[..f.len() - 1];
        return n.len() >= parent.len() && parent.iter().zip(&n).all(|(f, n)| *f == b"+" || f == n);
    }
    f.len() == n.len() && f.iter().zip(&n).all(|(f, n)| *f == b"+" || f == n)
}

/// All strings over `alphabet` up to `len` bytes long, from one up.
fn strings(alphabet: &[u8], len: usize) -> Vec<Vec<u8>> {
    let mut all = vec![vec![]];
    let mut from = 0;
    for _ in 0..len {
        let upto = all.len();
        for i in from..upto {
            for &b in alphabet {
                let mut s = all[i].clone();
                s.push(b);
                all.push(s);
            }
        }
        from = upto;
    }
    all.remove(0);
    all
}

fn filter_is_right(f: &[u8]) -> bool {
    let l = levels(f);
    !f.is_empty()
        && l.iter().enumerate().all(|(i, level)| match level {
            [b'+'] => true,
            [b'#'] => i + 1 == l.len(),
            _ => !level.contains(&b'+') && !level.contains(&b'#'),
        })
}

#[test]
fn all_short_filters_match_all_short_names_as_the_plain_matcher_says() {
    // Miri takes a thousand times as long.
    let len = if cfg!(miri) { 3 } else { 5 };
    let filters: Vec<_> = strings(b"a/+#$", len).into_iter().filter(|f| filter_is_right(f)).collect();
    let names = strings(b"a/b$", len);
    assert!(filters.len() > if cfg!(miri) { 10 } else { 400 });
    for f in &filters {
        for n in &names {
            if matches(f, n) != reference(f, n) {
                panic!("{:?} {:?}: {} was expected", f.escape_ascii(), n.escape_ascii(), reference(f, n));
            }
        }
    }
}

#[test]
fn mqtt_4_7_1_2_and_3_wildcards_are_judged_as_the_plain_rule_says() {
    for f in strings(b"a/+#", if cfg!(miri) { 4 } else { 7 }) {
        assert_eq!(check_filter(&f).is_ok(), filter_is_right(&f), "{}", f.escape_ascii());
    }
}

#[test]
fn mqtt_4_7_1_1_a_name_has_no_wildcards() {
    for n in strings(b"a/+#", 5) {
        assert_eq!(check_name(&n).is_ok(), !n.contains(&b'+') && !n.contains(&b'#'));
    }
}

#[test]
fn mqtt_4_7_1_2_number_sign_is_last_and_a_level_of_its_own() {
    for f in [&b"#"[..], b"/#", b"sport/tennis/#", b"+/#", b"a//#"] {
        assert_eq!(check_filter(f), Ok(false), "{}", f.escape_ascii());
    }
    for f in [&b"sport/tennis#"[..], b"sport/tennis/#/ranking", b"#/", b"##", b"a/#b", b"#+"] {
        assert_eq!(check_filter(f), Err(TopicError::Wildcard), "{}", f.escape_ascii());
    }
}

#[test]
fn mqtt_4_7_1_3_plus_is_a_level_of_its_own() {
    for f in [&b"+"[..], b"+/tennis/#", b"/+", b"sport/+/player1", b"+/+", b"a//+"] {
        assert_eq!(check_filter(f), Ok(false), "{}", f.escape_ascii());
    }
    for f in [&b"sport+"[..], b"+sport", b"a/+b/c", b"++", b"+#"] {
        assert_eq!(check_filter(f), Err(TopicError::Wildcard), "{}", f.escape_ascii());
    }
}

#[test]
fn mqtt_4_7_2_1_a_leading_wildcard_does_not_match_a_dollar_topic() {
    for (f, n) in [("#", "$SYS/a"), ("+/monitor/Clients", "$SYS/monitor/Clients"), ("+", "$SYS"), ("#", "$"), ("+/#", "$SYS")] {
        assert!(!matches(f.as_bytes(), n.as_bytes()), "{f} {n}");
    }
    for (f, n) in
        [("$SYS/#", "$SYS/monitor/Clients"), ("$SYS/monitor/+", "$SYS/monitor/Clients"), ("a/+", "a/$b"), ("a/#", "a/$b"), ("#", "a$")]
    {
        assert!(matches(f.as_bytes(), n.as_bytes()), "{f} {n}");
    }
}

#[test]
fn control_characters_are_seen_wherever_they_stand() {
    let odd = |c: char| matches!(c, '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}');
    for c in ('\u{1}'..='\u{a0}').chain(['\u{d7ff}', '\u{2080}', '\u{10ffff}']).filter(|c| !matches!(c, '+' | '#')) {
        for before in 0..18 {
            for after in [0, 1, 9] {
                let s = ["x".repeat(before), c.into(), "y".repeat(after)].concat();
                let seen = Ok(odd(c));
                assert_eq!((check_name(s.as_bytes()), check_filter(s.as_bytes())), (seen, seen), "{s:?}");
            }
        }
    }
}

#[test]
fn mqtt_4_7_3_1_names_and_filters_have_at_least_one_character() {
    assert_eq!((check_name(b""), check_filter(b"")), (Err(TopicError::Empty), Err(TopicError::Empty)));
    for s in [&b"/"[..], b" ", b"a"] {
        assert_eq!((check_name(s), check_filter(s)), (Ok(false), Ok(false)));
    }
}

#[test]
fn mqtt_4_7_3_2_names_and_filters_have_no_null_character() {
    for s in [&b"\0"[..], b"a\0", b"a/\0/b"] {
        assert_eq!((check_name(s), check_filter(s)), (Err(TopicError::NotUtf8), Err(TopicError::NotUtf8)));
    }
}

#[test]
fn mqtt_4_7_3_3_names_and_filters_have_at_most_65535_bytes() {
    let s = vec![b'a'; 65_536];
    assert_eq!((check_name(&s), check_filter(&s)), (Err(TopicError::TooLong), Err(TopicError::TooLong)));
    assert_eq!((check_name(&s[1..]), check_filter(&s[1..])), (Ok(false), Ok(false)));
}

#[test]
fn mqtt_4_7_3_4_names_are_compared_without_normalisation() {
    // One letter with its accent, in one code point and in two.
    for (f, n) in [("\u{e9}", "e\u{301}"), ("ACCOUNTS", "Accounts"), ("a", "a "), ("/finance", "finance"), ("a/", "a"), ("a", "a/")] {
        assert!(!matches(f.as_bytes(), n.as_bytes()) && !matches(n.as_bytes(), f.as_bytes()), "{f} {n}");
    }
}

#[test]
fn the_standards_examples_match() {
    for (f, n, yes) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("sport/#", "sport/", true),
        ("sport/#", "sports", false),
        ("sport/tennis/+", "sport/tennis/player2", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/#", "a", true),
        ("a/+/c", "a//c", true),
        ("+/+", "/", true),
        ("+//#", "a/", true),
    ] {
        assert_eq!(matches(f.as_bytes(), n.as_bytes()), yes, "{f} {n}");
    }
}

#[test]
fn each_topic_error_has_a_message() {
    let words = [TopicError::Empty, TopicError::TooLong, TopicError::NotUtf8, TopicError::Wildcard].map(|e| std::format!("{e}"));
    for (n, of) in ["empty", "65535", "UTF-8", "wildcard"].into_iter().enumerate() {
        assert_eq!(words.iter().position(|words| words.contains(of)), Some(n), "{words:?}");
    }
}

#[test]
fn mqtt_3_3_2_2_a_wildcard_is_found_anywhere_in_a_name() {
    for wildcard in [b'+', b'#'] {
        for len in 1..40 {
            for at in 0..len {
                let mut name = std::vec![b'a'; len];
                name[at] = wildcard;
                assert_eq!(check_name(&name), Err(TopicError::Wildcard), "{len} {at}");
            }
        }
    }
}

#[test]
fn every_ascii_character_is_classified_at_any_position() {
    for b in 1..0x80u8 {
        for len in [1, 7, 8, 16, 19] {
            for at in 0..len {
                let mut name = std::vec![b'~'; len];
                name[at] = b;
                let expected = if b"+#".contains(&b) { Err(TopicError::Wildcard) } else { Ok(b < 0x20 || b == 0x7f) };
                assert_eq!(check_name(&name), expected, "{b:x} at {at} of {len}");
            }
        }
    }
}
