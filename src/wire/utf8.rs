//! UTF-8 validation for MQTT strings (1.5.3): smaller than `core`'s, and rejects U+0000.

/// Returns true if `s` is well-formed UTF-8 without surrogates \[MQTT-1.5.3-1\] and without U+0000
/// \[MQTT-1.5.3-2\].
pub fn valid(s: &[u8]) -> bool {
    // Continuation bytes still expected, and the allowed range of the next one.
    let (mut left, mut low, mut high) = (0u8, 0x80u8, 0xbfu8);
    for &b in s {
        if left > 0 {
            if b < low || b > high {
                return false;
            }
            left -= 1;
            (low, high) = (0x80, 0xbf);
        } else {
            match b {
                0x01..=0x7f => {}
                0xc2..=0xdf => left = 1,
                0xe0..=0xef => {
                    left = 2;
                    match b {
                        0xe0 => low = 0xa0,  // shorter forms exist
                        0xed => high = 0x9f, // surrogates
                        _ => {}
                    }
                }
                0xf0..=0xf4 => {
                    left = 3;
                    match b {
                        0xf0 => low = 0x90,
                        0xf4 => high = 0x8f, // beyond U+10FFFF
                        _ => {}
                    }
                }
                _ => return false,
            }
        }
    }
    left == 0
}
