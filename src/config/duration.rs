//! Durations as the configuration writes them: `90d`, `12h`, `10m`, `30s`.

use std::fmt;

use jiff::SignedDuration;

use super::words::quoted;

/// Longer than anything that is turned over, and short enough that no time plus a few of them overflows.
const LONGEST: i64 = 36_500 * DAY;
const DAY: i64 = 86_400;

/// Reads a whole number and one unit.
///
/// # Errors
///
/// What is wrong with it, and how to write it.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let malformed = || {
        let shown = quoted(text);
        format!("{shown} is not a duration; write a whole number and one unit: 90d, 12h, 10m or 30s")
    };
    let unit = match text.chars().last() {
        Some('d') => DAY,
        Some('h') => 3600,
        Some('m') => 60,
        Some('s') => 1,
        _ => return Err(malformed()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    // Only too many digits can fail now, and those are too long as well.
    let seconds = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds) if seconds <= LONGEST => Ok(SignedDuration::from_secs(seconds)),
        _ => Err(format!("{} is too long; the longest duration is 36500d", quoted(text))),
    }
}

/// `duration` in whole seconds as a person writes it: `90d`, `1d 1h 6m`.
pub fn duration_text(duration: SignedDuration) -> String {
    let mut rest = duration.as_secs().unsigned_abs();
    let mut words = Vec::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            words.push(format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    match (words.is_empty(), duration.is_negative()) {
        (true, _) => "0s".to_owned(),
        (_, true) => format!("-{}", words.join(" ")),
        _ => words.join(" "),
    }
}

/// When a certificate is renewed: so long before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewBefore {
    /// A share of the lifetime that the certificate really has.
    Share {
        /// Above the line; at least 1.
        numerator: u32,
        /// Below the line; more than the numerator.
        denominator: u32,
    },
    /// A fixed time.
    Fixed(SignedDuration),
}

impl RenewBefore {
    /// How long before its end a certificate with that lifetime is renewed, in whole seconds.
    pub fn of(self, lifetime: SignedDuration) -> SignedDuration {
        match self {
            Self::Fixed(duration) => duration,
            Self::Share { numerator, denominator } => {
                let share = i128::from(lifetime.as_secs()) * i128::from(numerator);
                let seconds = share / i128::from(denominator.max(1));
                SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
            }
        }
    }

    /// Reads `1/3` or a duration.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((above, below)) = text.split_once('/') else {
            return parse(text).map(Self::Fixed).map_err(|message| format!("{message}, or a share: 1/3"));
        };
        match (above.trim().parse(), below.trim().parse()) {
            (Ok(numerator), Ok(denominator)) if 0 < numerator && numerator < denominator => {
                Ok(Self::Share { numerator, denominator })
            }
            _ => Err(format!(
                "{} is not a share of the lifetime; write one between 0 and 1, such as 1/3",
                quoted(text)
            )),
        }
    }
}

impl fmt::Display for RenewBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { numerator, denominator } => write!(f, "{numerator}/{denominator}"),
            Self::Fixed(duration) => f.write_str(&duration_text(*duration)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{RenewBefore, duration_text, parse};

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [("90d", 7_776_000), ("12h", 43_200), ("10m", 600), ("30s", 30), ("0s", 0)] {
            assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "d", "90", "-1d", "+1d", "1.5h", "1 d", "1d12h", "1w", "٣d", "é", "36501d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("99999999999999999999d").unwrap_err().contains("too long"));
        assert!(parse("9223372036854775807d").unwrap_err().contains("too long"));
    }

    #[test]
    fn shown_as_written() {
        for text in ["90d", "12h", "10m", "30s", "0s"] {
            assert_eq!(duration_text(parse(text).unwrap()), text);
        }
        assert_eq!(duration_text(SignedDuration::from_secs(90_360)), "1d 1h 6m");
        assert_eq!(duration_text(SignedDuration::from_secs(-60)), "-1m");
    }

    #[test]
    fn a_share_follows_the_lifetime() {
        let third = RenewBefore::parse("1/3").unwrap();
        assert_eq!(duration_text(third.of(parse("90d").unwrap())), "30d");
        assert_eq!(duration_text(third.of(SignedDuration::MAX)), duration_text(SignedDuration::MAX / 3));
        assert_eq!(RenewBefore::parse("30d").unwrap().to_string(), "30d");
        for bad in ["0/3", "3/3", "4/3", "1/0", "/", "a/b", "-1/3", "1/99999999999"] {
            assert!(RenewBefore::parse(bad).is_err(), "{bad}");
        }
    }
}
