//! TLS servers: NGINX with good and bad configurations, and OpenSSL's own for what NGINX cannot be brought to do.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyturn::model::{Http, TlsOffer, TlsVersion};
use keyturn::verify::probe;

use super::found;
use crate::support::{Keyturn, Web, skip_without, wait_for};

/// A certificate (RSA, so that all suites can be had), DH parameters beside it where `dh` says so, and an NGINX.
fn site(directives: &str, parts: &str, dh: bool) -> (Keyturn, Web) {
    let keyturn = Keyturn::alone();
    let web = Web::with(&keyturn, directives);
    let (port, at) = (web.port, keyturn.dir().display().to_string());
    let dh = match dh {
        true => {
            "[dh_params.edge]\nsource = \"rfc7919\"\n[[dh_params.edge.targets]]\nkind = \"file\"\ndir = \"tls\"\n\
                 files = { \"dhparam.pem\" = \"dhparam\" }"
        }
        false => "",
    };
    keyturn.write("state.key", &format!("{}=\n", "A".repeat(43)));
    let keyturn = keyturn.config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
state_key_file = "state.key"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
private_key = {{ algorithm = "rsa-2048" }}
[[certificates.edge.targets]]
kind = "file"
dir = "tls"
files = {{ {parts} }}
reload = ["/usr/sbin/nginx", "-s", "reload", "-c", "{at}/nginx.conf", "-e", "stderr"]
verify = {{ connect = ["127.0.0.1:{port}"], server_name = "edge.test" }}
{dh}
"#
    ));
    keyturn.ok(&["run"]);
    (keyturn, web)
}

const WHOLE: &str = r#""tls.crt" = "fullchain", "tls.key" = "private-key""#;

/// Mozilla's intermediate set.
const GOOD: &str = "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; ssl_prefer_server_ciphers off; \
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305; \
    add_header Strict-Transport-Security \"max-age=63072000\" always;";

#[test]
fn a_good_server_has_nothing_said_of_it_and_nothing_is_written() {
    skip_without!(Web);
    let (keyturn, _web) = site(GOOD, WHOLE, false);
    let touched = || crate::support::Tree::of(&[keyturn.dir().join("state"), keyturn.dir().join("tls")]);
    let before = touched();
    assert_eq!(found(&keyturn, "tls"), [""; 0]);
    assert_eq!(found(&keyturn, "state"), [""; 0]);
    assert_eq!(touched().changed(&before), Vec::<std::path::PathBuf>::new(), "a reader");
}

#[test]
fn each_fault_of_a_server_is_told_under_its_code() {
    skip_without!(Web);
    let modern = GOOD.replace("TLSv1.2 TLSv1.3", "TLSv1.3");
    let old = GOOD
        .replace("TLSv1.2 TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2")
        .replace("POLY1305;", "POLY1305:AES128-SHA:@SECLEVEL=0;");
    let anonymous = GOOD.replace("POLY1305;", "POLY1305:ADH-AES128-GCM-SHA256:AECDH-NULL-SHA:@SECLEVEL=0;");
    let weak = GOOD.replace("POLY1305;", "POLY1305:AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA;");
    let tickets = GOOD.replace("tickets off", "tickets on");
    let short = GOOD.replace("63072000", "300");
    let none = GOOD.replace("Strict-Transport-Security", "X-Nothing");
    for (directives, wanted) in [
        (modern.as_str(), [].as_slice()),
        (&old, &["fault KT-TLS-OLD-PROTOCOL", "warning KT-TLS-NO-TLS13", "warning KT-TLS-WEAK-SUITE"]),
        (&anonymous, &["fault KT-TLS-BROKEN-SUITE"]),
        (&weak, &["warning KT-TLS-WEAK-SUITE"]),
        (&tickets, &["warning KT-TLS-TICKETS"]),
        (&short, &["warning KT-TLS-HSTS"]),
        (&none, &["warning KT-TLS-HSTS"]),
    ] {
        let (keyturn, _web) = site(directives, WHOLE, false);
        assert_eq!(found(&keyturn, "tls"), wanted, "{directives}");
    }
}

#[test]
fn dh_parameters_are_asked_for_where_they_are_used_and_only_there() {
    skip_without!(Web);
    let with = |file: &str| {
        let suites = GOOD.replace("POLY1305;", "POLY1305:DHE-RSA-AES128-GCM-SHA256;");
        format!("{suites} ssl_dhparam {{at}}/{file};")
    };
    let small = Keyturn::alone();
    let file = small.dir().join("small.pem");
    let mut made = Command::new("openssl");
    made.args(["dhparam", "-out", file.to_str().unwrap(), "-dsaparam", "1024"]).stderr(Stdio::null());
    assert!(made.status().unwrap().success());
    // NGINX takes a group that small only at the level of old times.
    let small = with("x").replace("SHA256;", "SHA256:@SECLEVEL=0;").replace("{at}/x", file.to_str().unwrap());
    for (directives, dh, wanted) in
        [(GOOD, true, ["warning KT-DH-UNUSED"].as_slice()), (&small, false, &["fault KT-TLS-DH-SMALL"])]
    {
        let (keyturn, _web) = site(directives, WHOLE, dh);
        assert_eq!(found(&keyturn, "tls"), wanted, "{directives}");
    }
    // The file that is delivered, and one of somebody's own.
    let (keyturn, web) = site(GOOD, WHOLE, true);
    let pair = "ssl_certificate {at}/tls/tls.crt; ssl_certificate_key {at}/tls/tls.key;";
    let serve = |file: &str| {
        let server = format!("listen 127.0.0.1:{} ssl; {pair} {}\nreturn 200 ok;", web.port, with(file));
        crate::support::configure_nginx(&keyturn, &server);
        assert!(crate::support::nginx_in(keyturn.dir()).args(["-s", "reload"]).status().unwrap().success());
    };
    serve("tls/dhparam.pem");
    assert!(
        wait_for(Duration::from_secs(5), || found(&keyturn, "tls").is_empty()),
        "{:?}",
        found(&keyturn, "tls")
    );
    let mut made = Command::new("openssl");
    made.args(["dhparam", "-out", "own.pem", "-dsaparam", "2048"]).current_dir(keyturn.dir());
    assert!(made.stderr(Stdio::null()).status().unwrap().success());
    serve("own.pem");
    let other = || found(&keyturn, "tls") == ["warning KT-DH-NOT-OURS"];
    assert!(wait_for(Duration::from_secs(5), other), "{:?}", found(&keyturn, "tls"));
}

