//! What the CA does wrong: plain fields that a test sets, and changes while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

use super::problem::Problem;
use super::reply::Reply;
use super::route::Endpoint;

/// How the CA behaves. The default is a good CA that answers at once.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Of a hundred signed requests with a good nonce, how many are answered `badNonce`. Drawn from a
    /// generator with a fixed seed, so that a test sees the same each time.
    pub bad_nonce: u8,
    /// Replies carry no `Replay-Nonce`.
    pub no_nonce: bool,
    /// Answers instead of what the endpoint would have done, before it does anything.
    pub forced: BTreeMap<Endpoint, Forced>,
    /// The same for every endpoint that `forced` does not name: the CA is down as a whole.
    pub everywhere: Option<Forced>,
    /// How the body is sent, of a good answer or a forced one.
    pub body: BTreeMap<Endpoint, Body>,
    /// A `Retry-After` on what is otherwise a good answer.
    pub retry_after: BTreeMap<Endpoint, RetryAfter>,
    /// Addresses that the CA hands out wrong.
    pub links: BTreeMap<Link, Twist>,
    /// How many requests an endpoint still handles in full and then closes the connection on.
    pub lose: BTreeMap<Endpoint, u32>,
    /// Endpoints that take the request, do nothing, and never answer.
    pub hang: BTreeSet<Endpoint>,
    /// Connections are accepted and closed at once.
    pub down: bool,
    /// The server shows a certificate of another CA than `ca_file()`'s.
    pub untrusted: bool,

    /// Names (or `*` for any) for which new-order is refused; of several names in an order each refused one
    /// gets a subproblem.
    pub refuse: BTreeMap<String, Problem>,
    /// Names (or `*` for any) whose validation fails, with what the challenge then says.
    pub unproven: BTreeMap<String, Problem>,
    /// Whether authorizations are used again.
    pub reuse: Reuse,
    /// What tokens look like.
    pub token: Token,
    /// The challenges on offer; a wildcard gets `dns-01` alone, an address no `dns-01`.
    pub challenges: Vec<String>,
    /// From the trigger to the verdict.
    pub validating: Duration,

    /// From finalize to the certificate; zero answers finalize with it.
    pub processing: Duration,
    /// The order ends `invalid` with this where it would have got its certificate.
    pub fails: Option<Problem>,

    /// The certificate is for a key that nobody asked for.
    pub wrong_key: bool,
    /// The certificate's names.
    pub names: Names,
    /// The certificate's dates.
    pub dates: Dates,
    /// The chain; settled when the certificate is issued.
    pub chain: Chain,
    /// How long a certificate lives, instead of its profile's time.
    pub lifetime: Option<Duration>,
    /// Whether a second chain, to another root, is offered by `Link: rel="alternate"`.
    pub alternate: bool,

    /// What renewalInfo says; `Ari::None` leaves it out of the directory.
    pub ari: Ari,
    /// Whether the directory tells of profiles.
    pub profiles: bool,
    /// The account must be bound to one of `FakeCa::bind`.
    pub needs_binding: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            bad_nonce: 0,
            no_nonce: false,
            forced: BTreeMap::new(),
            everywhere: None,
            body: BTreeMap::new(),
            retry_after: BTreeMap::from([(Endpoint::RenewalInfo, RetryAfter::Seconds(21_600))]),
            links: BTreeMap::new(),
            lose: BTreeMap::new(),
            hang: BTreeSet::new(),
            down: false,
            untrusted: false,
            refuse: BTreeMap::new(),
            unproven: BTreeMap::new(),
            reuse: Reuse::Valid,
            token: Token::Good,
            challenges: ["http-01", "dns-01", "tls-alpn-01"].map(str::to_owned).to_vec(),
            validating: Duration::ZERO,
            processing: Duration::ZERO,
            fails: None,
            wrong_key: false,
            names: Names::AsAsked,
            dates: Dates::Good,
            chain: Chain::Whole,
            lifetime: None,
            alternate: true,
            ari: Ari::Good,
            profiles: true,
            needs_binding: false,
        }
    }
}

impl Faults {
    /// The forced answer for `endpoint`, if there is one; one that is for some times only wears out.
    pub(super) fn forced(&mut self, endpoint: Endpoint) -> Option<Forced> {
        let forced = self.forced.get_mut(&endpoint).or(self.everywhere.as_mut())?;
        match &mut forced.times {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        Some(forced.clone())
    }

    /// Whether the reply of `endpoint` gets lost this time.
    pub(super) fn loses(&mut self, endpoint: Endpoint) -> bool {
        let left = self.lose.entry(endpoint).or_default();
        let lost = *left > 0;
        *left = left.saturating_sub(1);
        lost
    }
}

/// What is to be said of `name` by a table that may have a `*`.
pub(super) fn said_of<'a>(table: &'a BTreeMap<String, Problem>, name: &str) -> Option<&'a Problem> {
    table.get(name).or_else(|| table.get("*"))
}

/// An answer that does not depend on the question.
#[derive(Debug, Clone)]
pub struct Forced {
    /// What is said.
    pub answer: Answer,
    /// Its `Retry-After`.
    pub retry_after: Option<RetryAfter>,
    /// How often; `None` is for ever.
    pub times: Option<u32>,
}

/// What a forced answer says.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A problem document.
    Problem(Problem),
    /// The status alone.
    Empty(u16),
    /// What a proxy before the CA says.
    Html(u16),
    /// To another address.
    Redirect(u16, String),
    /// Anything: status, content type, body.
    Text(u16, &'static str, String),
}

impl Forced {
    /// A problem document, for ever.
    pub fn problem(problem: Problem) -> Self {
        Self::answer(Answer::Problem(problem))
    }

