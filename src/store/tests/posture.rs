//! Who may open a state, with what, and how its files stand (FAULTS.md S6, S10, S11, S13).

use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::KeySource;
use super::super::journal::header;
use super::*;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn made() -> Home {
    let home = Home::new();
    commit(&home.open_clean(), tell("issued"));
    home
}

#[test]
fn the_second_to_come_is_refused_at_once() {
    let home = Home::new();
    let store = home.open_clean();
    let error = home.try_open().unwrap_err();
    assert!(
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("in use by process"));
    drop(store);
    home.open_clean();
}

#[test]
fn a_wrong_key_changes_no_byte() {
    let home = made();
    let before = bytes_of(&home.dir());
    let other = StateKey::generate(&Entropy::system()).unwrap();
    assert!(matches!(open(&home.dir(), &other), Err(StoreError::WrongKey { .. })));
    assert!(matches!(Snapshot::read(&home.dir(), &other), Err(StoreError::WrongKey { .. })));
    assert_eq!(before, bytes_of(&home.dir()));
}

#[test]
fn a_newer_schema_changes_no_byte() {
    let home = made();
    let mut bytes = std::fs::read(home.journal()).unwrap();
    bytes[8..12].copy_from_slice(&(header::SCHEMA + 1).to_le_bytes());
    std::fs::write(home.journal(), bytes).unwrap();
    let before = bytes_of(&home.dir());
    let error = home.try_open().unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!(before, bytes_of(&home.dir()));
}

#[test]
fn loose_modes_are_refused() {
    for (name, mode) in
        [("", 0o755), ("journal", 0o750), ("db", 0o711), ("journal/log", 0o644), ("audit.log", 0o604)]
    {
        let home = made();
        chmod(&home.dir().join(name), mode);
        let error = home.try_open().unwrap_err();
        assert!(matches!(error, StoreError::Posture { .. }), "{name}: {error}");
        assert!(error.to_string().contains("chmod"), "{error}");
    }
}

#[test]
fn symlinks_are_refused() {
    for name in ["", "journal", "db", "journal/log", "audit.log", "lock"] {
        let home = made();
        // A slash at the end would have the system follow it.
        let path: PathBuf = home.dir().join(name).components().collect();
        let moved = home.root.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        let error = home.try_open().unwrap_err();
        assert!(matches!(error, StoreError::Posture { .. }), "{name}: {error}");
        assert!(error.to_string().contains("symlink"), "{error}");
        assert!(matches!(open(&home.dir().join(""), &home.key), Err(StoreError::Posture { .. })));
    }
}

#[test]
fn anothers_state_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let home = made();
    std::os::unix::fs::chown(home.dir(), Some(12345), None).unwrap();
    let error = home.try_open().unwrap_err();
    assert!(matches!(error, StoreError::Posture { .. }), "{error}");
    assert!(error.to_string().contains("uid 12345"), "{error}");
    home.snapshot();
}

#[test]
fn a_key_is_made_once_and_read_again() {
    let home = Home::new();
    let entropy = Entropy::system();
    let (key, made) = StateKey::load_or_create(&home.dir(), &entropy).unwrap();
    let (again, made_again) = StateKey::load_or_create(&home.dir(), &entropy).unwrap();
    assert_eq!((made, made_again), (true, false));
    assert_eq!(key.to_base64(), again.to_base64());
    let path = home.dir().join("state.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(home.dir()).unwrap().count(), 1);
    drop(open(&home.dir(), &key).unwrap());
    // A new key would not open what the old one closed.
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(StateKey::load_or_create(&home.dir(), &entropy), Err(StoreError::Key { .. })));
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("key");
    let said = |source| StateKey::load(&path, source).unwrap_err().to_string();
    assert!(said(KeySource::File).contains("No such file"));
    for text in ["", "short", "AAAA", "not base64 at all, by no means whatever!!"] {
        std::fs::write(&path, text).unwrap();
        chmod(&path, 0o600);
        assert!(said(KeySource::File).contains("openssl rand -base64 32"));
    }
    let good = StateKey::generate(&Entropy::system()).unwrap().to_base64();
    std::fs::write(&path, [good.expose(), b"\n"].concat()).unwrap();
    assert_eq!(StateKey::load(&path, KeySource::File).unwrap().to_base64(), good);
    chmod(&path, 0o640);
    assert!(said(KeySource::File).contains("0640"));
    assert_eq!(StateKey::load(&path, KeySource::Credential).unwrap().to_base64(), good);
    assert_eq!(format!("{:?}", StateKey::load(&path, KeySource::Credential).unwrap()), "[state key]");
}
