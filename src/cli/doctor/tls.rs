//! Knocks at every address of `verify.connect`.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;

use super::{Records, places};
use crate::desired::{AssetSpec, Desired, KindSpec, Verify};
use crate::doctor::{self, Expected, Finding, Served};
use crate::keys::dh::DhParams;
use crate::model::{Code, Material, Place, World};
use crate::pki::{self, pem};
use crate::verify::{self, probe};

/// So many endpoints are looked at side by side.
const AT_ONCE: usize = 8;

/// One endpoint of one certificate.
struct Endpoint<'d> {
    spec: &'d AssetSpec,
    address: &'d str,
    server_name: Option<&'d str>,
}

pub(super) async fn all(desired: &Desired, records: &Records, world: &World, now: Timestamp) -> Vec<Finding> {
    let endpoints = desired.assets.values().flat_map(endpoints);
    let looks = endpoints.map(|endpoint| look(endpoint, desired, records, world, now));
    let found: Vec<Vec<Finding>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    found.into_iter().flatten().collect()
}

fn endpoints(spec: &AssetSpec) -> Vec<Endpoint<'_>> {
    let of = |verify| match verify {
        &Some(Verify::Connect { ref connect, ref server_name }) => Some((connect, server_name.as_deref())),
        _ => None,
    };
    let targets = spec.targets.iter().filter_map(|target| of(&target.verify));
    targets
        .flat_map(|(connect, server_name)| {
            connect.iter().map(move |address| Endpoint { spec, address, server_name })
        })
        .collect()
}

async fn look(
    endpoint: Endpoint<'_>,
    desired: &Desired,
    records: &Records,
    world: &World,
    now: Timestamp,
) -> Vec<Finding> {
    let Endpoint { spec, address, server_name } = endpoint;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = server_name.unwrap_or(host);
    let about = if name == host { address.to_owned() } else { format!("{address} ({name})") };
    let offer = match probe::look(address, server_name).await {
        Ok(offer) => offer,
        Err(error) => {
            return vec![Finding::fault("tls", about, Code::TlsUnreachable, error.to_string())];
        }
    };
    let material = records.material(&spec.id);
    let anchors = material.as_ref().map(|material| material.anchors.clone()).unwrap_or_default();
    let ocsp = offer.chain.first().and_then(|leaf| pki::ocsp(leaf).ok()).unwrap_or_default();
    doctor::served(&Served {
        endpoint: &about,
        is_dns: name.parse::<std::net::IpAddr>().is_err(),
        remarks: verify::remarks(&offer.chain, name, &anchors, now),
        offer: &offer,
        expected: material.as_ref().and_then(expected),
        responder: ocsp.responder.is_some(),
        must_staple: ocsp.must_staple,
        primes: primes(spec, desired, records, world),
    })
}

fn expected(material: &Material) -> Option<Expected> {
    let der = |text: &String| pem::decode(pem::CERTIFICATE, text).ok().map(|der| der.to_vec());
    let leaf = der(material.certificate.as_ref()?)?;
    Some(Expected { leaf, chain: material.chain.iter().filter_map(der).collect() })
}

/// Of the DH parameters that go where the certificate goes.
fn primes(
    certificate: &AssetSpec,
    desired: &Desired,
    records: &Records,
    world: &World,
) -> Option<Vec<Vec<u8>>> {
    let here: BTreeSet<Place> = places(certificate, records, world);
    let beside = |spec: &&AssetSpec| {
        matches!(spec.kind, KindSpec::DhParams { .. }) && !places(spec, records, world).is_disjoint(&here)
    };
    let beside: Vec<&AssetSpec> = desired.assets.values().filter(beside).collect();
    let prime = |spec: &&AssetSpec| {
        let text = records.material(&spec.id)?.dh_params?;
        Some(DhParams::from_pem(&text).ok()?.prime().to_vec())
    };
    (!beside.is_empty()).then(|| beside.iter().filter_map(prime).collect())
}
