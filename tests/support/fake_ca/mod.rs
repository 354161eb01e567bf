//! A CA of our own (RFC 8555, RFC 9773) inside the test's process, for the faults that Pebble cannot do.
//!
//! ```ignore
//! #[path = "support/fake_ca/mod.rs"]
//! mod fake_ca;
//! use fake_ca::{FakeCa, Endpoint, Forced, Problem, RetryAfter};
//!
//! let clock = Arc::new(Virtual::new(now));
//! let ca = FakeCa::start(clock.clone()).await;          // or start_real(), for the real binary
//! ca.faults(|faults| faults.bad_nonce = 90);
//! client(ca.directory_url(), ca.ca_file());
//! let limited = Problem::rate_limited("too many");
//! ca.faults(|faults| {
//!     faults.forced.insert(
//!         Endpoint::NewOrder,
//!         Forced::problem(limited).retry_after(RetryAfter::Seconds(3600)),
//!     );
//! });
//! println!("{}", ca.books());
//! assert_eq!(ca.books().of(&["a.test"]).orders(), 1);
//! ```
//!
//! It listens on 127.0.0.1 in a thread and runtime of its own, so it answers also while the test blocks
//! on a child process. Requests are verified as a CA does it, certificates are real; only the
//! validation is pretended. Time is the test's, but for the pace at which bytes are sent.
#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod accounts;
mod authority;
mod books;
mod certificates;
mod desk;
mod faults;
mod jws;
mod key;
mod orders;
mod problem;
mod proofs;
mod reply;
mod route;
mod server;
mod store;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use keyturn::clock::{Clock, System};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use authority::Authority;
pub use authority::Issued;
pub use books::{Books, Entry, What};
pub use faults::{
    Answer, Ari, Body, Chain, Dates, Faults, Forced, Link, Names, RetryAfter, Reuse, Token, Twist,
};
pub use problem::Problem;
pub use route::Endpoint;
use server::Shared;
use store::Standing;
pub use store::{Account, Certificate};

/// A running CA; it ends with this.
pub struct FakeCa {
    shared: Arc<Shared>,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeCa {
    /// A good CA that lives by `clock`.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        Self::start_at(move || clock.now())
    }

    /// A good CA that lives by the machine's clock, for tests that run the real binary.
    pub fn start_real() -> Self {
        let clock = System::new();
        Self::start_at(move || clock.now())
    }

    /// A good CA to which it is always `now()`.
    pub fn start_at(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (folder, identity) = (TempDir::new().unwrap(), tls::Identity::new());
        std::fs::write(folder.path().join("ca.pem"), &identity.ca_pem).unwrap();
        let shared = Arc::new(Shared {
            state: std::sync::Mutex::default(),
            authority: Authority::new(&format!("fake ca {port}")),
            base: format!("https://127.0.0.1:{port}"),
            now: Box::new(now),
            trusted: identity.acceptor,
            untrusted: tls::Identity::new().acceptor,
        });
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::spawn(move || run(listener, serving, stopped));
        Self { shared, folder, stop: Some(stop), thread: Some(thread) }
    }

    /// Where a client begins.
    pub fn directory_url(&self) -> String {
        format!("{}/directory", self.shared.base)
    }

    /// The PEM of the CA that vouches for the server's TLS; it issues nothing else.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The PEM of the root under which certificates are issued.
    pub fn root_pem(&self) -> String {
        self.shared.authority.root_pem()
    }

    /// The PEM of the root under which the alternate chains end.
    pub fn other_root_pem(&self) -> String {
        self.shared.authority.other_root_pem()
    }

    /// Changes what is wrong, from the next request on.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.shared.state.lock().unwrap().faults)
    }

    /// Changes what is wrong when the CA's time has come to `at`: where sleeping moves a virtual clock on,
    /// no test could do it in time.
    pub fn at(&self, at: Timestamp, change: impl FnOnce(&mut Faults) + Send + 'static) {
        self.shared.state.lock().unwrap().plan(at, Box::new(change));
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        self.faults(|faults| *faults = Faults::default());
    }

    /// All that happened so far.
    pub fn books(&self) -> Books {
        self.shared.state.lock().unwrap().books.clone()
    }

    /// How many orders were created.
    pub fn orders(&self) -> usize {
        self.books().orders()
    }

    /// Lets an external account in: its kid, and its secret.
    pub fn bind(&self, kid: &str, secret: &[u8]) {
        self.shared.state.lock().unwrap().bindings.insert(kid.to_owned(), secret.to_vec());
    }

    /// All accounts, the forgotten ones too.
    pub fn accounts(&self) -> Vec<Account> {
        self.shared.state.lock().unwrap().accounts.clone()
    }

    /// All certificates, in the order they were issued.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.shared.state.lock().unwrap().certificates.clone()
    }

    /// The CA ends every account.
    pub fn deactivate_accounts(&self) {
        self.stand(Standing::Deactivated);
    }

    /// The CA says `accountDoesNotExist` of every account there is.
    pub fn forget_accounts(&self) {
        self.stand(Standing::Forgotten);
    }

    /// Every account is good again.
    pub fn restore_accounts(&self) {
        self.stand(Standing::Valid);
    }

    fn stand(&self, standing: Standing) {
        for account in &mut self.shared.state.lock().unwrap().accounts {
            account.standing = standing;
        }
    }

    /// Every order there is ends invalid, unless it is valid.
    pub fn invalidate_orders(&self, problem: &Problem) {
        let now = (self.shared.now)();
        let state = &mut *self.shared.state.lock().unwrap();
        for order in &mut state.orders {
            if !matches!(order.status, store::OrderStatus::Valid | store::OrderStatus::Invalid) {
                (order.status, order.error) = (store::OrderStatus::Invalid, Some(problem.clone()));
                state.books.note(now, What::FailedOrder, order.names());
            }
        }
    }

    /// The CA revokes all that it has issued, and counts what was not revoked before.
    pub fn revoke_all(&self) -> usize {
        self.revoke_if(|_| true)
    }

    /// The CA revokes some of what it has issued; for reason 4, superseded.
    pub fn revoke_if(&self, chosen: impl Fn(&Certificate) -> bool) -> usize {
        let now = (self.shared.now)();
        let state = &mut *self.shared.state.lock().unwrap();
        let live = state.certificates.iter_mut().filter(|found| found.revoked.is_none() && chosen(found));
        let mut count = 0;
        for found in live {
            found.revoked = Some(4);
            state.books.note(now, What::Revocation, found.names.clone());
            count += 1;
        }
        count
    }
}

impl Drop for FakeCa {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until the handle is dropped; what is still being answered is cut off.
fn run(listener: std::net::TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::select! {
            () = server::serve(listener, shared) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}