#[test]
fn a_chain_that_is_not_whole_another_leaf_and_nobody() {
    skip_without!(Web);
    let (keyturn, web) = site(GOOD, r#""tls.crt" = "certificate", "tls.key" = "private-key""#, false);
    assert_eq!(found(&keyturn, "tls"), ["fault KT-TLS-CHAIN"]);
    // A new pair is delivered behind the server's back.
    let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let text: String =
        text.lines().filter(|line| !line.starts_with("reload")).map(|line| format!("{line}\n")).collect();
    keyturn.write(
        "keyturn.toml",
        &text.lines().filter(|l| !l.starts_with("verify")).map(|l| format!("{l}\n")).collect::<String>(),
    );
    keyturn.ok(&["rotate", "edge"]);
    keyturn.write("keyturn.toml", &text);
    let all = found(&keyturn, "tls");
    assert!(all.contains(&"fault KT-TLS-OTHER-LEAF".to_owned()), "{all:?}");
    drop(web);
    assert_eq!(found(&keyturn, "tls"), ["fault KT-TLS-UNREACHABLE"]);
}

/// OpenSSL's own server; ended when dropped.
struct Openssl {
    child: Child,
    port: u16,
}

impl Openssl {
    fn start(dir: &std::path::Path, more: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            "leaf.pem",
            "-key",
            "leaf.key",
        ]);
        command.args(more).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // It ends with its standard input, which the child's handle keeps open.
        let child = command.spawn().unwrap();
        let up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(wait_for(Duration::from_secs(10), up));
        Self { child, port }
    }

    fn look(&self) -> TlsOffer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(probe::look(&format!("127.0.0.1:{}", self.port), Some("edge.test"))).unwrap()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A CA, a leaf under it that names a responder, and that responder's answer: all by OpenSSL.
const WITH_RESPONDER: &str = "
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Responder -days 30
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=edge.test
printf 'subjectAltName=DNS:edge.test\\nauthorityInfoAccess=OCSP;URI:http://127.0.0.1:1/\\ntlsfeature=status_request\\n' > ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 4096 -days 30 -extfile ext -out leaf.pem
printf 'V\\t351231235959Z\\t\\t1000\\tunknown\\t/CN=edge.test\\n' > index.txt
openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce -reqout req.der
openssl ocsp -index index.txt -rsigner ca.pem -rkey ca.key -CA ca.pem -reqin req.der -respout resp.der -ndays 7
";

#[test]
fn openssls_own_server_is_seen_as_it_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Command::new("bash");
    script.args(["-euc", WITH_RESPONDER]).current_dir(folder.path());
    let made = script.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let plain = Openssl::start(folder.path(), &[]).look();
    assert_eq!(plain.versions, [TlsVersion::Tls12, TlsVersion::Tls13]);
    assert_eq!((plain.tickets, plain.stapled, plain.http), (Some(true), false, Http::Silent));
    assert_eq!(plain.ticket_lifetime, Some(7200), "OpenSSL's own default");
    let ocsp = keyturn::pki::ocsp(&plain.chain[0]).unwrap();
    assert_eq!((ocsp.responder.as_deref(), ocsp.must_staple), (Some("http://127.0.0.1:1/"), true));

    let stapled = Openssl::start(folder.path(), &["-status_file", "resp.der", "-no_ticket"]).look();
    assert_eq!((stapled.tickets, stapled.stapled), (Some(false), true));

    let oldest = Openssl::start(folder.path(), &["-tls1", "-cipher", "ALL:eNULL:@SECLEVEL=0"]).look();
    assert_eq!(oldest.versions, [TlsVersion::Tls10]);
    assert!(oldest.suites.is_empty() && oldest.chain.is_empty(), "{oldest:?}");

    // Every suite that OpenSSL can be brought to is found, no more and no less.
    let all = Openssl::start(folder.path(), &["-tls1_2", "-cipher", "ALL:eNULL:@SECLEVEL=0"]).look();
    let named =
        Command::new("openssl").args(["ciphers", "-s", "-tls1_2", "ALL:eNULL:@SECLEVEL=0"]).output().unwrap();
    let named = String::from_utf8(named.stdout).unwrap();
    let usable = |name: &&str| {
        !name.contains("ECDSA") && !name.contains("DSS") && !name.contains("PSK") && !name.contains("SRP")
    };
    let mut wanted: Vec<&str> = named.trim().split(':').filter(usable).collect();
    let mut seen: Vec<&str> = all.suites.iter().map(|suite| suite.name).collect();
    wanted.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, wanted);
    assert!(seen.len() > 40, "{seen:?}");
    assert!(all.dh.unwrap().bits() >= 2048);
}
