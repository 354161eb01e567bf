//! What happens to revisions, and the programs that are run for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AssetId, RevisionState};

/// What happened to a revision, as `[[hooks]]` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// It is whole, and nobody has it yet.
    Prepared,
    /// It is in use everywhere.
    Activated,
    /// Its material is bad.
    Failed,
    /// Its issuer has withdrawn it.
    Revoked,
    /// It is of no use to anyone; its private key is destroyed.
    Retired,
}

impl Moment {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 5] = [Self::Prepared, Self::Activated, Self::Failed, Self::Revoked, Self::Retired];

    /// As the configuration and hooks name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Activated => "activated",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
        }
    }

    /// Its place in a record.
    pub fn bit(self) -> u8 {
        match self {
            Self::Prepared => 1,
            Self::Activated => 2,
            Self::Failed => 4,
            Self::Revoked => 8,
            Self::Retired => 16,
        }
    }

    /// When it came for a revision; `None` if it has not.
    pub fn of(self, revision: &super::Revision) -> Option<Timestamp> {
        let ended = |state| revision.ended_at.filter(|_| revision.state == state);
        match self {
            Self::Prepared => revision.issued_at,
            Self::Activated => revision.active_at,
            Self::Failed => ended(RevisionState::Failed),
            Self::Revoked => revision.revoked_at.or_else(|| ended(RevisionState::Revoked)),
            Self::Retired => ended(RevisionState::Retired),
        }
    }
}

/// A run of a hook that is to be made, or made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The hook's command, as the configuration has it: that is its name.
    pub command: Vec<String>,
    /// What happened.
    pub moment: Moment,
    /// To which asset.
    pub asset: AssetId,
    /// To which revision.
    pub revision: u32,
    /// When.
    pub at: Timestamp,
    /// How running it goes.
    #[serde(default)]
    pub effort: super::Effort,
}

/// Runs of a hook that are never made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// Its command.
    pub command: Vec<String>,
    /// For what.
    pub moment: Moment,
    /// How many in a row.
    pub count: u32,
    /// The last of them was for this asset.
    pub asset: AssetId,
    /// For this revision.
    pub revision: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// A program that is run when something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// On what.
    pub moment: Moment,
    /// To which assets: globs over `certificates/NAME`; none means all.
    pub assets: Vec<String>,
    /// What is run.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: std::time::Duration,
}

impl Hook {
    /// Whether it is for this asset.
    pub fn is_for(&self, asset: &AssetId) -> bool {
        let name = asset.to_string();
        self.assets.is_empty() || self.assets.iter().any(|glob| matches(glob, &name))
    }

    /// Whether it has asked for this run: several may share a command, each for other assets.
    pub fn is_of(&self, errand: &Errand) -> bool {
        self.command == errand.command && self.moment == errand.moment && self.is_for(&errand.asset)
    }
}

/// Whether `glob` matches all of `text`: `*` is any run of characters, also none; `?` is one.
pub fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => (at, from) = (at + 1, from + 1),
            _ => match star {
                // The last star takes one character more.
                Some((star_at, star_from)) => {
                    star = Some((star_at, star_from + 1));
                    (at, from) = (star_at + 1, star_from + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text) in [
            ("certificates/*", "certificates/edge"),
            ("*", "jwt_keys/auth"),
            ("*/edge", "dh_params/edge"),
            ("cert*/e?ge", "certificates/edge"),
            ("**a*", "banana"),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [
            ("certificates/*", "ca/edge"),
            ("", "a"),
            ("*b", "abc"),
            ("?", ""),
            ("edge", "certificates/edge"),
        ] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
    }
}
