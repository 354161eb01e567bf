//! Each fault with its message and place, outside of targets.

use insta::assert_snapshot;

use super::{CA, certificate, faults, parse};

#[test]
fn all_faults_are_told_at_once() {
    let text = certificate(
        "dns_names = [\"exa mple.org\", \"b.example\", \"B.example\"]\nrenew_befor = \"30d\"\nusages = [\"server\"]\n\
         duration = 90\n[delivery]\nconcurrency = 0\n[jwt_keys.auth]\nalgorithm = \"RS265\"\n[daemn]\n",
    );
    assert_snapshot!(faults(&text), @r#"
    keyturn.toml:5:14: certificates.edge.dns_names[0]: `exa mple.org` is not a DNS name: labels are of a-z, 0-9 and -
    keyturn.toml:5:43: certificates.edge.dns_names[2]: is in this list twice
    keyturn.toml:6:1: certificates.edge.renew_befor: unknown key; did you mean `renew_before`?
    keyturn.toml:7:11: certificates.edge.usages[0]: `server` is not known; known: server-auth, client-auth
    keyturn.toml:8:1: certificates.edge.duration: must be text, and is a number
    keyturn.toml:10:1: delivery.concurrency: must be from 1 to 256
    keyturn.toml:12:1: jwt_keys.auth.algorithm: `RS265` is not known; did you mean `RS256`?
    keyturn.toml:13:2: daemn: unknown key; did you mean `daemon`?
    "#);
}

#[test]
fn not_toml() {
    assert_snapshot!(faults("[daemon]\ninstance = prod\nlisten = \"a\nx = 1\n[a\n"), @r#"
    keyturn.toml:2:12: not TOML: string values must be quoted, expected literal string
    keyturn.toml:3:12: not TOML: invalid basic string, expected `"`
    keyturn.toml:5:3: not TOML: unclosed table, expected `]`
    "#);
}

#[test]
fn the_daemon() {
    assert_snapshot!(faults(
        "[daemon]\ninstance = \"Prod\"\nstate_dir = \"~/state\"\nstate_key_file = \"credential:key\"\n\
         listen = \"localhost\"\npublic_listen = \"127.0.0.1:0\"\ncontrol_socket = \"\"\nlisten_public = true\n\
         [docker]\nsocket = \"tcp://10.0.0.1:2375\"\n[delivery]\nretention = \"7\"\nrollout_deadline = \"1s\"\n\
         drift = \"repair\"\n"
    ), @r#"
    keyturn.toml:2:1: daemon.instance: `Prod` is not a name; write up to 63 of a-z and 0-9, with - and _ between them
    keyturn.toml:3:1: daemon.state_dir: `~` is not a folder here; write the whole path
    keyturn.toml:4:1: daemon.state_key_file: credential:key needs $CREDENTIALS_DIRECTORY, which is not set; start Keyturn from a unit with LoadCredential=key:FILE, or write a file's path here
    keyturn.toml:5:1: daemon.listen: `localhost` is not an address; write IP:PORT, such as 127.0.0.1:9780
    keyturn.toml:6:1: daemon.public_listen: `127.0.0.1:0` is not an address; write IP:PORT, such as 127.0.0.1:9780
    keyturn.toml:7:1: daemon.control_socket: is empty
    keyturn.toml:8:1: daemon.listen_public: unknown key; known: instance, state_dir, state_key_file, control_socket, listen, public_listen, hosts
    keyturn.toml:10:1: docker.socket: `tcp://10.0.0.1:2375` is not a unix socket; Keyturn runs on a manager and talks to its engine there: /var/run/docker.sock
    keyturn.toml:12:1: delivery.retention: `7` is not a duration; write a whole number and one unit: 90d, 12h, 10m or 30s
    keyturn.toml:13:1: delivery.rollout_deadline: must be at least 10s
    keyturn.toml:14:1: delivery.drift: not yet: repairing drift comes with a later version; take this out, or write "alert"
    "#);
    assert_snapshot!(faults("[daemon]\nstate_key_file = \"credential:../key\"\npublic_listen = \"127.0.0.1:9780\"\n"), @r#"
    keyturn.toml:2:1: daemon.state_key_file: credential: is followed by a file's name without folders, such as credential:state-key
    keyturn.toml:3:1: daemon.public_listen: is the same as listen; leave it out, then JWKS and CA are served there too
    "#);
}

#[test]
fn the_schedule() {
    assert_snapshot!(faults("[schedule]\ncheck = \"*/5 * * * *\"\nmaintenance = [\"* * 25 * * *\", \"0 0 0 30 2 *\"]\ntimezone = \"Europe/Berln\"\n"), @r#"
    keyturn.toml:2:1: schedule.check: has five fields; seconds go first: "0 */5 * * * *"
    keyturn.toml:3:16: schedule.maintenance[0]: field 3 (hour): `25` is not understood, or out of range
    keyturn.toml:3:32: schedule.maintenance[1]: never comes: there is no such day
    keyturn.toml:4:1: schedule.timezone: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?
    "#);
    assert_snapshot!(faults("[schedule]\ncheck = \"@daily\"\nmaintenance = [\"* * 1-5 * * 1-5\", \"* */0 * * * *\"]\ntimezone = \"\"\n"), @r#"
    keyturn.toml:2:1: schedule.check: must have six fields (second, minute, hour, day of month, month, day of week), and may have years as a seventh (it has 1)
    keyturn.toml:3:16: schedule.maintenance[0]: field 6 (day of week): `1-5` counts days, from Sunday = 0 in some crons and from 1 in others; write names: Mon-Fri
    keyturn.toml:3:35: schedule.maintenance[1]: field 2 (minute): `*/0` is not understood, or out of range
    keyturn.toml:4:1: schedule.timezone: is empty
    "#);
    assert_snapshot!(faults("[schedule]\nmaintenance = []\n"), @r#"
    keyturn.toml:2:1: schedule.maintenance: names no window, so no service could ever be updated; leave it out for any time
    "#);
}

#[test]
fn issuers() {
    assert_snapshot!(faults(
        "[issuers.letsencrypt]\nkind = \"acme\"\nserver = \"https://acme.example\"\n\
         [issuers.internal]\nkind = \"internal\"\nserver = \"x\"\ncrl = { lifetime = \"30d\" }\ntrust_before = \"7d\"\n\
         root = \"offline\"\nroot_lifetime = \"30d\"\n\
         [issuers.none]\ncommon_name = \"x\"\n\
         [issuers.odd]\nkind = \"intern\"\n"
    ), @r#"
    keyturn.toml:4:10: issuers.internal.common_name: is missing; write common_name = "Example Internal CA"
    keyturn.toml:6:1: issuers.internal.server: belongs to kind = "acme"
    keyturn.toml:10:1: issuers.internal.root_lifetime: belongs to root = "state"; how long an offline root lives is not up to us
    keyturn.toml:11:10: issuers.none.kind: is missing; write kind = "internal" or "acme"
    keyturn.toml:14:1: issuers.odd.kind: `intern` is not known; did you mean `internal`?
    "#);
    assert_snapshot!(faults(
        "[issuers.a]\nkind = \"internal\"\ncommon_name = \"A\"\nname_constraints = { permitted_dns = [\".example.org\", \"*.example.org\"] }\n\
         [issuers.b]\nkind = \"internal\"\ncommon_name = \" B\"\nname_constraints = {}\n\
         [issuers.c]\nkind = \"internal\"\ncommon_name = \"C\"\nname_constraints = { permitted_dns = [] }\nintermediate_lifetime = \"3650d\"\n"
    ), @r#"
    keyturn.toml:4:39: issuers.a.name_constraints.permitted_dns[0]: leave the dot at the beginning out; the names below are permitted as well
    keyturn.toml:4:55: issuers.a.name_constraints.permitted_dns[1]: `*.example.org` is not a DNS name: a * stands only for the whole first label: *.example.org
    keyturn.toml:7:1: issuers.b.common_name: begins or ends with a blank
    keyturn.toml:8:1: issuers.b.name_constraints.permitted_dns: is missing; write permitted_dns = ["internal.example.org"]
    keyturn.toml:12:22: issuers.c.name_constraints.permitted_dns: is empty, so that nothing could be signed; leave name_constraints out to permit any name
    keyturn.toml:13:1: issuers.c.intermediate_lifetime: must be shorter than root_lifetime 3650d (it is 3650d)
    "#);
}

#[test]
fn revocation_lists() {
    assert_snapshot!(faults(
        "[issuers.a]\nkind = \"internal\"\ncommon_name = \"A\"\nroot = \"shelf\"\ncrl = { lifetime = \"20d\", every = \"11d\" }\n\
         [issuers.b]\nkind = \"internal\"\ncommon_name = \"B\"\ncrl = { every = \"1s\", lifetime = \"1s\", evry = \"1d\" }\n"
    ), @r#"
    keyturn.toml:4:1: issuers.a.root: `shelf` is not known; known: state, offline
    keyturn.toml:5:27: issuers.a.crl.every: must be at most half of lifetime 20d (it is 11d): a list must not end before its successor is there
    keyturn.toml:9:9: issuers.b.crl.every: must be at least 30s
    keyturn.toml:9:23: issuers.b.crl.lifetime: must be at least 1m
    keyturn.toml:9:40: issuers.b.crl.evry: unknown key; did you mean `every`?
    "#);
}

#[test]
fn which_issuer() {
    assert_snapshot!(faults("[certificates.edge]\ndns_names = [\"a\"]\n"), @r#"
    keyturn.toml:1:15: certificates.edge.issuers: is missing, and there is no issuer; add [issuers.NAME] with kind = "internal" or "acme"
    "#);
    let two = CA.replace("internal]", "second]");
    assert_snapshot!(faults(&format!("{CA}{two}[certificates.edge]\ndns_names = [\"a\"]\n")), @r#"
    keyturn.toml:7:15: certificates.edge.issuers: is missing, and there are several issuers; write issuers = ["internal"]
    "#);
    assert_snapshot!(faults(&format!("{CA}{two}[certificates.edge]\ndns_names = [\"a\"]\nissuers = [\"internal\", \"second\"]\n")), @r#"
    keyturn.toml:9:24: certificates.edge.issuers[1]: is a second internal CA; one is always there, so name one
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nissuers = [\"intenal\"]")), @r#"
    keyturn.toml:6:12: certificates.edge.issuers[0]: no such issuer: `intenal` is not known; did you mean `internal`?
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nissuers = []\nchallenge = { kind = \"dns-01\" }")), @r#"
    keyturn.toml:6:1: certificates.edge.issuers: is empty; name an issuer
    keyturn.toml:7:1: certificates.edge.challenge.provider: is missing; write provider = "cloudflare", or hook = "/path/of/a/program"
    "#);
    // An issuer that is faulty itself is there all the same.
    assert_snapshot!(faults("[issuers.internal]\nkind = \"internal\"\n[certificates.edge]\nissuers = [\"internal\"]\ndns_names = [\"a\"]\n"), @r#"
    keyturn.toml:1:10: issuers.internal.common_name: is missing; write common_name = "Example Internal CA"
    "#);
}

#[test]
fn names_of_assets() {
    let long = "x".repeat(35);
    assert_snapshot!(faults(&format!(
        "{CA}[certificates.Edge]\ndns_names = [\"a\"]\n[certificates.\"a.b\"]\ndns_names = [\"a\"]\n\
         [certificates.{long}]\ndns_names = [\"a\"]\n[jwt_keys.-a]\n[dh_params.\"\"]\n[jwt_keys.a-b]\n[jwt_keys.a_b]\n"
    )), @r#"
    keyturn.toml:4:15: certificates.Edge: `Edge` is not a name; write a-z and 0-9, with - and _ between them (it becomes part of Docker objects' names)
    keyturn.toml:6:15: certificates."a.b": `a.b` is not a name; write a-z and 0-9, with - and _ between them (it becomes part of Docker objects' names)
    keyturn.toml:8:15: certificates.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: the name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` has 35 characters; at most 34 leave room for cert.NAME.PART.NUMBER in the 64 that Docker allows
    keyturn.toml:10:11: jwt_keys.-a: `-a` is not a name; write a-z and 0-9, with - and _ between them (it becomes part of Docker objects' names)
    keyturn.toml:11:12: dh_params."": `` is not a name; write a-z and 0-9, with - and _ between them (it becomes part of Docker objects' names)
    keyturn.toml:13:11: jwt_keys.a_b: differs from a-b only in - and _, so both would be one variable of stack-env
    "#);
}

#[test]
fn names_in_certificates() {
    assert_snapshot!(faults(&certificate(
        "dns_names = [\"bücher.example\", \"a.*.example\", \"*example.org\", \"*.org\", \"a..b\", \"a.b.\", \"-a.b\", \
         \"10.0.0.1\", \"a b\", \"\"]\nip_addresses = [\"0.0.0.0\", \"example.org\", \"::1\", \"0:0::1\"]"
    )), @r#"
    keyturn.toml:5:32: certificates.edge.dns_names[1]: `a.*.example` is not a DNS name: a * stands only for the whole first label: *.example.org
    keyturn.toml:5:47: certificates.edge.dns_names[2]: `*example.org` is not a DNS name: a * stands only for the whole first label: *.example.org
    keyturn.toml:5:63: certificates.edge.dns_names[3]: `*.org` covers a whole top-level domain; verifiers do not honour that
    keyturn.toml:5:72: certificates.edge.dns_names[4]: `a..b` is not a DNS name: it has an empty label
    keyturn.toml:5:80: certificates.edge.dns_names[5]: `a.b.` is not a DNS name: leave the dot at the end out
    keyturn.toml:5:88: certificates.edge.dns_names[6]: `-a.b` is not a DNS name: a label begins or ends with -
    keyturn.toml:5:96: certificates.edge.dns_names[7]: `10.0.0.1` is not a DNS name: it looks like an IP address; that goes into ip_addresses
    keyturn.toml:5:108: certificates.edge.dns_names[8]: `a b` is not a DNS name: labels are of a-z, 0-9 and -
    keyturn.toml:5:115: certificates.edge.dns_names[9]: is empty
    keyturn.toml:6:17: certificates.edge.ip_addresses[0]: `0.0.0.0` is no address that a server is reached at
    keyturn.toml:6:28: certificates.edge.ip_addresses[1]: `example.org` is not an IP address; names go into dns_names
    keyturn.toml:6:50: certificates.edge.ip_addresses[3]: is in this list twice
    "#);
    assert_snapshot!(faults(&certificate("")), @r#"
    keyturn.toml:4:15: certificates.edge.dns_names: a certificate needs a name: write dns_names, ip_addresses or common_name
    "#);
    assert_snapshot!(faults(&certificate("common_name = \"a\"")), @r#"
    keyturn.toml:4:15: certificates.edge.dns_names: a server certificate needs dns_names or ip_addresses: TLS clients do not read the common name
    "#);
    assert_snapshot!(faults(&certificate(&format!("common_name = \"{}\"\ndns_names = \"a\"", "x".repeat(65)))), @r#"
    keyturn.toml:5:1: certificates.edge.common_name: has more than 64 characters, which a certificate's common name cannot have
    keyturn.toml:6:1: certificates.edge.dns_names: must be a list, and is text
    "#);
}

#[test]
fn a_certificate_larger_than_what_can_be_delivered() {
    let names: Vec<String> = (0..2000).map(|n| format!("\"host-{n:04}.example.internal\"")).collect();
    let text = certificate(&format!("dns_names = [{}]", names.join(",")));
    assert_snapshot!(faults(&text), @"keyturn.toml:5:1: certificates.edge.dns_names: 2000 names take 60000 bytes, and a certificate that can be kept and delivered has room for 40000; split them over several certificates, or use a wildcard");
}

#[test]
fn names_outside_of_the_issuers_constraints() {
    assert_snapshot!(faults(&format!(
        "{CA}name_constraints = {{ permitted_dns = [\"internal.example.org\"] }}\n[certificates.edge]\n\
         dns_names = [\"internal.example.org\", \"*.internal.example.org\", \"xinternal.example.org\", \"*.example.org\"]\n\
         [certificates.client]\nusages = [\"client-auth\"]\ncommon_name = \"a.example.com\"\n"
    )), @r#"
    keyturn.toml:6:1: certificates.edge.dns_names: `xinternal.example.org` lies outside of what issuers.internal may sign for (name_constraints.permitted_dns: internal.example.org)
    keyturn.toml:6:1: certificates.edge.dns_names: `*.example.org` lies outside of what issuers.internal may sign for (name_constraints.permitted_dns: internal.example.org)
    keyturn.toml:9:1: certificates.client.common_name: `a.example.com` lies outside of what issuers.internal may sign for (name_constraints.permitted_dns: internal.example.org)
    "#);
}

#[test]
fn addresses_outside_of_the_issuers_constraints() {
    let edge = "[certificates.edge]\nip_addresses = [\"10.1.2.3\", \"192.0.2.1\"]\n";
    assert_snapshot!(faults(&format!(
        "{CA}name_constraints = {{ permitted_dns = [\"a.example\"], permitted_ip_ranges = [\"10.0.0.0/8\", \"2001:db8::/32\"] }}\n\
         [issuers.internal.sign.x]\nip_addresses = [\"10.9.0.0/16\", \"10.0.0.0/7\"]\nusages = [\"client-auth\"]\n\
         duration = \"1d\"\n{edge}"
    )), @"
    keyturn.toml:5:19: issuers.internal.sign: the role `x`: 10.0.0.0/7 lies outside of name_constraints.permitted_ip_ranges: 10.0.0.0/8, 2001:db8::/32
    keyturn.toml:10:1: certificates.edge.ip_addresses: 192.0.2.1 lies outside of what issuers.internal may sign for (name_constraints.permitted_ip_ranges: 10.0.0.0/8, 2001:db8::/32)
    ");
    assert_snapshot!(faults(&format!(
        "{CA}name_constraints = {{ permitted_dns = [\"a.example\"], permitted_ip_ranges = [\"10.0.0.0/33\"] }}\n"
    )), @"keyturn.toml:4:76: issuers.internal.name_constraints.permitted_ip_ranges[0]: `10.0.0.0/33` is no network; write 10.0.0.0/8 or an address");
    assert_snapshot!(faults(&format!("{CA}name_constraints = {{ permitted_dns = [\"a.example\"] }}\n{edge}")), @"
    keyturn.toml:6:1: certificates.edge.ip_addresses: 10.1.2.3 lies outside of what issuers.internal may sign for (name_constraints.permitted_ip_ranges: none)
    keyturn.toml:6:1: certificates.edge.ip_addresses: 192.0.2.1 lies outside of what issuers.internal may sign for (name_constraints.permitted_ip_ranges: none)
    ");
    assert!(parse(&format!("{CA}{edge}")).is_ok(), "without constraints any address will do");
}

#[test]
fn lifetimes() {
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nrenew_before = \"120d\"")), @r#"
    keyturn.toml:6:1: certificates.edge.renew_before: must be shorter than the lifetime 90d (it is 120d); write e.g. "30d" or "1/3"
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nrenew_before = \"4/3\"\nduration = \"365d\"")), @r#"
    keyturn.toml:6:1: certificates.edge.renew_before: `4/3` is not a share of the lifetime; write one between 0 and 1, such as 1/3
    keyturn.toml:7:1: certificates.edge.duration: must be shorter than intermediate_lifetime 365d of issuers.internal (it is 365d)
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nrenew_before = \"0s\"\nduration = \"59s\"")), @r#"
    keyturn.toml:6:1: certificates.edge.renew_before: must be more than nothing: a certificate is renewed before its end
    keyturn.toml:7:1: certificates.edge.duration: must be at least 1m
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nrenew_before = \"soon\"\nduration = \"365d\"")), @r#"
    keyturn.toml:6:1: certificates.edge.renew_before: `soon` is not a duration; write a whole number and one unit: 90d, 12h, 10m or 30s, or a share: 1/3
    keyturn.toml:7:1: certificates.edge.duration: must be shorter than intermediate_lifetime 365d of issuers.internal (it is 365d)
    "#);
    assert_snapshot!(faults(&certificate("dns_names = [\"a\"]\nduration = \"365d\"")), @r#"
    keyturn.toml:6:1: certificates.edge.duration: must be shorter than intermediate_lifetime 365d of issuers.internal (it is 365d)
    "#);
}

#[test]
fn private_keys() {
    assert_snapshot!(faults(&certificate(
        "dns_names = [\"a\"]\nusages = []\nprivate_key = { algorithm = \"ecdsa-p265\", rotation = \"sometimes\", bits = 2048 }"
    )), @r#"
    keyturn.toml:6:1: certificates.edge.usages: is empty; write "server-auth", "client-auth" or both
    keyturn.toml:7:17: certificates.edge.private_key.algorithm: `ecdsa-p265` is not known; did you mean `ecdsa-p256`?
    keyturn.toml:7:43: certificates.edge.private_key.rotation: `sometimes` is not known; known: always, never
    keyturn.toml:7:67: certificates.edge.private_key.bits: unknown key; known: algorithm, rotation
    "#);
}

#[test]
fn jwt_keys() {
    assert_snapshot!(faults(
        "[jwt_keys.a]\nalgorithm = \"ES256\"\nbits = 3072\n[jwt_keys.b]\nbits = 1024\n[jwt_keys.c]\nrotate_every = \"29d\"\n\
         [jwt_keys.d]\npublish_before = \"1m\"\n[jwt_keys.e]\nallow_any_window = true\nrotate_every = \"1d\"\n\
         [jwt_keys.f]\nskew = \"1.5s\"\nbits = \"3072\"\n"
    ), @r#"
    keyturn.toml:3:1: jwt_keys.a.bits: is for RSA; a key for ES256 has one size only
    keyturn.toml:5:1: jwt_keys.b.bits: must be 2048, 3072 or 4096 (it is 1024)
    keyturn.toml:7:1: jwt_keys.c.rotate_every: must be from 30d to 90d (it is 29d); if you mean it, add allow_any_window = true
    keyturn.toml:9:1: jwt_keys.d.publish_before: must be at least jwks_max_age 5m (it is 1m), or a verifier's cache may lack the key that signs
    keyturn.toml:12:1: jwt_keys.e.rotate_every: must be at least publish_before + max_token_ttl + jwks_max_age + skew, which is 1d 1h 6m (it is 1d)
    keyturn.toml:14:1: jwt_keys.f.skew: `1.5s` is not a duration; write a whole number and one unit: 90d, 12h, 10m or 30s
    keyturn.toml:15:1: jwt_keys.f.bits: must be a whole number, and is text
    "#);
}

#[test]
fn dh_params() {
    assert_snapshot!(faults(
        "[dh_params.a]\nbits = 1024\n[dh_params.b]\nbits = 8192\n[dh_params.c]\nbits = 2047\nsource = \"rfc5114\"\n\
         [dh_params.d]\nrotate_every = \"91d\"\n[dh_params.e]\nbits = 2500\n"
    ), @r#"
    keyturn.toml:2:1: dh_params.a.bits: 1024 bits can be broken (Logjam, CVE-2015-4000), and OpenSSL refuses them; write 2048 or more
    keyturn.toml:4:1: dh_params.b.bits: a safe prime of 8192 bits takes hours to find; write 2048, 3072 or 4096, or source = "rfc7919"
    keyturn.toml:6:1: dh_params.c.bits: 2047 bits can be broken (Logjam, CVE-2015-4000), and OpenSSL refuses them; write 2048 or more
    keyturn.toml:7:1: dh_params.c.source: `rfc5114` is not known; known: generate, rfc7919
    keyturn.toml:9:1: dh_params.d.rotate_every: must be from 30d to 90d (it is 91d); if you mean it, add allow_any_window = true
    keyturn.toml:11:1: dh_params.e.bits: must be 2048, 3072 or 4096 (it is 2500)
    "#);
}

#[test]
fn what_comes_later() {
    assert_snapshot!(faults(
        "[cluster]\nenabled = false\n[backup]\ndir = \"x\"\n"
    ), @r#"
    keyturn.toml:1:2: cluster: not yet: several managers come with a later version; take this out
    keyturn.toml:3:2: backup: not yet: backups come with a later version; take this out
    "#);
}

#[test]
fn approvals_that_nobody_could_give() {
    assert_snapshot!(faults(
        "[roles]\napprove = [\"uid:0\", \"root\"]\n\
         [approvals]\nrequire = [\"ca-rotat\", \"restore\", \"restore\"]\nexpire = \"60d\"\n"
    ), @r#"
    keyturn.toml:2:12: roles.approve[0]: uid 0 never approves: whoever is root could be anybody; take it out
    keyturn.toml:2:21: roles.approve[1]: `root` is no user or group; write uid:1000 or gid:2000 (`id` prints them)
    keyturn.toml:4:12: approvals.require[0]: `ca-rotat` is not known; did you mean `ca-rotate`?
    keyturn.toml:4:35: approvals.require[2]: is in this list twice
    keyturn.toml:5:1: approvals.expire: must be at most 30d
    "#);
    assert_snapshot!(faults("[approvals]\n"), @r#"
    keyturn.toml:1:2: approvals.require: nobody could approve what it names; write who may: [roles] approve = ["uid:1001", "gid:2000"]
    "#);
    assert_snapshot!(faults("[roles]\noperate = [\"uid:1000\"]\n[approvals]\nrequire = [\"compromised\"]\n"), @r#"
    keyturn.toml:4:1: approvals.require: nobody could approve what it names; write who may: [roles] approve = ["uid:1001", "gid:2000"]
    "#);
}

#[test]
fn a_fault_points_to_the_character() {
    assert_snapshot!(faults("daemon = { instance = \"bücher\", \"lästen\" = 1 }"), @r#"
    keyturn.toml:1:12: daemon.instance: `bücher` is not a name; write up to 63 of a-z and 0-9, with - and _ between them
    keyturn.toml:1:33: daemon."lästen": unknown key; did you mean `listen`?
    "#);
}
