//! The control socket, from the daemon's side: who may wish for what, and what comes of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use tokio::net::unix::UCred;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::Current;
use super::journal::Told;
use super::turns::Turns;
use crate::audit::Event;
use crate::cli::approvals;
use crate::cli::compose::House;
use crate::cli::control::{Letter, PATH, Reply};
use crate::cli::fail::Failure;
use crate::cli::wish::{Answer, By, Manner, Need, Next, Wish};
use crate::clock::Clock;
use crate::config::Config;
use crate::scheduler::{Handle, Order, Word};

/// No wish is longer, in octets.
const LONGEST_LETTER: usize = 64 * 1024;

/// A wish must have come whole within this time.
const LETTER_TIME: Duration = Duration::from_secs(10);

/// The user database must have said within this time which groups a user is in.
const LOOKUP_TIME: Duration = Duration::from_secs(3);

/// Refusals of one caller and verb are on record once in this time: nobody fills the disk by being refused, and none of the
/// few verbs hides behind another.
const REFUSALS_APART: Duration = Duration::from_secs(10);

/// Where wishes come in.
pub(super) struct Desk {
    pub(super) current: Arc<Current>,
    pub(super) handle: Handle,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) told: broadcast::Sender<Told>,
    turns: Turns,
    refused: Mutex<HashMap<(u32, &'static str), Duration>>,
}

/// Who has sent a wish, as the kernel sees them.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) uid: u32,
    pub(super) groups: Vec<u32>,
}

impl Desk {
    pub(super) fn new(
        current: Arc<Current>,
        handle: Handle,
        clock: Arc<dyn Clock>,
        told: broadcast::Sender<Told>,
    ) -> Self {
        Self { current, handle, clock, told, turns: Turns::default(), refused: Mutex::default() }
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new().route(PATH, post(wish)).with_state(self)
    }

    /// Once in a while for each caller and reason.
    pub(super) fn is_news(&self, uid: u32, why: &'static str) -> bool {
        let now = self.clock.monotonic();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, at| now.saturating_sub(*at) < REFUSALS_APART);
        refused.insert((uid, why), now).is_none()
    }

    /// A refusal is on record before it is told (I9).
    async fn refuse(&self, house: &House, uid: u32, wish: &Wish, need: Need) -> Response {
        if self.is_news(uid, wish.name()) {
            let by = format!("uid:{uid}");
            let record = |edit: &mut crate::executor::Edit<'_>| {
                let detail = [("verb".to_owned(), wish.name().to_owned())].into();
                let (at, action) = (edit.now, "refused".to_owned());
                edit.audit(Event { at, actor: by, action, asset: None, revision: None, detail });
            };
            if let Err(fatal) = house.executor.books.edit(record).await {
                return said(StatusCode::SERVICE_UNAVAILABLE, &format!("{:#}", anyhow::Error::from(fatal)));
            }
        }
        let message = format!("uid {uid} may not `{}`: {}", wish.name(), need.words());
        tracing::warn!("refused: {message}");
        said(StatusCode::FORBIDDEN, &message)
    }
}

async fn wish(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<UCred>,
    request: Request<Body>,
) -> Response {
    let letter = match read(request).await {
        Ok(letter) => letter,
        Err(response) => return response,
    };
    let (config, house) = desk.current.get();
    let caller = Caller { uid: caller.uid(), groups: desk.groups(caller).await };
    let need = letter.wish.needs(&config);
    if !caller.is(need, &config) && !letter.wish.is_for(&config, caller.uid, &caller.groups) {
        return desk.refuse(&house, caller.uid, &letter.wish, need).await;
    }
    let (uid, verb) = (caller.uid, letter.wish.name());
    match need {
        Need::Read => tracing::debug!(uid, verb, "uid {uid} asks for {verb}"),
        _ => tracing::info!(uid, verb, "uid {uid} asks for {verb}"),
    }
    let Some(place) = desk.turns.place(uid) else {
        let message = format!("uid {uid} waits for {} answers already", Turns::OF_ONE_USER);
        return said(StatusCode::SERVICE_UNAVAILABLE, &message);
    };
    let (lines, replies) = mpsc::channel(64);
    tokio::spawn(async move {
        let _place = place;
        let answer = desk.grant((&config, &house), &caller, &letter, &lines).await;
        let answer = answer.unwrap_or_else(|failure| Answer::of_failure(&failure));
        let _ = lines.send(Reply::Answer(answer)).await;
    });
    streamed(replies)
}

