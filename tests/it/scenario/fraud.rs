//! Steps about fraud rules.

use std::collections::BTreeSet;

use futures::executor::block_on;
use headwater::domain::conversion::ConversionKind;
use headwater::pb;
use proptest::prelude::*;
use proptest::test_runner::Config;
use prost_types::FieldMask;
use tonic::Status;

use super::World;
use super::play::Player;
use super::pure::PureWorld;
use super::request::customer;
use super::script::{self, Step};

impl<W: World> Player<'_, W> {
    /// `fraud PROGRAM RULE RULE`: the fraud rules of a program from now on: `self_referral:on`, `quick_sale:shadow:10` seconds,
    /// `velocity:on:3/60` sales in minutes, `banned_country:on:CN,RU`, `banned_referrer:on:*.coupons.example`.
    pub(super) async fn fraud_step(&mut self, step: &Step) -> Result<String, Status> {
        let fraud_rules = step.words[1..].iter().map(|word| fraud_rule(word)).collect();
        let id = self.program_named(step.word(0));
        let request = pb::UpdateProgramRequest {
            program: Some(pb::Program { id, fraud_rules, ..Default::default() }),
            update_mask: Some(FieldMask { paths: vec!["fraud_rules".to_owned()] }),
            ..Default::default()
        };
        self.world.change(request).await?;
        Ok("ok".to_owned())
    }

    /// `release EVENT [reason=TEXT]`
    pub(super) async fn release_step(&mut self, step: &Step) -> Result<String, Status> {
        let kind = step.option("kind").map_or(ConversionKind::Sale, |kind| kind.parse().unwrap());
        let reward_ids = self.world.recorded(kind, step.word(0)).await.reward_ids;
        let reason = step.option("reason").unwrap_or_default().to_owned();
        self.world.change(pb::ReleaseRewardsRequest { reward_ids, reason, ..Default::default() }).await?;
        Ok("ok".to_owned())
    }

    /// `flags EVENT`: what was found in an event, with what was found and its limit. `suspicion CUSTOMER`: what was found in all events of a
    /// customer.
    pub(super) async fn flags_step(&mut self, step: &Step) -> String {
        let found = if step.verb == "suspicion" {
            let (email, external_id) = customer(step.word(0));
            self.world.lead(&email, &external_id).await.map_or_else(Vec::new, |lead| lead.suspicion)
        } else {
            let kind = step.option("kind").map_or(ConversionKind::Sale, |kind| kind.parse().unwrap());
            self.world.recorded(kind, step.word(0)).await.suspicions
        };
        if found.is_empty() { "nothing".to_owned() } else { found.join("; ") }
    }
}

/// A flag. Ids are left out.
pub(super) fn flag_text(kind: &str, mode: &str, found: &str, threshold: &str) -> String {
    let found = if found.starts_with("cnv_") { "" } else { found };
    let values = if threshold.is_empty() { found.to_owned() } else { format!("{found}/{threshold}") };
    format!("{kind} {mode} {values}").trim().to_owned()
}

fn fraud_rule(text: &str) -> pb::FraudRule {
    let mut parts = text.splitn(3, ':');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let (kind, mode, values) = (part().to_uppercase(), part().to_uppercase(), part());
    let kind = pb::FraudRuleKind::from_str_name(&format!("FRAUD_RULE_KIND_{kind}")).unwrap();
    let mode = pb::FraudRuleMode::from_str_name(&format!("FRAUD_RULE_MODE_{mode}")).unwrap();
    let list = || values.split(',').map(str::to_owned).collect();
    let mut rule = pb::FraudRule { kind: kind.into(), mode: mode.into(), ..Default::default() };
    match kind {
        pb::FraudRuleKind::QuickSale => rule.minimum_seconds = values.parse().unwrap(),
        pb::FraudRuleKind::Velocity => {
            let (sales, minutes) = values.split_once('/').unwrap();
            (rule.maximum_sales, rule.period_minutes) = (sales.parse().unwrap(), minutes.parse().unwrap());
        }
        pb::FraudRuleKind::BannedCountry => rule.country_codes = list(),
        pb::FraudRuleKind::BannedReferrer => rule.referrers = list(),
        _ => {}
    }
    rule
}

/// A random step. Sales are of the affiliate itself, of others and of nobody, and orders repeat.
fn any_step() -> impl Strategy<Value = String> {
    let sale = (0..6, 0..3_usize, 0..2);
    let sale = sale.prop_map(|(number, who, order)| {
        let who = ["ann@affiliates.example", "bob@shop.example", "-"][who];
        format!("sale s{number} {who} 10.00 USD ref=ann order={order}")
    });
    let refund =
        (0..9, 0..6, 1..11).prop_map(|(number, sale, amount)| format!("refund r{number} {amount}.00 USD sale=s{sale}"));
    let correct =
        (0..9, 0..6, 1..21).prop_map(|(number, sale, amount)| format!("correct c{number} s{sale} {amount}.00 USD"));
    let decide = (prop::sample::select(vec!["approve", "deny", "release"]), 0..6)
        .prop_map(|(verb, sale)| format!("{verb} s{sale} reason=x"));
    let rules = prop::sample::select(vec![
        "",
        " self_referral:on",
        " self_referral:shadow",
        " duplicate_order:on velocity:on:2/60",
    ]);
    prop_oneof![
        4 => sale,
        3 => refund,
        2 => correct,
        4 => decide,
        1 => Just("approve-due".to_owned()),
        1 => (1..40).prop_map(|day| format!("day {day}")),
        1 => rules.prop_map(|rules| format!("fraud main{rules}")),
    ]
}

proptest! {
    #![proptest_config(Config {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(48),
        ..Config::default()
    })]

    /// What a rule holds is neither owed nor paid, whatever refunds, corrections, approvals and decisions come in between.
    #[test]
    fn p33_held_money_is_never_owed(steps in prop::collection::vec(any_step(), 1..40), with_ladder in any::<bool>()) {
        let ladder = if with_ladder { "ladder retroactive 2:20%\n" } else { "" };
        let begin = format!("{ladder}levels 50%\nprogram main USD 10% hold=5\naffiliate ann\naffiliate bea\nupline ann bea\nfraud main self_referral:on\n");
        let mut world = PureWorld::new();
        let mut player = Player::new(&mut world);
        let mut told = BTreeSet::new();
        for step in script::parse(&(begin + &steps.join("\n"))) {
            let is_about_a_sale = matches!(step.verb.as_str(), "approve" | "deny" | "release");
            if is_about_a_sale && !told.contains(step.word(0)) {
                continue;
            }
            let answer = block_on(player.perform(&step));
            if step.verb == "sale" && !answer.starts_with("error") {
                told.insert(step.word(0).to_owned());
            }
            prop_assert_eq!(player.world.faults_of_held_money(), Vec::<String>::new(), "after {:?}: {}", step, answer);
        }
    }
}
