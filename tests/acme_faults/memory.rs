//! A7: how much memory the real binary takes for what a CA sends.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::table::row;
use crate::fake_ca::{Body, Endpoint, FakeCa};

/// One more than without the fault, at most, in KiB.
const MOST: u64 = 10 * 1024;

/// One pass of the real binary for one certificate: its peak of resident memory in KiB, and what it said.
fn pass(ca: &FakeCa) -> (u64, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keyturn.toml");
    std::fs::create_dir(folder.path().join("webroot")).unwrap();
    std::fs::write(&file, configuration(ca, folder.path())).unwrap();
    let said = folder.path().join("said");
    let mut child = Command::new(env!("CARGO_BIN_EXE_keyturn"))
        .arg("--config")
        .arg(&file)
        .arg("run")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    // The kernel keeps the peak of a child that has ended, but only of the largest: so it is read while it lives.
    let mut peak = 0;
    let status = loop {
        peak = peak_of(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(status.signal().is_none(), "{status}");
    (peak, std::fs::read_to_string(said).unwrap())
}

/// `VmHWM` of a process, in KiB.
fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn configuration(ca: &FakeCa, folder: &Path) -> String {
    format!(
        r#"
[daemon]
instance = "test"
state_dir = "{folder}/state"
[issuers.ca]
kind = "acme"
server = "{}"
ca_file = "{}"
challenge = {{ kind = "http-01", webroot = "{folder}/webroot" }}
[certificates.edge]
issuers = ["ca"]
dns_names = ["edge.test"]
"#,
        ca.directory_url(),
        ca.ca_file().display(),
        folder = folder.display(),
    )
}

/// The peak is seen though it is only looked for now and then: the kernel keeps it, and the process writes its state after
/// its last request.
#[test]
fn a7_a_gigabyte_and_deep_json() {
    let good = FakeCa::start_real();
    let (usual, said) = (0..3).map(|_| pass(&good)).max().unwrap();
    assert!(good.books().certificates() == 3 && usual > 1000, "{usual} {said}");
    let mut most = 0;
    let bodies =
        [Body::Blanks(1 << 30), Body::Deep(100_000), Body::Deep(500_000), Body::Text("[".repeat(1 << 20))];
    let endpoints = [Endpoint::Directory, Endpoint::NewOrder, Endpoint::Authorization, Endpoint::Certificate];
    for endpoint in endpoints {
        for body in &bodies {
            let ca = FakeCa::start_real();
            ca.faults(|faults| drop(faults.body.insert(endpoint, body.clone())));
            let (peak, said) = pass(&ca);
            assert!(said.contains("KT-") && !said.contains("panicked"), "{endpoint:?}: {said}");
            assert!(said.len() < 4096, "{endpoint:?}: {} bytes were said", said.len());
            most = most.max(peak.saturating_sub(usual));
            assert!(peak <= usual + MOST, "{endpoint:?}: {peak} KiB, {usual} without\n{said}");
        }
    }
    let (mib, more) = (usual as f64 / 1024.0, most as f64 / 1024.0);
    row(
        "A7",
        "a body of 1 GiB, JSON 500,000 deep, in each of 4 answers",
        &format!("the real binary: peak {mib:.1} MiB without a fault, at most {more:.1} MiB more with"),
        "+10 MiB at most",
    );
}
