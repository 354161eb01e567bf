//! Leaves of the internal CA: a new P-256 key, its certificate, both as PEM; beside Python's `cryptography`, in turn.
//!
//! `scripts/bench-leaves [ROUNDS]`, on one core. In process by CPU time, durable by the wall's.

// A benchmark is there to print.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod beside;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use beside::cost;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use jiff::SignedDuration;
use keyturn::audit::Event;
use keyturn::clock::{Clock, Entropy, System};
use keyturn::executor::Books;
use keyturn::issuer::internal::{InternalCa, Signing};
use keyturn::issuer::{Request, Under};
use keyturn::keys::PrivateKey;
use keyturn::model::{AssetId, AssetKind, KeyAlgorithm, Made, Material, Revision, Signer, Usage};
use keyturn::store::{Change, MaterialId, OpenOptions, StateKey, StateStore, Store};

/// Leaves in a round, and in a commit.
const ROUND: usize = 500;
const GROUP: usize = 16;

const PYTHON: &str = r"
import datetime, sys, time
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ExtendedKeyUsageOID
ca = ec.generate_private_key(ec.SECP256R1())
issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'Bench CA')])
now = datetime.datetime.now(datetime.timezone.utc)
aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())
def leaf(n):
    key = ec.generate_private_key(ec.SECP256R1())
    made = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f'c{n}.example.org')]), True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(aki, False).sign(ca, hashes.SHA256()))
    return (made.public_bytes(serialization.Encoding.PEM), key.private_bytes(serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
for line in sys.stdin:
    start = time.process_time()
    for n in range(500):
        leaf(n)
    print((time.process_time() - start) * 1e3)
";

struct Bench {
    ca: InternalCa,
    authority: Material,
    entropy: Entropy,
    clock: System,
}

impl Bench {
    fn new() -> Self {
        let (entropy, clock) = (Entropy::system(), System::new());
        let ca = InternalCa {
            name: "bench".to_owned(),
            common_name: "Bench CA".to_owned(),
            root_lifetime: SignedDuration::from_hours(24 * 3650),
            intermediate_lifetime: SignedDuration::from_hours(24 * 365),
            permitted_dns: Vec::new(),
            permitted_ip_ranges: Vec::new(),
            key_algorithm: KeyAlgorithm::EcdsaP256,
            entropy: entropy.clone(),
            signing: Signing::default(),
        };
        let authority = ca.establish(Under::New(None), None, clock.now()).unwrap().material;
        Self { ca, authority, entropy, clock }
    }

    fn request(&self, n: usize) -> Request {
        Request {
            asset: asset(n),
            common_name: None,
            dns_names: vec![format!("c{n}.example.org")],
            ip_addresses: Vec::new(),
            usages: vec![Usage::ServerAuth],
            duration: SignedDuration::from_hours(24 * 90),
            private_key: PrivateKey::generate(KeyAlgorithm::EcdsaP256, &self.entropy).unwrap().to_pkcs8_pem(),
            authority: Some(self.authority.clone()),
            replaces: None,
            now: self.clock.now(),
        }
    }

    fn leaf(&self, n: usize) -> Made {
        self.ca.sign(&self.request(n)).unwrap()
    }
}

fn asset(n: usize) -> AssetId {
    AssetId::new(AssetKind::Certificate, format!("c{n}"))
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn in_process(bench: &Bench, rounds: usize) {
    let mut other = beside::python(PYTHON);
    let (mut ours, mut theirs) = (0.0, 0.0);
    for round in 0..rounds {
        ours += cost(|| (0..ROUND).for_each(|n| drop(std::hint::black_box(bench.leaf(round * ROUND + n)))));
        theirs += other.as_mut().map_or(f64::NAN, beside::Other::ask);
    }
    let count = (rounds * ROUND) as f64;
    println!("{:<44} {:>8.0} a second and core", "in process, signed and looked at", count / ours * 1e3);
    println!("{:<44} {:>8.0} a second and core", "Python's cryptography, signed", count / theirs * 1e3);
    println!("{:<44} {:>8.2}", "ratio", theirs / ours);
}

/// What the executor keeps of a leaf: its record, its material, an entry for the history.
async fn keep(bench: &Bench, books: &Books, n: usize) {
    let made = bench.leaf(n);
    let kept = books.edit(|edit| {
        let now = edit.now;
        let record = edit.asset(&asset(n));
        record.begin(Revision::pending(1, "benchmark", "", now));
        let signer = Signer::Internal(AssetId::new(AssetKind::Ca, "bench"), 1);
        record.prepared(1, &made.facts, Some(&signer), now);
        edit.audit(Event {
            at: now,
            actor: "uid:0".to_owned(),
            action: "issued".to_owned(),
            asset: Some(asset(n)),
            revision: Some(1),
            detail: Default::default(),
        });
        edit.material(&asset(n), 1, Some(made.material));
    });
    kept.await.unwrap();
}

/// Sixteen side by side, which wait for one sync together; the next sixteen are signed meanwhile.
async fn durable(bench: &Bench, rounds: usize) {
    let root = tempfile::tempdir().unwrap();
    let key = StateKey::generate(&bench.entropy).unwrap();
    let options = OpenOptions { dir: root.path().join("state"), key };
    let (store, _) = Store::open(options, &bench.entropy, bench.clock.now()).unwrap();
    let books = Books::open(Arc::new(store), Arc::new(System::new()), &bench.entropy).await.unwrap();
    let count = rounds * ROUND / GROUP * GROUP;
    let start = bench.clock.monotonic();
    let groups = (0..count).step_by(GROUP);
    let groups = groups.map(|first| join_all((first..first + GROUP).map(|n| keep(bench, &books, n))));
    stream::iter(groups).buffer_unordered(2).for_each(|_| async {}).await;
    let took = bench.clock.monotonic() - start;
    assert_eq!(books.inventory().await.assets.len(), count);
    println!("{:<44} {:>8.0} a second", "durable in the state, 16 a commit", rate(count, took));
    let journal = std::fs::metadata(root.path().join("state/journal/log")).unwrap().len() as usize;
    println!(
        "{:<44} {:>8.0} a second",
        "the same bytes, only appended and synced",
        bare(bench, count, journal)
    );
}

/// What the disk allows: as many bytes, in as many syncs, and nothing else.
fn bare(bench: &Bench, count: usize, bytes: usize) -> f64 {
    let mut file = tempfile::tempfile().unwrap();
    let frame = vec![b'x'; bytes * GROUP / count];
    let start = bench.clock.monotonic();
    for _ in 0..count / GROUP {
        file.write_all(&frame).unwrap();
        file.sync_data().unwrap();
    }
    rate(count, bench.clock.monotonic() - start)
}

/// What is between a stock's key and a revision's: read, its ID computed, one commit.
async fn drawn(bench: &Bench) {
    let root = tempfile::tempdir().unwrap();
    let key = StateKey::generate(&bench.entropy).unwrap();
    let options = OpenOptions { dir: root.path().join("state"), key };
    let (store, _) = Store::open(options, &bench.entropy, bench.clock.now()).unwrap();
    let mut worst = Duration::ZERO;
    for n in 0..10 {
        let spare = PrivateKey::generate(KeyAlgorithm::Rsa3072, &bench.entropy).unwrap().to_pkcs8_pem();
        let id = format!("stock/rsa-3072/{n}");
        let puts = vec![(id.clone(), Some(spare.expose().to_vec()))];
        store.commit(Change { puts, ..Change::default() }).await.unwrap();
        let start = bench.clock.monotonic();
        let key = PrivateKey::from_pkcs8_pem(&spare).unwrap();
        keyturn::keys::jwk::thumbprint(key.public()).unwrap();
        let materials = vec![(MaterialId::new(asset(n), 1), Some(key.to_pkcs8_pem()))];
        let puts = vec![(id, None), (format!("asset/{}", asset(n)), Some(vec![b'x'; 600]))];
        store.commit(Change { puts, materials, ..Change::default() }).await.unwrap();
        worst = worst.max(bench.clock.monotonic() - start);
    }
    let milliseconds = worst.as_secs_f64() * 1e3;
    println!("{:<44} {milliseconds:>8.1} ms, the slowest of 10", "an RSA-3072 key that was ready, drawn");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if !beside::asked() {
        return;
    }
    let (bench, rounds) = (Bench::new(), beside::number("KEYTURN_BENCH_ROUNDS", 20));
    in_process(&bench, rounds);
    durable(&bench, rounds).await;
    drawn(&bench).await;
}
