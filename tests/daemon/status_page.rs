//! The status page and the metrics: what people and machines see of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Browser, Daemon, Keyturn, OpenMetrics, Port, Promtool, daemon_lines, skip_without, wait_for,
};

/// Several kinds.
const SITE: &str = r#"
[daemon]
instance = "prod"
state_dir = "{dir}/state"
{daemon}
[issuers.internal]
kind = "internal"
common_name = "Example Internal CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["example.org", "*.example.org"]
[jwt_keys.auth]
algorithm = "RS256"
rotate_every = "30d"
publish_before = "5d"
max_token_ttl = "7d"
[dh_params.edge]
source = "rfc7919"
"#;

/// One that cannot be delivered, and a channel that nobody is at: alarms to be seen.
const WRONG: &str = r#"
[certificates.database]
issuers = ["internal"]
dns_names = ["db.example.org"]
duration = "60d"
[[certificates.database.targets]]
kind = "file"
dir = "{dir}/database"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
reload = ["false"]
[notify.ops]
kind = "webhook"
url_file = "{dir}/no-such-file"
"#;

fn site(more: &str) -> (Keyturn, Daemon) {
    let port = Port::free(None);
    let toml = format!("{SITE}{more}").replace("{daemon}", &daemon_lines(&port));
    let keyturn = Keyturn::alone().config(&toml);
    let daemon = Daemon::start(&keyturn, &port);
    // At rest, whatever was still on its way.
    keyturn.run(&["run"]);
    (keyturn, daemon)
}

fn with_trouble() -> (Keyturn, Daemon) {
    let (keyturn, daemon) = site(WRONG);
    let failed = || daemon.get("/metrics").body.contains("code=\"KT-");
    assert!(wait_for(std::time::Duration::from_secs(30), failed), "no problem is seen: {}", daemon.log());
    (keyturn, daemon)
}

#[test]
fn all_is_well_says_so_and_each_asset_has_a_page() {
    let (_keyturn, daemon) = site("");
    let page = daemon.get("/");
    assert_eq!(page.status, 200);
    for words in ["All is well: 4 assets", "certificates/edge", "jwt_keys/auth", "The coming year", "<svg"] {
        assert!(page.body.contains(words), "`{words}` is not in {}", page.body);
    }
    for field in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; style-src 'self'; img-src 'self';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(page.head.contains(field), "`{field}` is not in {}", page.head);
    }
    for foreign in ["<script", "http://", "https://", " style="] {
        assert!(!page.body.contains(foreign), "`{foreign}` is in the page");
    }
    let asset = daemon.get("/assets/certificates/edge");
    assert!(asset.status == 200 && asset.body.contains("SHA-256 fingerprint"), "{asset:#?}");
    let code = daemon.get("/problems/KT-PROOF-WEAK");
    assert!(code.status == 200 && code.body.contains("What to do"), "{code:#?}");
    for path in
        ["/assets/certificates/nobody", "/assets/certificates/%3Cscript%3E", "/problems/KT-NONE", "/assets/x"]
    {
        let nothing = daemon.get(path);
        assert!(nothing.status == 404 && !nothing.body.contains("<script>"), "{path}: {nothing:#?}");
    }
    assert_eq!(daemon.get("/style.css").status, 200);
    assert_eq!(daemon.get("/favicon.svg").status, 200);
    daemon.stop();
}

#[test]
fn what_is_wrong_stands_first_with_what_to_do() {
    let (_keyturn, daemon) = with_trouble();
    let page = daemon.get("/").body;
    let (wrong, served) = (page.find("What is wrong").unwrap(), page.find("What is served").unwrap());
    assert!(wrong < served && page[wrong..served].contains("/assets/certificates/database"), "{page}");
    daemon.stop();
}

