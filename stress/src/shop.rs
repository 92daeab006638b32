//! Merchants for the load: an account with a program, affiliates and bound leads, all made through the API. It also makes the
//! request for the sale or click of each number. Knows no timing and no figures.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use headwater_client::pb;
use testkit::client::Client;
use tonic::Code;
use tonic::transport::Channel;

/// The number of leads made in one call.
const LEADS_PER_CALL: usize = 500;

/// The number of affiliates that are created at the same time.
const AFFILIATES_AT_ONCE: usize = 64;

/// The number of calls with leads at the same time.
const LEAD_CALLS_AT_ONCE: usize = 4;

/// The delay before a call is repeated that the server could not take.
pub(crate) const REPEAT_DELAY: Duration = Duration::from_millis(100);

/// The amount of every sale, in cents.
pub(crate) const SALE_AMOUNT_MINOR: i64 = 4_999;

/// The kind of custom event that the program of every shop credits.
pub(crate) const CUSTOM_KIND: &str = "demo_booked";

/// The size of a shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShopSize {
    /// Affiliates, each with a ref_id and a coupon code.
    pub(crate) affiliates: usize,
    /// Leads, bound to the affiliates in turn.
    pub(crate) leads: usize,
    /// Commission rules of the program. The last one pays for every sale what the program does, and the others for none.
    pub(crate) rules: usize,
}

impl ShopSize {
    /// Enough to spread the rows, few enough to be made in a second.
    pub(crate) const USUAL: Self = Self { affiliates: 10, leads: 1_000, rules: 0 };
}

/// One merchant's account.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    /// Its admin key.
    pub(crate) key: String,
    /// Its program, at 20 % in USD.
    pub(crate) program_id: String,
    /// Its affiliates, in the order of their ref_ids.
    pub(crate) affiliate_ids: Vec<String>,
    /// The size it was made with.
    pub(crate) size: ShopSize,
    /// Decides which leads buy.
    pub(crate) seed: u64,
}

/// A rule with a condition on the amount, for sales of a plan that nobody buys or for all sales.
fn rule(number: usize, is_for_all: bool) -> pb::CommissionRule {
    let condition = pb::Condition {
        field: pb::ConditionField::Amount.into(),
        comparison: pb::Comparison::More.into(),
        values: vec!["0".to_owned()],
        ..pb::Condition::default()
    };
    pb::CommissionRule {
        name: format!("rule-{number}"),
        plans: if is_for_all { Vec::new() } else { vec![format!("plan-{number}")] },
        condition: Some(condition),
        commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) }),
        ..pb::CommissionRule::default()
    }
}

impl Shop {
    /// Registers an account and sets it up. The name must be new in the database.
    pub(crate) async fn open(
        channel: &Channel,
        operator_key: &str,
        name: &str,
        size: ShopSize,
    ) -> anyhow::Result<Self> {
        let mut operator = Client::on(channel, operator_key)?;
        let request = pb::RegisterAccountRequest {
            display_name: name.to_owned(),
            email: format!("owner@{name}.example"),
            ..pb::RegisterAccountRequest::default()
        };
        let registered = operator.accounts.register_account(request).await?.into_inner();
        let mut client = Client::on(channel, &registered.api_key_text)?;
        let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
        let request = pb::CreateProgramRequest {
            display_name: "main".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(pb::Terms {
                commission: Some(commission),
                custom_kinds: vec![CUSTOM_KIND.to_owned()],
                rules: (1..=size.rules).map(|number| rule(number, number == size.rules)).collect(),
                ..pb::Terms::default()
            }),
            ..pb::CreateProgramRequest::default()
        };
        let program = client.affiliates.create_program(request).await?.into_inner().program.unwrap_or_default();
        let mut shop =
            Self { key: registered.api_key_text, program_id: program.id, affiliate_ids: Vec::new(), size, seed: 0 };
        let calls: Vec<_> =
            (0..size.affiliates).map(|number| create_affiliate(client.clone(), shop.affiliate(number))).collect();
        shop.affiliate_ids = stream::iter(calls).buffered(AFFILIATES_AT_ONCE).try_collect().await?;
        shop.add_leads(&client, 0..size.leads, |lead| lead % size.affiliates.max(1)).await?;
        Ok(shop)
    }

    fn affiliate(&self, number: usize) -> pb::CreateAffiliateRequest {
        pb::CreateAffiliateRequest {
            request_id: format!("affiliate-{number}"),
            email: format!("affiliate-{number}@affiliates.example"),
            first_name: "Ann".to_owned(),
            ref_id: self.ref_id(number),
            coupon_code: self.coupon_code(number),
            ..pb::CreateAffiliateRequest::default()
        }
    }

