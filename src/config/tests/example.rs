//! The design's example, without what comes later.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{CA, certificate, parse, warnings};
use crate::config::{
    Account, Config, DhSource, Drift, Environment, KeyRotation, Reload, RenewBefore, Services,
};
use crate::config::{Target, Verify, duration_text};
use crate::model::{AssetId, AssetKind, JwsAlgorithm, KeyAlgorithm, ObjectKind, Part, Usage};

const EXAMPLE: &str = r#"
[daemon]
instance       = "prod"
state_dir      = "/var/lib/keyturn"
state_key_file = "credential:state-key"
control_socket = "/run/keyturn/control.sock"
listen         = "127.0.0.1:9780"
public_listen  = "0.0.0.0:9781"

[schedule]
check    = "0 */5 * * * *"
maintenance = ["* * 1-5 * * *"]
timezone = "Europe/Berlin"

[docker]
socket = "/var/run/docker.sock"

[delivery]
retention        = "7d"
rollout_deadline = "10m"
concurrency      = 32
drift            = "alert"

[issuers.internal]
kind             = "internal"
common_name      = "Example Internal CA"
root_lifetime    = "3650d"
intermediate_lifetime = "365d"
root             = "state"
name_constraints = { permitted_dns = ["example.org"] }

[certificates.edge]
issuers      = ["internal"]
common_name  = "example.org"
dns_names    = ["Example.org", "*.example.org"]
ip_addresses = []
usages       = ["server-auth"]
private_key  = { algorithm = "ecdsa-p256", rotation = "always" }
duration     = "90d"
renew_before = "1/3"

[[certificates.edge.targets]]
kind      = "swarm"
services  = ["web_nginx"]
files     = { "tls.crt" = "fullchain", "tls.key" = "private-key", "/etc/ssl/ca.pem" = "ca" }
mode      = "0400"
preflight = ["nginx", "-t"]
verify    = { connect = ["127.0.0.1:8443"], server_name = "example.org" }

[[certificates.edge.targets]]
kind   = "file"
dir    = "/etc/nginx/tls/edge"
files  = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
owner  = "root"
group  = "www-data"
mode   = "0640"
test   = ["nginx", "-t"]
reload = ["nginx", "-s", "reload"]
verify = { connect = ["127.0.0.1:443"], server_name = "example.org" }

[jwt_keys.auth]
algorithm      = "RS256"
bits           = 3072
rotate_every   = "60d"
publish_before = "24h"
jwks_max_age   = "5m"
max_token_ttl  = "1h"
skew           = "60s"

[[jwt_keys.auth.targets]]
kind     = "swarm"
services = ["api_auth"]
files    = { "jwt.key" = "private-key", "jwt.kid" = "kid" }
[[jwt_keys.auth.targets]]
kind     = "swarm"
services = ["api_gateway"]
files    = { "/etc/api/jwks.json" = "jwks" }
verify   = { url = "http://127.0.0.1:8080/.well-known/jwks.json" }

[dh_params.edge]
bits         = 2048
source       = "generate"
rotate_every = "90d"
[[dh_params.edge.targets]]
kind     = "swarm"
services = ["web_nginx"]
files    = { "dhparam.pem" = "dhparam" }
"#;

