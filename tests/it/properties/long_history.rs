//! A customer with so many conversions that they are not judged again.

use headwater::domain::outcome::Outcome;
use headwater::domain::set::TIMELINE_LENGTH_MAX;
use headwater::pb;
use headwater::rpc::call::change::Change;

use super::rules::Rules;

fn ask<M: Change>(rules: &mut Rules, request: &M) -> Outcome {
    rules.now = rules.now.plus_micros(1_000_000);
    rules.carry_out(request).unwrap().outcome
}

fn sale(rules: &mut Rules, event_id: String, ref_id: &str) -> String {
    let amount = Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() });
    let (external_id, ref_id) = ("customer".to_owned(), ref_id.to_owned());
    match ask(rules, &pb::RecordSaleRequest { event_id, external_id, ref_id, amount, ..Default::default() }) {
        Outcome::Sale(sale) => sale.credits.first().map(|credit| credit.affiliate_id.to_string()).unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_customer_with_a_long_history_is_bound_anew() {
    let mut rules = Rules::new();
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let program = pb::CreateProgramRequest {
        display_name: "Main".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..Default::default() }),
        ..Default::default()
    };
    ask(&mut rules, &program);
    let [ann, bea] = ["ann", "bea"].map(|name| {
        let (email, ref_id) = (format!("{name}@affiliates.example"), name.to_owned());
        match ask(&mut rules, &pb::CreateAffiliateRequest { email, ref_id, ..Default::default() }) {
            Outcome::Affiliate(made) => made,
            other => panic!("{other:?}"),
        }
    });
    for number in 0..TIMELINE_LENGTH_MAX {
        assert_eq!(sale(&mut rules, format!("sale-{number}"), "ann"), ann.affiliate.id.to_string());
    }
    let enrollment_id = ann.enrollment.enrollment.id.to_string();
    ask(&mut rules, &pb::EndEnrollmentRequest { enrollment_id, ..Default::default() });
    let bea = bea.affiliate.id.to_string();
    assert_eq!(sale(&mut rules, "referred".to_owned(), "bea"), bea);
    assert_eq!(sale(&mut rules, "renewal".to_owned(), ""), bea);
}