    /// A status without a body, for ever.
    pub fn empty(status: u16) -> Self {
        Self::answer(Answer::Empty(status))
    }

    /// A proxy's page, for ever.
    pub fn html(status: u16) -> Self {
        Self::answer(Answer::Html(status))
    }

    /// Any answer, for ever.
    pub fn answer(answer: Answer) -> Self {
        Self { answer, retry_after: None, times: None }
    }

    /// With a `Retry-After`.
    pub fn retry_after(mut self, retry_after: RetryAfter) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Only so often.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    pub(super) fn reply(&self, now: Timestamp) -> Reply {
        let reply = match &self.answer {
            Answer::Problem(problem) => problem.reply(),
            Answer::Empty(status) => Reply::empty(*status),
            Answer::Html(status) => Reply::text(*status, "text/html", PAGE),
            Answer::Redirect(status, to) => Reply::empty(*status).header("location", to),
            Answer::Text(status, content, body) => Reply::text(*status, content, body),
        };
        match &self.retry_after {
            Some(retry_after) => reply.header("retry-after", retry_after.text(now)),
            None => reply,
        }
    }
}

const PAGE: &str = "<html><head><title>Bad Gateway</title></head>\
                    <body><h1>Bad Gateway</h1><script>alert(1)</script></body></html>\n";

/// The value of a `Retry-After` (RFC 9110 §10.2.3, and otherwise).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// An HTTP date, this far from the CA's now; below zero it is past.
    Date(SignedDuration),
    /// 99999999999999 seconds: added to a `SystemTime` it panics.
    Huge,
    /// `-1`.
    Negative,
    /// A date an hour ago.
    Past,
    /// No date and no number.
    Garbage,
    /// Anything.
    Text(String),
}

impl RetryAfter {
    pub(super) fn text(&self, now: Timestamp) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(from_now) => http_date(now + *from_now),
            Self::Huge => "99999999999999".to_owned(),
            Self::Negative => "-1".to_owned(),
            Self::Past => http_date(now - SignedDuration::from_hours(1)),
            Self::Garbage => "when it suits us".to_owned(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn http_date(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
}

/// How a body is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The true body, a byte at a time, with this much real time between them.
    Drip(Duration),
    /// The headers and then nothing, for ever.
    Stall,
    /// So many blanks (which JSON may begin with), streamed, of no announced length.
    Blanks(u64),
    /// JSON as deep as this.
    Deep(usize),
    /// Half of the true body, with the whole's length announced.
    Half,
    /// Something else, with the true status.
    Text(String),
}

/// An address that the CA hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// In the directory.
    NewNonce,
    /// In the directory.
    NewAccount,
    /// In the directory.
    NewOrder,
    /// In the directory.
    RevokeCert,
    /// In the directory.
    KeyChange,
    /// In the directory.
    RenewalInfo,
    /// The `Location` of an account.
    Account,
    /// The `Location` of an order.
    Order,
    /// In an order.
    Authorization,
    /// In an order.
    Finalize,
    /// In an order.
    Certificate,
    /// In an authorization.
    Challenge,
    /// In the `Link` of a certificate.
    Alternate,
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Twist {
    /// The right one, but `http://`.
    Http,
    /// The cloud's metadata service.
    LinkLocal,
    /// Any other.
    To(String),
}

impl Twist {
    pub(super) fn apply(&self, url: String) -> String {
        match self {
            Self::Http => url.replacen("https://", "http://", 1),
            Self::LinkLocal => "https://169.254.169.254/latest/meta-data/iam".to_owned(),
            Self::To(other) => other.clone(),
        }
    }
}

/// Whether an authorization serves more than one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// A valid one serves the account's next orders, as at Let's Encrypt.
    Valid,
    /// Every order proves every name anew.
    Never,
    /// They are valid from the beginning: there is nothing to prove.
    Already,
}

/// What a token looks like; RFC 8555 §8.1 wants base64url, 128 bits at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// 32 random bytes.
    Good,
    /// `../../../../etc/cron.d/keyturn`.
    Climbing,
    /// Two lines.
    Newline,
    /// A shell's substitution.
    Shell,
    /// Three characters.
    Short,
    /// 500,000 characters, all of them allowed ones.
    Long,
    /// Any.
    Text(String),
}

/// The names in the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// The order's.
    AsAsked,
    /// All but this one.
    Without(String),
    /// And this one.
    With(String),
    /// These.
    Only(Vec<String>),
}

/// The dates in the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// From an hour ago, for the profile's time or `Faults::lifetime`.
    Good,
    /// Ended an hour ago.
    Expired,
    /// Begins in thirty days.
    Future,
    /// Begins now and lives a second.
    OneSecond,
    /// Any.
    Exact(Timestamp, Timestamp),
}

/// What is sent as the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Leaf and intermediate.
    Whole,
    /// Leaf, intermediate and root: allowed, useless.
    WithRoot,
    /// The leaf alone.
    NoIntermediate,
    /// The leaf and an intermediate that did not sign it.
    WrongIntermediate,
    /// The intermediate first.
    Swapped,
    /// The intermediate ends a day before the leaf.
    IssuerEndsFirst,
    /// Signed under a root that nobody knows.
    Stranger,
    /// No PEM at all.
    Garbage,
    /// No bytes at all.
    Empty,
}

/// What renewalInfo says (RFC 9773 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ari {
    /// The last third of the lifetime begins in the window's middle; for what is revoked, it is past.
    Good,
    /// Ended an hour ago, for all.
    Past,
    /// Begins in the year 3000.
    Year3000,
    /// Ends before it begins.
    Backwards,
    /// Ends as it begins, in an hour.
    NoWidth,
    /// Any.
    Window(Timestamp, Timestamp),
    /// The CA has none.
    None,
}