/// What is wrong with the state, the configuration or a channel is no asset's: it is told in the same places.
#[test]
fn what_is_wrong_with_no_asset_is_on_the_page_in_the_metrics_and_in_status() {
    let port = Port::free(None);
    let channel = "[notify.ops]\nkind = \"webhook\"\nurl_file = \"{dir}/url\"\nallow_private = true\n";
    let good = format!("{SITE}{channel}").replace("{daemon}", &daemon_lines(&port));
    let mut keyturn = Keyturn::alone().config(&good);
    // Nobody listens there.
    keyturn.write("url", "http://127.0.0.1:1/");
    keyturn.ok(&["run"]);
    let audit = keyturn.dir().join("state/audit.log");
    let told = fs::read_to_string(&audit).unwrap().replacen("issue", "assue", 1);
    fs::write(&audit, told).unwrap();
    let daemon = Daemon::start(&keyturn, &port);
    keyturn = keyturn.config(&good.replace("rotate_every", "rotate_evry"));
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_says("the new configuration is not used");
    let has = |path: &str, words: &str| daemon.get(path).body.contains(words);
    let problem = |code: &str| format!("keyturn_problem{{asset=\"\",code=\"{code}\"}} 1");
    let seen = |words: &str| wait_for(std::time::Duration::from_secs(30), || has("/metrics", words));
    for code in ["KT-CONFIG-REJECTED", "KT-AUDIT-BROKEN"] {
        assert!(seen(&problem(code)), "{code}: {}", daemon.get("/metrics").body);
    }
    assert!(seen("keyturn_notify_failing{channel=\"ops\"} 1"), "{}", daemon.get("/metrics").body);
    // The page may be ten seconds old.
    let shown = || has("/", "/problems/KT-CONFIG-REJECTED") && has("/", "/problems/KT-AUDIT-BROKEN");
    assert!(wait_for(std::time::Duration::from_secs(30), shown) && !has("/", "All is well"));
    keyturn = keyturn.config(&good);
    let listed = |keyturn: &Keyturn| keyturn.ok(&["status", "-o", "json"]);
    assert!(listed(&keyturn).contains("KT-CONFIG-REJECTED") && listed(&keyturn).contains("KT-AUDIT-BROKEN"));

    // The file is good again, and no longer has one of the assets.
    keyturn = keyturn.config(&good.replace("[dh_params.edge]\nsource = \"rfc7919\"\n", ""));
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(seen(&problem("KT-NOT-CONFIGURED")), "{}", daemon.get("/metrics").body);
    // The page goes by the new file at once; the record of the refusal goes with the next look.
    let over = || {
        !has("/metrics", &problem("KT-CONFIG-REJECTED")) && !listed(&keyturn).contains("KT-CONFIG-REJECTED")
    };
    assert!(wait_for(std::time::Duration::from_secs(30), over), "{}", listed(&keyturn));
    daemon.stop();
}

/// In a browser: four times as people see it, once without scripts; pictures are left where `KEYTURN_TEST_PICTURES` says.
#[test]
fn a_browser_finds_its_way_and_axe_nothing_serious() {
    skip_without!(Browser);
    let (keyturn, daemon) = with_trouble();
    // What is wrong with no asset is to be seen as well.
    keyturn.write("keyturn.toml", "[daemon]\ninstanze = \"prod\"\n");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    let told = || daemon.get("/").body.contains("KT-CONFIG-REJECTED");
    assert!(wait_for(std::time::Duration::from_secs(30), told), "{}", daemon.log());
    let pictures = std::env::var_os("KEYTURN_TEST_PICTURES").map(PathBuf::from);
    let folder = pictures.unwrap_or_else(|| keyturn.dir().join("pictures"));
    let url = format!("http://{}/", daemon.listen());
    let walked = Browser::run("status-page.js", &[&url, folder.to_str().unwrap()]);
    assert!(walked.ok(), "{walked:#?}");
    assert!(folder.join("overview-dark-390.png").exists());
    daemon.stop();
}

#[test]
fn metrics_are_open_metrics_and_promtool_takes_the_rules() {
    skip_without!(OpenMetrics, Promtool);
    let (_keyturn, daemon) = with_trouble();
    let scrape = daemon.get("/metrics");
    assert!(
        scrape.head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{}",
        scrape.head
    );
    let samples = OpenMetrics::samples(&scrape.body);
    for start in [
        "keyturn_not_after_timestamp_seconds [('asset', 'certificates/edge')] ",
        "keyturn_renew_at_timestamp_seconds [('asset', 'jwt_keys/auth')] ",
        "keyturn_problem [('asset', 'certificates/database'), ('code', 'KT-",
        "keyturn_steps_total [('action', 'issue'), ('outcome', 'done')] 2.0",
        "process_resident_memory_bytes [] ",
    ] {
        assert!(samples.iter().any(|sample| sample.starts_with(start)), "no `{start}` in {samples:#?}");
    }
    let names: BTreeSet<&str> = samples.iter().filter_map(|sample| sample.split(' ').next()).collect();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring");
    Promtool::run(&examples, &["check", "rules", "keyturn.rules.yml"]);
    Promtool::run(&examples, &["test", "rules", "keyturn.rules.test.yml"]);
    let rules = fs::read_to_string(examples.join("keyturn.rules.yml")).unwrap();
    let dashboard = fs::read_to_string(examples.join("grafana-dashboard.json")).unwrap();
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().unwrap().len() > 8);
    for text in [&rules, &dashboard] {
        for name in asked_for(text) {
            assert!(names.contains(name), "{name} is asked for, and is none of {names:?}");
        }
    }
    daemon.stop();
}

/// The names of our metrics in a text.
fn asked_for(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).filter(|word| word.starts_with("keyturn_")).collect()
}
