//! What is shipped is whole: the image's sources, and the Debian package's files.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{command, must};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo can make sense of what `.dockerignore` lets through, and the Dockerfile takes all of that.
#[test]
fn the_image_is_built_from_all_that_it_needs() {
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let let_through: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let copied: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split(' '))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    for path in let_through {
        assert!(copied.contains(&path), "the Dockerfile does not copy {path}");
        let to = folder.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        must(command("cp", [Path::new("-r"), &root().join(path), &to]));
    }
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    // What only other systems need was never fetched here.
    metadata.args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)]);
    metadata.current_dir(folder.path());
    must(metadata);
}

/// Each file that the package is to have is in the repository, or made by `scripts/deb`; and no unit, hook or snippet of
/// systemd's is forgotten.
#[test]
fn the_debian_package_has_all_files() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let sources: Vec<&str> = assets.iter().map(|asset| asset[0].as_str().unwrap()).collect();
    let found: Vec<PathBuf> = sources.iter().flat_map(|source| matching(source)).collect();
    for shipped in ["systemd", "hooks"] {
        for file in files(&root().join(shipped)) {
            assert!(found.contains(&file), "{} is in no package", file.display());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man");
    fs::create_dir(&man).unwrap();
    must(command(env!("CARGO_BIN_EXE_keyturn"), [Path::new("man"), Path::new("--out"), &man]));
    assert!(files(&man).iter().any(|page| page.ends_with("keyturn.1")));
    for script in ["postinst", "prerm", "postrm"] {
        must(command("sh", [Path::new("-n"), &root().join("systemd/deb").join(script)]));
    }
    must(command("bash", [Path::new("-n"), &root().join("scripts/deb")]));
}

/// The files that a source of an asset means; there must be some.
fn matching(source: &str) -> Vec<PathBuf> {
    // These are made when the package is.
    if source.starts_with("target/") {
        return Vec::new();
    }
    let path = root().join(source);
    let Some(name) = source.rsplit('/').next().filter(|name| name.contains('*')) else {
        assert!(path.is_file(), "{source} is not there");
        return vec![path];
    };
    let (begin, end) = name.split_once('*').unwrap();
    let mut all = files(path.parent().unwrap());
    all.retain(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with(begin) && name.ends_with(end)
    });
    assert!(!all.is_empty(), "{source} means no file");
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}
