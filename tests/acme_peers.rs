//! Certificates from real CAs that are not Pebble: acme2certifier has ARI and profiles, OpenBao has neither. Both look at
//! port 80 and 443, so each test has a network of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

mod acme_peers {
    //! What the tests have in common.

    mod acme2certifier;
    mod openbao;
    mod site;

    /// A network of the test's own; where there can be none, or one of these peers is missing, a named skip.
    macro_rules! own_network_or_skip {
        ($($peer:ty),+) => {{
            fn here() {}
            let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
            let reasons = [$crate::support::missing(), $(<$peer>::missing()),+];
            match reasons.into_iter().flatten().next() {
                None => $crate::support::Namespace::new("acme"),
                Some(reason) => return $crate::support::skipped(name, &reason),
            }
        }};
    }
    pub(crate) use own_network_or_skip;
}