fn example() -> Config {
    let environment = Environment::with_credentials("/run/credentials/keyturn.service");
    Config::parse_in(EXAMPLE, Path::new("/etc/keyturn/keyturn.toml"), &environment)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_example_is_good_and_nothing_is_odd_in_it() {
    let config = example();
    assert_eq!(config.warnings(), []);
    assert_eq!(config.daemon().instance(), "prod");
    let key = PathBuf::from("/run/credentials/keyturn.service/state-key");
    assert_eq!(config.daemon().chosen_state_key_file(), Some(key.as_path()));
    assert_eq!(config.daemon().public_listen().unwrap().port(), 9781);
    assert_eq!(config.delivery().drift(), Drift::Alert);
    let assets: Vec<String> = config.assets().map(|asset| asset.to_string()).collect();
    assert_eq!(assets, ["ca/internal", "certificates/edge", "dh_params/edge", "jwt_keys/auth"]);
    let edge = AssetId::new(AssetKind::Certificate, "edge");
    assert_eq!(config.targets(&edge).len(), 2);
    assert_eq!(config.targets(&AssetId::new(AssetKind::Certificate, "other")), []);
}

#[test]
fn a_certificate_is_typed() {
    let config = example();
    let edge = &config.certificates()["edge"];
    assert_eq!(edge.issuers(), ["internal"]);
    assert_eq!(edge.dns_names(), ["example.org", "*.example.org"]);
    assert_eq!(edge.usages(), [Usage::ServerAuth]);
    assert_eq!(edge.key_algorithm(), KeyAlgorithm::EcdsaP256);
    assert_eq!(edge.key_rotation(), KeyRotation::Always);
    assert_eq!(edge.renew_before(), RenewBefore::Share { numerator: 1, denominator: 3 });
    assert_eq!(
        edge.made_for(),
        "cn=\"example.org\" dns=*.example.org,example.org ip= usages=server-auth key=ecdsa-p256 issuer=internal \
         lifetime=90d"
    );
}

#[test]
fn targets_are_typed() {
    let config = example();
    let [Target::Swarm(swarm), Target::File(file)] = config.certificates()["edge"].targets() else {
        panic!("a swarm and a file target");
    };
    assert_eq!(*swarm.services(), Services::Named(vec!["web_nginx".to_owned()]));
    let files: Vec<_> = swarm.files().iter().map(|file| (file.path(), file.part(), file.object())).collect();
    let expected = [
        ("/etc/ssl/ca.pem", Part::Ca, ObjectKind::Config),
        ("tls.crt", Part::Fullchain, ObjectKind::Secret),
        ("tls.key", Part::PrivateKey, ObjectKind::Secret),
    ];
    assert_eq!(files, expected);
    assert_eq!(swarm.mode(), Some(0o400));
    assert_eq!(swarm.preflight().unwrap().argv(), ["nginx", "-t"]);
    let Some(Verify::Handshake { connect, server_name }) = swarm.verify() else { panic!("a handshake") };
    assert_eq!((connect[0].host(), connect[0].port()), ("127.0.0.1", 8443));
    assert_eq!(server_name.as_deref(), Some("example.org"));
    assert_eq!(file.dir(), Path::new("/etc/nginx/tls/edge"));
    assert_eq!(file.group(), Some(&Account::Name("www-data".to_owned())));
    assert_eq!(file.mode(), 0o640);
    let Some(Reload::Command(reload)) = file.reload() else { panic!("a command") };
    assert_eq!((reload.argv().len(), duration_text(reload.timeout()).as_str()), (3, "30s"));
}

#[test]
fn keys_and_parameters_are_typed() {
    let config = example();
    let auth = &config.jwt_keys()["auth"];
    assert_eq!((auth.algorithm(), auth.key_algorithm()), (JwsAlgorithm::Rs256, KeyAlgorithm::Rsa3072));
    assert_eq!(duration_text(auth.linger()), "1h 6m");
    assert_eq!(auth.made_for(), "alg=RS256 key=rsa-3072");
    let Some(Verify::Jwks { url }) = auth.targets()[1].verify() else { panic!("a url") };
    assert_eq!(
        (url.host(), url.port_u16(), url.path()),
        (Some("127.0.0.1"), Some(8080), "/.well-known/jwks.json")
    );
    let edge = &config.dh_params()["edge"];
    assert_eq!((edge.bits(), edge.source()), (2048, DhSource::Generate));
    assert_eq!(edge.made_for(), "bits=2048 source=generate");
}

#[test]
fn what_is_shown_is_the_default() {
    let short = format!(
        "{CA}[certificates.edge]\ndns_names = [\"example.org\", \"*.example.org\"]\n[jwt_keys.auth]\n[dh_params.edge]\n"
    );
    let (short, long) = (parse(&short).unwrap(), example());
    let (left, right) = (&short.certificates()["edge"], &long.certificates()["edge"]);
    assert_eq!(left.made_for(), right.made_for().replace("cn=\"example.org\"", "cn=\"\""));
    assert_eq!((left.renew_before(), left.key_rotation()), (right.renew_before(), right.key_rotation()));
    let (left, right) = (&short.jwt_keys()["auth"], &long.jwt_keys()["auth"]);
    assert_eq!((left.made_for(), left.linger()), (right.made_for(), right.linger()));
    assert_eq!((left.rotate_every(), left.publish_before()), (right.rotate_every(), right.publish_before()));
    assert_eq!(short.dh_params()["edge"].rotate_every(), long.dh_params()["edge"].rotate_every());
    assert_eq!(short.delivery(), long.delivery());
    assert_eq!(short.docker(), long.docker());
    assert_eq!(short.schedule().check(), long.schedule().check());
    assert_eq!(short.daemon().listen(), long.daemon().listen());
    assert_eq!(short.daemon().instance(), "keyturn");
    assert_eq!(short.daemon().state_key_file(), PathBuf::from("/var/lib/keyturn/state.key"));
    let (left, right) = (&short.internal_cas()["internal"], &long.internal_cas()["internal"]);
    assert_eq!(left.intermediate_lifetime(), right.intermediate_lifetime());
    assert_eq!(left.root_lifetime(), right.root_lifetime());
}

#[test]
fn an_empty_file_is_a_configuration() {
    assert_eq!(parse("").unwrap().assets().count(), 0);
}

#[test]
fn only_what_asks_for_a_new_revision_changes_made_for() {
    let of = |rest: &str| parse(&certificate(rest)).unwrap().certificates()["edge"].made_for();
    let base = of("dns_names = [\"a.example\", \"b.example\"]");
    assert_eq!(base, of("dns_names = [\"B.example\", \"a.example\"]\nrenew_before = \"10d\""));
    assert_eq!(
        base,
        of(
            "dns_names = [\"a.example\", \"b.example\"]\nprivate_key = { rotation = \"never\" }\nduration = \"2160h\""
        )
    );
    for other in [
        "dns_names = [\"a.example\"]",
        "dns_names = [\"a.example\", \"b.example\"]\nip_addresses = [\"::1\"]",
        "dns_names = [\"a.example\", \"b.example\"]\ncommon_name = \"a.example\"",
        "dns_names = [\"a.example\", \"b.example\"]\nduration = \"30d\"",
        "dns_names = [\"a.example\", \"b.example\"]\nusages = [\"server-auth\", \"client-auth\"]",
        "dns_names = [\"a.example\", \"b.example\"]\nprivate_key = { algorithm = \"ed25519\" }",
    ] {
        assert_ne!(base, of(other), "{other}");
    }
}

#[test]
fn maintenance_follows_the_wall_clock_of_its_zone() {
    let config = example();
    let schedule = config.schedule();
    assert!(schedule.in_maintenance(at("2026-01-10T00:00:00Z")));
    assert!(!schedule.in_maintenance(at("2026-01-10T05:00:00Z")));
    assert!(schedule.in_maintenance(at("2026-07-10T03:59:59Z")));
    assert_eq!(schedule.next_maintenance(at("2026-01-10T05:00:00Z")), Some(at("2026-01-11T00:00:00Z")));
    assert_eq!(schedule.next_maintenance(at("2026-01-10T00:00:01Z")), Some(at("2026-01-10T00:00:01Z")));
    assert_eq!(schedule.next_check(at("2026-01-10T00:00:00Z")), Some(at("2026-01-10T00:05:00Z")));
}

#[test]
fn daylight_saving_leaves_no_hole_between_checks() {
    let config = example();
    // 2026-10-25: 02:00 to 03:00 comes twice in Berlin; 2026-03-29: not at all.
    for (from, to) in
        [("2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"), ("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z")]
    {
        let (mut now, end) = (at(from), at(to));
        while now < end {
            let next = config.schedule().next_check(now).unwrap();
            assert_eq!(next.duration_since(now).as_mins(), 5, "after {now}");
            now = next;
        }
    }
}

#[test]
fn next_is_the_first_second_that_matches() {
    let zone = |name| jiff::tz::TimeZone::get(name).unwrap();
    for (text, name, from) in [
        ("0 30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z"),
        ("0 30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ("0 30 2 * * *", "Europe/Berlin", "2026-03-28T22:00:00Z"),
        ("0 0 0 * * Mon-Fri", "America/St_Johns", "2026-11-01T00:00:00Z"),
        ("*/7 15,45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z"),
    ] {
        let (cron, zone, from) = (crate::config::Cron::parse(text).unwrap(), zone(name), at(from));
        let next = cron.next(from, &zone).unwrap();
        assert!(cron.matches(next, &zone), "{text} {next}");
        let mut second = from.as_second() + 1;
        while second < next.as_second() {
            assert!(!cron.matches(Timestamp::from_second(second).unwrap(), &zone), "{text} skipped {second}");
            second += 1;
        }
    }
}

#[test]
fn oddities_are_told_and_stop_nothing() {
    insta::assert_snapshot!(warnings(&certificate(
        "common_name = \"example.com\"\ndns_names = [\"*.example.org\"]\n\
         [[certificates.edge.targets]]\nkind = \"file\"\ndir = \"tls\"\nfiles = { a = \"ca\" }\n\
         [[certificates.edge.targets]]\nkind = \"swarm\"\nfiles = { a = \"ca\" }\n\
         verify = { connect = [\"[::1]:443\"], server_name = \"a.b.example.org\" }\n\
         [issuers.spare]\nkind = \"internal\"\ncommon_name = \"Spare\"\n\
         [dh_params.edge]\nsource = \"rfc7919\"\nrotate_every = \"90d\"\n"
    ).replace("dns_names", "issuers = [\"internal\"]\ndns_names")), @r#"
    keyturn.toml:1:1: daemon.state_key_file: the state key lies beside the state: whoever copies the folder can read every key in it; write state_key_file = "credential:state-key" or a file elsewhere
    keyturn.toml:5:1: certificates.edge.common_name: `example.com` is not in dns_names, so no TLS client accepts it
    keyturn.toml:8:1: certificates.edge.targets[0].verify: is missing: nothing will show that the new certificate is the one served; write verify = { connect = ["HOST:PORT"] }
    keyturn.toml:15:37: certificates.edge.targets[1].verify.server_name: `a.b.example.org` is none of the certificate's dns_names
    keyturn.toml:16:10: issuers.spare: no certificate names it; its CA is made and kept all the same
    keyturn.toml:21:1: dh_params.edge.rotate_every: has no effect with source = "rfc7919": its groups are the same for ever
    "#);
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let config = parse(&certificate(
        "dns_names = [\"a\"]\n[[certificates.edge.targets]]\nkind = \"file\"\ndir = \"./tls/\"\nfiles = { a = \"ca\" }\n\
         test = [\"hooks/test\"]\nreload = { signal = \"SIGHUP\", pid_file = \"nginx.pid\" }\n\
         [daemon]\nstate_key_file = \"state.key\"\n[docker]\nsocket = \"unix://docker.sock\"",
    ))
    .unwrap();
    let [Target::File(file)] = config.certificates()["edge"].targets() else { panic!("a file target") };
    assert_eq!(file.dir(), Path::new("/etc/keyturn/tls"));
    assert_eq!(file.test().unwrap().argv(), ["/etc/keyturn/hooks/test"]);
    let Some(Reload::Signal { signal, pid_file }) = file.reload() else { panic!("a signal") };
    assert_eq!((signal.as_str(), pid_file.as_path()), ("SIGHUP", Path::new("/etc/keyturn/nginx.pid")));
    assert_eq!(config.daemon().state_key_file(), Path::new("/etc/keyturn/state.key"));
    assert_eq!(config.docker().socket(), Path::new("/etc/keyturn/docker.sock"));
}
