//! A disk whose power can be cut: an ext4 in a file, mounted over a folder.
//!
//! A cut is a copy of that file, mounted in its place: what was synced is in it, and what only the kernel had is gone.
//! The mount is in a namespace of the calling thread and its children, and ends with them.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};

use super::command::{command, must};
use super::skip::not_installed;

/// Written and never synced: it must not outlive a cut.
const UNSYNCED: &str = ".unsynced";

/// The disk under a folder.
#[derive(Debug)]
pub struct Disk {
    images: tempfile::TempDir,
    folder: PathBuf,
    cuts: usize,
}

impl Disk {
    /// Why there can be none here, if so.
    pub fn missing() -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return Some("mounting a disk needs root".to_owned());
        }
        if let Some(reason) = not_installed(&["mkfs.ext4", "mount", "umount", "unshare"]) {
            return Some(reason);
        }
        // Containers often have no loop devices.
        let root = tempfile::tempdir().unwrap();
        let image = make(&root.path().join("image"));
        let tried = "mount --make-rprivate / && mount -o loop \"$1\" \"$2\"";
        let (image, folder) = (image.display().to_string(), root.path().display().to_string());
        let output = command("unshare", ["--mount", "sh", "-c", tried, "sh", &image, &folder]).output();
        let mounted = output.is_ok_and(|output| output.status.success());
        (!mounted).then(|| "loop mounts are not permitted here".to_owned())
    }

    /// Puts one over `folder`, which must be empty.
    pub fn over(folder: &Path) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        must(command("mount", ["--make-rprivate", "/"]));
        let disk = Self { images: tempfile::tempdir().unwrap(), folder: folder.to_owned(), cuts: 0 };
        make(&disk.image());
        disk.mount();
        disk
    }

    /// Makes all that is on it now durable; what comes after that is, where it is synced.
    pub fn settle(&self) {
        must(command("sync", ["-f".as_ref(), self.folder.as_os_str()]));
        fs::write(self.folder.join(UNSYNCED), "lost in a cut").unwrap();
    }

    /// The power fails, and comes back.
    pub fn cut(&mut self) {
        let before = self.image();
        self.cuts += 1;
        fs::copy(&before, self.image()).unwrap();
        must(command("umount", [&self.folder]));
        fs::remove_file(before).unwrap();
        self.mount();
        let left = fs::read_to_string(self.folder.join(UNSYNCED)).unwrap_or_default();
        assert!(left.is_empty(), "the cut has lost nothing, so it shows nothing");
    }

    fn image(&self) -> PathBuf {
        self.images.path().join(format!("image-{}", self.cuts))
    }

    fn mount(&self) {
        // The kernel writes nothing by itself for as long as a test takes.
        let mut mount = command("mount", ["-o", "loop,commit=600"]);
        mount.arg(self.image()).arg(&self.folder);
        must(mount);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The folder can be removed then.
        let _ = command("umount", [&self.folder]).output();
    }
}

/// An empty ext4, in a file with holes.
fn make(image: &Path) -> PathBuf {
    fs::File::create(image).unwrap().set_len(64 << 20).unwrap();
    let mut mkfs = command("mkfs.ext4", ["-q", "-F"]);
    mkfs.arg(image);
    must(mkfs);
    image.to_owned()
}
