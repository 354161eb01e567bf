//! The cipher suites that are asked for: what servers on OpenSSL can be brought to accept, good and bad.

use crate::model::{CipherSuite, KeyExchange, Protection};

use KeyExchange::{Anonymous, Dhe, Ecdhe, Rsa};
use Protection::{Aead, Broken, Cbc};

const fn suite(id: u16, name: &'static str, exchange: KeyExchange, protection: Protection) -> CipherSuite {
    CipherSuite { id, name, exchange, protection }
}

/// Those of the IANA registry that OpenSSL has ever had in common use, best first.
pub(super) const SUITES: &[CipherSuite] = &[
    suite(0xC02B, "ECDHE-ECDSA-AES128-GCM-SHA256", Ecdhe, Aead),
    suite(0xC02F, "ECDHE-RSA-AES128-GCM-SHA256", Ecdhe, Aead),
    suite(0xC02C, "ECDHE-ECDSA-AES256-GCM-SHA384", Ecdhe, Aead),
    suite(0xC030, "ECDHE-RSA-AES256-GCM-SHA384", Ecdhe, Aead),
    suite(0xCCA9, "ECDHE-ECDSA-CHACHA20-POLY1305", Ecdhe, Aead),
    suite(0xCCA8, "ECDHE-RSA-CHACHA20-POLY1305", Ecdhe, Aead),
    suite(0xC0AC, "ECDHE-ECDSA-AES128-CCM", Ecdhe, Aead),
    suite(0xC0AD, "ECDHE-ECDSA-AES256-CCM", Ecdhe, Aead),
    suite(0xC0AE, "ECDHE-ECDSA-AES128-CCM8", Ecdhe, Aead),
    suite(0xC0AF, "ECDHE-ECDSA-AES256-CCM8", Ecdhe, Aead),
    suite(0xC05C, "ECDHE-ECDSA-ARIA128-GCM-SHA256", Ecdhe, Aead),
    suite(0xC05D, "ECDHE-ECDSA-ARIA256-GCM-SHA384", Ecdhe, Aead),
    suite(0xC060, "ECDHE-ARIA128-GCM-SHA256", Ecdhe, Aead),
    suite(0xC061, "ECDHE-ARIA256-GCM-SHA384", Ecdhe, Aead),
    suite(0x009E, "DHE-RSA-AES128-GCM-SHA256", Dhe, Aead),
    suite(0x009F, "DHE-RSA-AES256-GCM-SHA384", Dhe, Aead),
    suite(0xCCAA, "DHE-RSA-CHACHA20-POLY1305", Dhe, Aead),
    suite(0xC09E, "DHE-RSA-AES128-CCM", Dhe, Aead),
    suite(0xC09F, "DHE-RSA-AES256-CCM", Dhe, Aead),
    suite(0xC0A2, "DHE-RSA-AES128-CCM8", Dhe, Aead),
    suite(0xC0A3, "DHE-RSA-AES256-CCM8", Dhe, Aead),
    suite(0xC052, "DHE-RSA-ARIA128-GCM-SHA256", Dhe, Aead),
    suite(0xC053, "DHE-RSA-ARIA256-GCM-SHA384", Dhe, Aead),
    suite(0xC023, "ECDHE-ECDSA-AES128-SHA256", Ecdhe, Cbc),
    suite(0xC024, "ECDHE-ECDSA-AES256-SHA384", Ecdhe, Cbc),
    suite(0xC027, "ECDHE-RSA-AES128-SHA256", Ecdhe, Cbc),
    suite(0xC028, "ECDHE-RSA-AES256-SHA384", Ecdhe, Cbc),
    suite(0xC009, "ECDHE-ECDSA-AES128-SHA", Ecdhe, Cbc),
    suite(0xC00A, "ECDHE-ECDSA-AES256-SHA", Ecdhe, Cbc),
    suite(0xC013, "ECDHE-RSA-AES128-SHA", Ecdhe, Cbc),
    suite(0xC014, "ECDHE-RSA-AES256-SHA", Ecdhe, Cbc),
    suite(0xC072, "ECDHE-ECDSA-CAMELLIA128-SHA256", Ecdhe, Cbc),
    suite(0xC073, "ECDHE-ECDSA-CAMELLIA256-SHA384", Ecdhe, Cbc),
    suite(0xC076, "ECDHE-RSA-CAMELLIA128-SHA256", Ecdhe, Cbc),
    suite(0xC077, "ECDHE-RSA-CAMELLIA256-SHA384", Ecdhe, Cbc),
    suite(0x0067, "DHE-RSA-AES128-SHA256", Dhe, Cbc),
    suite(0x006B, "DHE-RSA-AES256-SHA256", Dhe, Cbc),
    suite(0x0033, "DHE-RSA-AES128-SHA", Dhe, Cbc),
    suite(0x0039, "DHE-RSA-AES256-SHA", Dhe, Cbc),
    suite(0x0045, "DHE-RSA-CAMELLIA128-SHA", Dhe, Cbc),
    suite(0x0088, "DHE-RSA-CAMELLIA256-SHA", Dhe, Cbc),
    suite(0x00BE, "DHE-RSA-CAMELLIA128-SHA256", Dhe, Cbc),
    suite(0x00C4, "DHE-RSA-CAMELLIA256-SHA256", Dhe, Cbc),
    suite(0x009A, "DHE-RSA-SEED-SHA", Dhe, Cbc),
    suite(0x009C, "AES128-GCM-SHA256", Rsa, Aead),
    suite(0x009D, "AES256-GCM-SHA384", Rsa, Aead),
    suite(0xC09C, "AES128-CCM", Rsa, Aead),
    suite(0xC09D, "AES256-CCM", Rsa, Aead),
    suite(0xC0A0, "AES128-CCM8", Rsa, Aead),
    suite(0xC0A1, "AES256-CCM8", Rsa, Aead),
    suite(0xC050, "ARIA128-GCM-SHA256", Rsa, Aead),
    suite(0xC051, "ARIA256-GCM-SHA384", Rsa, Aead),
    suite(0x003C, "AES128-SHA256", Rsa, Cbc),
    suite(0x003D, "AES256-SHA256", Rsa, Cbc),
    suite(0x002F, "AES128-SHA", Rsa, Cbc),
    suite(0x0035, "AES256-SHA", Rsa, Cbc),
    suite(0x0041, "CAMELLIA128-SHA", Rsa, Cbc),
    suite(0x0084, "CAMELLIA256-SHA", Rsa, Cbc),
    suite(0x00BA, "CAMELLIA128-SHA256", Rsa, Cbc),
    suite(0x00C0, "CAMELLIA256-SHA256", Rsa, Cbc),
    suite(0x0096, "SEED-SHA", Rsa, Cbc),
    suite(0x0007, "IDEA-CBC-SHA", Rsa, Broken),
    suite(0xC008, "ECDHE-ECDSA-DES-CBC3-SHA", Ecdhe, Broken),
    suite(0xC012, "ECDHE-RSA-DES-CBC3-SHA", Ecdhe, Broken),
    suite(0x0016, "DHE-RSA-DES-CBC3-SHA", Dhe, Broken),
    suite(0x000A, "DES-CBC3-SHA", Rsa, Broken),
    suite(0xC007, "ECDHE-ECDSA-RC4-SHA", Ecdhe, Broken),
    suite(0xC011, "ECDHE-RSA-RC4-SHA", Ecdhe, Broken),
    suite(0x0005, "RC4-SHA", Rsa, Broken),
    suite(0x0004, "RC4-MD5", Rsa, Broken),
    suite(0x0015, "DHE-RSA-DES-CBC-SHA", Dhe, Broken),
    suite(0x0009, "DES-CBC-SHA", Rsa, Broken),
    suite(0x0014, "EXP-DHE-RSA-DES-CBC-SHA", Dhe, Broken),
    suite(0x0008, "EXP-DES-CBC-SHA", Rsa, Broken),
    suite(0x0006, "EXP-RC2-CBC-MD5", Rsa, Broken),
    suite(0x0003, "EXP-RC4-MD5", Rsa, Broken),
    suite(0xC006, "ECDHE-ECDSA-NULL-SHA", Ecdhe, Broken),
    suite(0xC010, "ECDHE-RSA-NULL-SHA", Ecdhe, Broken),
    suite(0x003B, "NULL-SHA256", Rsa, Broken),
    suite(0x0002, "NULL-SHA", Rsa, Broken),
    suite(0x0001, "NULL-MD5", Rsa, Broken),
    suite(0x00A6, "ADH-AES128-GCM-SHA256", Anonymous, Aead),
    suite(0x00A7, "ADH-AES256-GCM-SHA384", Anonymous, Aead),
    suite(0x006C, "ADH-AES128-SHA256", Anonymous, Cbc),
    suite(0x006D, "ADH-AES256-SHA256", Anonymous, Cbc),
    suite(0x0034, "ADH-AES128-SHA", Anonymous, Cbc),
    suite(0x003A, "ADH-AES256-SHA", Anonymous, Cbc),
    suite(0x0046, "ADH-CAMELLIA128-SHA", Anonymous, Cbc),
    suite(0x0089, "ADH-CAMELLIA256-SHA", Anonymous, Cbc),
    suite(0x00BF, "ADH-CAMELLIA128-SHA256", Anonymous, Cbc),
    suite(0x00C5, "ADH-CAMELLIA256-SHA256", Anonymous, Cbc),
    suite(0xC018, "AECDH-AES128-SHA", Anonymous, Cbc),
    suite(0xC019, "AECDH-AES256-SHA", Anonymous, Cbc),
    suite(0xC015, "AECDH-NULL-SHA", Anonymous, Broken),
    suite(0xC016, "AECDH-RC4-SHA", Anonymous, Broken),
    suite(0xC017, "AECDH-DES-CBC3-SHA", Anonymous, Broken),
    suite(0x001B, "ADH-DES-CBC3-SHA", Anonymous, Broken),
    suite(0x0018, "ADH-RC4-MD5", Anonymous, Broken),
];

