//! Topic names and topic filters (4.7): validation, and which filter matches which name.

use super::utf8;
use crate::LOGS;
use core::fmt;

/// Why a topic name or topic filter is invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TopicError {
    /// Empty \[MQTT-4.7.3-1\].
    Empty = 1,
    /// Longer than 65,535 bytes \[MQTT-4.7.3-3\].
    TooLong = 2,
    /// Not well-formed UTF-8, or contains U+0000 \[MQTT-1.5.3-1, -2\], \[MQTT-4.7.3-2\].
    NotUtf8 = 3,
    /// A wildcard in a topic name \[MQTT-3.3.2-2\], a wildcard in a filter that does not occupy a
    /// whole level, or `#` before the last level \[MQTT-4.7.1-2, -3\].
    Wildcard = 4,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TopicError::Empty => "empty topic",
            TopicError::TooLong => "topic of more than 65535 bytes",
            TopicError::NotUtf8 => "topic is not UTF-8, or contains NUL",
            TopicError::Wildcard => "misplaced wildcard in topic",
        })
    }
}

impl core::error::Error for TopicError {}

/// Returns true for `+` and `#`.
pub const fn is_wildcard(b: u8) -> bool {
    // They differ in one bit.
    b & !8 == b'#'
}

/// Checks the rules that names and filters share; `wildcards` tells whether wildcards are allowed.
/// Returns true if there are control characters, which only log lines tell of.
fn check(s: &[u8], wildcards: bool) -> Result<bool, TopicError> {
    if s.is_empty() {
        return Err(TopicError::Empty);
    }
    if s.len() > 0xffff {
        return Err(TopicError::TooLong);
    }
    if !utf8::valid(s) {
        return Err(TopicError::NotUtf8);
    }
    if !wildcards && s.iter().any(|&b| is_wildcard(b)) {
        return Err(TopicError::Wildcard);
    }
    Ok(LOGS && has_control_characters(s))
}

/// Returns true if `s` contains control characters, U+0001 to U+001F or U+007F to U+009F. `s` must
/// be UTF-8 without U+0000.
fn has_control_characters(s: &[u8]) -> bool {
    let mut previous = 0;
    s.iter().any(|&b| {
        let is_c1 = previous == 0xc2 && b < 0xa0;
        previous = b;
        b < b' ' || b == 0x7f || is_c1
    })
}

/// Validates a topic name, as in a PUBLISH. Returns true if it contains control characters, which
/// are allowed but should not be used (1.5.3).
pub fn check_name(name: &[u8]) -> Result<bool, TopicError> {
    if (1..=0xffff).contains(&name.len()) && is_plain(name) { Ok(false) } else { check(name, false) }
}

/// Returns true if `s` is printable ASCII without wildcards. A fast path that covers most topics.
fn is_plain(s: &[u8]) -> bool {
    const WORD: usize = size_of::<usize>();
    const ONES: usize = usize::MAX / 255;
    let (words, rest) = s.as_chunks::<WORD>();
    // Examine a word at a time. The top bit of a byte is set where the byte is special: subtracting
    // 0x20 sets it for control characters (and 0xa0 up), adding 1 for DEL (and 0x80 to 0xfe), and
    // subtracting 1 from the difference to `#` for wildcards.
    let mut special = 0;
    for &word in words {
        let word = usize::from_ne_bytes(word);
        let wildcards = (word & !(ONES * 8)) ^ (ONES * b'#' as usize);
        special |= word.wrapping_sub(ONES * b' ' as usize) | word.wrapping_add(ONES) | wildcards.wrapping_sub(ONES);
    }
    special & (ONES << 7) == 0 && rest.iter().all(|&b| matches!(b, b' '..=b'~') && !is_wildcard(b))
}

/// Validates a topic filter, as in a SUBSCRIBE. Returns true if it contains control characters.
pub fn check_filter(filter: &[u8]) -> Result<bool, TopicError> {
    let has_control_characters = check(filter, true)?;
    let mut previous = b'/';
    let mut rest = filter;
    while let Some((&b, after)) = rest.split_first() {
        let ends_level = match after.first() {
            None => true,
            Some(&next) => next == b'/' && b != b'#',
        };
        if is_wildcard(b) && (previous != b'/' || !ends_level) {
            return Err(TopicError::Wildcard);
        }
        previous = b;
        rest = after;
    }
    Ok(has_control_characters)
}

/// Returns true if a valid `filter` matches the topic `name` (4.7.1). `+` matches one level,
/// including an empty one; `#` matches its parent level and everything below; neither matches a
/// first level that starts with `$` \[MQTT-4.7.2-1\].
pub fn matches(filter: &[u8], name: &[u8]) -> bool {
    let (mut f, mut n) = (filter, name);
    if let (Some(b'+' | b'#'), Some(b'$')) = (f.first(), n.first()) {
        return false;
    }
    loop {
        match (f.split_first(), n.split_first()) {
            // `#` is the last level and matches whatever is left of the name.
            (Some((b'#', _)), _) => return true,
            (Some((b'+', rest)), _) => {
                f = rest;
                while let Some((&b, after)) = n.split_first() {
                    if b == b'/' {
                        break;
                    }
                    n = after;
                }
            }
            (Some((a, f_rest)), Some((b, n_rest))) if a == b => (f, n) = (f_rest, n_rest),
            (None, None) => return true,
            // `sport/#` also matches `sport`.
            (Some(_), None) => return f == b"/#",
            _ => return false,
        }
    }
}
