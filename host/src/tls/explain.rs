//! Describes why a TLS connection failed: what was being done, the cause, and what to do about it.
//! Wrong settings are described in ../tls.rs.

use std::ffi::c_int;

use mbedtls_sys as mbed;

use super::{
    Told, code_text,
    ffi::{self, Session},
    verify::{Finding, Moment, Name},
};
use crate::{clock, stream::StreamError};

/// Earlier times mean that the clock was not set.
const CLOCK_IS_SET: i64 = 1_500_000_000;

/// The handshake's steps, by mbedTLS's numbers.
const STEPS: [&str; 14] = [
    "at its beginning",
    "sending our hello",
    "waiting for the server's hello",
    "waiting for the server's certificate",
    "waiting for the server's key exchange",
    "waiting for the server's request for a certificate",
    "waiting for the end of the server's hello",
    "sending our certificate",
    "sending our key exchange",
    "proving that our certificate is ours",
    "turning on encryption",
    "sending our end of the handshake",
    "waiting for the server to turn on encryption",
    "waiting for the server's end of the handshake",
];

/// A step after those, during which a server's response to a wrong key arrives.
const TICKET: c_int = mbed::SSL_SERVER_NEW_SESSION_TICKET as c_int;

/// Alerts by their standard numbers, with possible causes.
const ALERTS: [(u8, &str, &str); 22] = [
    (0, "close_notify", ""),
    (10, "unexpected_message", ""),
    (20, "bad_record_mac", ""),
    (22, "record_overflow", ""),
    (40, "handshake_failure", ""),
    (42, "bad_certificate", "it rejects the client certificate, see ssl_cert"),
    (43, "unsupported_certificate", "it does not support the client certificate, see ssl_cert"),
    (44, "certificate_revoked", "the client certificate (ssl_cert) was revoked"),
    (45, "certificate_expired", "the client certificate (ssl_cert) has expired"),
    (46, "certificate_unknown", "it rejects the client certificate, see ssl_cert"),
    (47, "illegal_parameter", ""),
    (48, "unknown_ca", "it does not know the client certificate's issuer, see ssl_cert"),
    (49, "access_denied", "the client certificate is valid but not authorized"),
    (50, "decode_error", ""),
    (51, "decrypt_error", ""),
    (70, "protocol_version", "it does not speak TLS 1.2"),
    (71, "insufficient_security", "it requires stronger cipher suites, see ssl_cipher_suites"),
    (80, "internal_error", "see its log"),
    (90, "user_canceled", ""),
    (112, "unrecognized_name", "it does not serve this name, see ssl_server_name"),
    (115, "unknown_psk_identity", "it does not know ssl_psk_identity"),
    (116, "certificate_required", "it requires a client certificate, set ssl_cert and ssl_key"),
];

/// The sentence for an error of the handshake or of an established connection.
pub(super) fn failure(session: &Session, told: &Told, code: c_int, alert: u8) -> String {
    let when = match usize::try_from(session.step()).ok().and_then(|step| STEPS.get(step)) {
        Some(step) => format!("TLS handshake failed, {step}"),
        None if session.step() == TICKET => "TLS handshake failed, waiting for the server's ticket".to_owned(),
        None => "TLS connection failed".to_owned(),
    };
    format!("{when}: {} ({})", reason(session, told, code, alert), code_text(code))
}

fn reason(session: &Session, told: &Told, code: c_int, alert: u8) -> String {
    match code {
        mbed::ERR_X509_CERT_VERIFY_FAILED => {
            let now = clock::wall_micros() / 1_000_000;
            let reasons: Vec<String> = session.findings().iter().flat_map(|finding| complaints(finding, told, now)).collect();
            match reasons.is_empty() {
                true => "the server's certificate failed verification".to_owned(),
                false => reasons.join("; "),
            }
        }
        mbed::ERR_SSL_FATAL_ALERT_MESSAGE => refusal(alert, told),
        mbed::ERR_SSL_CONN_EOF => "the server hung up".to_owned(),
        mbed::ERR_SSL_PEER_CLOSE_NOTIFY => "the server closed the connection".to_owned(),
        mbed::ERR_NET_RECV_FAILED | mbed::ERR_NET_SEND_FAILED => {
            session.socket_error().as_ref().map_or_else(|| ffi::describe(code), StreamError::to_string)
        }
        mbed::ERR_SSL_INVALID_RECORD => "the server does not speak TLS; is it the right port?".to_owned(),
        mbed::ERR_SSL_CA_CHAIN_REQUIRED => {
            "cannot verify the server's certificate; set ssl_ca_cert to its CA's file, or to * to skip verification".to_owned()
        }
        code => ffi::describe(code),
    }
}

fn refusal(number: u8, told: &Told) -> String {
    let known = ALERTS.iter().find(|(n, ..)| *n == number);
    let (name, hint) = known.map_or(("unknown", ""), |(_, name, hint)| (*name, *hint));
    let hint = match (number, told.has_psk) {
        (40, _) if !told.has_cert && !told.has_psk => {
            "it may require a client certificate (ssl_cert, ssl_key), or other cipher suites (ssl_cipher_suites)"
        }
        (40, true) => "it may require other cipher suites (ssl_cipher_suites), or not know the key",
        (40, false) => "it may require other cipher suites (ssl_cipher_suites) or another client certificate (ssl_cert)",
        (20 | 47 | 51, true) => "is ssl_psk_key right?",
        _ => hint,
    };
    let hint = if hint.is_empty() { String::new() } else { format!(": {hint}") };
    format!("the server refused with the alert {name} ({number}){hint}")
}

