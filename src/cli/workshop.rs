//! Who makes keys, parameters and CAs here, and renders what they are made of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::lists;
use super::report::Lines;
use crate::clock::Entropy;
use crate::config::{self, Config};
use crate::executor::Maker;
use crate::issuer::internal::{Edition, InternalCa, Signed, Signing};
use crate::issuer::{Request, Under};
use crate::keys::jwk::thumbprint;
use crate::keys::{PrivateKey, dh, encodings, pkcs12};
use crate::model::{
    AssetId, AssetKind, Code, Facts, Issued, JwsAlgorithm, KeyAlgorithm, Made, Make, MakeCrl, Material, Part,
    Problem, Secret, Ware,
};
use crate::pki;

/// The libraries of `keys` and `issuer`, put behind the executor's trait.
pub(super) struct Workshop {
    entropy: Entropy,
    authorities: BTreeMap<AssetId, InternalCa>,
    /// Under which address the revocation lists of each are fetched.
    lists: BTreeMap<AssetId, String>,
    lines: Arc<Lines>,
}

/// What kind of key intermediates have.
pub(super) const INTERMEDIATE_KEY: KeyAlgorithm = KeyAlgorithm::EcdsaP256;

/// `nice`'s highest value.
const LEAST_PRIORITY: i32 = 19;

/// A CA's name may come back as soon as this much of the clock's fault is allowed for.
const CLOCK_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

impl Workshop {
    pub(super) fn new(config: &Config, entropy: &Entropy, lines: Arc<Lines>) -> Self {
        let served = |(name, ca): (&String, &crate::config::InternalCa)| {
            Some((AssetId::new(AssetKind::Ca, name), ca.crl()?.url()?.to_owned()))
        };
        let lists = config.internal_cas().iter().filter_map(served).collect();
        Self { entropy: entropy.clone(), authorities: authorities(config, entropy), lists, lines }
    }
}

/// The internal CAs of the configuration.
pub(super) fn authorities(config: &Config, entropy: &Entropy) -> BTreeMap<AssetId, InternalCa> {
    let one = |(name, ca): (&String, &crate::config::InternalCa)| {
        let authority = InternalCa {
            name: name.clone(),
            common_name: ca.common_name().to_owned(),
            root_lifetime: ca.root_lifetime(),
            intermediate_lifetime: ca.intermediate_lifetime(),
            permitted_dns: ca.permitted_dns().to_vec(),
            permitted_ip_ranges: ca.permitted_ip_ranges().to_vec(),
            key_algorithm: INTERMEDIATE_KEY,
            entropy: entropy.clone(),
            signing: Signing::default(),
        };
        (AssetId::new(AssetKind::Ca, name), authority)
    };
    config.internal_cas().iter().map(one).collect()
}

#[async_trait]
impl Maker for Workshop {
    async fn key(&self, algorithm: KeyAlgorithm) -> Result<Secret, Problem> {
        self.generate(algorithm).await.map(|key| key.to_pkcs8_pem())
    }

    async fn jwt_key(&self, jws: JwsAlgorithm, algorithm: KeyAlgorithm) -> Result<Made, Problem> {
        let key = self.generate(algorithm).await?;
        jwt_key(jws, &key)
    }

    fn jwt_key_of(&self, jws: JwsAlgorithm, key: &Secret) -> Result<Made, Problem> {
        jwt_key(jws, &PrivateKey::from_pkcs8_pem(key).map_err(not_made)?)
    }

    async fn spare(&self, ware: Ware) -> Result<Secret, Problem> {
        let entropy = self.entropy.clone();
        let cancel = dh::Cancel::new();
        // If this future is dropped, a search ends too.
        let _guard = cancel.guard();
        in_the_background(move || match ware {
            Ware::Key(algorithm) => {
                PrivateKey::generate(algorithm, &entropy).map(|key| key.to_pkcs8_pem()).map_err(not_made)
            }
            Ware::DhParams(bits) => dh::generate(bits, 1, &entropy, &cancel, &|_| {})
                .map(|params| Secret::new(params.to_pem()))
                .map_err(not_made),
        })
        .await
    }

    async fn dh_params(&self, bits: usize, rfc7919: bool) -> Result<Made, Problem> {
        let params = if rfc7919 {
            let missing = || not_made(format!("RFC 7919 has no group of {bits} bits"));
            dh::rfc7919(bits).ok_or_else(missing)?
        } else {
            self.search(bits).await?
        };
        let material = Material { dh_params: Some(params.to_pem()), ..Material::default() };
        Ok(Made { material, facts: Facts::default() })
    }

    async fn authority(
        &self,
        make: &Make,
        root: u32,
        under: Under<'_>,
        now: Timestamp,
    ) -> Result<Made, Problem> {
        let lists =
            self.lists.get(&make.asset).map(|base| lists::urls(base, &make.asset, make.revision, root));
        self.ca(&make.asset)?.establish(under, lists, now).map_err(not_made)
    }

    fn revocation_lists(
        &self,
        make: &MakeCrl,
        signed: &[(Material, Vec<&Issued>)],
        now: Timestamp,
    ) -> Result<String, Problem> {
        let signed: Vec<Signed<'_>> = signed
            .iter()
            .map(|(authority, revoked)| Signed { authority, revoked: revoked.clone() })
            .collect();
        let edition = Edition { number: make.edition, now, lifetime: make.lifetime };
        let lists = self.ca(&make.asset)?.revocation_lists(&signed, edition);
        lists.map_err(|error| Problem::new(Code::CrlLate, error.to_string()))
    }

