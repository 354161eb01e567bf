//! What writing verbs ask for. Whoever holds the state grants it: this process, or the daemon when it is told of it.

mod account;
mod read;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::args::Format;
use super::compose::House;
use super::fail::{DONE, FAILED, Failure};
use super::{approvals, ca, csr, export, import, output, plan, revoke, rotate, sign, state, status};
use crate::clock::Clock;
use crate::config::Config;
use crate::executor::{Edit, Passed};
use crate::model::{AssetId, Deferred, Guarded, Inventory, Part, Problem, Refusal, Secret};
use crate::planner;

/// A writing verb with its arguments, as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(super) enum Wish {
    /// `run`
    Run {},
    /// `run --stock`, after the pass
    Stock {},
    /// `rotate`
    Rotate {
        /// Which.
        assets: Vec<String>,
        /// All of them instead.
        all: bool,
        /// The keys are in wrong hands.
        compromised: bool,
    },
    /// `revoke`
    Revoke(revoke::Wish),
    /// `ca init`
    CaInit {
        /// The issuer.
        name: String,
    },
    /// `csr`
    Csr {
        /// The certificate.
        asset: String,
    },
    /// `import`
    Import(import::Wish),
    /// That a root is brought by `import`: what a request for it is bound to; the files come again from who has asked.
    NewRoot {
        /// The CA.
        asset: String,
        /// Of the root's certificate.
        fingerprint_sha256: String,
    },
    /// `ca sign`
    CaSign(sign::Wish),
    /// `acme rollover`
    AcmeRollover {
        /// The issuer.
        issuer: String,
    },
    /// `acme register`
    AcmeRegister {
        /// The issuer.
        issuer: String,
    },
    /// What is on record before `export` prints a private key.
    NoteExport {
        /// Whose.
        asset: String,
        /// Which part.
        part: String,
        /// Of which revision.
        revision: u32,
    },
    /// `export`, of what the caller cannot or may not read
    Export {
        /// Whose.
        asset: String,
        /// Which part.
        part: String,
        /// Instead of the one in use.
        revision: Option<u32>,
    },
    /// `status`, for who cannot read the state
    Status {
        /// Only this one.
        asset: Option<String>,
    },
    /// `plan`, likewise
    Plan {
        /// Instead of now.
        at: Option<String>,
        /// How far ahead.
        until: Option<String>,
    },
    /// `audit`, likewise
    Audit {
        /// Whether the chain is only checked.
        verify: bool,
    },
    /// `approvals`, likewise
    Approvals {},
    /// `approve`
    Approve {
        /// The request's number.
        id: u64,
    },
    /// `deny`
    Deny {
        /// The request's number.
        id: u64,
    },
}

/// What the caller must be for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Someone who may see how things stand.
    Read,
    /// Someone who may change things.
    Operate,
    /// The state's owner, or root in its place.
    Own,
}

impl Need {
    /// As the refusal says it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Read => {
                "[roles] read, operate or approve names who may, beside root and the owner of the state"
            }
            Self::Operate => "[roles] operate names who may, beside root and the owner of the state",
            Self::Own => "only root and the owner of the state may, unless [approvals] guards it",
        }
    }
}

/// On whose behalf something is done.
#[derive(Debug, Clone)]
pub(super) struct By {
    /// For the audit: `uid:1000`.
    pub(super) actor: String,
    /// The groups that they have come with; who they are by name, the machine knows.
    pub(super) groups: Vec<u32>,
    /// The request that is being carried out.
    pub(super) ticket: Option<Ticket>,
}

/// A request that somebody else has approved.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) number: u64,
    /// The configuration that it is carried out under.
    pub(super) config: String,
}

/// How people want to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manner {
    /// Table or JSON.
    pub(super) format: Format,
}

/// What the caller's terminal is to show, and how the program ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) stdout: String,
    pub(super) stderr: Vec<String>,
    pub(super) exit: u8,
    /// A private part that was asked for; it is shown after `stdout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Secret>,
}

/// What follows once the wish is on record.
pub(super) enum Next {
    /// Nothing.
    Done(Answer),
    /// A pass over these assets; over all without any.
    Pass(Option<BTreeSet<AssetId>>),
}

