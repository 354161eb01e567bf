//! `issuers` of a certificate: who may sign it.

use super::issuers::{Issuer, Issuers};
use crate::config::acme::AcmeIssuer;
use crate::config::certificate::Maker;
use crate::config::issuer::InternalCa;
use crate::config::raw::{Item, Table, not_one_of};

/// The issuers that a certificate names, the first to be tried first.
pub(super) struct Named<'a> {
    pub(super) names: Vec<String>,
    /// The internal CA among them.
    pub(super) internal: Option<&'a InternalCa>,
    /// The others, those that are faulty themselves left out.
    pub(super) acme: Vec<&'a AcmeIssuer>,
    /// What of the first a certificate is made for; `None` where that one is faulty itself.
    pub(super) maker: Option<Maker>,
    /// Whether one of them is faulty, so that it could be either.
    unsure: bool,
}

impl<'a> Named<'a> {
    /// Reads the list; it may be left unsaid where there is only one issuer.
    pub(super) fn read(t: &mut Table<'_>, issuers: &'a Issuers) -> Option<Self> {
        let Some(item) = t.item("issuers") else {
            return only(t, issuers).map(|name| Self::of(vec![name], issuers));
        };
        let names = item.distinct(|item| known(item, issuers))?;
        if names.is_empty() {
            return item.fault("is empty; name an issuer");
        }
        refuse_second_internal(&item, issuers)?;
        refuse_hands_beside_others(&item, issuers)?;
        Some(Self::of(names, issuers))
    }

    fn of(names: Vec<String>, issuers: &'a Issuers) -> Self {
        let (mut internal, mut acme, mut unsure) = (None, Vec::new(), false);
        for issuer in names.iter().filter_map(|name| issuers.get(name)) {
            match issuer {
                Some(Issuer::Internal(ca)) => internal = Some(&**ca),
                Some(Issuer::Acme(issuer)) => acme.push(issuer.as_ref()),
                Some(Issuer::Manual(_)) => {}
                None => unsure = true,
            }
        }
        let first = names.first().and_then(|name| issuers.get(name)).and_then(Option::as_ref);
        Self { internal, acme, maker: first.map(maker), unsure, names }
    }

    /// Whether all are ACME CAs, for sure.
    pub(super) fn only_acme(&self) -> bool {
        self.internal.is_none() && !self.unsure
    }

    /// Whether none is an ACME CA, for sure.
    pub(super) fn no_acme(&self) -> bool {
        self.acme.is_empty() && !self.unsure
    }
}

fn maker(issuer: &Issuer) -> Maker {
    match issuer {
        Issuer::Internal(ca) => Maker::Internal(ca.name().to_owned()),
        Issuer::Manual(name) => Maker::Manual(name.clone()),
        Issuer::Acme(issuer) => Maker::Acme { profile: issuer.profile().map(str::to_owned) },
    }
}

fn only(t: &Table<'_>, issuers: &Issuers) -> Option<String> {
    let mut names = issuers.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Some(only.clone()),
        (None, _) => t.fault(
            "issuers",
            "is missing, and there is no issuer; add [issuers.NAME] with kind = \"internal\" or \"acme\"",
        ),
        (Some(first), Some(_)) => t.fault(
            "issuers",
            format!("is missing, and there are several issuers; write issuers = [{first:?}]"),
        ),
    }
}

fn known(item: &Item<'_>, issuers: &Issuers) -> Option<String> {
    let name = item.text()?;
    if issuers.contains_key(name) {
        return Some(name.to_owned());
    }
    if item.cx.findings.is_full() {
        return item.fault("unknown issuer");
    }
    let known: Vec<&str> = issuers.keys().map(String::as_str).collect();
    item.fault(format!("no such issuer: {}", not_one_of(name, &known)))
}

/// Two CAs of our own are two roots to trust, and neither is ever away without the other.
fn refuse_second_internal(item: &Item<'_>, issuers: &Issuers) -> Option<()> {
    let is_internal = |item: &Item<'_>| {
        let issuer = item.text().and_then(|name| issuers.get(name)).and_then(Option::as_ref);
        matches!(issuer, Some(Issuer::Internal(_)))
    };
    match item.items()?.into_iter().filter(is_internal).nth(1) {
        Some(second) => second.fault("is a second internal CA; one is always there, so name one"),
        None => Some(()),
    }
}

/// Who comes after a person would never be asked, and a person after others never be waited for.
fn refuse_hands_beside_others(item: &Item<'_>, issuers: &Issuers) -> Option<()> {
    let is_manual = |item: &Item<'_>| {
        let issuer = item.text().and_then(|name| issuers.get(name)).and_then(Option::as_ref);
        matches!(issuer, Some(Issuer::Manual(_)))
    };
    let items = item.items()?;
    if items.len() < 2 {
        return Some(());
    }
    match items.into_iter().find(is_manual) {
        Some(manual) => manual.fault("has kind = \"manual\"; name it alone, or leave it out"),
        None => Some(()),
    }
}
