//! Images without a registry: what this machine has installed, imported as a root file system.
//!
//! Services name them by ID, because a tag makes every task ask a registry.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::Engine;
use super::command::{command, must};

const APPLETS: [&str; 14] =
    ["sh", "cat", "cp", "ls", "kill", "sleep", "id", "wget", "nc", "stat", "env", "ps", "httpd", "sha256sum"];

/// `docker import` cannot set STOPSIGNAL; NGINX's services set SIGQUIT themselves.
const NGINX_CONF: &str =
    "user www-data; worker_processes 1; daemon off; pid /run/nginx.pid; error_log /dev/stderr notice;
events { worker_connections 512; }
http { access_log off; include /etc/nginx/conf.d/*.conf; }
";

/// The image's ID: Debian's NGINX, with no server in its configuration. Built once an engine.
pub fn nginx_image(engine: &Engine) -> String {
    imported(engine, "keyturn-test/nginx:1", "/usr/sbin/nginx", |root| {
        install(root, "/usr/sbin/nginx");
        for folder in ["etc/nginx/conf.d", "var/log/nginx", "var/lib/nginx", "run/secrets"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("etc/nginx/nginx.conf"), NGINX_CONF).unwrap();
        symlink("/dev/stdout", root.join("var/log/nginx/access.log")).unwrap();
        symlink("/dev/stderr", root.join("var/log/nginx/error.log")).unwrap();
    })
}

/// The image's ID: a shell and busybox's own small tools, `httpd` among them; for signers and verifiers.
pub fn busybox_image(engine: &Engine) -> String {
    imported(engine, "keyturn-test/busybox:1", "/bin/sh", |_| ())
}

fn imported(engine: &Engine, tag: &str, start: &str, fill: impl FnOnce(&Path)) -> String {
    let known = engine.ok(["image", "ls", "--quiet", "--no-trunc", tag]);
    if !known.is_empty() {
        return known;
    }
    let root = tempfile::Builder::new().prefix("image-").tempdir_in(engine.dir()).unwrap();
    base(root.path());
    fill(root.path());
    let archive = root.path().with_extension("tar");
    let to = archive.display().to_string();
    let from = root.path().display().to_string();
    must(command("tar", ["--numeric-owner", "--owner=0", "--group=0", "-C", &from, "-cf", &to, "."]));
    let change = format!("CMD [\"{start}\"]");
    let id = engine.ok(["import", "--change", &change, &to, tag]);
    fs::remove_file(archive).unwrap();
    id
}

/// What any process in it needs: busybox, users, and a folder for temporary files.
fn base(root: &Path) {
    for folder in ["bin", "etc", "run", "tmp", "proc", "sys", "dev", "srv"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    // The temporary folder that becomes `/` is private to its maker; NGINX's workers are not root.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    let busybox = must(command("sh", ["-c", "command -v busybox"]));
    install(root, &busybox);
    fs::copy(&busybox, root.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    let users = "root:x:0:0:root:/:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nwww-data:x:33:\n").unwrap();
}

/// A program at its own path, with every library that the loader would look up (and the loader).
fn install(root: &Path, program: &str) {
    let ldd = command("ldd", [program]).output().unwrap();
    let needed = String::from_utf8_lossy(&ldd.stdout).into_owned();
    let libraries = needed.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let target = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

/// The image that the project's own Dockerfile makes, by its ID. No registry is at hand: in the place of its two stages are one
/// whose `cargo` hands out the binary of this tree, and one of this machine's glibc.
pub fn keyturn_image(engine: &Engine) -> String {
    let binary = env!("CARGO_BIN_EXE_keyturn");
    let builder = imported(engine, "keyturn-test/builder:1", "/bin/sh", |root| {
        for applet in ["mkdir", "chmod"] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::copy(binary, root.join("keyturn")).unwrap();
        let cargo = "#!/bin/sh\nset -e\nls Cargo.toml Cargo.lock src/main.rs benches\nmkdir -p target/dist\ncp /keyturn target/dist/\n";
        fs::write(root.join("bin/cargo"), cargo).unwrap();
        fs::set_permissions(root.join("bin/cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    let base = imported(engine, "keyturn-test/glibc:1", "/none", |root| {
        install(root, binary);
        fs::remove_file(root.join(binary.trim_start_matches('/'))).unwrap();
        fs::remove_dir_all(root.join("bin")).unwrap();
    });
    let mut build = engine.command(["build", "--tag", "keyturn-test/keyturn:1"]);
    for (stage, image) in [("BUILDER", builder), ("BASE", base)] {
        build.arg("--build-arg").arg(format!("{stage}={image}"));
    }
    build.arg(env!("CARGO_MANIFEST_DIR")).env("DOCKER_BUILDKIT", "0");
    must(build);
    engine.ok(["image", "ls", "--quiet", "--no-trunc", "keyturn-test/keyturn:1"])
}
