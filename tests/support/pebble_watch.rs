//! A watchdog for Debian's Pebble, which can deadlock under parallel load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::engine::pause;
use super::place::Place;

/// Looks until it is ended; it only reports, because a restarted Pebble has forgotten everything.
#[derive(Debug)]
pub struct PebbleWatch {
    hung: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PebbleWatch {
    pub(super) fn start(place: Arc<Place>, acme: String, management: String) -> Self {
        let [hung, done] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (to_set, to_end) = (hung.clone(), done.clone());
        let watch = move || {
            while !to_end.load(Ordering::Relaxed) {
                to_set.fetch_or(!answers(&place, &acme, &management), Ordering::Relaxed);
                pause(Duration::from_secs(1));
            }
        };
        Self { hung, done, thread: Some(std::thread::spawn(watch)) }
    }

    /// Whether it did not answer within 5 s at any time so far.
    pub fn has_hung(&self) -> bool {
        self.hung.load(Ordering::Relaxed)
    }
}

impl Drop for PebbleWatch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
        if self.has_hung() {
            eprintln!(
                "Pebble did not answer within 5 s: it was deadlocked or stopped, and later failures follow from that"
            );
        }
    }
}

/// Whether Pebble answers. The directory alone does not tell: it needs none of the locks that can be stuck.
pub(super) fn answers(place: &Place, acme: &str, management: &str) -> bool {
    let locked = format!("https://{management}/cert-status-by-serial/1");
    // It knows no such certificate; that it says so is what counts.
    place.get(&format!("https://{acme}/dir")).is_some() && place.curl(&[&locked]).ok()
}
