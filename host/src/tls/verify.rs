//! What is recorded about a server's certificate that fails verification: names, dates, errors.
//! Plain data and comparisons, independent of mbedTLS except for its numbers of name types.

use std::{ffi::CString, fmt, net::IpAddr};

/// A time in UTC, as in certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    pub(super) hour: i32,
    pub(super) minute: i32,
    pub(super) second: i32,
}

impl Moment {
    /// Seconds since 1970.
    pub(super) fn seconds(self) -> i64 {
        // Years that start in March have the leap day last, which simplifies counting.
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468;
        ((days * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second)
    }

    pub(super) fn of_seconds(seconds: i64) -> Moment {
        let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400) as i32);
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let civil = (month + 2) % 12 + 1;
        Moment {
            year: (era * 400 + year + i64::from(civil <= 2)) as i32,
            month: civil as i32,
            day: (day - (153 * month + 2) / 5 + 1) as i32,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// The subject of a certificate, or the peer's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Host(CString),
    Address(IpAddr),
}

/// Types of alternative names that name servers: ASN.1 context tags.
const DNS_NAME: i32 = 2;
const IP_ADDRESS: i32 = 7;

impl Name {
    /// A printable name. `None` with a NUL inside.
    pub(super) fn written(text: &str) -> Option<Name> {
        match text.parse() {
            Ok(address) => Some(Name::Address(address)),
            Err(_) => CString::new(text).ok().map(Name::Host),
        }
    }

    /// A host name in a certificate.
    pub(super) fn of_host(text: Vec<u8>) -> Option<Name> {
        CString::new(text).ok().map(Name::Host)
    }

    /// An alternative name of a certificate; `None` for e-mail addresses and similar.
    pub(super) fn of_certificate(tag: i32, value: Vec<u8>) -> Option<Name> {
        match (tag & 0x1f, value.len()) {
            (DNS_NAME, 1..) => Name::of_host(value),
            (IP_ADDRESS, 4) => <[u8; 4]>::try_from(value).ok().map(|a| Name::Address(a.into())),
            (IP_ADDRESS, 16) => <[u8; 16]>::try_from(value).ok().map(|a| Name::Address(a.into())),
            _ => None,
        }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        if let Name::Address(address) = self { Some(*address) } else { None }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Host(host) => f.write_str(&host.to_string_lossy()),
            Name::Address(address) => address.fmt(f),
        }
    }
}

/// A certificate that failed verification.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// mbedTLS's X509_BADCERT_* bits.
    pub(super) flags: i32,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) from: Moment,
    pub(super) to: Moment,
    pub(super) names: Vec<Name>,
    /// What is wrong, as described by mbedTLS.
    pub(super) about: String,
}

impl Finding {
    /// Whether it matches this address. Some certificates have the address as a name.
    pub(super) fn is_for(&self, address: IpAddr) -> bool {
        self.names.iter().any(|name| match name {
            Name::Address(a) => *a == address,
            Name::Host(host) => host.to_str().is_ok_and(|text| text.parse() == Ok(address)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_count_calendar_days() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_500_000_000, "2017-07-14 02:40:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            let moment = Moment::of_seconds(seconds);
            assert_eq!((moment.to_string().as_str(), moment.seconds()), (text, seconds));
        }
    }

    #[test]
    fn ipv4_and_ipv6_addresses_in_certificates_are_read_and_other_kinds_skipped() {
        assert_eq!(Name::of_certificate(0x87, vec![127, 0, 0, 1]), Name::written("127.0.0.1"));
        let one = [vec![0; 15], vec![1]].concat();
        assert_eq!(Name::of_certificate(0x87, one), Name::written("::1"));
        assert_eq!(Name::of_certificate(0x82, b"a.example".to_vec()), Name::written("a.example"));
        assert_eq!(Name::of_certificate(0x81, b"a@a.example".to_vec()), None);
        assert_eq!(Name::of_certificate(0x87, vec![1, 2, 3]), None);
    }
}
