//! Makes keys that are their own names, and looks at the tasks for what proves them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;

use super::fuse::Fuse;
use super::rng::Rng;
use super::swarm::Swarm;
use crate::clock::{Clock, Virtual};
use crate::executor::Maker;
use crate::issuer::{Request, Under};
use crate::model::{
    AssetId, Code, Facts, Issued, JwsAlgorithm, KeyAlgorithm, Made, Make, MakeCrl, Material, Part, Problem,
    Secret, Ware,
};
use crate::verify::{Handshakes, Seen, Verifier, VerifyError};

/// The key with ID `k3` is `private k3`, and a JWKS is the IDs in it.
pub(super) struct Hands {
    fuse: Arc<Fuse>,
    made: AtomicU64,
}

impl Hands {
    pub(super) fn new(fuse: Arc<Fuse>) -> Self {
        Self { fuse, made: AtomicU64::new(0) }
    }

    /// How many keys were made, also those that nobody kept.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }
}

impl Hands {
    async fn new_key(&self) -> Result<Secret, Problem> {
        let make = || {
            let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Secret::new(format!("private k{number}")))
        };
        self.fuse.through(|| Problem::new(Code::GenerateFailed, "no randomness"), make).await
    }
}

fn never<T>() -> Result<T, Problem> {
    Err(Problem::new(Code::GenerateFailed, "the generator was disturbed"))
}

#[async_trait]
impl Maker for Hands {
    async fn key(&self, _algorithm: KeyAlgorithm) -> Result<Secret, Problem> {
        never()
    }

    async fn jwt_key(&self, jws: JwsAlgorithm, _algorithm: KeyAlgorithm) -> Result<Made, Problem> {
        let key = self.new_key().await?;
        self.jwt_key_of(jws, &key)
    }

    fn jwt_key_of(&self, jws: JwsAlgorithm, key: &Secret) -> Result<Made, Problem> {
        let kid = Some(key.expose_str().replace("private ", ""));
        let material = Material { private_key: Some(key.clone()), jws: Some(jws), ..Material::default() };
        Ok(Made { material, facts: Facts { kid, ..Facts::default() } })
    }

    async fn spare(&self, _ware: Ware) -> Result<Secret, Problem> {
        self.new_key().await
    }

    async fn dh_params(&self, _bits: usize, _rfc7919: bool) -> Result<Made, Problem> {
        never()
    }

    async fn authority(&self, _: &Make, _: u32, _: Under<'_>, _: Timestamp) -> Result<Made, Problem> {
        never()
    }

    fn revocation_lists(
        &self,
        _: &MakeCrl,
        _: &[(Material, Vec<&Issued>)],
        _: Timestamp,
    ) -> Result<String, Problem> {
        never()
    }

    fn pkcs12(&self, _asset: &AssetId, _material: &Material, _password: &Secret) -> Result<Secret, Problem> {
        never()
    }

    fn password(&self, _file: &std::path::Path) -> Result<Secret, Problem> {
        never()
    }

    fn render(&self, part: Part, materials: &[Material]) -> Result<Secret, Problem> {
        let key = |material: &Material| material.private_key.as_ref().unwrap().expose_str().to_owned();
        let kids: Vec<String> = materials.iter().map(|one| key(one).replace("private ", "")).collect();
        Ok(Secret::new(match part {
            Part::PrivateKey => key(&materials[0]),
            _ => kids.join(" "),
        }))
    }

    fn check(&self, _request: &Request, _made: &Made) -> Result<(), String> {
        Ok(())
    }
}

/// Asks one task of a verifier, by chance, for its JWKS; `http://gateway/` is the service `gateway`.
pub(super) struct Eyes {
    clock: Arc<Virtual>,
    fuse: Arc<Fuse>,
    swarm: Arc<Swarm>,
    rng: Rng,
}

impl Eyes {
    pub(super) fn new(clock: Arc<Virtual>, fuse: Arc<Fuse>, swarm: Arc<Swarm>, rng: Rng) -> Self {
        Self { clock, fuse, swarm, rng }
    }

    fn look(&self, url: &str, kids: &[String]) -> Result<Seen, VerifyError> {
        let fault = |reason: &str| VerifyError::Jwks { url: url.to_owned(), reason: reason.to_owned() };
        let name = url.trim_start_matches("http://").trim_end_matches('/');
        let now = self.clock.now();
        let tasks = self.swarm.history().into_iter().filter(|task| task.service == name && task.lives(now));
        let tasks: Vec<_> = tasks.collect();
        if tasks.is_empty() {
            return Err(fault("cannot connect"));
        }
        let one = usize::try_from(self.rng.upto(tasks.len() as u64 - 1)).unwrap();
        let shown = tasks[one].files.get(super::site::JWKS).cloned().unwrap_or_default();
        let has = |kid: &String| shown.split(' ').any(|shown| shown == kid);
        if kids.iter().all(has) {
            return Ok(Seen { handshakes: 1, remarks: Vec::new() });
        }
        Err(fault("it lacks a key"))
    }
}

#[async_trait]
impl Verifier for Eyes {
    async fn handshakes(&self, _ask: &Handshakes) -> Result<Seen, VerifyError> {
        Err(VerifyError::Ask("nothing here speaks TLS".to_owned()))
    }

    async fn jwks(&self, url: &str, kids: &[String]) -> Result<Seen, VerifyError> {
        let lost = || VerifyError::Jwks { url: url.to_owned(), reason: "the answer broke off".to_owned() };
        self.fuse.through(lost, || self.look(url, kids)).await
    }
}
