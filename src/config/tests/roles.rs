//! `[roles]` and `[approvals]`.

use std::path::Path;

use jiff::SignedDuration;

use crate::config::Config;
use crate::model::Guarded;

const CA: &str = "[issuers.internal]\nkind = \"internal\"\ncommon_name = \"CA\"\n";

fn config(text: &str) -> Config {
    Config::parse(&format!("{CA}{text}"), Path::new("/etc/keyturn/keyturn.toml")).unwrap()
}

#[test]
fn without_the_section_nothing_is_guarded_with_it_all_is() {
    let guarded =
        |config: &Config| Guarded::ALL.into_iter().filter(|what| config.guards().requires(*what)).count();
    let roles = "[roles]\napprove = [\"uid:1001\"]\n";
    assert_eq!(guarded(&config("")), 0);
    let all = config(&format!("{roles}[approvals]\n"));
    assert_eq!((guarded(&all), all.guards().expire()), (4, SignedDuration::from_hours(24)));
    let some = config(&format!("{roles}[approvals]\nrequire = [\"ca-rotate\"]\nexpire = \"90s\"\n"));
    assert!(some.guards().requires(Guarded::CaRotate) && guarded(&some) == 1);
    assert_eq!(some.guards().expire(), SignedDuration::from_secs(90));
    assert_eq!(guarded(&config("[approvals]\nrequire = []\n")), 0);
    let idle = config(roles);
    assert!(
        idle.warnings().iter().any(|one| one.to_string().contains("nothing needs it")),
        "{:?}",
        idle.warnings()
    );
}

#[test]
fn a_guard_of_what_is_not_built_is_odd() {
    let roles = "[roles]\napprove = [\"uid:1001\"]\n[approvals]\nrequire = ";
    let warned = |require: &str| {
        let config = config(&format!("{roles}{require}\n"));
        config.warnings().iter().any(|one| one.to_string().contains("guards nothing yet"))
    };
    assert!(warned("[\"restore\", \"compromised\"]") && !warned("[\"compromised\"]"));
}

#[test]
fn who_may_what() {
    let config = config(
        "[roles]\nread = [\"gid:2001\"]\noperate = [\"uid:1000\"]\napprove = [\"uid:1001\", \"gid:0\"]\n\
         [approvals]\nrequire = [\"restore\"]\n",
    );
    let roles = config.roles();
    assert!(roles.may_approve(1001, &[]) && roles.may_approve(7, &[0]));
    assert!(!roles.may_approve(0, &[0]) && !roles.may_approve(1000, &[1000]), "root never, by no group");
    assert!(roles.may_read(5, &[2001]) && roles.may_read(1000, &[]) && roles.may_read(1001, &[]));
    assert!(!roles.may_read(5, &[5]) && !roles.may_operate(1001, &[]));
}

#[test]
fn the_digest_is_of_the_text() {
    let one = config("");
    assert_eq!((one.digest().len(), one.digest()), (64, config("").digest()));
    assert_ne!(one.digest(), config("# another\n").digest());
}
