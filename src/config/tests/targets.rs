//! Targets: their faults, and what the machine must have.

use insta::assert_snapshot;

use super::{certificate, faults, parse};
use crate::config::{Process, Services, Target, Verify};
use crate::model::ObjectKind;

/// A certificate with one target, whose keys begin in line 8.
fn target(kind: &str, rest: &str) -> String {
    certificate(&format!(
        "dns_names = [\"a.example\"]\n[[certificates.edge.targets]]\nkind = \"{kind}\"\n{rest}"
    ))
}

#[test]
fn kinds() {
    assert_snapshot!(faults(&target("swam", "dir = 1")), @r#"
    keyturn.toml:7:1: certificates.edge.targets[0].kind: `swam` is not known; did you mean `swarm`?
    "#);
    assert_snapshot!(faults(&target("swarm", "dir = \"x\"\nowner = \"root\"\nfile = {}")), @r#"
    keyturn.toml:6:1: certificates.edge.targets[0].files: is missing; write files = { "FILE" = "PART" }
    keyturn.toml:8:1: certificates.edge.targets[0].dir: belongs to a target of kind = "file"
    keyturn.toml:9:1: certificates.edge.targets[0].owner: belongs to a target of kind = "file"
    keyturn.toml:10:1: certificates.edge.targets[0].file: unknown key; did you mean `files`?
    "#);
    assert_snapshot!(faults(&target("file", "services = [\"a\"]\nas = \"config\"\nfiles = {}")), @r#"
    keyturn.toml:6:1: certificates.edge.targets[0].dir: is missing; write dir = "/etc/nginx/tls/edge"
    keyturn.toml:8:1: certificates.edge.targets[0].services: belongs to a target of kind = "swarm"
    keyturn.toml:9:1: certificates.edge.targets[0].as: belongs to a target of kind = "swarm"
    keyturn.toml:10:1: certificates.edge.targets[0].files: is empty; write { "FILE" = "PART" }
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\n[certificates.edge.targets]\nkind = \"file\"")), @r#"
    keyturn.toml:6:20: certificates.edge.targets: must be a list (of tables: [[certificates.edge.targets]]), and is a table
    "#);
}

#[test]
fn files() {
    assert_snapshot!(faults(&target("swarm",
        "files = { \"a\" = \"fulchain\", \"../b\" = \"ca\", \"/\" = \"ca\", \"c//d\" = \"ca\", \"e\" = \"kid\", \"f\" = \"pkcs12\", \
         \"g\" = \"private-key-pkcs1\", \"h\" = \"crl\", \"i\" = { part = \"ca\" }, \"j\\n\" = \"ca\" }")), @r#"
    keyturn.toml:8:11: certificates.edge.targets[0].files.a: `fulchain` is not known; did you mean `fullchain`?
    keyturn.toml:8:29: certificates.edge.targets[0].files."../b": `../b` has an empty step, `.` or `..` in its path; write it straight
    keyturn.toml:8:44: certificates.edge.targets[0].files."/": `/` names no file
    keyturn.toml:8:56: certificates.edge.targets[0].files."c//d": `c//d` has an empty step, `.` or `..` in its path; write it straight
    keyturn.toml:8:71: certificates.edge.targets[0].files.e: certificates/edge has no part kid; it has certificate, chain, fullchain, private-key, private-key-pkcs1, combined, ca, pkcs12, public-key, crl
    keyturn.toml:8:100: certificates.edge.targets[0].files.g: PKCS#1 is for RSA keys only; write private-key
    keyturn.toml:8:127: certificates.edge.targets[0].files.h: is an internal CA's revocation lists, and none with `crl = { lifetime = "30d" }` is among the issuers
    keyturn.toml:8:140: certificates.edge.targets[0].files.i: must be text, and is a table
    keyturn.toml:8:163: certificates.edge.targets[0].files."j\n": `j\n` has control characters in its name
    "#);
    assert_snapshot!(faults(&target("file", "dir = \"/tls\"\nfiles = { \"/a\" = \"ca\", \"b/c\" = \"ca\", \".d\" = \"ca\" }")), @r#"
    keyturn.toml:9:11: certificates.edge.targets[0].files."/a": is a path; write a name, the folder is in dir
    keyturn.toml:9:24: certificates.edge.targets[0].files."b/c": is a path; write a name, the folder is in dir
    keyturn.toml:9:38: certificates.edge.targets[0].files.".d": is hidden; in dir hidden names are Keyturn's own
    "#);
    assert_snapshot!(faults(&target("swarm", "as = \"config\"\nfiles = { \"a\" = \"combined\", \"b\" = \"ca\" }")), @r#"
    keyturn.toml:9:11: certificates.edge.targets[0].files.a: combined is private, and a Docker config can be read by everyone: as = "secret"
    "#);
    assert_snapshot!(faults(&target("swarm", "as = \"konfig\"\nfiles = \"a\"")), @r#"
    keyturn.toml:8:1: certificates.edge.targets[0].as: `konfig` is not known; did you mean `config`?
    keyturn.toml:9:1: certificates.edge.targets[0].files: must be a table, and is text
    "#);
}

#[test]
fn modes_and_owners() {
    assert_snapshot!(faults(&target("swarm", "files = { a = \"ca\" }\nmode = 400\nuid = -1\ngid = \"root\"")), @r#"
    keyturn.toml:9:1: certificates.edge.targets[0].mode: write the permission bits as octal text, such as "0400"
    keyturn.toml:10:1: certificates.edge.targets[0].uid: must be from 0 to 4294967294
    keyturn.toml:11:1: certificates.edge.targets[0].gid: must be a whole number, and is text
    "#);
    assert_snapshot!(faults(&target("swarm", "files = { a = \"ca\" }\nmode = \"4755\"\nuid = 4294967295")), @r#"
    keyturn.toml:9:1: certificates.edge.targets[0].mode: setuid, setgid and sticky bits are not for key files
    keyturn.toml:10:1: certificates.edge.targets[0].uid: must be from 0 to 4294967294
    "#);
    assert_snapshot!(faults(&target("file", "dir = \"/a\"\nfiles = { a = \"private-key\" }\nmode = \"0644\"\nowner = \"a:b\"\ngroup = true")), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].mode: 0644 opens a private key to everyone; write "0640" or less
    keyturn.toml:11:1: certificates.edge.targets[0].owner: `a:b` is not the name of a user or group
    keyturn.toml:12:1: certificates.edge.targets[0].group: must be text, and is true or false
    "#);
    assert_snapshot!(faults(&target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\nmode = \"0689\"")), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].mode: `0689` is not a mode; write the permission bits as octal text, such as "0400"
    "#);
}

#[test]
fn commands() {
    assert_snapshot!(faults(&target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\ntest = \"nginx -t\"\nreload = []")), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].test: must be a list, as no shell splits it: ["nginx", "-t"]
    keyturn.toml:11:1: certificates.edge.targets[0].reload: names no program
    "#);
    assert_snapshot!(faults(&target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\nreload = { signal = \"KILL\" }\ntest = { command = [\"\"], timeout = \"0s\" }")), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].reload.pid_file: is missing; write pid_file = "/run/nginx.pid"
    keyturn.toml:10:12: certificates.edge.targets[0].reload.signal: `KILL` is not known; known: HUP, USR1, USR2
    keyturn.toml:11:10: certificates.edge.targets[0].test.command: names no program
    keyturn.toml:11:26: certificates.edge.targets[0].test.timeout: must be at least 1s
    "#);
    assert_snapshot!(faults(&target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\nreload = { unit = \"--now\" }\ntest = 1")), @r#"
    keyturn.toml:10:12: certificates.edge.targets[0].reload.unit: `--now` is not a service unit; write its whole name, such as nginx.service
    keyturn.toml:11:1: certificates.edge.targets[0].test: must be a list, and is a number
    "#);
    assert_snapshot!(faults(&target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\nreload = { comand = [] }")), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].reload: write a command ["nginx", "-s", "reload"], { signal = "HUP", pid_file = "…" } or { unit = "…" }
    "#);
}

#[test]
fn proofs() {
    assert_snapshot!(faults(&target("swarm", "files = { a = \"ca\" }\nservices = [\"a b\", \"c\", \"c\"]\nverify = { connect = [\"tasks:8443\", \"a:99999\", \"::1:443\", \"a:+1\"], via = \"job\", url = \"http://a\" }")), @r#"
    keyturn.toml:9:13: certificates.edge.targets[0].services[0]: `a b` is not the name of a service; write it as `docker service ls` shows it
    keyturn.toml:9:25: certificates.edge.targets[0].services[2]: is in this list twice
    keyturn.toml:10:23: certificates.edge.targets[0].verify.connect[0]: not yet: connecting to each task comes with a later version; take this out, or write HOST:PORT
    keyturn.toml:10:37: certificates.edge.targets[0].verify.connect[1]: `a:99999` is not HOST:PORT, such as 127.0.0.1:443 or [::1]:443
    keyturn.toml:10:48: certificates.edge.targets[0].verify.connect[2]: `::1:443` is not HOST:PORT, such as 127.0.0.1:443 or [::1]:443
    keyturn.toml:10:59: certificates.edge.targets[0].verify.connect[3]: `a:+1` is not HOST:PORT, such as 127.0.0.1:443 or [::1]:443
    keyturn.toml:10:68: certificates.edge.targets[0].verify.via: not yet: verifying from inside the service's networks comes with a later version; take this out
    keyturn.toml:10:81: certificates.edge.targets[0].verify.url: belongs to JWT keys; a certificate is verified by connect = ["HOST:PORT"]
    "#);
    assert_snapshot!(faults(&target("swarm", "files = { a = \"ca\" }\nservices = []\nverify = { server_name = \"*.a\" }")), @r#"
    keyturn.toml:9:1: certificates.edge.targets[0].services: is empty; name a service, or leave it out for those labelled keyturn.asset
    keyturn.toml:10:1: certificates.edge.targets[0].verify.connect: is missing; write connect = ["127.0.0.1:443"]
    keyturn.toml:10:12: certificates.edge.targets[0].verify.server_name: `*.a` is not a DNS name: a * stands only for the whole first label: *.example.org
    "#);
    assert_snapshot!(faults(&target("swarm", "files = { a = \"ca\" }\nverify = { connect = [] }")), @r#"
    keyturn.toml:9:12: certificates.edge.targets[0].verify.connect: is empty; write at least one "HOST:PORT"
    "#);
    let jwt = |verify: &str| {
        faults(&format!(
            "[[jwt_keys.a.targets]]\nkind = \"swarm\"\nfiles = {{ a = \"jwks\" }}\nverify = {verify}\n"
        ))
    };
    assert_snapshot!(jwt("{ connect = [\"a:1\"] }"), @r#"
    keyturn.toml:4:1: jwt_keys.a.targets[0].verify.url: is missing; write url = "http://127.0.0.1:8080/.well-known/jwks.json"
    keyturn.toml:4:12: jwt_keys.a.targets[0].verify.connect: belongs to certificates; a JWT key is verified by url = "http://…"
    "#);
    assert_snapshot!(jwt("{ url = \"https://a/\" }"), @r#"
    keyturn.toml:4:12: jwt_keys.a.targets[0].verify.url: not yet: https comes with a later version; write the http:// address of the service itself
    "#);
    assert_snapshot!(jwt("{ url = \"http://u:p@a/\" }"), @r#"
    keyturn.toml:4:12: jwt_keys.a.targets[0].verify.url: has a user in it; secrets are never values here
    "#);
    assert_snapshot!(jwt("{ url = \"ftp://a/\" }"), @r#"
    keyturn.toml:4:12: jwt_keys.a.targets[0].verify.url: `ftp://a/` is not an http:// address
    "#);
    assert_snapshot!(faults("[[dh_params.a.targets]]\nkind = \"swarm\"\nfiles = { a = \"dhparam\" }\nverify = { connect = [\"a:1\"] }\n"), @r#"
    keyturn.toml:4:1: dh_params.a.targets[0].verify: nothing can be asked for its DH parameters; take this out, convergence is the proof
    "#);
}

#[test]
fn two_targets_on_one_file() {
    let text = certificate(
        "dns_names = [\"a.example\"]\n\
         [[certificates.edge.targets]]\nkind = \"swarm\"\nservices = [\"web\", \"api\"]\nfiles = { \"tls.crt\" = \"fullchain\", \"/etc/a\" = \"ca\" }\n\
         [[certificates.edge.targets]]\nkind = \"file\"\ndir = \"/tls\"\nfiles = { \"a\" = \"ca\" }\n\
         [[certificates.edge.targets]]\nkind = \"file\"\ndir = \"/tls/\"\nfiles = { \"b\" = \"ca\" }\n\
         [[dh_params.edge.targets]]\nkind = \"swarm\"\nservices = [\"web\"]\nfiles = { \"/run/secrets/tls.crt\" = \"dhparam\", \"/etc/a/b\" = \"dhparam\" }\n\
         [[jwt_keys.auth.targets]]\nkind = \"file\"\ndir = \"/tls\"\nfiles = { \"a\" = \"jwks\", \"c\" = \"kid\" }\n",
    );
    assert_snapshot!(faults(&text), @r#"
    keyturn.toml:17:11: certificates.edge.targets[2].files.b: certificates/edge has files in /tls already, by certificates.edge.targets[1]; put them together
    keyturn.toml:21:11: dh_params.edge.targets[0].files."/run/secrets/tls.crt": `/run/secrets/tls.crt` in service web is written by certificates.edge.targets[0].files."tls.crt" already
    keyturn.toml:21:47: dh_params.edge.targets[0].files."/etc/a/b": `/etc/a/b` in service web lies below `/etc/a`, which is a file: certificates.edge.targets[0].files."/etc/a"
    keyturn.toml:25:11: jwt_keys.auth.targets[0].files.a: `a` in /tls is written by certificates.edge.targets[1].files.a already
    "#);
}

#[test]
fn the_same_file_of_different_services_is_no_collision() {
    let text = certificate(
        "dns_names = [\"a.example\"]\n\
         [[certificates.edge.targets]]\nkind = \"swarm\"\nservices = [\"web\"]\nfiles = { a = \"ca\" }\n\
         [[certificates.edge.targets]]\nkind = \"swarm\"\nfiles = { a = \"ca\" }\n\
         [[dh_params.edge.targets]]\nkind = \"swarm\"\nfiles = { a = \"dhparam\" }\n",
    );
    parse(&text).unwrap();
}

#[test]
fn what_may_be_written_shortly() {
    let config = parse(&target(
        "swarm",
        "as = \"secret\"\nfiles = { \"/etc/ca.pem\" = \"ca\" }\npreflight = { command = [\"./test\"], timeout = \"5m\" }\nverify = { connect = [\"[::1]:443\"] }",
    ))
    .unwrap();
    let [Target::Swarm(swarm)] = config.certificates()["edge"].targets() else { panic!("a swarm target") };
    assert_eq!(*swarm.services(), Services::Labelled);
    assert_eq!(swarm.files()[0].object(), ObjectKind::Secret);
    assert_eq!(swarm.preflight().unwrap().argv(), ["./test"]);
    let Some(Verify::Handshake { connect, server_name }) = swarm.verify() else { panic!("a handshake") };
    assert_eq!((connect[0].host(), connect[0].to_string().as_str()), ("::1", "[::1]:443"));
    assert_eq!(server_name.as_deref(), Some("a.example"));
}

#[test]
fn owners_that_the_process_cannot_set() {
    let text = target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\nowner = \"no-such-user\"\ngroup = 4242");
    let config = parse(&text).unwrap();
    let root = Process { uid: 0, groups: vec![0], may_chown: true };
    let service = Process { uid: 998, groups: vec![998], may_chown: false };
    let shown = |process: &Process| {
        config.check_owners(process).unwrap_err().to_string().replace("/etc/keyturn/", "")
    };
    assert_snapshot!(shown(&root), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].owner: there is no user no-such-user on this machine
    "#);
    assert_snapshot!(shown(&service), @r#"
    keyturn.toml:10:1: certificates.edge.targets[0].owner: there is no user no-such-user on this machine
    keyturn.toml:11:1: certificates.edge.targets[0].group: uid 998 is not in group 4242; add it (SupplementaryGroups= in the unit), or leave group out
    "#);
    let member = Process { uid: 998, groups: vec![998, 4242], may_chown: false };
    let config =
        parse(&target("file", "dir = \"/a\"\nfiles = { a = \"ca\" }\nowner = 998\ngroup = \"4242\""))
            .unwrap();
    assert_eq!(config.check_owners(&member), Ok(()));
}
