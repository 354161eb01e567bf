//! A ClientHello in bytes (RFC 5246 §7.4.1.2): for what no library of today would say any more.
//!
//! No handshake is ever finished with it, so its random is no secret and need not be random.

use rustls_pki_types::ServerName;

use crate::model::TlsVersion;

/// Instead of randomness.
const RANDOM: [u8; 32] = *b"keyturn doctor: a look, no talk.";

/// What is offered with every one: X25519, P-256, P-384, P-521.
const GROUPS: [u16; 4] = [29, 23, 24, 25];

/// ECDSA, RSA-PSS, RSA and Ed25519, down to SHA-1.
const SIGNATURES: [u16; 13] =
    [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807, 0x0808, 0x0203, 0x0201];

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const EXTENDED_MASTER_SECRET: u16 = 23;
/// RFC 5077 §3.2.
pub(super) const SESSION_TICKET: u16 = 35;
const RENEGOTIATION_INFO: u16 = 0xFF01;

/// As the wire has a version up to TLS 1.2.
pub(super) fn on_the_wire(version: TlsVersion) -> u16 {
    match version {
        TlsVersion::Ssl3 => 0x0300,
        TlsVersion::Tls10 => 0x0301,
        TlsVersion::Tls11 => 0x0302,
        TlsVersion::Tls12 | TlsVersion::Tls13 => 0x0303,
    }
}

/// The record with a ClientHello that offers `version` at most, and `suites`.
pub(super) fn client_hello(version: TlsVersion, suites: &[u16], name: &ServerName<'_>) -> Vec<u8> {
    let mut body = on_the_wire(version).to_be_bytes().to_vec();
    body.extend(RANDOM);
    body.push(0); // no session to resume
    body.extend(long(&numbers(suites)));
    body.extend([1, 0]); // no compression
    if version > TlsVersion::Ssl3 {
        body.extend(long(&extensions(version, name)));
    }
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let mut message = vec![1, length[1], length[2], length[3]];
    message.extend(body);
    // What comes first may be no newer than the oldest that is asked for: some servers look at it.
    let mut record = vec![22, 3, u8::from(version > TlsVersion::Ssl3)];
    record.extend(long(&message));
    record
}

fn extensions(version: TlsVersion, name: &ServerName<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        all.extend(kind.to_be_bytes());
        all.extend(long(content));
    };
    // An address is no server name (RFC 6066 §3).
    if let ServerName::DnsName(name) = name {
        let entry = [&[0][..], &long(name.as_ref().as_bytes())].concat();
        add(SERVER_NAME, &long(&entry));
    }
    add(SUPPORTED_GROUPS, &long(&numbers(&GROUPS)));
    add(POINT_FORMATS, &[1, 0]);
    if version >= TlsVersion::Tls12 {
        add(SIGNATURE_ALGORITHMS, &long(&numbers(&SIGNATURES)));
    }
    add(EXTENDED_MASTER_SECRET, &[]);
    add(SESSION_TICKET, &[]);
    add(RENEGOTIATION_INFO, &[0]);
    all
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// With its length before it, in two bytes.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    [&length[..], bytes].concat()
}
