//! Steps about fraud rules.

use headwater::domain::conversion::ConversionKind;
use headwater::pb;
use prost_types::FieldMask;
use tonic::Status;

use super::World;
use super::play::Player;
use super::request::customer;
use super::script::Step;

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
