//! What the executor needs done, as traits: the composition root says by whom.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::issuer::{Request, Under};
use crate::model::{
    AssetId, Issued, JwsAlgorithm, KeyAlgorithm, Made, Make, MakeCrl, Material, Part, Problem, Secret, Step,
    Ware,
};

/// Makes keys, parameters and CAs, and renders what they are made of.
#[async_trait]
pub trait Maker: Send + Sync {
    /// A private key, PKCS#8 PEM.
    async fn key(&self, algorithm: KeyAlgorithm) -> Result<Secret, Problem>;
    /// A JWT signing key.
    async fn jwt_key(&self, jws: JwsAlgorithm, algorithm: KeyAlgorithm) -> Result<Made, Problem>;
    /// A JWT signing key of a private key that was kept ready, PKCS#8 PEM.
    fn jwt_key_of(&self, jws: JwsAlgorithm, key: &Secret) -> Result<Made, Problem>;
    /// Something to be kept ready, PEM: made so that nobody notices, however long it takes.
    async fn spare(&self, ware: Ware) -> Result<Secret, Problem>;
    /// Diffie-Hellman parameters. It may take minutes.
    async fn dh_params(&self, bits: usize, rfc7919: bool) -> Result<Made, Problem>;
    /// A CA: a new intermediate, under the root that is named; `root` is the revision that it is made in.
    async fn authority(
        &self,
        make: &Make,
        root: u32,
        under: Under<'_>,
        now: Timestamp,
    ) -> Result<Made, Problem>;
    /// One edition of a CA's revocation lists, PEM; each of its revisions with what it has signed that is remembered.
    fn revocation_lists(
        &self,
        make: &MakeCrl,
        signed: &[(Material, Vec<&Issued>)],
        now: Timestamp,
    ) -> Result<String, Problem>;
    /// The bytes of one part, made of these revisions, oldest first.
    fn render(&self, part: Part, materials: &[Material]) -> Result<Secret, Problem>;
    /// A PKCS#12 file of a certificate, DER: key and chain, opened by this password. Each making gives other bytes.
    fn pkcs12(&self, asset: &AssetId, material: &Material, password: &Secret) -> Result<Secret, Problem>;
    /// The password of PKCS#12 files that is in `file`.
    fn password(&self, file: &Path) -> Result<Secret, Problem>;
    /// Whether what was issued is what was asked for; else what is wrong with it.
    fn check(&self, request: &Request, made: &Made) -> Result<(), String>;
}

/// Is told how the work goes.
pub trait Reporter: Send + Sync {
    /// A step is begun.
    fn started(&self, step: &Step);
    /// A step has ended.
    fn finished(&self, step: &Step, problem: Option<&Problem>);
}

/// Tells nobody.
#[derive(Debug)]
pub struct Silent;

impl Reporter for Silent {
    fn started(&self, _step: &Step) {}
    fn finished(&self, _step: &Step, _problem: Option<&Problem>) {}
}