    fn render(&self, part: Part, materials: &[Material]) -> Result<Secret, Problem> {
        encodings::render(part, materials)
            .map_err(|error| Problem::new(Code::MaterialBad, format!("{part}: {error}")))
    }

    fn pkcs12(&self, asset: &AssetId, material: &Material, password: &Secret) -> Result<Secret, Problem> {
        pkcs12::pack(material, &asset.name, password, &self.entropy)
            .map_err(|error| Problem::new(Code::MaterialBad, error.to_string()))
    }

    fn password(&self, file: &Path) -> Result<Secret, Problem> {
        password(file)
    }

    fn check(&self, request: &Request, made: &Made) -> Result<(), String> {
        encodings::check_pair(&made.material).map_err(|error| error.to_string())?;
        check_names(request, &made.material)?;
        pki::usable(made.material.certificate.as_deref().unwrap_or_default(), &request.usages)?;
        check_dates(request, &made.facts)?;
        check_path(request, &made.material)
    }
}

impl Workshop {
    fn ca(&self, id: &AssetId) -> Result<&InternalCa, Problem> {
        self.authorities.get(id).ok_or_else(|| not_made(format!("there is no CA {id}")))
    }

    /// RSA takes up to seconds: nobody else waits for it. The others take microseconds, less than a thread to make them in.
    async fn generate(&self, algorithm: KeyAlgorithm) -> Result<PrivateKey, Problem> {
        if algorithm.rsa_bits().is_none() {
            return PrivateKey::generate(algorithm, &self.entropy).map_err(not_made);
        }
        let entropy = self.entropy.clone();
        let work = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm, &entropy));
        work.await.map_err(not_made)?.map_err(not_made)
    }

    async fn search(&self, bits: usize) -> Result<dh::DhParams, Problem> {
        let cancel = dh::Cancel::new();
        // If this future is dropped, the search ends too.
        let _guard = cancel.guard();
        let (entropy, lines) = (self.entropy.clone(), Arc::clone(&self.lines));
        let work = tokio::task::spawn_blocking(move || {
            let bar = lines.search(bits);
            let found = dh::generate(bits, 0, &entropy, &cancel, &|progress| {
                bar.show(progress.tested, progress.expected);
            });
            bar.end();
            found
        });
        work.await.map_err(not_made)?.map_err(not_made)
    }
}

/// The password of PKCS#12 files that is in `file`.
pub(super) fn password(file: &Path) -> Result<Secret, Problem> {
    config::password(file).map_err(|why| Problem::new(Code::PasswordFile, why))
}

fn jwt_key(jws: JwsAlgorithm, key: &PrivateKey) -> Result<Made, Problem> {
    let kid = thumbprint(key.public()).map_err(not_made)?;
    let material = Material { private_key: Some(key.to_pkcs8_pem()), jws: Some(jws), ..Material::default() };
    Ok(Made { material, facts: Facts { kid: Some(kid), ..Facts::default() } })
}

/// Does `work` on a thread of its own that gives way to everything else on the machine, and so do the threads that
/// it starts. Its priority cannot be raised again, so that no pool's thread will do.
async fn in_the_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let run = move || {
        // To Linux, no PID means the calling thread alone.
        let _ = rustix::process::setpriority_process(None, LEAST_PRIORITY);
        let _ = sender.send(work());
    };
    std::thread::Builder::new().name("keyturn-stock".to_owned()).spawn(run).map_err(not_made)?;
    receiver.await.map_err(not_made)?
}

fn not_made(error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::GenerateFailed, error.to_string())
}

/// Exactly the names that were asked for: no more, no fewer.
fn check_names(request: &Request, material: &Material) -> Result<(), String> {
    let certificate = material.certificate.as_deref().unwrap_or_default();
    let names = pki::names(certificate).map_err(|error| error.to_string())?;
    let sorted = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names
    };
    if sorted(&names.dns) != sorted(&request.dns_names) {
        return Err(format!("it is for {:?}, not for {:?}", names.dns, request.dns_names));
    }
    let (mut is, mut wanted) = (names.ip, request.ip_addresses.clone());
    is.sort();
    wanted.sort();
    if is != wanted {
        return Err(format!("it is for the addresses {is:?}, not for {wanted:?}"));
    }
    if names.others > 0 {
        return Err(format!("it has {} names of kinds that nobody asked for", names.others));
    }
    Ok(())
}

/// What our own CA has signed, a client can follow up to its root. Roots of others are in the clients' stores.
pub(super) fn check_path(request: &Request, material: &Material) -> Result<(), String> {
    if material.anchors.is_empty() {
        return Ok(());
    }
    request.usages.iter().try_for_each(|usage| pki::accepted(material, *usage, request.now))
}

/// Valid now, and still for a while.
fn check_dates(request: &Request, facts: &Facts) -> Result<(), String> {
    let Some(validity) = facts.validity else { return Err("its dates cannot be read".to_owned()) };
    if validity.not_before > request.now + CLOCK_SLACK {
        return Err(format!("it is not valid before {}", validity.not_before));
    }
    if validity.not_after <= request.now {
        return Err(format!("it ended at {}", validity.not_after));
    }
    Ok(())
}
