//! Conditions on the affiliate, the customer and metadata: row P7.

use std::collections::BTreeMap;

use headwater::pb;
use pb::conversion_selector::Selector;
use pb::{Comparison, ConditionField};
use testkit::client::Client;

use super::affiliate::mask;
use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn rule(name: &str, percent_ppm: i32, condition: pb::Condition) -> pb::CommissionRule {
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) });
    pb::CommissionRule { name: name.to_owned(), commission, condition: Some(condition), ..Default::default() }
}

fn compare(field: ConditionField, key: &str, comparison: Comparison, value: &str) -> pb::Condition {
    pb::Condition {
        field: field.into(),
        key: key.to_owned(),
        comparison: comparison.into(),
        values: vec![value.to_owned()],
        ..Default::default()
    }
}

fn texts(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

fn sale(event_id: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: format!("{event_id}@customers.example"),
        ref_id: "ann".to_owned(),
        amount: Some(usd(10_000)),
        ..Default::default()
    }
}

async fn earned(client: &mut Client, sale: pb::RecordSaleRequest) -> Vec<i64> {
    let answer = client.tracking.record_sale(sale).await.unwrap().into_inner();
    values(&answer.rewards)
}

fn values(rewards: &[pb::RewardSummary]) -> Vec<i64> {
    rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

async fn corrected(client: &mut Client, event_id: &str, amount_minor: i64) -> Vec<i64> {
    let request = pb::CorrectSaleRequest {
        event_id: format!("{event_id}-right"),
        sale_event_id: event_id.to_owned(),
        amount: Some(usd(amount_minor)),
        ..Default::default()
    };
    values(&client.tracking.correct_sale(request).await.unwrap().into_inner().rewards)
}

fn recorded(event_id: &str) -> Option<pb::ConversionSelector> {
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: event_id.to_owned() };
    Some(pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) })
}

/// The comparison of the first rule, as the explanation of a sale has it. The explanation finds what was recorded.
async fn compared(client: &mut Client, event_id: &str) -> (String, bool) {
    let request = pb::ExplainConversionRequest { conversion: recorded(event_id) };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    let credit = &told.credits[0];
    assert_eq!(credit.difference(), pb::ExplanationDifference::Unspecified, "{credit:?}");
    let step = credit.steps.iter().find(|step| step.rule_number == 1).unwrap();
    (step.comparisons[0].actual.clone(), step.comparisons[0].holds)
}

async fn check_books(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

async fn change_affiliate(client: &mut Client, shop: &Shop, affiliate: pb::Affiliate, path: &str) {
    let request = pb::UpdateAffiliateRequest {
        selector: Some(shop.affiliate()),
        affiliate: Some(affiliate),
        update_mask: mask(&[path]),
        ..Default::default()
    };
    client.affiliates.update_affiliate(request).await.unwrap();
}

fn living_in(country_code: &str) -> pb::Affiliate {
    let address = Some(pb::PostalAddress { country_code: country_code.to_owned(), ..Default::default() });
    pb::Affiliate { profile: Some(pb::AffiliateProfile { address, ..Default::default() }), ..Default::default() }
}

db_test!(p7_conditions_on_the_affiliates_country_and_group, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = server.new_account("shop").await;
    let request = pb::CreateAffiliateGroupRequest { display_name: "Gold".to_owned(), ..Default::default() };
    let group_id = client.affiliates.create_affiliate_group(request).await.unwrap().into_inner().group.unwrap().id;
    let home = compare(ConditionField::AffiliateCountry, "", Comparison::OneOf, "de");
    let gold = compare(ConditionField::AffiliateGroup, "", Comparison::Equal, &group_id);
    let terms =
        pb::Terms { rules: vec![rule("home", 300_000, home), rule("gold", 400_000, gold)], ..Default::default() };
    let shop = Shop::furnish_with(client, terms).await;
    let mut client = shop.client.clone();
    assert_eq!(earned(&mut client, sale("nowhere")).await, [2_000]);
    change_affiliate(&mut client, &shop, living_in("DE"), "profile").await;
    assert_eq!(earned(&mut client, sale("home")).await, [3_000]);
    assert_eq!(compared(&mut client, "home").await, ("DE".to_owned(), true));
    change_affiliate(&mut client, &shop, living_in("US"), "profile").await;
    let in_group = pb::Affiliate { group_id, ..Default::default() };
    change_affiliate(&mut client, &shop, in_group, "group_id").await;
    assert_eq!(earned(&mut client, sale("gold")).await, [4_000]);
    change_affiliate(&mut client, &shop, pb::Affiliate::default(), "group_id").await;
    // What was noted stays, also for a correction that the affiliate's new country would price otherwise.
    assert_eq!(corrected(&mut client, "nowhere", 20_000).await, [2_000]);
    assert_eq!(corrected(&mut client, "home", 20_000).await, [3_000]);
    assert_eq!(corrected(&mut client, "gold", 5_000).await, [-2_000]);
    assert_eq!(compared(&mut client, "home").await, ("DE".to_owned(), true));
    assert_eq!(compared(&mut client, "nowhere").await, (String::new(), false));
    check_books(&mut client).await;
});