/// The suite of that number, where we have asked for it.
pub(super) fn of(id: u16) -> Option<CipherSuite> {
    SUITES.iter().copied().find(|suite| suite.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use super::*;

    #[test]
    fn no_number_and_no_name_stands_twice() {
        for (at, one) in SUITES.iter().enumerate() {
            assert!(
                SUITES.iter().skip(at + 1).all(|other| other.id != one.id && other.name != one.name),
                "{one:?}"
            );
        }
    }

    /// The table against OpenSSL's own: number, exchange, protection.
    #[test]
    fn openssl_names_them_so() {
        let listed =
            Command::new("openssl").args(["ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]).output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        let known: BTreeMap<u16, &str> = listed.lines().filter_map(numbered).collect();
        assert!(known.len() > 60, "{listed}");
        let mut compared = 0;
        for suite in SUITES {
            let Some(line) = known.get(&suite.id) else { continue };
            compared += 1;
            assert!(line.split_whitespace().any(|word| word == suite.name), "{suite:?}: {line}");
            let anonymous = line.contains("Au=None");
            let exchange = match () {
                () if anonymous => Anonymous,
                () if line.contains("Kx=ECDH") => Ecdhe,
                () if line.contains("Kx=DH") => Dhe,
                () => Rsa,
            };
            assert_eq!(suite.exchange, exchange, "{line}");
            let protection = match () {
                () if ["Enc=None", "RC4", "DES", "IDEA"].iter().any(|bad| line.contains(bad)) => Broken,
                () if line.contains("Mac=AEAD") => Aead,
                () => Cbc,
            };
            assert_eq!(suite.protection, protection, "{line}");
        }
        assert!(compared > 50, "{compared}");
    }

    /// `0xC0,0x2C - ECDHE-… TLSv1.2 Kx=… Au=… Enc=… Mac=…`
    fn numbered(line: &str) -> Option<(u16, &str)> {
        let (high, low) = line.trim().split_once(" - ")?.0.split_once(',')?;
        let byte = |text: &str| u8::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        Some((u16::from_be_bytes([byte(high)?, byte(low)?]), line))
    }
}