async fn read(request: Request<Body>) -> Result<Letter, Response> {
    let body = axum::body::to_bytes(request.into_body(), LONGEST_LETTER);
    let body = tokio::time::timeout(LETTER_TIME, body).await;
    let body = body.map_err(|_| said(StatusCode::REQUEST_TIMEOUT, "the wish did not come in time"))?;
    let too_long = |_| said(StatusCode::PAYLOAD_TOO_LARGE, "the wish is too long, or was cut short");
    let body = body.map_err(too_long)?;
    let misread = |error: serde_json::Error| {
        let message = format!("this daemon does not understand the wish: {error}; is it of another version?");
        said(StatusCode::BAD_REQUEST, &message)
    };
    serde_json::from_slice(&body).map_err(misread)
}

impl Caller {
    /// Root and the owner of the state could do it without us.
    fn is(&self, need: Need, config: &Config) -> bool {
        let roles = config.roles();
        let owns = self.uid == 0 || self.uid == nix::unistd::geteuid().as_raw();
        owns || match need {
            Need::Own => false,
            Need::Operate => roles.may_operate(self.uid, &self.groups),
            Need::Read => roles.may_read(self.uid, &self.groups),
        }
    }
}

impl Desk {
    /// The kernel tells one group of the caller; the others are the user's, by a user database that may be a server away.
    async fn groups(&self, caller: UCred) -> Vec<u32> {
        let (uid, mut groups) = (caller.uid(), vec![caller.gid()]);
        let lookup = async {
            // Kept for as long as the database takes, whether or not anybody still waits.
            let turn = self.turns.lookup().await;
            tokio::task::spawn_blocking(move || (crate::cli::owner::groups_of(uid), turn).0).await
        };
        match tokio::time::timeout(LOOKUP_TIME, lookup).await {
            Ok(found) => groups.extend(found.unwrap_or_default()),
            Err(_) => tracing::warn!(uid, "the user database does not say which groups uid {uid} is in"),
        }
        groups
    }

    async fn grant(
        &self,
        (config, house): (&Arc<Config>, &House),
        caller: &Caller,
        letter: &Letter,
        lines: &mpsc::Sender<Reply>,
    ) -> Result<Answer, Failure> {
        let (wish, manner) = (&letter.wish, letter.manner);
        wish.check(config)?;
        if wish.only_reads() {
            // Nobody reads what is worked out for someone who has gone away.
            let _turn = tokio::select! {
                turn = self.turns.reader(caller.uid) => turn,
                () = lines.closed() => return Err(ending()),
            };
            let reader = lines.clone();
            return wish.read(config, house, manner, move || !reader.is_closed()).await;
        }
        if let Wish::Approve { id } | Wish::Deny { id } = wish {
            let word = (*id, matches!(wish, Wish::Approve { .. }));
            return self.decide((config, house), caller, word, manner, lines).await;
        }
        if let Some(guard) = approvals::guard_now(config, house, wish).await? {
            return self.ask((config, house), caller, (wish, guard), manner, lines).await;
        }
        let by = By { groups: caller.groups.clone(), ..By::themselves(format!("uid:{}", caller.uid)) };
        self.carry_out((config, house), wish, &by, manner, lines).await
    }

    /// Does it, and waits for it, with a line for each step.
    pub(super) async fn carry_out(
        &self,
        (config, house): (&Config, &House),
        wish: &Wish,
        by: &By,
        manner: Manner,
        lines: &mpsc::Sender<Reply>,
    ) -> Result<Answer, Failure> {
        // From here on, so that nothing that is done for it is missed.
        let mut told = self.told.subscribe();
        let only = match wish.note(config, house, by, manner).await? {
            Next::Done(answer) => return Ok(answer),
            Next::Pass(only) => only,
        };
        let (sender, mut rested) = oneshot::channel();
        let order = Word::Order(Order { only: only.clone(), rested: sender });
        if !self.handle.tell(order).await {
            return Err(ending());
        }
        let rested = loop {
            tokio::select! {
                biased;
                rested = &mut rested => break rested.map_err(|_| ending())?,
                Ok(told) = told.recv() => {
                    if only.as_ref().is_none_or(|only| told.assets.iter().any(|id| only.contains(id))) {
                        // Who has gone away is still served.
                        let _ = lines.try_send(Reply::Progress(told.line));
                    }
                }
            }
        };
        let clock = self.clock.as_ref();
        Ok(Answer::of_pass(config, &rested.passed, &rested.inventory, only.as_ref(), clock, manner))
    }
}

fn ending() -> Failure {
    let message = "the daemon is ending; what it had put on record it goes on with when it is started";
    Failure { code: crate::cli::fail::LOCKED, error: anyhow::anyhow!(message) }
}

/// One JSON value a line, each as soon as it is there.
fn streamed(replies: mpsc::Receiver<Reply>) -> Response {
    let lines = futures_util::stream::unfold(replies, |mut replies| async {
        let reply = replies.recv().await?;
        let mut line = serde_json::to_vec(&reply).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(line)), replies))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn said(status: StatusCode, message: &str) -> Response {
    (status, format!("{message}\n")).into_response()
}
