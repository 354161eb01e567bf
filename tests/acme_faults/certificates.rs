//! What is wrong with the certificate that a CA sends: it is never deployed.

use jiff::SignedDuration;
use keyturn::model::Code;

use super::house::{EDGE, House, Site, minutes};
use super::recovery::Recovery;
use super::table::row;
use crate::fake_ca::{Chain, Dates, Faults, Names, What};

/// Each fault for 20 minutes, at one renewal after the other; what the problem says of it.
async fn never_deployed(row_of: &str, told: &str, cases: Vec<(Box<dyn Fn(&mut Faults)>, &str)>) {
    let mut house = House::new(Site::default()).await;
    house.issue().await;
    let (mut sent, mut most) = (0, 0);
    for (fault, says) in &cases {
        house.skip_to_renewal().await;
        // That the live pair stays is asserted there.
        let recovery = Recovery::of(&mut house, minutes(20), fault).await;
        println!("{row_of}: {recovery} {}", recovery.message);
        recovery.assert_r_of_spoilt_orders(Code::MaterialBad);
        assert!(recovery.message.contains(says), "{says}: {}", recovery.message);
        let books = house.books_since(recovery.began).between(recovery.began, recovery.ended);
        sent += books.certificates();
        most = most.max(
            books.of(&EDGE).densest(SignedDuration::from_hours(1).as_secs(), |what| *what == What::Order),
        );
    }
    assert!(sent >= cases.len());
    row(
        row_of,
        told,
        &format!(
            "0 of {sent} deployed, the live pair untouched; KT-MATERIAL-BAD says what; at most {most} orders an hour"
        ),
        "never deployed",
    );
}

fn case(fault: impl Fn(&mut Faults) + 'static, says: &str) -> (Box<dyn Fn(&mut Faults)>, &str) {
    (Box::new(fault), says)
}

#[tokio::test]
async fn a10_another_key() {
    let cases = vec![case(|faults| faults.wrong_key = true, "the certificate is for another key")];
    never_deployed("A10", "a certificate for another key", cases).await;
}

#[tokio::test]
async fn a11_other_names() {
    let names = |names: Names| move |faults: &mut Faults| faults.names = names.clone();
    let other = vec!["other.test".to_owned()];
    let cases = vec![
        case(names(Names::Without(EDGE[1].to_owned())), "not for"),
        case(names(Names::With("more.test".to_owned())), "more.test"),
        case(names(Names::Only(other)), "other.test"),
    ];
    never_deployed("A11", "a name missing, one more, others", cases).await;
}

#[tokio::test]
async fn a12_dates() {
    let dates = |dates: Dates| move |faults: &mut Faults| faults.dates = dates;
    let cases = vec![
        case(dates(Dates::Expired), "the certificate ends at"),
        case(dates(Dates::Future), "the certificate is not valid before"),
        case(dates(Dates::OneSecond), "the certificate ends at"),
    ];
    never_deployed("A12", "ended, not begun, valid for a second", cases).await;
}

#[tokio::test]
async fn a13_chains() {
    let chain = |chain: Chain| move |faults: &mut Faults| faults.chain = chain;
    let cases = vec![
        case(chain(Chain::NoIntermediate), "the chain is incomplete"),
        case(chain(Chain::WrongIntermediate), "the chain is broken"),
        case(chain(Chain::Swapped), ""),
        case(chain(Chain::Garbage), ""),
        case(chain(Chain::Empty), ""),
    ];
    never_deployed(
        "A13",
        "chain without, with a wrong, or with a swapped intermediate; no PEM; empty",
        cases,
    )
    .await;
}

#[tokio::test]
async fn a14_the_issuer_ends_first() {
    let cases = vec![case(|faults| faults.chain = Chain::IssuerEndsFirst, "an issuer in the chain ends")];
    never_deployed("A14", "the issuer ends before the leaf", cases).await;
}
