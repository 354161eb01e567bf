//! What a good CA does, and what it refuses.

use instant_acme::{Account, ExternalAccountKey, NewAccount, NewOrder, RevocationReason, RevocationRequest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::client::{
    Hand, Https, account, csr, encode, identifiers, issue, jwk, new_key, parts, policy, problem, prove, sign,
    wanted,
};
use super::{start, verifies};
use crate::fake_ca::{Endpoint, Reuse, What};

#[tokio::test]
async fn a_whole_order() {
    let (ca, clock) = start().await;
    let names = ["a.test", "*.a.test", "192.0.2.7"];
    let client = account(&ca).await.unwrap();
    let (key, pem) = issue(&client, &names).await.unwrap();

    let chain = parts(&pem);
    assert_eq!(chain.len(), 2);
    verifies(&chain, &ca.root_pem(), &names, keyturn::clock::Clock::now(&*clock));
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), key.public_key_raw());

    let books = ca.books().of(&names);
    assert_eq!((books.orders(), books.finalizations(), books.certificates()), (1, 1, 1));
    assert_eq!((ca.orders(), ca.books().failures(), ca.books().triggers()), (1, 0, 3));
    let printed = ca.books().to_string();
    assert!(printed.contains("NewOrder 201  *.a.test,192.0.2.7,a.test"), "{printed}");
    let thumbprint = format!(".{}", client.key_thumbprint());
    let answers = |what: &What| matches!(what, What::Trigger { key_authorization, .. } if key_authorization.ends_with(&thumbprint));
    assert_eq!(ca.books().densest(1, answers), 3);
}

#[tokio::test]
async fn an_alternate_chain() {
    let (ca, clock) = start().await;
    ca.faults(|faults| faults.reuse = Reuse::Already);
    let hand = Hand::enrolled(&ca).await;
    let order = hand.order(&["a.test"]).await.json();
    assert_eq!(order["status"], "ready");
    let done =
        hand.post(order["finalize"].as_str().unwrap(), &json!({ "csr": encode(&csr(&["a.test"]).1) })).await;
    let seen = hand.post(done.json()["certificate"].as_str().unwrap(), &Value::Null).await;
    let links: Vec<&str> = seen.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    let alternate = links.iter().find(|link| link.ends_with("rel=\"alternate\"")).unwrap();
    let url = alternate.trim_start_matches('<').split('>').next().unwrap();
    let other = hand.post(url, &Value::Null).await;
    let chain = parts(std::str::from_utf8(&other.body).unwrap());
    verifies(&chain, &ca.other_root_pem(), &["a.test"], keyturn::clock::Clock::now(&*clock));
}

#[tokio::test]
async fn accounts() {
    let (ca, _) = start().await;
    let mut client = account(&ca).await.unwrap();
    client.update_contacts(&["mailto:b@b.test"]).await.unwrap();
    assert_eq!(ca.accounts()[0].contact, ["mailto:b@b.test"]);
    assert!(client.update_contacts(&["tel:1"]).await.is_err());

    let old = ca.accounts()[0].key.clone();
    let _ = client.update_key().await.unwrap();
    assert_ne!(ca.accounts()[0].key, old);
    issue(&client, &["a.test"]).await.unwrap();

    client.deactivate().await.unwrap();
    let hand = Hand::new(&ca).await;
    let seen = hand.post("newAccount", &json!({ "onlyReturnExisting": true })).await;
    assert_eq!((seen.status, seen.problem()), (400, "accountDoesNotExist".to_owned()));
    assert_eq!(hand.post("newAccount", &json!({})).await.problem(), "userActionRequired");
    let enrolled = Hand::enrolled(&ca).await;
    let again = Hand { kid: None, ..enrolled };
    let seen = again.post("newAccount", &json!({ "onlyReturnExisting": true })).await;
    assert_eq!((seen.status, seen.header("location").is_empty()), (200, false));
}

