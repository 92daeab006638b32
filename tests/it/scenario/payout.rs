//! Steps of payouts.

use headwater::domain::conversion::ConversionKind;
use headwater::pb;
use tonic::Status;

use super::World;
use super::play::{Player, short};
use super::request::{money, time, timestamp};
use super::script::{Step, amount};

impl<W: World> Player<'_, W> {
    pub(super) async fn payout_step(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "pay" => self.pay_step(step).await,
            "payout" => self.create_payout_step(step).await,
            "pay-policy" => self.policy_step(step).await,
            "method" | "remove-method" => self.method_step(step).await,
            "connect" | "disconnect" => self.connection_step(step).await,
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
            self.payouts.insert(name.to_owned(), payout.id.clone());
        }
        let paid = payout.amount.clone().unwrap();
        Ok(format!("paid {}{}", amount(paid.amount_minor, paid.currency_code.parse().unwrap()), invoice(&payout)))
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
            provider: step.option("provider").map_or(0, |name| provider(name).into()),
            currency_code,
            ..Default::default()
        };
        let payout = self.world.change(request).await?.payout.unwrap();
        self.payouts.insert(step.word(0).to_owned(), payout.id.clone());
        let by = match payout.provider() {
            pb::PayoutProvider::Manual => String::new(),
            other => format!(" by {}", short(other.as_str_name(), "PAYOUT_PROVIDER_")),
        };
        let to =
            if payout.destination_hint.is_empty() { String::new() } else { format!(" to {}", payout.destination_hint) };
        Ok(format!("{}{by}{to}", facts(&payout)))
    }

    /// Sets or removes the payout method of an affiliate: the kind, and the account.
    async fn method_step(&mut self, step: &Step) -> Result<String, Status> {
        let affiliate = self.selector(step.word(0));
        if step.verb == "remove-method" {
            let request = pb::RemovePayoutMethodRequest { affiliate, ..Default::default() };
            return Ok(method_facts(&self.world.change(request).await?.payout_method.unwrap()));
        }
        let override_reason = step.option("now").unwrap_or_default().to_owned();
        let request = pb::SetPayoutMethodRequest {
            affiliate,
            details: Some(details(step.word(1), step.words.get(2).map_or("", String::as_str))),
            effective_now: !override_reason.is_empty(),
            override_reason,
            ..Default::default()
        };
        Ok(method_facts(&self.world.change(request).await?.payout_method.unwrap()))
    }

    /// Connects the account to a provider, or removes the connection.
    async fn connection_step(&mut self, step: &Step) -> Result<String, Status> {
        use pb::provider_credentials::Credentials;
        let provider = provider(step.word(0));
        if step.verb == "disconnect" {
            let request = pb::RemovePayoutConnectionRequest { provider: provider.into(), ..Default::default() };
            return Ok(self.world.change(request).await?.payout_connection.unwrap().hint);
        }
        let text = step.word(1).to_owned();
        let credentials = match provider {
            pb::PayoutProvider::Paypal => Credentials::Paypal(pb::PayPalCredentials {
                client_id: text,
                client_secret: "secret".to_owned(),
                webhook_id: String::new(),
            }),
            pb::PayoutProvider::Stripe => {
                Credentials::Stripe(pb::StripeCredentials { secret_key: text, webhook_secret: String::new() })
            }
            _ => Credentials::Wise(pb::WiseCredentials {
                api_token: text,
                profile_number: 1,
                source_currency_code: "USD".to_owned(),
            }),
        };
        let credentials = Some(pb::ProviderCredentials { credentials: Some(credentials) });
        let request = pb::SetPayoutConnectionRequest { credentials, ..Default::default() };
        Ok(self.world.change(request).await?.payout_connection.unwrap().hint)
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
                let paid_time = step.option("on").and_then(|day| timestamp(time(day, step.option("second")).micros()));
                let request = pb::ConfirmPayoutsRequest { payout_ids, paid_time, ..Default::default() };
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
            method_change_hours: step.option("hours").map(|hours| hours.parse().unwrap()),
            tax_profile_required: step.option("tax") == Some("required"),
            self_billing_invoices: step.option("invoices") == Some("yes"),
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
pub(super) fn facts(payout: &pb::Payout) -> String {
    let sum = payout.amount.as_ref().unwrap();
    let sum = amount(sum.amount_minor, sum.currency_code.parse().unwrap());
    format!("{} {sum}{}", short(payout.state().as_str_name(), "PAYOUT_STATE_"), invoice(payout))
}

/// The number of a payout's invoice without the year, which is the present one.
fn invoice(payout: &pb::Payout) -> String {
    match payout.payout_document_number.rsplit_once('-') {
        Some((_, sequence)) => format!(" invoice {}", sequence.trim_start_matches('0')),
        None if payout.payout_document_id.is_empty() => String::new(),
        None => " draft".to_owned(),
    }
}

pub(super) fn provider(name: &str) -> pb::PayoutProvider {
    let name = format!("PAYOUT_PROVIDER_{}", name.to_uppercase());
    pb::PayoutProvider::from_str_name(&name).unwrap_or_else(|| panic!("no provider {name}"))
}

pub(super) fn details(kind: &str, account: &str) -> pb::PayoutDetails {
    use pb::payout_details::Details;
    let holder_name = "Ann".to_owned();
    let account = account.to_owned();
    let details = match kind {
        "paypal" => Details::Paypal(pb::PayPalDetails { email: account }),
        "stripe" => Details::Stripe(pb::StripeDetails { connected_account_id: account }),
        "wise" => Details::Wise(pb::WiseDetails { recipient_number: account.parse().unwrap() }),
        "iban" => Details::Iban(pb::IbanDetails { iban: account, bic: String::new(), holder_name }),
        "us-bank" => Details::UnitedStatesBank(pb::UnitedStatesBankDetails {
            routing_number: "021000021".to_owned(),
            account_number: account,
            account_kind: pb::BankAccountKind::Checking.into(),
            holder_name,
        }),
        _ => Details::Other(pb::OtherDetails { instructions: account }),
    };
    pb::PayoutDetails { details: Some(details) }
}

/// The present destination of a method, and the one that waits.
fn method_facts(method: &pb::PayoutMethod) -> String {
    let destination = |destination: &pb::PayoutDestination| {
        format!("{} {}", short(destination.kind().as_str_name(), "PAYOUT_METHOD_KIND_"), destination.hint)
    };
    let current = method.current.as_ref().map_or_else(|| "none".to_owned(), destination);
    match &method.pending {
        Some(pending) => format!("{current}, later {}", destination(pending)),
        None => current,
    }
}
