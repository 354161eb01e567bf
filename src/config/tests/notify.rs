//! `[notify.*]` and `[[hooks]]`: what they become, and each fault with its place.

use insta::assert_snapshot;

use super::{certificate, faults, parse, warnings};
use crate::config::{ChannelKind, MailTls};
use crate::model::{Event, Moment, Severity};

#[test]
fn all_kinds() {
    let text = certificate("dns_names = [\"a.example\"]")
        + r##"
[notify.a]
kind = "slack"
url_file = "slack.url"
[notify.b]
kind = "mattermost"
url_file = "b"
[notify.c]
kind = "discord"
url_file = "c"
[notify.d]
kind = "teams"
url_file = "d"
[notify.e]
kind = "telegram"
token_file = "e"
chat = "-1001234567890"
[notify.f]
kind = "matrix"
homeserver = "https://matrix.example.org/"
room = "!abc:example.org"
token_file = "f"
[notify.g]
kind = "alertmanager"
url = "http://alertmanager:9093"
allow_private = true
heartbeat = "1m"
[notify.h]
kind = "webhook"
url_file = "h"
secret_file = "hs"
events = ["expiry", "failure"]
least = "warning"
ca_file = "ca.pem"
[notify.i]
kind = "email"
host = "smtp.example.org"
tls = "implicit"
user = "keyturn"
password_file = "i"
from = "keyturn@example.org"
to = ["ops@example.org"]
[[hooks]]
event = "activated"
assets = ["certificates/*"]
command = ["hooks/purge-cdn", "now"]
timeout = "10s"
"##;
    let config = parse(&text).unwrap();
    let channels = config.channels();
    assert_eq!(channels.len(), 9);
    assert_eq!(channels["a"].events().len(), Event::ALL.len());
    assert!(!channels["a"].allow_private() && channels["a"].least() == Severity::Info);
    assert!(
        matches!(channels["e"].kind(), ChannelKind::Telegram { server, .. } if server == "https://api.telegram.org")
    );
    assert!(
        matches!(channels["f"].kind(), ChannelKind::Matrix { homeserver, .. } if homeserver == "https://matrix.example.org")
    );
    assert_eq!(channels["g"].heartbeat().map(|every| every.as_secs()), Some(60));
    assert_eq!(channels["h"].least(), Severity::Warning);
    let ChannelKind::Email(mail) = channels["i"].kind() else { panic!("{:?}", channels["i"]) };
    assert_eq!((mail.port, mail.tls), (465, MailTls::Implicit));
    let hook = &config.hooks()[0];
    assert_eq!((hook.moment(), hook.assets()), (Moment::Activated, ["certificates/*".to_owned()].as_slice()));
    assert_eq!(hook.command().argv(), ["/etc/keyturn/hooks/purge-cdn", "now"]);
}

#[test]
fn faults_have_their_places() {
    assert_snapshot!(
        faults(
            r##"[notify.Ops]
kind = "slak"
url_file = "x"
[notify.a]
kind = "slack"
url = "https://hooks.slack.com/services/very-secret"
events = ["expiry", "rotations", "expiry"]
heartbeat = "10m"
least = "urgent"
[notify.b]
kind = "matrix"
homeserver = "http://matrix.example.org"
room = "#ops:example.org"
token = "very-secret"
[notify.c]
kind = "alertmanager"
url = "https://127.0.0.1:9093"
heartbeat = "1s"
[notify.d]
kind = "email"
host = "192.168.1.1"
tls = "none"
user = "x"
from = "Keyturn <k@example.org>"
to = []
[notify.e]
kind = "telegram"
chat = "ops"
token_file = "t"
room = "x"
[notify.f]
url_file = "x"
[[hooks]]
event = "activate"
assets = ["certs/*"]
command = "hooks/x"
[[hooks]]
command = []
"##
        ),
        @""
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_odd() {
    let text = certificate("dns_names = [\"a.example\"]")
        + "[[hooks]]\nevent = \"retired\"\nassets = [\"jwt_keys/*\"]\ncommand = [\"x\"]\n";
    assert!(
        warnings(&text).contains("hooks[0].assets[0]: `jwt_keys/*` matches no asset of this configuration")
    );
}