#[tokio::test]
async fn a_new_key_must_be_free_and_consent() {
    let (ca, _) = start().await;
    let (hand, other) = (Hand::enrolled(&ca).await, Hand::enrolled(&ca).await);
    let url = hand.url("keyChange");
    let said = json!({ "account": hand.kid, "oldKey": hand.jwk() }).to_string();
    let header = |key: &Value| json!({ "alg": "ES256", "jwk": key, "url": url });
    let taken = sign(&other.key, &header(&other.jwk()), &said);
    let seen = hand.post("keyChange", &taken).await;
    assert_eq!((seen.status, seen.header("location")), (409, other.kid.as_deref().unwrap()));
    let unsigned = sign(&hand.key, &header(&jwk(&new_key())), &said);
    assert_eq!(hand.post("keyChange", &unsigned).await.status, 400);
}

#[tokio::test]
async fn an_external_account() {
    let (ca, _) = start().await;
    ca.bind("kid-1", b"a shared secret of some length..");
    ca.faults(|faults| faults.needs_binding = true);
    let refused = account(&ca).await.err().unwrap();
    assert_eq!(problem(&refused), "externalAccountRequired");
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    for (secret, works) in [(&b"a shared secret of some length.."[..], true), (b"another", false)] {
        let external = ExternalAccountKey::new("kid-1".to_owned(), secret);
        let builder = Account::builder_with_http(Box::new(Https::to(&ca)));
        let created = builder.create(&new, ca.directory_url(), Some(&external)).await;
        assert_eq!(created.is_ok(), works);
    }
    assert_eq!(ca.accounts()[0].binding.as_deref(), Some("kid-1"));
}

#[tokio::test]
async fn revoked_by_account_and_by_certificate_key() {
    let (ca, _) = start().await;
    let client = account(&ca).await.unwrap();
    let (_, pem) = issue(&client, &["a.test"]).await.unwrap();
    let leaf: &CertificateDer<'_> = &parts(&pem)[0];
    let request = RevocationRequest { certificate: leaf, reason: Some(RevocationReason::Superseded) };
    client.revoke(&request).await.unwrap();
    assert_eq!(ca.certificates()[0].revoked, Some(4));
    let again = client.revoke(&request).await.unwrap_err();
    assert_eq!(problem(&again), "alreadyRevoked");

    let (key, pem) = issue(&client, &["b.test"]).await.unwrap();
    let payload = json!({ "certificate": encode(&parts(&pem)[0]), "reason": 1 });
    let stranger = Hand::new(&ca).await;
    assert_eq!(stranger.post("revokeCert", &payload).await.problem(), "unauthorized");
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, key.serialized_der(), &random).unwrap();
    let owner = Hand { key, ..stranger };
    assert_eq!(owner.post("revokeCert", &payload).await.status, 200);
    assert_eq!(ca.certificates()[1].revoked, Some(1));
}