    /// Opens several shops, one after the other.
    pub(crate) async fn open_many(
        channel: &Channel,
        operator_key: &str,
        name: &str,
        count: usize,
        size: ShopSize,
    ) -> anyhow::Result<Vec<Self>> {
        let mut shops = Vec::with_capacity(count);
        for number in 0..count {
            shops.push(Self::open(channel, operator_key, &format!("{name}-{number}"), size).await?);
        }
        Ok(shops)
    }

    /// Records these leads, each bound to the affiliate that the function names.
    pub(crate) async fn add_leads(
        &self,
        client: &Client,
        leads: Range<usize>,
        affiliate_of: impl Fn(usize) -> usize,
    ) -> anyhow::Result<()> {
        let numbers: Vec<usize> = leads.collect();
        let calls = numbers.chunks(LEADS_PER_CALL).map(|numbers| {
            let items = numbers.iter().map(|number| {
                let lead = pb::RecordLeadRequest {
                    event_id: format!("lead-{number}"),
                    email: email_of(*number as u64),
                    ref_id: self.ref_id(affiliate_of(*number)),
                    ..pb::RecordLeadRequest::default()
                };
                pb::BatchItem { item: Some(pb::batch_item::Item::Lead(lead)) }
            });
            record_leads(client.clone(), pb::BatchRecordEventsRequest { items: items.collect() })
        });
        let calls: Vec<_> = calls.collect();
        stream::iter(calls).buffered(LEAD_CALLS_AT_ONCE).try_collect().await
    }

    fn ref_id(&self, affiliate: usize) -> String {
        format!("affiliate-{affiliate}")
    }

    pub(crate) fn coupon_code(&self, affiliate: usize) -> String {
        format!("CODE{affiliate}")
    }

    /// The address of a lead. Numbers past the last lead start again at the first.
    pub(crate) fn email(&self, lead: u64) -> String {
        email_of(lead % self.size.leads.max(1) as u64)
    }

    /// A sale to a bound lead, so that it is always credited. The number determines the event_id and the content.
    pub(crate) fn sale(&self, run: &str, number: u64) -> pb::RecordSaleRequest {
        pb::RecordSaleRequest {
            event_id: format!("{run}-{number:010}"),
            // The buyer is drawn. Equal steps through the leads would reach only some of them, because an account gets only every
            // sixteenth number.
            email: self.email(drawn(self.seed, number)),
            amount: Some(pb::Money { amount_minor: SALE_AMOUNT_MINOR, currency_code: "USD".to_owned() }),
            order_id: format!("order-{number:010}"),
            ..pb::RecordSaleRequest::default()
        }
    }

    /// A click through an affiliate's link by a new visitor.
    pub(crate) fn click(&self, number: u64) -> pb::RecordClickRequest {
        let affiliate = (number % self.size.affiliates.max(1) as u64) as usize;
        pb::RecordClickRequest { ref_id: self.ref_id(affiliate), ..pb::RecordClickRequest::default() }
    }
}

async fn create_affiliate(mut client: Client, request: pb::CreateAffiliateRequest) -> anyhow::Result<String> {
    loop {
        match client.affiliates.create_affiliate(request.clone()).await {
            Ok(made) => {
                let affiliate = made.into_inner().affiliate;
                return Ok(affiliate.context("the affiliate is missing in the answer")?.id);
            }
            Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(REPEAT_DELAY).await,
            Err(status) => return Err(status.into()),
        }
    }
}

async fn record_leads(mut client: Client, request: pb::BatchRecordEventsRequest) -> anyhow::Result<()> {
    let answer = loop {
        match client.tracking.batch_record_events(request.clone()).await {
            Ok(answer) => break answer.into_inner(),
            // Repeating the same event_ids has no further effect.
            Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(REPEAT_DELAY).await,
            Err(status) => return Err(status.into()),
        }
    };
    for result in answer.results {
        match result.answer {
            Some(pb::batch_result::Answer::Lead(lead)) if !lead.credits.is_empty() => {}
            other => bail!("a lead was not bound: {other:?}"),
        }
    }
    Ok(())
}

/// The address of the lead with this number.
pub(crate) fn email_of(lead: u64) -> String {
    format!("customer-{lead:05}@customers.example")
}

/// A random number that depends on the seed and the number alone.
pub(crate) fn drawn(seed: u64, number: u64) -> u64 {
    fastrand::Rng::with_seed(seed.wrapping_add(number)).u64(..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sales_of_each_account_are_spread_evenly_over_its_leads() {
        const LEADS: u64 = 100;
        for seed in 0..3 {
            for account in 0..16 {
                let mut sales = [0_u32; LEADS as usize];
                (0..LEADS * 100).for_each(|turn| sales[(drawn(seed, account + turn * 16) % LEADS) as usize] += 1);
                // The standard deviation is 10.
                assert!(sales.iter().all(|count| (50..=150).contains(count)), "{sales:?}");
            }
        }
    }
}