db_test!(p7_conditions_on_metadata_and_the_customers_country, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let gold = compare(ConditionField::LeadMetadata, "tier", Comparison::Equal, "gold");
    let many = compare(ConditionField::EventMetadata, "seats", Comparison::MoreOrEqual, "10");
    let abroad = compare(ConditionField::CustomerCountry, "", Comparison::Equal, "FR");
    let rules = vec![rule("gold", 300_000, gold), rule("many", 400_000, many), rule("abroad", 500_000, abroad)];
    let terms = pb::Terms { rules, ..Default::default() };
    let shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let mut client = shop.client;
    let selector = |email: &str| {
        let selector = pb::lead_selector::Selector::Email(email.to_owned());
        Some(pb::LeadSelector { selector: Some(selector) })
    };
    let email = "gold@customers.example".to_owned();
    let request = pb::CreateLeadRequest {
        email: email.clone(),
        metadata: texts(&[("tier", "gold")]),
        country_code: " fr ".to_owned(),
        ..Default::default()
    };
    let lead = client.tracking.create_lead(request).await.unwrap().into_inner().lead.unwrap();
    assert_eq!(lead.country_code, "FR");
    assert_eq!(earned(&mut client, sale("gold")).await, [3_000]);
    let request = pb::UpdateLeadRequest {
        selector: selector(&email),
        lead: Some(pb::Lead { metadata: texts(&[("tier", "silver")]), ..Default::default() }),
        update_mask: mask(&["metadata"]),
        ..Default::default()
    };
    client.tracking.update_lead(request).await.unwrap();
    let again = pb::RecordSaleRequest { email: email.clone(), ..sale("again") };
    assert_eq!(earned(&mut client, again.clone()).await, [5_000]);
    assert_eq!(corrected(&mut client, "gold", 20_000).await, [3_000]);
    assert_eq!(compared(&mut client, "gold").await, ("gold".to_owned(), true));
    // The sale's own country takes precedence, and the lead keeps it.
    let moved = pb::RecordSaleRequest { event_id: "moved".to_owned(), country_code: "us".to_owned(), ..again.clone() };
    assert_eq!(earned(&mut client, moved).await, [2_000]);
    let request = pb::GetLeadRequest { lead: selector(&email) };
    let lead = client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap();
    assert_eq!(lead.country_code, "US");
    let request = pb::GetConversionRequest { conversion: recorded("moved"), ..Default::default() };
    let conversion = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    assert_eq!(conversion.country_code, "US");
    let seats = |event_id: &str, seats: &str| {
        let (event_id, metadata) = (event_id.to_owned(), texts(&[("seats", seats)]));
        pb::RecordSaleRequest { event_id, metadata, ..again.clone() }
    };
    assert_eq!(earned(&mut client, seats("ten", "10")).await, [4_000]);
    assert_eq!(earned(&mut client, seats("nine", "9")).await, [2_000]);
    assert_eq!(earned(&mut client, seats("many", "many")).await, [2_000]);
    // A country that there is not is left out with a warning.
    let wrong = pb::RecordSaleRequest { country_code: "UK".to_owned(), ..sale("wrong") };
    let answer = client.tracking.record_sale(wrong).await.unwrap().into_inner();
    assert_eq!((values(&answer.rewards), answer.warnings[0].field.as_str()), (vec![2_000], "country_code"));
    check_books(&mut client).await;
});