/// instant-acme makes P-256 only; certificates have other keys too, and those revoke as well.
#[tokio::test]
async fn certificates_of_other_keys() {
    let (ca, _) = start().await;
    ca.faults(|faults| faults.reuse = Reuse::Already);
    let hand = Hand::enrolled(&ca).await;
    let folder = tempfile::TempDir::new().unwrap();
    for (number, (kind, option, algorithm)) in
        [("rsa:2048", "", "RS256"), ("ec", "ec_paramgen_curve:P-384", "ES384")].into_iter().enumerate()
    {
        let key = folder.path().join("key.pem");
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["req", "-newkey", kind, "-nodes", "-subj", "/CN=a.test", "-sha384", "-outform", "DER"]);
        openssl.args(["-addext", "subjectAltName=DNS:a.test", "-keyout"]).arg(&key);
        openssl.args(if option.is_empty() { vec![] } else { vec!["-pkeyopt", option] });
        let order = hand.order(&["a.test"]).await.json();
        let csr = json!({ "csr": encode(&openssl.output().unwrap().stdout) });
        let done = hand.post(order["finalize"].as_str().unwrap(), &csr).await;
        assert_eq!(done.json()["status"], "valid", "{}", done.json());

        let (url, leaf) = (hand.url("revokeCert"), ca.certificates()[number].issued.der.clone());
        let header = json!({ "alg": algorithm, "nonce": hand.nonce().await, "url": url });
        let body = signed_with(&key, header, &json!({ "certificate": encode(&leaf) }).to_string());
        let seen = hand.https.ask(http::Method::POST, &url, body).await.unwrap();
        assert_eq!((seen.status, ca.certificates()[number].revoked), (200, Some(0)), "{seen:?}");
    }
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A JWS by an RSA or a P-384 key, which its header then names.
fn signed_with(key: &std::path::Path, mut header: Value, payload: &str) -> Vec<u8> {
    use ring::signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    };
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_file(key).unwrap();
    let der = der.secret_pkcs8_der();
    let random = ring::rand::SystemRandom::new();
    let sign: Sign = if header["alg"] == "RS256" {
        let key = RsaKeyPair::from_pkcs8(der).unwrap();
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
        header["jwk"] = json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) });
        Box::new(move |message| {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
            signature
        })
    } else {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &random).unwrap();
        let (x, y) = key.public_key().as_ref()[1..].split_at(48);
        header["jwk"] = json!({ "kty": "EC", "crv": "P-384", "x": encode(x), "y": encode(y) });
        Box::new(move |message| key.sign(&random, message).unwrap().as_ref().to_vec())
    };
    let (protected, payload) = (encode(header.to_string().as_bytes()), encode(payload.as_bytes()));
    let signature = encode(&sign(format!("{protected}.{payload}").as_bytes()));
    json!({ "protected": protected, "payload": payload, "signature": signature }).to_string().into_bytes()
}

#[tokio::test]
async fn replaces_once() {
    let (ca, _) = start().await;
    let client = account(&ca).await.unwrap();
    issue(&client, &["a.test"]).await.unwrap();
    let hand = Hand::enrolled(&ca).await;
    let id = ca.certificates()[0].issued.ari_id.clone();
    let mut payload = wanted(&["a.test"]);
    payload["replaces"] = id.clone().into();
    assert_eq!(hand.post("newOrder", &payload).await.problem(), "unauthorized");

    let identifiers = identifiers(&["a.test", "b.test"]);
    let pem = issue(&client, &["c.test"]).await.unwrap().1;
    let leaf = &parts(&pem)[0];
    let (_, parsed) = X509Certificate::from_der(leaf).unwrap();
    assert!(ca.certificates()[1].issued.ari_id.ends_with(&encode(parsed.tbs_certificate.raw_serial())));

    let (aki, serial) = id.split_once('.').unwrap();
    let decode =
        |text: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap();
    let (aki, serial) = (decode(aki), decode(serial));
    let replaced = instant_acme::CertificateIdentifier::new(
        rustls_pki_types::Der::from_slice(&aki),
        rustls_pki_types::Der::from_slice(&serial),
    );
    let mut order =
        client.new_order(&NewOrder::new(&identifiers).replaces(replaced.clone().into_owned())).await.unwrap();
    prove(&mut order).await.unwrap();
    let again = client.new_order(&NewOrder::new(&identifiers).replaces(replaced)).await.err().unwrap();
    assert_eq!(problem(&again), "alreadyReplaced");
    order.finalize_csr(&csr(&["a.test", "b.test"]).1).await.unwrap();
    order.poll_certificate(&policy()).await.unwrap();
}

