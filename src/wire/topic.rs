//! Topic names and topic filters (4.7): which are well-formed, and which filter matches which name.

use super::utf8;

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

fn check_string(s: &[u8]) -> Result<(), TopicError> {
    if s.is_empty() {
        Err(TopicError::Empty)
    } else if s.len() > 0xffff {
        Err(TopicError::TooLong)
    } else if !utf8::valid(s) {
        Err(TopicError::NotUtf8)
    } else {
        Ok(())
    }
}

/// Checks a topic name: what a PUBLISH may carry.
pub fn check_name(name: &[u8]) -> Result<(), TopicError> {
    check_string(name)?;
    if name.iter().any(|&b| b == b'+' || b == b'#') {
        return Err(TopicError::Wildcard);
    }
    Ok(())
}

/// Checks a topic filter: what a SUBSCRIBE may carry.
pub fn check_filter(filter: &[u8]) -> Result<(), TopicError> {
    check_string(filter)?;
    let mut before = b'/';
    let mut rest = filter;
    while let Some((&b, after)) = rest.split_first() {
        let ends_level = match after.first() {
            None => true,
            Some(&next) => next == b'/' && b != b'#',
        };
        if (b == b'+' || b == b'#') && (before != b'/' || !ends_level) {
            return Err(TopicError::Wildcard);
        }
        before = b;
        rest = after;
    }
    Ok(())
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
