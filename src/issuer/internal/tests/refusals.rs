//! What must not be signed, and what is cut short.

use super::*;

fn refusal(ca: &InternalCa, change: impl FnOnce(&mut Request)) -> String {
    let mut request = request(&established(ca));
    change(&mut request);
    let error = issue(ca, &request).unwrap_err();
    assert!(!is_transient(&error), "{error}");
    error.message
}

#[test]
fn what_must_not_be_signed_is_refused_by_name() {
    let ca = constrained();
    let message = refusal(&ca, |request| {
        request.dns_names.push("www.example.com".to_owned());
    });
    assert!(message.contains("`www.example.com` is outside name_constraints.permitted_dns"), "{message}");
    let message = refusal(&ca, |request| {
        request.dns_names.push("*.example.org".to_owned());
    });
    assert!(message.contains("`*.example.org` is outside"), "{message}");
    let message = refusal(&ca, |request| {
        request.dns_names.push("not a name".to_owned());
    });
    assert!(message.contains("`not a name` is not a DNS name"), "{message}");
    let message = refusal(&ca, |request| request.common_name = Some("x".repeat(65)));
    assert!(message.contains("64"), "{message}");
    let message = refusal(&ca, |request| request.dns_names.clear());
    assert!(message.contains("needs dns_names or ip_addresses"), "{message}");
    let message = refusal(&ca, |request| {
        request.dns_names.clear();
        request.usages = vec![Usage::ClientAuth];
        request.common_name = Some("www.example.com".to_owned());
    });
    assert!(message.contains("`www.example.com` is outside"), "{message}");
    let message = refusal(&ca, |request| request.private_key = Secret::new("junk"));
    assert!(message.contains("PRIVATE KEY") && !message.contains("junk"), "{message}");
}

/// What we refuse, OpenSSL refuses too: the constraint in the intermediate binds by itself.
#[test]
fn the_constraint_binds_whoever_has_the_key() {
    let strict = constrained();
    let mut request = request(&established(&strict));
    request.dns_names = vec!["www.example.com".to_owned()];
    let lax = ca();
    let made = issue(&lax, &request).unwrap();
    assert!(openssl_verify(&made.material, "sslserver", &[]).contains("permitted subtree violation"));
}

#[test]
fn validity_lies_inside_the_issuers() {
    let ca = ca();
    let authority = established(&ca);
    let intermediate = pki::facts(authority.certificate.as_deref().unwrap()).unwrap().validity.unwrap();
    let root = pki::facts(&authority.anchors[0]).unwrap().validity.unwrap();
    assert!(root.encloses(&intermediate));
    let mut request = request(&authority);
    let validity = |request: &Request| issue(&ca, request).unwrap().facts.validity.unwrap();

    let usual = validity(&request);
    assert_eq!(
        (usual.not_before, usual.not_after),
        (now() - SignedDuration::from_hours(1), now() + DAY * 90)
    );
    request.duration = SignedDuration::from_hours(2);
    assert_eq!(validity(&request).not_before, now() - SignedDuration::from_mins(5));
    request.duration = DAY * 90;
    request.now = intermediate.not_after - DAY * 60;
    assert_eq!(validity(&request).not_after, intermediate.not_after);

    request.now = intermediate.not_after - DAY * 40;
    let error = issue(&ca, &request).unwrap_err();
    assert!(is_transient(&error) && error.message.contains("half of the lifetime"), "{error}");
    request.now = intermediate.not_after + DAY;
    assert!(is_transient(&issue(&ca, &request).unwrap_err()));
    request.now = intermediate.not_before - DAY;
    assert!(issue(&ca, &request).unwrap_err().message.contains("before it begins"));
    request.now = now();
    request.duration = DAY * 800;
    assert!(!is_transient(&issue(&ca, &request).unwrap_err()));
}

#[test]
fn without_an_authority_it_waits() {
    let ca = ca();
    let mut request = request(&established(&ca));
    request.authority = None;
    assert!(is_transient(&issue(&ca, &request).unwrap_err()));
    request.authority = Some(Material::default());
    assert!(is_transient(&issue(&ca, &request).unwrap_err()));
}

#[test]
fn an_authority_with_another_key_is_refused() {
    let ca = ca();
    let mut authority = established(&ca);
    authority.private_key = Some(ec_key());
    let error = issue(&ca, &request(&authority)).unwrap_err();
    assert!(error.message.contains("does not belong to its certificate"), "{error}");
}