#[tokio::test]
async fn profiles() {
    let (ca, _) = start().await;
    let client = account(&ca).await.unwrap();
    assert_eq!(client.profiles().count(), 3);
    let identifiers = identifiers(&["a.test"]);
    let unknown = client.new_order(&NewOrder::new(&identifiers).profile("nosuch")).await.err().unwrap();
    assert!(format!("{unknown:?}").contains("rofile"), "{unknown:?}");
    let hand = Hand::enrolled(&ca).await;
    let mut payload = wanted(&["a.test"]);
    payload["profile"] = "nosuch".into();
    assert_eq!(hand.post("newOrder", &payload).await.problem(), "invalidProfile");

    let mut order = client.new_order(&NewOrder::new(&identifiers).profile("shortlived")).await.unwrap();
    prove(&mut order).await.unwrap();
    order.finalize_csr(&csr(&["a.test"]).1).await.unwrap();
    order.poll_certificate(&policy()).await.unwrap();
    let issued = &ca.certificates()[0].issued;
    assert_eq!(issued.not_after.duration_since(issued.not_before).as_hours(), 160);
}

#[tokio::test]
async fn a_request_must_be_signed_right() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    let url = hand.url("newOrder");
    let payload = wanted(&["a.test"]).to_string();
    let good = json!({ "alg": "ES256", "kid": hand.kid, "url": url });
    let with = |field: &str, value: Value| {
        let mut header = good.clone();
        header[field] = value;
        header
    };

    let nonce = hand.nonce().await;
    let first = hand.raw(&url, &with("nonce", nonce.clone().into()), &payload).await.unwrap();
    let second = hand.raw(&url, &with("nonce", nonce.into()), &payload).await.unwrap();
    assert_eq!((first.status, second.problem().as_str()), (201, "badNonce"));
    assert!(!second.header("replay-nonce").is_empty());
    let wrong = [
        ("url", json!("https://127.0.0.1/other"), "unauthorized"),
        ("alg", json!("RS256"), "badSignatureAlgorithm"),
        ("kid", json!("https://127.0.0.1/account/0"), "accountDoesNotExist"),
        ("jwk", hand.jwk(), "malformed"),
    ];
    for (field, value, problem) in wrong {
        let mut header = with(field, value);
        header["nonce"] = hand.nonce().await.into();
        assert_eq!(hand.raw(&url, &header, &payload).await.unwrap().problem(), problem, "{field}");
    }
    let mut header = good.clone();
    header["nonce"] = hand.nonce().await.into();
    let body = sign(&new_key(), &header, &payload).to_string();
    let forged = hand.https.ask(http::Method::POST, &url, body.into_bytes()).await.unwrap();
    assert_eq!((forged.status, forged.problem().as_str()), (400, "malformed"));
    assert_eq!((ca.orders(), ca.books().requests_to(Endpoint::NewOrder)), (1, 7));
}

#[tokio::test]
async fn an_order_is_finalized_when_ready_and_for_its_names() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    let order = hand.order(&["a.test"]).await;
    let finalize = order.json()["finalize"].as_str().unwrap().to_owned();
    let good = json!({ "csr": encode(&csr(&["a.test"]).1) });
    let early = hand.post(&finalize, &good).await;
    assert_eq!((early.status, early.problem().as_str()), (403, "orderNotReady"));
    let proof = hand.look(&order.json()["authorizations"][0]).await;
    let triggered = hand.post(proof["challenges"][0]["url"].as_str().unwrap(), &json!({})).await;
    assert_eq!(triggered.json()["status"], "processing");
    let other = json!({ "csr": encode(&csr(&["b.test"]).1) });
    assert_eq!(hand.post(&finalize, &other).await.problem(), "badCSR");
    assert_eq!(hand.post(&finalize, &json!({ "csr": "AAAA" })).await.problem(), "badCSR");
    let done = hand.post(&finalize, &good).await.json();
    assert_eq!(done["status"], "valid");
    assert_eq!(hand.post(&finalize, &good).await.problem(), "orderNotReady");

    let thief = Hand::enrolled(&ca).await;
    assert_eq!(thief.look(&done["certificate"]).await["status"], 403);
    assert_eq!(thief.look(&order.header("location").into()).await["status"], 403);
}
