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
timeout = "1h"
"##
        ),
        @r##"
        keyturn.toml:1:9: notify.Ops: `Ops` is not a name; write up to 63 of a-z and 0-9, with - and _ between them
        keyturn.toml:2:1: notify.Ops.kind: `slak` is not known; did you mean `slack`?
        keyturn.toml:4:9: notify.a.url_file: is missing; write url_file = "credential:NAME"
        keyturn.toml:6:1: notify.a.url: is never written here, whoever has it can post: write url_file = "FILE"
        keyturn.toml:7:21: notify.a.events[1]: `rotations` is not known; did you mean `rotation`?
        keyturn.toml:7:34: notify.a.events[2]: is in this list twice
        keyturn.toml:8:1: notify.a.heartbeat: is for who notices silence: kind = "webhook" or "alertmanager"
        keyturn.toml:9:1: notify.a.least: `urgent` is not known; known: info, warning, critical
        keyturn.toml:10:9: notify.b.token_file: is missing; write token_file = "credential:NAME"
        keyturn.toml:12:1: notify.b.homeserver: is not https; plain http is only for a server of your own network: allow_private = true
        keyturn.toml:13:1: notify.b.room: `#ops:example.org` is no room ID; it begins with `!` (Room settings, Advanced), an alias with `#` will not do
        keyturn.toml:14:1: notify.b.token: is never written here: write token_file = "FILE"
        keyturn.toml:17:1: notify.c.url: is an address of a private network; write allow_private = true if it is yours
        keyturn.toml:18:1: notify.c.heartbeat: must be at least 10s
        keyturn.toml:19:9: notify.d.password_file: is missing beside user
        keyturn.toml:21:1: notify.d.host: is an address of a private network; write allow_private = true if it is yours
        keyturn.toml:22:1: notify.d.tls: "none" is only for a server of your own network: allow_private = true
        keyturn.toml:23:1: notify.d.user: would send its password in the clear; with tls = "none" nobody logs in
        keyturn.toml:24:1: notify.d.from: `Keyturn <k@example.org>` is no mail address, such as ops@example.org
        keyturn.toml:25:1: notify.d.to: is empty; name a recipient
        keyturn.toml:28:1: notify.e.chat: `ops` is no chat; write its number in quotes, "-1001234567890", or "@name"
        keyturn.toml:30:1: notify.e.room: unknown key; known: kind, events, least, heartbeat, allow_private, ca_file, token, token_file, chat, server
        keyturn.toml:31:9: notify.f.kind: is missing; write kind = "slack"
        keyturn.toml:34:1: hooks[0].event: `activate` is not known; did you mean `activated`?
        keyturn.toml:35:11: hooks[0].assets[0]: `certs/*` is no pattern of assets; write certificates/NAME, certificates/*, jwt_keys/*, dh_params/*, ca/* or *
        keyturn.toml:36:1: hooks[0].command: must be a list, and is text
        keyturn.toml:37:1: hooks[1].event: is missing; write event = "activated"
        keyturn.toml:38:1: hooks[1].command: names no program
        keyturn.toml:39:1: hooks[1].timeout: must be at most 10m: let the hook hand longer work to something else, and end
        "##
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

#[test]
fn a_mail_server_is_told_a_whole_name() {
    let mail = |hello: &str| {
        format!(
            "[notify.a]\nkind = \"email\"\nhost = \"smtp.example.org\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\nhello = \"{hello}\"\n"
        )
    };
    assert!(faults(&mail("web1")).contains("notify.a.hello: `web1` is no whole name"));
    let good = certificate("dns_names = [\"a.example\"]") + &mail("web1.example.org");
    let config = parse(&good).unwrap();
    let ChannelKind::Email(mail) = config.channels()["a"].kind() else { panic!("{config:?}") };
    assert_eq!(mail.hello.as_deref(), Some("web1.example.org"));
}
