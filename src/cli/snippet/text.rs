//! The directives, purely: what Mozilla recommends (Server Side TLS 6.0), as far as a version can have it.

use super::version::{Server, Version};

/// Which of Mozilla's sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Profile {
    /// TLS 1.3 only
    Modern,
    /// TLS 1.2 and 1.3: for all that serves the public
    Intermediate,
}

/// Where the files are that a server reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    pub(super) certificate: String,
    pub(super) private_key: String,
    /// What stands above the leaf, or the roots.
    pub(super) trusted: Option<String>,
    /// The roots that clients are asked for.
    pub(super) clients: Option<String>,
    pub(super) crl: Option<String>,
    pub(super) dhparam: Option<String>,
}

/// All that the text is made of.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) server: Server,
    pub(super) profile: Profile,
    pub(super) asset: String,
    pub(super) names: Vec<String>,
    pub(super) port: u16,
    pub(super) paths: Paths,
    /// The leaf names a responder, so that there is something to staple.
    pub(super) staple: bool,
    /// The name servers that NGINX finds the responder by.
    pub(super) resolvers: Vec<String>,
    /// Whether the certificate's key is RSA: there is no DHE with another.
    pub(super) rsa: bool,
}

/// Mozilla's six, in its order.
const SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
    ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// For clients that can do no curves.
const DHE: &str = ":DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305";

const SUITES_13: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/// Nothing older is known here.
pub(super) const OLDEST: Version = Version(1, 11, 0);

/// A `server` block.
///
/// # Errors
///
/// When that version cannot have it, or a file that is needed goes nowhere.
pub(super) fn snippet(wanted: &Wanted) -> Result<String, String> {
    let Server { nginx, openssl } = wanted.server;
    if nginx < OLDEST {
        return Err(format!("NGINX {nginx} is older than what is known here ({OLDEST}); update it"));
    }
    if wanted.profile == Profile::Modern && !wanted.speaks_13() {
        return Err(format!(
            "the modern profile is TLS 1.3 alone, and NGINX {nginx} with OpenSSL {openssl} does not speak it"
        ));
    }
    if wanted.paths.dhparam.is_some() && !wanted.rsa {
        return Err("DHE needs an RSA certificate: private_key = { algorithm = \"rsa-2048\" }".to_owned());
    }
    let mut lines = vec![format!(
        "# {} by Mozilla's {} set (6.0), for NGINX {nginx} with OpenSSL {openssl}",
        wanted.asset,
        wanted.profile.name()
    )];
    lines.push("server {".to_owned());
    let blocks = [
        wanted.address(),
        wanted.pair(),
        wanted.protocol(),
        wanted.session(),
        wanted.clients(),
        wanted.stapling(),
        hsts(),
    ];
    for block in blocks.into_iter().filter(|block| !block.is_empty()) {
        lines.extend(block.into_iter().map(|line| format!("    {line}")));
        lines.push(String::new());
    }
    lines.pop();
    lines.push("}".to_owned());
    Ok(lines.join("\n"))
}

fn hsts() -> Vec<String> {
    vec![
        "# once all of the site works by TLS; a location with an add_header of its own needs it again"
            .to_owned(),
        "add_header Strict-Transport-Security \"max-age=63072000\" always;".to_owned(),
    ]
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<25} {value};")
}

impl Profile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Intermediate => "intermediate",
        }
    }
}

impl Wanted {
    /// NGINX 1.13.0 has learnt the word, OpenSSL 1.1.1 the protocol.
    fn speaks_13(&self) -> bool {
        self.server.nginx >= Version(1, 13, 0) && self.server.openssl >= Version(1, 1, 1)
    }

    /// `http2` has been a directive of its own since 1.25.1.
    fn address(&self) -> Vec<String> {
        let port = self.port;
        let listen = match self.server.nginx >= Version(1, 25, 1) {
            true => vec![line("listen", &format!("{port} ssl")), line("http2", "on")],
            false => vec![line("listen", &format!("{port} ssl http2"))],
        };
        let also = format!("# and the same for [::]:{port}, where IPv6 is spoken");
        listen.into_iter().chain([also, line("server_name", &self.names.join(" "))]).collect()
    }

    fn pair(&self) -> Vec<String> {
        vec![
            line("ssl_certificate", &self.paths.certificate),
            line("ssl_certificate_key", &self.paths.private_key),
        ]
    }

    fn protocol(&self) -> Vec<String> {
        let versions = match (self.profile, self.speaks_13()) {
            (Profile::Modern, _) => "TLSv1.3",
            (Profile::Intermediate, true) => "TLSv1.2 TLSv1.3",
            (Profile::Intermediate, false) => "TLSv1.2",
        };
        let mut lines = vec![line("ssl_protocols", versions)];
        if self.profile == Profile::Intermediate {
            let dhe = if self.paths.dhparam.is_some() { DHE } else { "" };
            lines.push(line("ssl_ciphers", &format!("{SUITES}{dhe}")));
            lines.extend(self.paths.dhparam.as_ref().map(|file| line("ssl_dhparam", file)));
        }
        // Since 1.19.4; before, those of TLS 1.3 are OpenSSL's own.
        if self.speaks_13() && self.server.nginx >= Version(1, 19, 4) {
            lines.push(line("ssl_conf_command", &format!("Ciphersuites {SUITES_13}")));
        }
        lines.push(line("ssl_ecdh_curve", self.curves()));
        lines.push(line("ssl_prefer_server_ciphers", "off"));
        lines
    }

    /// A group that OpenSSL does not know keeps NGINX from starting.
    fn curves(&self) -> &'static str {
        match self.server.openssl {
            version if version >= Version(3, 5, 0) => "X25519MLKEM768:X25519:prime256v1:secp384r1",
            version if version >= Version(1, 1, 0) => "X25519:prime256v1:secp384r1",
            _ => "prime256v1:secp384r1",
        }
    }

    fn session(&self) -> Vec<String> {
        vec![
            line("ssl_session_timeout", "1d"),
            line("ssl_session_cache", "shared:TLS:10m"),
            line("ssl_session_tickets", "off"),
        ]
    }

    fn clients(&self) -> Vec<String> {
        let Some(roots) = &self.paths.clients else { return Vec::new() };
        let asked = [line("ssl_client_certificate", roots), line("ssl_verify_client", "on")];
        // Root and intermediate.
        let deep = line("ssl_verify_depth", "2");
        let crl = self.paths.crl.as_ref().map(|file| line("ssl_crl", file));
        asked.into_iter().chain([deep]).chain(crl).collect()
    }

    fn stapling(&self) -> Vec<String> {
        if !self.staple {
            return Vec::new();
        }
        let mut lines = vec![line("ssl_stapling", "on"), line("ssl_stapling_verify", "on")];
        lines.extend(self.paths.trusted.as_ref().map(|file| line("ssl_trusted_certificate", file)));
        if !self.resolvers.is_empty() {
            lines.push(line("resolver", &self.resolvers.join(" ")));
        }
        lines
    }
}
