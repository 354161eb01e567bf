//! Files in a folder that others may write to, too.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::{Mode, umask};

use super::super::super::{Proof, Solver};
use super::super::HttpSolver;
use super::proof;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_webroot_has_the_file_for_everybody_to_read() {
    // As our own unit has it.
    umask(Mode::from_bits_truncate(0o077));
    let root = tempfile::tempdir().unwrap();
    let (solver, one, two) = (HttpSolver::webroot(root.path().to_owned()), proof(1), proof(2));
    let folder = root.path().join(".well-known/acme-challenge");
    solver.present(&[one.clone(), two.clone()]).await.unwrap();
    solver.present(std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(fs::read_to_string(folder.join(&one.token)).unwrap(), one.key_authorization);
    assert_eq!(mode(&folder.join(&one.token)), 0o644);
    assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o755, 0o755));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing but the two files");

    solver.clean_up(&[one.clone(), two]).await.unwrap();
    assert!(folder.join(&one.token).exists(), "the other order still wants it");
    solver.clean_up(std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "what was made is gone");
    solver.clean_up(&[one]).await.unwrap();
}

#[tokio::test]
async fn folders_of_others_stay() {
    let root = tempfile::tempdir().unwrap();
    let outer = root.path().join(".well-known");
    fs::create_dir(&outer).unwrap();
    fs::set_permissions(&outer, Permissions::from_mode(0o750)).unwrap();
    let (solver, proof) = (HttpSolver::webroot(root.path().to_owned()), [proof(1)]);
    solver.present(&proof).await.unwrap();
    let inner = outer.join("acme-challenge");
    fs::write(inner.join("foreign"), "").unwrap();
    solver.clean_up(&proof).await.unwrap();
    assert!(inner.join("foreign").exists());
    assert!(!inner.join(&proof[0].token).exists());

    fs::remove_file(inner.join("foreign")).unwrap();
    solver.present(&proof).await.unwrap();
    solver.clean_up(&proof).await.unwrap();
    assert!(!inner.exists(), "it was ours all the while");
    assert_eq!(mode(&outer), 0o750);
}

#[tokio::test]
async fn what_a_crash_left_is_taken_over() {
    let root = tempfile::tempdir().unwrap();
    let proof = [proof(1)];
    let folder = root.path().join(".well-known/acme-challenge");
    fs::create_dir_all(&folder).unwrap();
    let fresh = folder.join(format!(".{}.new", proof[0].token));
    fs::write(&fresh, "half").unwrap();
    fs::write(folder.join(&proof[0].token), "half").unwrap();
    HttpSolver::webroot(root.path().to_owned()).present(&proof).await.unwrap();
    assert_eq!(fs::read_to_string(folder.join(&proof[0].token)).unwrap(), proof[0].key_authorization);
    fs::write(&fresh, "half").unwrap();
    HttpSolver::webroot(root.path().to_owned()).clean_up(&proof).await.unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn links_below_the_webroot_are_not_followed() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("acme-challenge")).unwrap();
    let proof = [proof(1)];
    fs::write(elsewhere.path().join("acme-challenge").join(&proof[0].token), "precious").unwrap();
    fs::write(elsewhere.path().join(&proof[0].token), "precious").unwrap();
    for link in [".well-known", ".well-known/acme-challenge"] {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(elsewhere.path(), &link).unwrap();
        let solver = HttpSolver::webroot(root.path().to_owned());
        let error = solver.present(&proof).await.unwrap_err().to_string();
        assert!(error.contains("is a link or a file") && error.contains("below the webroot"), "{error}");
        assert!(solver.clean_up(&proof).await.is_err());
        for place in [elsewhere.path().join("acme-challenge"), elsewhere.path().to_owned()] {
            assert_eq!(fs::read_to_string(place.join(&proof[0].token)).unwrap(), "precious");
        }
    }
}

#[tokio::test]
async fn a_link_in_the_files_place_is_replaced() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let proof = [proof(1)];
    let folder = root.path().join(".well-known/acme-challenge");
    fs::create_dir_all(&folder).unwrap();
    symlink(elsewhere.path(), folder.join(&proof[0].token)).unwrap();
    symlink(elsewhere.path(), folder.join(format!(".{}.new", proof[0].token))).unwrap();
    HttpSolver::webroot(root.path().to_owned()).present(&proof).await.unwrap();
    assert_eq!(fs::read_to_string(elsewhere.path()).unwrap(), "");
    assert!(fs::symlink_metadata(folder.join(&proof[0].token)).unwrap().is_file());
}

#[tokio::test]
async fn a_token_is_only_a_file_name() {
    let root = tempfile::tempdir().unwrap();
    let solver = HttpSolver::webroot(root.path().to_owned());
    for token in ["../../evil", "a/b", "..", "", "a\0b", "a.b"] {
        let bad = [Proof { token: token.to_owned(), ..proof(1) }];
        assert!(solver.present(&bad).await.unwrap_err().to_string().contains("no base64url"), "{token}");
        assert!(solver.clean_up(&bad).await.is_err(), "{token}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_webroot_that_is_not_there_is_named() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("srv");
    let solver = HttpSolver::webroot(missing.clone());
    let error = solver.present(&[proof(1)]).await.unwrap_err().to_string();
    assert!(error.contains(&missing.display().to_string()), "{error}");
    solver.clean_up(&[proof(1)]).await.unwrap();
}
