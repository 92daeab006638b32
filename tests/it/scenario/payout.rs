//! Steps of payouts.

use headwater::domain::conversion::ConversionKind;
use headwater::pb;
use tonic::Status;

use super::World;
use super::play::{Player, short};
use super::request::money;
use super::script::{Step, amount};

impl<W: World> Player<'_, W> {
    pub(super) async fn payout_step(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "pay" => self.pay_step(step).await,
            "payout" => self.create_payout_step(step).await,
            "pay-policy" => self.policy_step(step).await,
            _ => self.change_payout_step(step).await,
        }
    }

    /// Marks the rewards of sales and refunds as paid.
    async fn pay_step(&mut self, step: &Step) -> Result<String, Status> {
        let affiliate = self.selector(step.word(0));
        let reward_ids = self.reward_ids(&step.words[1..]).await;
        let sent = step.option("amount").map(|text| money(text, "USD"));
        let request = pb::MarkPaidRequest { affiliate, reward_ids, amount: sent, ..Default::default() };
        let payout = self.world.change(request).await?.payout.unwrap();
        if let Some(name) = step.option("name") {
            self.payouts.insert(name.to_owned(), payout.id);
        }
        let paid = payout.amount.unwrap();
        Ok(format!("paid {}", amount(paid.amount_minor, paid.currency_code.parse().unwrap())))
    }

    async fn reward_ids(&mut self, event_ids: &[String]) -> Vec<String> {
        let mut reward_ids = Vec::new();
        for event_id in event_ids {
            let kind = if event_id.starts_with("refund") { ConversionKind::Refund } else { ConversionKind::Sale };
            reward_ids.extend(self.world.recorded(kind, event_id).await.reward_ids);
        }
        reward_ids
    }

    /// Creates a payout of the rewards of events, or of all that are due: its name, the affiliate, the currency, the events.
    async fn create_payout_step(&mut self, step: &Step) -> Result<String, Status> {
        let currency_code = step.word(2).to_owned();
        let request = pb::CreatePayoutRequest {
            affiliate: self.selector(step.word(1)),
            reward_ids: self.reward_ids(&step.words[3..]).await,
            minimum: step.option("minimum").map(|text| money(text, &currency_code)),
            currency_code,
            ..Default::default()
        };
        let payout = self.world.change(request).await?.payout.unwrap();
        self.payouts.insert(step.word(0).to_owned(), payout.id.clone());
        Ok(facts(&payout))
    }

    async fn change_payout_step(&mut self, step: &Step) -> Result<String, Status> {
        let payout_id = self.payouts[step.word(0)].clone();
        let payout_ids = vec![payout_id.clone()];
        let payout = match step.verb.as_str() {
            "cancel-payout" => {
                self.world.change(pb::CancelPayoutRequest { payout_id, ..Default::default() }).await?.payout.unwrap()
            }
            "reopen-payout" => {
                let reason = "the bank sent it back".to_owned();
                let request = pb::ReopenPayoutRequest { payout_id, reason, ..Default::default() };
                self.world.change(request).await?.payout.unwrap()
            }
            "approve-payout" => {
                let request = pb::ApprovePayoutsRequest { payout_ids, ..Default::default() };
                self.world.change(request).await?.payouts.remove(0)
            }
            _ => {
                let request = pb::ConfirmPayoutsRequest { payout_ids, ..Default::default() };
                self.world.change(request).await?.payouts.remove(0)
            }
        };
        Ok(facts(&payout))
    }

    /// Sets after how many days rewards are due, and above which amount in US dollars payouts need an approval.
    async fn policy_step(&mut self, step: &Step) -> Result<String, Status> {
        let policy = pb::PayoutPolicy {
            net_days: step.option("net").map_or(0, |days| days.parse().unwrap()),
            approval_above: step.option("above").map(|text| money(text, "USD")).into_iter().collect(),
        };
        let request = pb::UpdateAccountRequest {
            account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
            ..Default::default()
        };
        self.world.change(request).await?;
        Ok("ok".to_owned())
    }
}

/// State and amount of a payout.
fn facts(payout: &pb::Payout) -> String {
    let sum = payout.amount.as_ref().unwrap();
    let sum = amount(sum.amount_minor, sum.currency_code.parse().unwrap());
    format!("{} {sum}", short(payout.state().as_str_name(), "PAYOUT_STATE_"))
}
