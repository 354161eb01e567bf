//! What may be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Turns over every certificate and key in a Docker Swarm, and proves it.
#[derive(Debug, Parser)]
#[command(name = "keyturn", version, max_term_width = 100, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 done; 1 something due failed; 2 usage or configuration; \
    3 waits for approval; 4 state locked or daemon unreachable; 5 refused to the caller.")]
pub(super) struct Cli {
    /// The configuration [default: /etc/keyturn/keyturn.toml, then ./keyturn.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// How facts are printed
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,

    /// Say more on stderr: -v what is done, -vv how, -vvv everything (KEYTURN_LOG overrides it)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,

    /// How the log is written
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "KEYTURN_LOG_FORMAT",
        hide_env_values = true
    )]
    #[arg(default_value_t = LogFormat::Auto)]
    pub(super) log_format: LogFormat,

    /// What to do
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// To journald where systemd has connected stderr with it, else as text
    Auto,
    /// Lines on stderr, for people
    Text,
    /// JSON lines on stderr, for programs
    Json,
    /// To journald, with fields: KEYTURN_ASSET, KEYTURN_ACTION, KEYTURN_CODE
    Journald,
}

/// How facts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs: the documented fields, times in RFC 3339 UTC
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run until stopped: look, do what is due, sleep until something is
    Daemon,
    /// One pass: plan, execute what is due, wait for it, exit
    Run {
        /// Afterwards make the keys and parameters that are to be kept ready; a DH prime takes its time
        #[arg(long)]
        stock: bool,
    },
    /// What would be done, when, why, and which services would restart; changes nothing
    Plan {
        /// Plan for this moment (RFC 3339) instead of now
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Look this far ahead: 90d, 12h [default: what is due now]
        #[arg(long, value_name = "DURATION")]
        until: Option<String>,
    },
    /// Issued, delivered, served; valid until; next renewal; what is wrong, and what to do
    Status {
        /// Only this asset: certificates/NAME, jwt_keys/NAME, dh_params/NAME, ca/NAME, or a NAME that is unique
        asset: Option<String>,
    },
    /// Turn over now, as far as the overlap allows, and say what follows when
    Rotate {
        /// The assets
        #[arg(required_unless_present = "all", value_name = "ASSET")]
        assets: Vec<String>,
        /// All of them, but for CAs
        #[arg(long, conflicts_with = "assets")]
        all: bool,
        /// The key is in wrong hands: a new one at once, and no way back; certificates are revoked
        #[arg(long)]
        compromised: bool,
    },
    /// Have a certificate withdrawn by who issued it; what is in use is replaced first
    Revoke {
        /// The certificate
        asset: String,
        /// This revision instead of the one in use
        #[arg(long, value_name = "N")]
        revision: Option<u32>,
        /// Of a CA (ca/NAME): the certificate with this serial number, which `ca sign` has signed
        #[arg(long, value_name = "HEX", conflicts_with_all = ["revision", "now"])]
        serial: Option<String>,
        /// unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation
        #[arg(long, value_name = "REASON", default_value = "unspecified")]
        reason: String,
        /// Do not wait for a successor
        #[arg(long)]
        now: bool,
        /// Of a certificate that a person carries: its CA has revoked it, note that
        #[arg(long, conflicts_with_all = ["serial", "now"])]
        done: bool,
    },
    /// Print the request that a person carries to a CA: for a certificate (an issuer with kind = "manual"), or for the
    /// intermediate of a CA whose root is elsewhere
    Csr {
        /// certificates/NAME, or ca/NAME
        asset: String,
    },
    /// Take in what is there already: a certificate, a JWT key that signs, or a CA of which nothing is made yet; or the
    /// intermediate of a CA whose root is elsewhere
    Import {
        /// certificates/NAME, jwt_keys/NAME, or ca/NAME: a root, or an intermediate whose root's key stays elsewhere
        asset: String,
        /// The certificate, PEM; what stands above it may follow
        #[arg(long, value_name = "FILE")]
        cert: Option<PathBuf>,
        /// The private key, PKCS#8 PEM, encrypted or not; that of `csr` is here already
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// What stands above it, in any order; of a CA's intermediate up to the root
        #[arg(long, value_name = "FILE")]
        chain: Option<PathBuf>,
        /// The first line is the password of the key
        #[arg(long, value_name = "FILE", requires = "key")]
        password_file: Option<PathBuf>,
        /// The revocation lists of what stands above a CA's intermediate, PEM or DER; may come alone
        #[arg(long, value_name = "FILE")]
        crl: Option<PathBuf>,
        /// Of a JWT key: the key ID that its tokens name; its RFC 7638 thumbprint where it is not said
        #[arg(long, requires = "key")]
        kid: Option<String>,
    },
    /// Print one part of an asset
    Export {
        /// The asset
        asset: String,
        /// certificate, chain, fullchain, private-key, private-key-pkcs1, combined, ca, pkcs12, public-key, public-keys,
        /// kid, jwks, dhparam
        #[arg(long, value_name = "PART")]
        part: String,
        /// Of this revision instead of the one in use
        #[arg(long, value_name = "N")]
        revision: Option<u32>,
        /// The password of a PKCS#12 file is in it, one line
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Whether the daemon lives; exit code 0 if so, for HEALTHCHECK
    Health {
        /// Whether it has also looked at everything once
        #[arg(long)]
        ready: bool,
    },
    /// Print a JWT key's JWKS as its verifiers must have it now
    Jwks {
        /// The key's name
        name: String,
    },
    /// Search for Diffie-Hellman parameters, without any configuration
    Dhparam {
        /// Size of the safe prime
        #[arg(long, default_value_t = 2048)]
        bits: usize,
        /// Write them here instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Look at the state, the clock, the engine, the services and the servers' TLS, and say what is wrong, why, and what
    /// to do; changes nothing. Exit code 1 when something is a fault
    Doctor {
        /// Do not ask the ACME CAs what time it is
        #[arg(long)]
        offline: bool,
    },
    /// Print NGINX's TLS configuration for a certificate's files, as its version can have it
    NginxSnippet {
        /// The certificate
        certificate: String,
        /// Which of Mozilla's sets
        #[arg(long, value_enum, default_value_t = super::snippet::Profile::Intermediate)]
        profile: super::snippet::Profile,
        /// Of NGINX [default: that of this machine's]
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Of OpenSSL [default: the one that this machine's NGINX runs with; beside --version 1.1.1]
        #[arg(long, value_name = "VERSION")]
        openssl: Option<String>,
        /// Offer DHE suites too, with the DH parameters that go to the same server
        #[arg(long)]
        dhe: bool,
        /// Ask clients for a certificate: of the roots in the part `ca`, against the lists in the part `crl`
        #[arg(long)]
        verify_clients: bool,
    },
    /// The internal CAs
    Ca {
        #[command(subcommand)]
        verb: CaVerb,
    },
    /// The accounts at ACME CAs
    Acme {
        #[command(subcommand)]
        verb: AcmeVerb,
    },
    /// The requests that wait for another person's word, and what has become of the others
    Approvals,
    /// Say yes to what somebody else has asked for; the daemon does it then
    Approve {
        /// The request's number, of `keyturn approvals`
        id: u64,
    },
    /// Say no to a request, or take your own back
    Deny {
        /// The request's number, of `keyturn approvals`
        id: u64,
    },
    /// The history: who did what to which asset
    Audit {
        /// Check that no line was changed, dropped or added
        #[arg(long)]
        verify: bool,
    },
    /// The configuration
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// The channels that people are told by
    Notify {
        #[command(subcommand)]
        verb: NotifyVerb,
    },
    /// What a problem code means, and what to do
    Explain {
        /// KT-NAME; all of them without
        code: Option<String>,
        /// As docs/problems.md has it
        #[arg(long, hide = true)]
        markdown: bool,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man {
        /// Write one page a verb into this folder instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Verbs that are planned and not built.
    #[command(external_subcommand)]
    Later(Vec<String>),
}

#[derive(Debug, Subcommand)]
pub(super) enum CaVerb {
    /// Make the root and the signing intermediate, where there are none
    Init {
        /// The issuer's name
        name: String,
    },
    /// What the CA is: its certificates, their lifetimes and fingerprints
    Show {
        /// The issuer's name
        name: String,
    },
    /// Roll the root over: the new one is trusted everywhere before anything is signed under it
    Rotate {
        /// The issuer's name
        name: String,
    },
    /// Print the revocation lists
    Crl {
        /// The issuer's name
        name: String,
    },
    /// Sign a request (PKCS#10) as far as a role of issuers.NAME.sign allows; print the certificate with its chain
    Sign {
        /// The request, PEM
        #[arg(value_name = "CSR")]
        request: PathBuf,
        /// The issuer [default: the only internal one]
        #[arg(long, value_name = "NAME")]
        ca: Option<String>,
        /// The role [default: the only one]
        #[arg(long, value_name = "NAME")]
        role: Option<String>,
        /// Valid for less than the role allows: 12h, 7d
        #[arg(long, value_name = "DURATION")]
        duration: Option<String>,
    },
    #[command(external_subcommand)]
    Later(Vec<String>),
}

#[derive(Debug, Subcommand)]
pub(super) enum AcmeVerb {
    /// Give the account a new key; the old one is forgotten
    Rollover {
        /// The issuer's name
        issuer: String,
    },
    /// Make a new account where a person has deactivated the one that there was
    Register {
        /// The issuer's name
        issuer: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum NotifyVerb {
    /// Send a message to each channel now, and say what came of it
    Test {
        /// Only to this one: NAME of [notify.NAME]
        name: Option<String>,
    },
    /// Tell each channel that takes failures that Keyturn itself has failed; for OnFailure= of systemd
    Down {
        /// What has failed: keyturn.service
        #[arg(default_value = "keyturn.service")]
        unit: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Check the configuration; all faults at once
    Check,
}
