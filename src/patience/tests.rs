//! A FIFO is a file that hangs for real: it cannot be opened before somebody opens its other end.

use std::fs;
use std::io::Write;
use std::time::Instant;

use super::*;

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

async fn read(files: &[PathBuf]) -> Vec<Option<String>> {
    let ask = |file: &PathBuf| fs::read_to_string(file).unwrap_or_default();
    each(files.to_vec(), PathBuf::as_path, ask).await.into_iter().map(|(_, answer)| answer).collect()
}

#[tokio::test]
#[allow(clippy::disallowed_methods)]
async fn what_hangs_is_left_behind_and_asked_again_once_it_has_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = ["a", "b", "c", "d"].iter().map(|name| folder.path().join(name)).collect();
    for file in [&files[0], &files[2]] {
        fs::write(file, "there").unwrap();
    }
    fifo(&files[1]);
    fifo(&files[3]);
    let there = || Some("there".to_owned());
    let since = Instant::now();
    assert_eq!(read(&files).await, [there(), None, there(), None]);
    assert!(since.elapsed() >= 2 * PATIENCE, "they were waited for");
    // Not asked again, so nobody waits.
    let since = Instant::now();
    assert_eq!(read(&files).await, [there(), None, there(), None]);
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    // What answers late answers nobody; what is asked next is told.
    for file in [&files[1], &files[3]] {
        fs::OpenOptions::new().write(true).open(file).unwrap().write_all(b"late").unwrap();
        while hangs(file) {
            tokio::task::yield_now().await;
        }
        fs::remove_file(file).unwrap();
        fs::write(file, "there").unwrap();
    }
    assert_eq!(read(&files).await, [there(), there(), there(), there()]);
}

/// 1,000 take no longer than without all this: one thread, and one word when it is done.
#[tokio::test]
async fn many_are_one_call() {
    let items: Vec<PathBuf> = (0..1000).map(|number| PathBuf::from(format!("/{number}"))).collect();
    let threads = Arc::new(Mutex::new(std::collections::HashSet::new()));
    let seen = Arc::clone(&threads);
    let ask = move |_: &PathBuf| lock(&seen).insert(std::thread::current().id());
    let answers = each(items, PathBuf::as_path, ask).await;
    assert!(answers.len() == 1000 && answers.iter().all(|(_, answer)| answer.is_some()));
    assert_eq!(lock(&threads).len(), 1);
}

#[test]
fn only_a_remote_mount_hangs_as_a_whole() {
    assert_eq!(remote_mount(Path::new("/proc/self/status")), None);
    assert_eq!(remote_mount(Path::new("/no/such/place")), None);
}
