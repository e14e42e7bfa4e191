//! Topic names and topic filters (4.7): which are well-formed, and which filter matches which name.

use super::utf8;
use core::fmt;

/// Why a topic name or filter is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TopicError {
    /// No character at all \[MQTT-4.7.3-1\].
    Empty = 1,
    /// More than 65,535 bytes \[MQTT-4.7.3-3\].
    TooLong = 2,
    /// Not well-formed UTF-8, or with U+0000 in it \[MQTT-1.5.3-1, -2\], \[MQTT-4.7.3-2\].
    NotUtf8 = 3,
    /// A wildcard in a topic name \[MQTT-3.3.2-2\], or one in a filter that is not a level of its own, or `#` before the end \[MQTT-4.7.1-2, -3\].
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

/// True for `+` and `#`.
pub const fn is_wildcard(b: u8) -> bool {
    // They differ in one bit.
    b & !8 == b'#'
}

/// What names and filters have in common. `wildcards`: whether any are allowed. True if there are
/// control characters.
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
    Ok(has_control_characters(s))
}

/// True if there are control characters, U+0001 to U+001F or U+007F to U+009F, in `s`, which is
/// UTF-8 without U+0000.
fn has_control_characters(s: &[u8]) -> bool {
    let mut before = 0;
    s.iter().any(|&b| {
        let is_c1 = before == 0xc2 && b < 0xa0;
        before = b;
        b < b' ' || b == 0x7f || is_c1
    })
}

/// Checks a topic name: what a PUBLISH may carry. True if it has control characters, which are
/// allowed but should not be sent (1.5.3).
pub fn check_name(name: &[u8]) -> Result<bool, TopicError> {
    if (1..=0xffff).contains(&name.len()) && is_plain(name) { Ok(false) } else { check(name, false) }
}

/// True if `s` is ASCII without control characters and wildcards: quick to see, and true of most
/// topics.
fn is_plain(s: &[u8]) -> bool {
    const WORD: usize = size_of::<usize>();
    const ONES: usize = usize::MAX / 255;
    let (words, rest) = s.as_chunks::<WORD>();
    // The upper bit of a byte is set where there is something to be seen: in a control character
    // - 0x20, as in 0xa0 and beyond; in DEL + 1, as in 0x80 to 0xfe; in a wildcard's difference
    // from `#` - 1.
    let mut seen = 0;
    for &word in words {
        let word = usize::from_ne_bytes(word);
        let wildcards = (word & !(ONES * 8)) ^ (ONES * b'#' as usize);
        seen |= word.wrapping_sub(ONES * b' ' as usize) | word.wrapping_add(ONES) | wildcards.wrapping_sub(ONES);
    }
    seen & (ONES << 7) == 0 && rest.iter().all(|&b| matches!(b, b' '..=b'~') && !is_wildcard(b))
}

/// Checks a topic filter: what a SUBSCRIBE may carry. True if it has control characters.
pub fn check_filter(filter: &[u8]) -> Result<bool, TopicError> {
    let has_control_characters = check(filter, true)?;
    let mut before = b'/';
    let mut rest = filter;
    while let Some((&b, after)) = rest.split_first() {
        let ends_level = match after.first() {
            None => true,
            Some(&next) => next == b'/' && b != b'#',
        };
        if is_wildcard(b) && (before != b'/' || !ends_level) {
            return Err(TopicError::Wildcard);
        }
        before = b;
        rest = after;
    }
    Ok(has_control_characters)
}

/// True if a well-formed `filter` matches the topic `name` (4.7.1): `+` stands for one level, the empty one included;
/// `#` for the parent and all below it; neither for a first level that begins with `$` \[MQTT-4.7.2-1\].
pub fn matches(filter: &[u8], name: &[u8]) -> bool {
    let (mut f, mut n) = (filter, name);
    if let (Some(b'+' | b'#'), Some(b'$')) = (f.first(), n.first()) {
        return false;
    }
    loop {
        match (f.split_first(), n.split_first()) {
            // `#` stands alone in the last level: whatever is left of the name is below it.
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
            // `sport/#` matches `sport` as well.
            (Some(_), None) => return f == b"/#",
            _ => return false,
        }
    }
}
