//! The authorizations of an order (RFC 8555 §7.5): what is to be shown for each, and what has become of it.

use instant_acme::{AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, Order};

use super::challenge::{Proof, Subject};
use super::refusal::harmless;

/// What there is to be done for one authorization.
pub(super) enum Found {
    Proven,
    Open(Proof),
    NoSuch(String, String),
}

/// What is to be shown for the `at`th authorization.
pub(super) async fn proof(order: &mut Order, at: usize, kind: &str) -> Result<Found, instant_acme::Error> {
    let mut authorizations = order.authorizations();
    let mut authorization = nth(&mut authorizations, at).await?;
    if authorization.status == AuthorizationStatus::Valid {
        return Ok(Found::Proven);
    }
    let subject = match authorization.identifier().identifier {
        Identifier::Dns(name) => Subject::Dns(name.to_ascii_lowercase()),
        Identifier::Ip(ip) => Subject::Ip(*ip),
        other => return Ok(Found::NoSuch(format!("{other:?}"), "what we do not know".to_owned())),
    };
    let offers: Vec<String> =
        authorization.challenges.iter().map(|one| name(&one.r#type).to_owned()).collect();
    let Some(challenge) = authorization.challenge(of_name(kind)) else {
        return Ok(Found::NoSuch(subject.to_string(), offers.join(", ")));
    };
    let key_authorization = challenge.key_authorization().as_str().to_owned();
    Ok(Found::Open(Proof { subject, token: challenge.token.clone(), key_authorization }))
}

/// Tells the CA that the `at`th authorization can be looked at, unless it has been told.
pub(super) async fn ready(order: &mut Order, at: usize, kind: &str) -> Result<(), instant_acme::Error> {
    let mut authorizations = order.authorizations();
    let mut authorization = nth(&mut authorizations, at).await?;
    if authorization.status != AuthorizationStatus::Pending {
        return Ok(());
    }
    match authorization.challenge(of_name(kind)) {
        Some(mut challenge) if challenge.status == ChallengeStatus::Pending => challenge.set_ready().await,
        _ => Ok(()),
    }
}

/// What has failed in the `at`th authorization.
pub(super) async fn failure(order: &mut Order, at: usize) -> Result<Option<(String, String)>, instant_acme::Error> {
    let mut authorizations = order.authorizations();
    let authorization = nth(&mut authorizations, at).await?;
    if authorization.status != AuthorizationStatus::Invalid {
        return Ok(None);
    }
    let name = authorization.identifier().to_string();
    let why = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
    Ok(Some((name, why.map_or_else(|| "no reason".to_owned(), |why| harmless(&why.to_string())))))
}

async fn nth<'a>(
    authorizations: &'a mut instant_acme::Authorizations<'_>,
    at: usize,
) -> Result<instant_acme::AuthorizationHandle<'a>, instant_acme::Error> {
    // The library fetches each authorization once, and hands it out one after the other only.
    for _ in 0..at {
        authorizations.next().await.transpose()?;
    }
    authorizations.next().await.unwrap_or(Err(instant_acme::Error::Str("an authorization")))
}

fn of_name(kind: &str) -> ChallengeType {
    match kind {
        "http-01" => ChallengeType::Http01,
        "tls-alpn-01" => ChallengeType::TlsAlpn01,
        _ => ChallengeType::Dns01,
    }
}

fn name(kind: &ChallengeType) -> &str {
    match kind {
        ChallengeType::Http01 => "http-01",
        ChallengeType::Dns01 => "dns-01",
        ChallengeType::TlsAlpn01 => "tls-alpn-01",
        ChallengeType::Unknown(name) => name,
        _ => "another",
    }
}

impl Proof {
    /// A token that is more than a token could be a path, a header or a command (RFC 8555 §8.1).
    pub(super) fn checked(self) -> Result<Self, String> {
        let good = (16..=128).contains(&self.token.len())
            && self.token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if good { Ok(self) } else { Err(format!("the challenge's token for {} is not one", self.subject)) }
    }
}
