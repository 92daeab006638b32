//! Commands that a rule refuses after it has changed the set. The set must return to its state before the command.

use headwater::domain::conversion::ConversionKind;
use headwater::domain::refusal::{Field, Refusal};
use headwater::pb;
use headwater::rpc::call::change::Change;

use super::request::{commission, money};
use super::rules::Rules;
use super::step::Pay;

/// A shop with an affiliate, Ann, and two sales credited to her. The reward of the first is pending, that of the second denied.
fn shop() -> Rules {
    let mut rules = Rules::new();
    let program = pb::CreateProgramRequest {
        display_name: "main".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        is_default: true,
        terms: Some(pb::Terms { commission: commission(Pay::Percent(100_000), "USD"), ..pb::Terms::default() }),
        ..pb::CreateProgramRequest::default()
    };
    rules.carry_out(&program).unwrap();
    rules.carry_out(&affiliate("ann", "ANN")).unwrap();
    for event_id in ["sale-1", "sale-2"] {
        let sale = pb::RecordSaleRequest {
            event_id: event_id.to_owned(),
            external_id: "bob".to_owned(),
            coupon_code: "ANN".to_owned(),
            amount: money(1_000, "USD"),
            ..pb::RecordSaleRequest::default()
        };
        rules.carry_out(&sale).unwrap();
    }
    let reward_ids = vec![reward_id(&rules, "sale-2")];
    rules.carry_out(&pb::DenyRewardsRequest { reward_ids, ..denial() }).unwrap();
    rules
}

fn affiliate(name: &str, coupon_code: &str) -> pb::CreateAffiliateRequest {
    pb::CreateAffiliateRequest {
        email: format!("{name}@affiliates.example"),
        ref_id: name.to_owned(),
        coupon_code: coupon_code.to_owned(),
        ..pb::CreateAffiliateRequest::default()
    }
}

fn denial() -> pb::DenyRewardsRequest {
    pb::DenyRewardsRequest { reason: "doubtful".to_owned(), ..pb::DenyRewardsRequest::default() }
}

fn reward_id(rules: &Rules, sale: &str) -> String {
    rules.rewards_of(ConversionKind::Sale, sale)[0].to_string()
}

/// Sends a request that must be refused and leave the set unchanged. Returns the refusal and the number of ids drawn before it.
fn refused<M: Change>(rules: &mut Rules, request: &M) -> (Refusal, u128) {
    let (before, ids_before) = (format!("{:#?}", rules.set), rules.id_count());
    let refusal = rules.carry_out(request).unwrap_err();
    assert_eq!(format!("{:#?}", rules.set), before);
    (refusal, rules.id_count() - ids_before)
}

#[test]
fn a_command_that_is_refused_half_way_leaves_the_set_as_it_was() {
    let mut rules = shop();
    // Before it refuses the taken code, the rule has made the affiliate, its enrollment and its link, each with an event.
    let (refusal, ids) = refused(&mut rules, &affiliate("joe", "ANN"));
    assert!(matches!(refusal, Refusal::AlreadyExists { field: Field::CouponCode, .. }), "{refusal:?}");
    assert!(ids > 3, "{ids}");
    // The names that it took meanwhile are free again.
    rules.carry_out(&affiliate("joe", "JOE")).unwrap();

    // Before it refuses, the rule has denied the first reward and posted it.
    let reward_ids = vec![reward_id(&rules, "sale-1"), reward_id(&rules, "sale-2")];
    let (refusal, _) = refused(&mut rules, &pb::DenyRewardsRequest { reward_ids: reward_ids.clone(), ..denial() });
    assert!(matches!(refusal, Refusal::RewardState { .. }), "{refusal:?}");
    rules.carry_out(&pb::DenyRewardsRequest { reward_ids: reward_ids[..1].to_vec(), ..denial() }).unwrap();
}
