//! What a person has to have issued: nothing is made, and the person is told in time.

use jiff::SignedDuration;

use super::bench::{Bench, days};
use crate::desired::{IssuerRef, KindSpec};
use crate::model::{Code, Problem};

const EDGE: &str = "certificates/edge";

#[test]
fn a_person_is_told_thirty_fourteen_seven_three_and_one_days_before() {
    let mut bench = Bench::edge();
    bench.settle();
    let KindSpec::Certificate(certificate) = &mut bench.spec(EDGE).kind else { panic!() };
    certificate.issuers = vec![IssuerRef::Manual("shop".to_owned())];
    let end = bench.record(EDGE).active().unwrap().validity.unwrap().not_after;
    let mut told = |left: SignedDuration| {
        bench.now = end - left;
        let plan = bench.plan();
        assert!(
            plan.steps.iter().all(|step| !step.assets.contains(&EDGE.parse().unwrap())),
            "nothing is made"
        );
        let expiring = |problem: &Problem| problem.code == Code::Expiring;
        let problems = plan.problems.into_iter().filter(|(id, one)| id.to_string() == EDGE && expiring(one));
        let said: Vec<String> = problems.map(|(_, problem)| problem.message).collect();
        said.join("")
    };
    assert_eq!(told(days(31)), "");
    for (left, within) in [(29, "30 days"), (14, "14 days"), (8, "14 days"), (6, "7 days"), (2, "3 days")] {
        let said = told(days(left));
        assert!(said.contains(&format!("within {within},")), "{left} days: {said}");
    }
    assert!(told(SignedDuration::from_hours(20)).contains("within a day,"));
    bench.now = end - days(10);
    bench.assert_waits("`keyturn csr certificates/edge` prints the request for shop");
}
