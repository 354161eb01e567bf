//! Which NGINX, and which OpenSSL under it.

use std::fmt;
use std::str::FromStr;

/// `1.25.1`; a letter behind it (`1.1.1w`) does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32, pub(super) u32);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.trim().split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().map_err(|_| format!("`{text}` is no version: write it as 1.22.1"))
        });
        let mut next = |or: Option<u32>| match (numbers.next(), or) {
            (Some(number), _) => number,
            (None, Some(or)) => Ok(or),
            (None, None) => Err(format!("`{text}` is no version: write it as 1.22.1")),
        };
        Ok(Self(next(None)?, next(None)?, next(Some(0))?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What decides about the syntax, and about what can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// NGINX.
    pub(super) nginx: Version,
    /// OpenSSL, as it runs.
    pub(super) openssl: Version,
}

/// Where it is not said: what nearly every system has had since 2018.
pub(super) const USUAL_OPENSSL: Version = Version(1, 1, 1);

/// Of what `nginx -V` prints: `nginx version: nginx/1.22.1`, `built with OpenSSL 3.0.8 … (running with OpenSSL 3.0.19 …)`.
pub(super) fn of_nginx(text: &str) -> Option<Server> {
    let behind = |mark: &str| {
        let rest = text.split(mark).nth(1)?;
        rest.split(|c: char| c.is_whitespace() || c == ')').next()?.parse().ok()
    };
    let openssl = behind("running with OpenSSL ").or_else(|| behind("built with OpenSSL "));
    Some(Server { nginx: behind("nginx version: nginx/")?, openssl: openssl.unwrap_or(USUAL_OPENSSL) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_print_them() {
        let debian = "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.8 7 Feb 2023 (running with OpenSSL 3.0.19 27 Jan \
                      2026)\nTLS SNI support enabled\n";
        let read = of_nginx(debian).unwrap();
        assert_eq!((read.nginx, read.openssl), (Version(1, 22, 1), Version(3, 0, 19)));
        let official = "nginx version: nginx/1.27.2 (Ubuntu)\nbuilt with OpenSSL 3.5.1 1 Jul 2025\n";
        assert_eq!(of_nginx(official).unwrap().openssl, Version(3, 5, 1));
        let other = "nginx version: nginx/1.25.3\nbuilt with LibreSSL 3.8.2\n";
        assert_eq!(of_nginx(other).unwrap().openssl, USUAL_OPENSSL);
        assert_eq!(of_nginx("bash: nginx: not found"), None);
        assert_eq!("1.1.1w".parse(), Ok(Version(1, 1, 1)));
        assert_eq!("1.18".parse(), Ok(Version(1, 18, 0)));
        assert!("new".parse::<Version>().is_err() && "1".parse::<Version>().is_err());
    }
}
