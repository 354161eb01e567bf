use super::text::{Paths, Profile, Wanted, snippet};
use super::version::Server;

fn wanted(nginx: &str, openssl: &str) -> Wanted {
    Wanted {
        server: Server { nginx: nginx.parse().unwrap(), openssl: openssl.parse().unwrap() },
        profile: Profile::Intermediate,
        asset: "certificates/edge".to_owned(),
        names: vec!["example.org".to_owned(), "*.example.org".to_owned()],
        port: 443,
        paths: Paths {
            certificate: "/tls/tls.crt".to_owned(),
            private_key: "/tls/tls.key".to_owned(),
            ..Paths::default()
        },
        staple: false,
        resolvers: vec!["127.0.0.53".to_owned()],
        rsa: true,
    }
}

/// The directive's value, blanks once.
fn value(text: &str, name: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| line.split_whitespace().next() == Some(name))?;
    Some(line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ").trim_end_matches(';').to_owned())
}

#[test]
fn each_version_gets_what_it_knows() {
    for (nginx, openssl, listen, http2, protocols, conf, curves) in [
        ("1.12.2", "1.0.2", "443 ssl http2", None, "TLSv1.2", false, "prime256v1:secp384r1"),
        ("1.14.0", "1.1.0", "443 ssl http2", None, "TLSv1.2", false, "X25519:prime256v1:secp384r1"),
        ("1.18", "1.1.1", "443 ssl http2", None, "TLSv1.2 TLSv1.3", false, "X25519:prime256v1:secp384r1"),
        ("1.22.1", "3.0.19", "443 ssl http2", None, "TLSv1.2 TLSv1.3", true, "X25519:prime256v1:secp384r1"),
        ("1.25.0", "3.0.19", "443 ssl http2", None, "TLSv1.2 TLSv1.3", true, "X25519:prime256v1:secp384r1"),
        ("1.25.1", "3.4.0", "443 ssl", Some("on"), "TLSv1.2 TLSv1.3", true, "X25519:prime256v1:secp384r1"),
        (
            "1.29.0",
            "3.5.1",
            "443 ssl",
            Some("on"),
            "TLSv1.2 TLSv1.3",
            true,
            "X25519MLKEM768:X25519:prime256v1:secp384r1",
        ),
    ] {
        let text = snippet(&wanted(nginx, openssl)).unwrap();
        assert_eq!(value(&text, "listen").as_deref(), Some(listen), "{nginx}");
        assert_eq!(value(&text, "http2").as_deref(), http2, "{nginx}");
        assert_eq!(value(&text, "ssl_protocols").as_deref(), Some(protocols), "{nginx}");
        assert_eq!(value(&text, "ssl_conf_command").is_some(), conf, "{nginx}");
        assert_eq!(value(&text, "ssl_ecdh_curve").as_deref(), Some(curves), "{nginx}");
        assert_eq!(value(&text, "ssl_session_tickets").as_deref(), Some("off"), "{nginx}");
        for absent in ["ssl_stapling", "ssl_dhparam", "ssl_verify_client", "resolver"] {
            assert_eq!(value(&text, absent), None, "{nginx}");
        }
    }
}

#[test]
fn what_is_asked_for_is_there_and_what_cannot_be_is_refused() {
    let mut modern = wanted("1.22.1", "3.0.19");
    modern.profile = Profile::Modern;
    let text = snippet(&modern).unwrap();
    assert_eq!(value(&text, "ssl_protocols").as_deref(), Some("TLSv1.3"));
    assert_eq!(value(&text, "ssl_ciphers"), None, "TLS 1.3 has suites of its own");
    modern.server.openssl = "1.1.0".parse().unwrap();
    assert!(snippet(&modern).unwrap_err().contains("TLS 1.3"));
    assert!(snippet(&wanted("1.9.9", "1.1.1")).unwrap_err().contains("older"));

    let mut all = wanted("1.22.1", "3.0.19");
    all.paths.clients = Some("/tls/ca.crt".to_owned());
    all.paths.crl = Some("/tls/ca.crl".to_owned());
    all.paths.trusted = Some("/tls/ca.crt".to_owned());
    all.paths.dhparam = Some("/tls/dhparam.pem".to_owned());
    all.staple = true;
    insta::assert_snapshot!(snippet(&all).unwrap(), @r#"
    # certificates/edge by Mozilla's intermediate set (6.0), for NGINX 1.22.1 with OpenSSL 3.0.19
    server {
        listen                    443 ssl http2;
        # and the same for [::]:443, where IPv6 is spoken
        server_name               example.org *.example.org;

        ssl_certificate           /tls/tls.crt;
        ssl_certificate_key       /tls/tls.key;

        ssl_protocols             TLSv1.2 TLSv1.3;
        ssl_ciphers               ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305;
        ssl_dhparam               /tls/dhparam.pem;
        ssl_conf_command          Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256;
        ssl_ecdh_curve            X25519:prime256v1:secp384r1;
        ssl_prefer_server_ciphers off;

        ssl_session_timeout       1d;
        ssl_session_cache         shared:TLS:10m;
        ssl_session_tickets       off;

        ssl_client_certificate    /tls/ca.crt;
        ssl_verify_client         on;
        ssl_verify_depth          2;
        ssl_crl                   /tls/ca.crl;

        ssl_stapling              on;
        ssl_stapling_verify       on;
        ssl_trusted_certificate   /tls/ca.crt;
        resolver                  127.0.0.53;

        # once all of the site works by TLS; a location with an add_header of its own needs it again
        add_header Strict-Transport-Security "max-age=63072000" always;
    }
    "#);
    all.rsa = false;
    assert!(snippet(&all).unwrap_err().contains("RSA"));
}