impl Wish {
    /// As the audit names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Run {} => "run",
            Self::Stock {} => "run --stock",
            Self::Rotate { compromised: true, .. } => "rotate --compromised",
            Self::Rotate { .. } => "rotate",
            Self::Revoke(_) => "revoke",
            Self::CaInit { .. } => "ca init",
            Self::Csr { .. } => "csr",
            Self::Import(_) | Self::NewRoot { .. } => "import",
            Self::CaSign(_) => "ca sign",
            Self::AcmeRollover { .. } => "acme rollover",
            Self::AcmeRegister { .. } => "acme register",
            Self::NoteExport { .. } | Self::Export { .. } => "export",
            Self::Status { .. } => "status",
            Self::Plan { .. } => "plan",
            Self::Audit { .. } => "audit",
            Self::Approvals {} => "approvals",
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
        }
    }

    /// What the caller must be. Whose word counts on a request is told by the request.
    pub(super) fn needs(&self, config: &Config) -> Need {
        match self {
            Self::Status { .. } | Self::Plan { .. } | Self::Audit { .. } | Self::Approvals {} => Need::Read,
            Self::Approve { .. } | Self::Deny { .. } => Need::Read,
            Self::Export { part, .. } => match Part::from_name(part) {
                Some(part) if part.is_public() => Need::Read,
                _ if config.guards().requires(Guarded::ExportPrivateKey) => Need::Operate,
                _ => Need::Own,
            },
            _ => Need::Operate,
        }
    }

    /// Whether who has asked does it by the same command once more: what is handed over is for nobody else, and files with
    /// keys in them are not kept with a request.
    pub(super) fn is_fetched(&self) -> bool {
        matches!(self, Self::Export { .. } | Self::NewRoot { .. })
    }

    /// Whether only a daemon can grant it.
    pub(super) fn is_about_requests(&self) -> bool {
        matches!(self, Self::Approve { .. } | Self::Deny { .. })
    }

    /// Whether this user may wish for it without being an operator.
    pub(super) fn is_for(&self, config: &Config, uid: u32, gids: &[u32]) -> bool {
        matches!(self, Self::CaSign(wish) if wish.is_for(config, uid, gids))
    }

    /// Whether it could be granted, as far as the configuration tells. Nothing is touched.
    pub(super) fn check(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Self::Run {} | Self::Stock {} => Ok(()),
            Self::Rotate { assets, all, .. } => rotate::chosen(config, assets, *all).map(drop),
            Self::Revoke(wish) => wish.checked(config).map(drop),
            Self::CaInit { name } => ca::authority(config, name).map(drop),
            Self::Csr { asset } => csr::checked(config, asset).map(drop),
            Self::Import(wish) => wish.checked(config).map(drop),
            Self::CaSign(wish) => wish.check(config),
            Self::AcmeRollover { issuer } | Self::AcmeRegister { issuer } => account::known(config, issuer),
            Self::NoteExport { asset, part, .. } => export::private_part(config, asset, part).map(drop),
            Self::Export { asset, part, .. } => export::part(config, asset, part).map(drop),
            Self::Status { asset: Some(asset) } => state::asset(config, asset).map(drop),
            Self::Status { .. } | Self::Audit { .. } | Self::Approvals {} => Ok(()),
            Self::Approve { .. } | Self::Deny { .. } | Self::NewRoot { .. } => Ok(()),
            Self::Plan { at, until } => plan::Span::of(at.as_deref(), until.as_deref()).map(drop),
        }
    }

    /// Puts the wish on record, durably, before anything is done for it: a crash does not forget it.
    pub(super) async fn note(
        &self,
        config: &Config,
        house: &House,
        by: &By,
        manner: Manner,
    ) -> Result<Next, Failure> {
        let actor = by.actor.as_str();
        match self {
            Self::Run {} => Ok(Next::Pass(None)),
            Self::Stock {} => stock(house, manner).await.map(Next::Done),
            Self::Rotate { assets, all, compromised } => {
                let chosen = rotate::chosen(config, assets, *all)?;
                rotate::ask(house, &chosen, *compromised, by).await?;
                if *compromised {
                    rotate::begin_by_hand(config, house, &chosen, actor).await?;
                }
                let chosen = rotate::with_clients(config, &chosen);
                Ok(Next::Pass(Some(rotate::with_authorities(config, &chosen))))
            }
            Self::Revoke(wish) => {
                let id = wish.ask(config, house, actor).await?;
                let concerned = rotate::with_authorities(config, &[id].into());
                Ok(Next::Pass(Some(rotate::with_clients(config, &concerned))))
            }
            Self::CaInit { name } => Ok(Next::Pass(Some([ca::authority(config, name)?].into()))),
            Self::Csr { asset } => csr::grant(config, house, asset, actor).await.map(Next::Done),
            Self::Import(wish) => {
                let taken = [wish.take(config, house, by).await?].into();
                Ok(Next::Pass(Some(rotate::with_clients(config, &taken))))
            }
            Self::CaSign(wish) => wish.grant(config, house, by, manner).await.map(Next::Done),
            Self::AcmeRollover { issuer } => {
                account::Change::RollOver.make(config, house, issuer, manner).await
            }
            Self::AcmeRegister { issuer } => {
                account::Change::RegisterAnew.make(config, house, issuer, manner).await
            }
            Self::NoteExport { asset, part, revision } => {
                export::note(config, house, asset, part, *revision, actor).await?;
                Ok(Next::Done(Answer::done(String::new())))
            }
            Self::Export { asset, part, revision } => {
                export::give(config, house, asset, part, *revision, by).await.map(Next::Done)
            }
            Self::Status { .. }
            | Self::Plan { .. }
            | Self::Audit { .. }
            | Self::Approvals {}
            | Self::Approve { .. }
            | Self::Deny { .. }
            | Self::NewRoot { .. } => {
                Err(Failure::usage(format!("`{}` is for the daemon's control socket", self.name())))
            }
        }
    }
}

