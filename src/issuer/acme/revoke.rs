//! Having a certificate revoked (RFC 8555 §7.6), by the account or by the certificate's own key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use instant_acme::Error;
use rustls_pki_types::CertificateDer;
use serde_json::json;

use super::http::Client;
use super::jws::{self, Signer};
use super::refusal::{refusal, takes_no_reason};
use super::{Acme, patiently};
use crate::issuer::{Desk, IssueError};
use crate::model::{Material, RevocationReason};
use crate::pki::pem;

impl Acme {
    /// Who has lost the key proves it best by signing with it, and CAs then refuse that key for good; else the account asks.
    /// Where the one way is refused, the other is tried; where the reason is, it is left out.
    pub(super) async fn withdraw(
        &self,
        material: &Material,
        reason: RevocationReason,
        desk: &dyn Desk,
    ) -> Result<(), IssueError> {
        let client = self.client().await?;
        let by_key_first = reason == RevocationReason::KeyCompromise && material.private_key.is_some();
        let first = match by_key_first {
            true => self.by_key(&client, material, reason).await,
            false => self.by_account(&client, material, reason, desk).await,
        };
        match first {
            Ok(()) => Ok(()),
            Err(_) if by_key_first => self.by_account(&client, material, reason, desk).await,
            Err(error) if material.private_key.is_some() => {
                self.by_key(&client, material, reason).await.map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    async fn by_account(
        &self,
        client: &Client,
        material: &Material,
        reason: RevocationReason,
        desk: &dyn Desk,
    ) -> Result<(), IssueError> {
        let account = self.account(client, desk).await?;
        let der = self.leaf(material)?;
        let certificate = CertificateDer::from(der.as_slice());
        let ask = |reason| instant_acme::RevocationRequest { certificate: &certificate, reason };
        let mut told = patiently!(account.revoke(&ask(Some(of(reason)))));
        if told.as_ref().is_err_and(takes_no_reason) {
            told = patiently!(account.revoke(&ask(None)));
        }
        self.settled(told)
    }

    async fn by_key(
        &self,
        client: &Client,
        material: &Material,
        reason: RevocationReason,
    ) -> Result<(), IssueError> {
        let line = client.line();
        let directory = line.directory().await.map_err(|error| self.failed("for its directory", &error))?;
        let url = directory.revoke_cert.ok_or_else(|| self.refused("it revokes nothing"))?;
        let key = material.private_key.as_ref().ok_or_else(|| self.local("the certificate's key is gone"))?;
        let signer = Signer::read(key, &self.entropy).map_err(|why| self.local(why))?;
        let certificate = BASE64.encode(self.leaf(material)?);
        let payload = json!({ "certificate": certificate, "reason": reason.code() });
        let mut told = jws::post(line, &signer, ("jwk", signer.jwk()), &url, Some(&payload)).await;
        if told.as_ref().is_err_and(takes_no_reason) {
            let payload = json!({ "certificate": certificate });
            told = jws::post(line, &signer, ("jwk", signer.jwk()), &url, Some(&payload)).await;
        }
        self.settled(told.map(|_| ()))
    }

    /// What is revoked already is as good as revoked now.
    fn settled(&self, result: Result<(), Error>) -> Result<(), IssueError> {
        match result {
            Err(error) if refusal(&error).is_some_and(|refusal| refusal.is("alreadyRevoked")) => Ok(()),
            Err(error) => Err(self.failed("to revoke the certificate", &error)),
            Ok(()) => Ok(()),
        }
    }

    fn leaf(&self, material: &Material) -> Result<Vec<u8>, IssueError> {
        let text = material.certificate.as_deref().unwrap_or_default();
        pem::decode(pem::CERTIFICATE, text).map(|der| der.to_vec()).map_err(|error| self.local(error))
    }
}

fn of(reason: RevocationReason) -> instant_acme::RevocationReason {
    match reason {
        RevocationReason::Unspecified => instant_acme::RevocationReason::Unspecified,
        RevocationReason::KeyCompromise => instant_acme::RevocationReason::KeyCompromise,
        RevocationReason::AffiliationChanged => instant_acme::RevocationReason::AffiliationChanged,
        RevocationReason::Superseded => instant_acme::RevocationReason::Superseded,
        RevocationReason::CessationOfOperation => instant_acme::RevocationReason::CessationOfOperation,
    }
}