/// The number of the last alert in unencrypted records.
pub(super) fn alert_in(mut records: &[u8]) -> Option<u8> {
    const ALERT: u8 = 21;
    let mut found = None;
    while let [kind, _, _, high, low, rest @ ..] = records {
        let (record, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        if let (ALERT, [_, number]) = (*kind, record) {
            found = Some(*number);
        }
        records = after;
    }
    found
}

/// Everything that is wrong with a certificate.
fn complaints(finding: &Finding, told: &Told, now: i64) -> Vec<String> {
    let Finding { flags, subject, issuer, from, to, names, about } = finding;
    let clock = match now < CLOCK_IS_SET {
        true => format!("but the clock is not set, it says {}", Moment::of_seconds(now)),
        false => format!("and the clock says {}", Moment::of_seconds(now)),
    };
    let mut all = Vec::new();
    if flags & mbed::X509_BADCERT_NOT_TRUSTED != 0 {
        let ca = told.ca_file.as_deref().unwrap_or("(not set)");
        all.push(format!("unknown CA: the certificate of \"{subject}\" was issued by \"{issuer}\", which is not in ssl_ca_cert, \"{ca}\""));
    }
    if flags & mbed::X509_BADCERT_CN_MISMATCH != 0 {
        let wanted = told.server.as_deref().unwrap_or("?");
        let names: Vec<String> = names.iter().map(Name::to_string).collect();
        let is_for = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        all.push(format!(
            "wrong name: connecting to {wanted}, but the certificate is for {is_for}; if it is the right one, set ssl_server_name"
        ));
    }
    if flags & mbed::X509_BADCERT_EXPIRED != 0 {
        all.push(format!("the certificate of \"{subject}\" expired on {to}, {clock}"));
    }
    if flags & mbed::X509_BADCERT_FUTURE != 0 {
        all.push(format!("the certificate of \"{subject}\" is not valid before {from}, {clock}"));
    }
    let told_above =
        mbed::X509_BADCERT_NOT_TRUSTED | mbed::X509_BADCERT_CN_MISMATCH | mbed::X509_BADCERT_EXPIRED | mbed::X509_BADCERT_FUTURE;
    if flags & !told_above != 0 {
        all.push(format!("the certificate of \"{subject}\": {about}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{alert_in, mbed};

    #[test]
    fn the_documents_have_the_numbers_of_mbedtls() {
        let numbers = [
            (mbed::ERR_X509_CERT_VERIFY_FAILED, "X509_CERT_VERIFY_FAILED"),
            (mbed::ERR_SSL_CA_CHAIN_REQUIRED, "SSL_CA_CHAIN_REQUIRED"),
            (mbed::ERR_SSL_FATAL_ALERT_MESSAGE, "SSL_FATAL_ALERT_MESSAGE"),
            (mbed::ERR_SSL_PRIVATE_KEY_REQUIRED, "SSL_PRIVATE_KEY_REQUIRED"),
            (mbed::ERR_SSL_INVALID_RECORD, "SSL_INVALID_RECORD"),
            (mbed::ERR_SSL_BAD_HS_PROTOCOL_VERSION, "SSL_BAD_HS_PROTOCOL_VERSION"),
            (mbed::ERR_SSL_BAD_HS_CERTIFICATE, "SSL_BAD_HS_CERTIFICATE"),
            (mbed::ERR_SSL_ALLOC_FAILED, "SSL_ALLOC_FAILED"),
            (mbed::ERR_X509_ALLOC_FAILED, "X509_ALLOC_FAILED"),
            (mbed::ERR_PK_ALLOC_FAILED, "PK_ALLOC_FAILED"),
            (mbed::ERR_MPI_ALLOC_FAILED, "MPI_ALLOC_FAILED"),
            (mbed::ERR_NET_RECV_FAILED, "NET_RECV_FAILED"),
            (mbed::ERR_NET_SEND_FAILED, "NET_SEND_FAILED"),
            (mbed::ERR_NET_CONN_RESET, "NET_CONN_RESET"),
        ];
        let page = include_str!("../../../docs/troubleshooting.md");
        let rows = page.lines().filter(|line| line.starts_with("| `-0x")).count();
        assert_eq!(rows, numbers.len());
        for (code, name) in numbers {
            let start = format!("| `-0x{:04x}` | {name} |", -code);
            assert!(page.lines().any(|line| line.starts_with(&start)), "{start}");
        }
    }

    #[test]
    fn an_alert_is_found_only_in_complete_records() {
        let alert = [21, 3, 3, 0, 2, 2, 48];
        let other = [22, 3, 3, 0, 2, 2, 40];
        assert_eq!(alert_in(&alert), Some(48));
        assert_eq!(alert_in(&[other, alert].concat()), Some(48));
        assert_eq!(alert_in(&other), None);
        assert_eq!(alert_in(&alert[..6]), None);
        assert_eq!(alert_in(&[]), None);
        assert_eq!(alert_in(&[21, 3, 3, 0, 26, 0, 0]), None);
    }
}