impl By {
    /// Somebody, for themselves.
    pub(super) fn themselves(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), groups: Vec::new(), ticket: None }
    }

    /// Uses up the request, if there is one; what else `edit` writes is its outcome, and durable with it.
    pub(super) fn redeem(&self, edit: &mut Edit<'_>) -> Result<(), Refusal> {
        self.ticket.as_ref().map_or(Ok(()), |ticket| approvals::redeem(edit, ticket))
    }
}

/// What is missing is made, one after the other, and nothing that is due waits for it.
async fn stock(house: &House, manner: Manner) -> Result<Answer, Failure> {
    while house.executor.restock(&house.desired).await?.map_err(Failure::failed)? {}
    let inventory = house.executor.books.inventory().await;
    let levels = planner::stock(&house.desired, &inventory, house.executor.clock.now());
    let line = status::stock_line(&levels).filter(|_| manner.format != Format::Json);
    Ok(Answer::done(line.map_or_else(String::new, |line| line + "\n")))
}

impl Answer {
    pub(super) fn done(stdout: String) -> Self {
        Self { stdout, stderr: Vec::new(), exit: DONE, secret: None }
    }

    /// What a failure looks like to the caller.
    pub(super) fn of_failure(failure: &Failure) -> Self {
        Self { stdout: String::new(), stderr: vec![failure.text()], exit: failure.code, secret: None }
    }

    /// What has come of a pass.
    pub(super) fn of_pass(
        config: &Config,
        passed: &Passed,
        inventory: &Inventory,
        only: Option<&BTreeSet<AssetId>>,
        clock: &dyn Clock,
        manner: Manner,
    ) -> Self {
        let failed = passed.failed() || status::stands_in_the_way(&passed.problems, only);
        let exit = if failed { FAILED } else { DONE };
        let report = status::Report::of(config, inventory, &passed.problems, clock.now());
        if manner.format == Format::Json {
            return Self { stdout: format!("{:#}\n", report.json()), stderr: Vec::new(), exit, secret: None };
        }
        let mut stdout = String::new();
        if passed.done == 0 && passed.failures.is_empty() {
            stdout.push_str("nothing to do\n");
        }
        stdout.push_str(&report.table());
        stdout.push('\n');
        passed.deferred.iter().for_each(|deferred| stdout.push_str(&waits(deferred)));
        Self { stdout, stderr: complaints(passed), exit, secret: None }
    }

    pub(super) fn print(&self) -> u8 {
        output::bytes(self.stdout.as_bytes());
        self.secret.iter().for_each(|secret| output::bytes(secret.expose()));
        self.stderr.iter().for_each(|line| output::warning(line));
        self.exit
    }
}

/// What waits for what, and until when.
fn waits(deferred: &Deferred) -> String {
    let until = deferred.until.map_or_else(String::new, |until| format!(" (until {until})"));
    format!("waits: {}: {}{until}\n", deferred.asset, deferred.reason)
}

fn complaints(passed: &Passed) -> Vec<String> {
    let mut lines: Vec<String> =
        passed.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    let mut told: Vec<&Problem> = Vec::new();
    for (asset, problem) in &passed.failures {
        if !told.contains(&problem) {
            lines.push(format!("keyturn: {asset}: {problem}\n  {}", problem.code.action()));
            told.push(problem);
        }
    }
    lines
}
