use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::model::{AssetKind, Content, FileContent, Numbers, Part, ProofAsk};

fn rollout(dir: &Path, identity: &str, previous: Option<&str>, test: &[&str]) -> (Rollout, Goods) {
    let asset = AssetId::new(AssetKind::Certificate, "edge");
    let file = |part| FileContent {
        part,
        revisions: Numbers::from_slice(&[1]),
        password: None,
        kind: None,
        mode: Some(0o640),
        owner: None,
        group: None,
    };
    let files = [("tls.crt", Part::Fullchain), ("tls.key", Part::PrivateKey)];
    let content =
        Content { files: files.iter().map(|(path, part)| ((*path).to_owned(), file(*part))).collect() };
    let goods = files
        .iter()
        .map(|(path, _)| ((asset.clone(), (*path).to_owned()), Secret::new(format!("{path} of {identity}"))));
    let goods = Goods { files: goods.collect(), ..Goods::default() };
    let install = Install {
        dir: dir.to_owned(),
        identity: identity.to_owned(),
        previous: previous.map(str::to_owned),
        test: (!test.is_empty()).then(|| test.iter().map(|word| (*word).to_owned()).collect()),
        reload: None,
        timeout: Duration::from_secs(5),
    };
    let parcel = Parcel {
        asset,
        revision: 1,
        content,
        swaps: Vec::new(),
        install: Some(install),
        proof: ProofAsk::Converged,
        against: String::new(),
    };
    let rollout = Rollout {
        place: Place::Dir(dir.to_owned()),
        service_id: None,
        parcels: vec![parcel],
        preflight: Vec::new(),
        deadline: jiff::SignedDuration::from_secs(5),
        applied: false,
        undo: None,
    };
    (rollout, goods)
}

fn before(rollout: &Rollout) -> Before {
    let parcel = &rollout.parcels[0];
    let identity = parcel.install.as_ref().and_then(|install| install.previous.clone());
    Before { identities: [(parcel.asset.clone(), identity)].into(), ..Before::default() }
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[tokio::test]
async fn a_pair_turns_over_as_one_and_old_folders_go() {
    let dir = tempfile::tempdir().unwrap();
    let (first, goods) = rollout(dir.path(), "aaaaaaaaaaaa", None, &[]);
    Directories.apply(&first, &goods).await.unwrap();
    Directories.finish(&first).await.unwrap();
    assert_eq!(read(dir.path(), "tls.crt"), "tls.crt of aaaaaaaaaaaa");
    let mode = fs::metadata(dir.path().join("tls.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert_eq!(install::shown(&first.parcels[0].asset, dir.path()).as_deref(), Some("aaaaaaaaaaaa"));

    let (second, goods) = rollout(dir.path(), "bbbbbbbbbbbb", Some("aaaaaaaaaaaa"), &[]);
    Directories.apply(&second, &goods).await.unwrap();
    assert_eq!(read(dir.path(), "tls.key"), "tls.key of bbbbbbbbbbbb");
    assert!(dir.path().join(".cert.edge.aaaaaaaaaaaa").exists(), "until it is proven, the old is at hand");
    Directories.finish(&second).await.unwrap();
    assert!(!dir.path().join(".cert.edge.aaaaaaaaaaaa").exists());
}

#[tokio::test]
async fn a_failed_test_brings_the_old_files_back_with_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let (first, goods) = rollout(dir.path(), "aaaaaaaaaaaa", None, &[]);
    Directories.apply(&first, &goods).await.unwrap();
    let test = ["sh", "-c", "echo bad pair >&2; exit 3"];
    let (second, goods) = rollout(dir.path(), "bbbbbbbbbbbb", Some("aaaaaaaaaaaa"), &test);
    Directories.apply(&second, &goods).await.unwrap();
    let problem = Directories.settle(&second, &goods).await.unwrap_err();
    assert_eq!(problem.code, Code::FileTestFailed);
    assert!(problem.message.contains("bad pair"), "{problem}");
    Directories.put_back(&second.place, &before(&second), &second).await.unwrap();
    assert_eq!(read(dir.path(), "tls.crt"), "tls.crt of aaaaaaaaaaaa");
}

#[tokio::test]
async fn files_of_others_are_kept_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tls.crt"), "certbot's").unwrap();
    let (first, goods) = rollout(dir.path(), "aaaaaaaaaaaa", None, &[]);
    Directories.apply(&first, &goods).await.unwrap();
    assert_eq!(read(dir.path(), "tls.crt"), "tls.crt of aaaaaaaaaaaa");
    Directories.put_back(&first.place, &before(&first), &first).await.unwrap();
    assert_eq!(read(dir.path(), "tls.crt"), "certbot's");
    assert!(!dir.path().join("tls.key").exists());
}

#[tokio::test]
async fn a_test_that_hangs_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut only, goods) = rollout(dir.path(), "aaaaaaaaaaaa", None, &["sleep", "60"]);
    if let Some(install) = &mut only.parcels[0].install {
        install.timeout = Duration::from_millis(100);
    }
    let problem = Directories.settle(&only, &goods).await.unwrap_err();
    assert!(problem.message.contains("did not end"), "{problem}");
}

#[test]
fn a_pid_file_that_means_everyone_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    for text in ["-1", "0", "1", "", "nginx"] {
        fs::write(&file, text).unwrap();
        assert!(signal::send("HUP", &file).is_err(), "{text}");
    }
}
