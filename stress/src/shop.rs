//! Merchants for the load: an account with a program, affiliates and bound leads, all made through the API. It also makes the
//! request for the sale or click of each number. Knows no timing and no figures.

use anyhow::{Context, bail};
use headwater_client::pb;
use testkit::client::Client;
use tonic::Code;
use tonic::transport::Channel;

/// The number of leads made in one call.
const LEADS_PER_CALL: usize = 500;

/// The amount of every sale, in cents.
pub(crate) const SALE_AMOUNT_MINOR: i64 = 4_999;

/// The size of a shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShopSize {
    /// Affiliates, each with a ref_id and a coupon code.
    pub(crate) affiliates: usize,
    /// Leads, bound to the affiliates in turn.
    pub(crate) leads: usize,
}

impl ShopSize {
    /// Enough to spread the rows, few enough to be made in a second.
    pub(crate) const USUAL: Self = Self { affiliates: 10, leads: 1_000 };
}

/// One merchant's account.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) account_id: String,
    /// Its admin key.
    pub(crate) key: String,
    /// Its program, at 20 % in USD.
    pub(crate) program_id: String,
    /// Its affiliates, in the order of their ref_ids.
    pub(crate) affiliate_ids: Vec<String>,
    /// The size it was made with.
    pub(crate) size: ShopSize,
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
            request_id: String::new(),
            display_name: name.to_owned(),
            email: format!("owner@{name}.example"),
        };
        let registered = operator.accounts.register_account(request).await?.into_inner();
        let mut client = Client::on(channel, &registered.api_key_text)?;
        let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
        let request = pb::CreateProgramRequest {
            display_name: "main".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(pb::Terms { commission: Some(commission), ..pb::Terms::default() }),
            ..pb::CreateProgramRequest::default()
        };
        let program = client.affiliates.create_program(request).await?.into_inner().program.unwrap_or_default();
        let mut shop = Self {
            account_id: registered.account.context("the account is missing in the answer")?.id,
            key: registered.api_key_text,
            program_id: program.id,
            affiliate_ids: Vec::new(),
            size,
        };
        for number in 0..size.affiliates {
            let request = pb::CreateAffiliateRequest {
                email: format!("affiliate-{number}@affiliates.example"),
                first_name: "Ann".to_owned(),
                ref_id: shop.ref_id(number),
                coupon_code: shop.coupon_code(number),
                ..pb::CreateAffiliateRequest::default()
            };
            let made = client.affiliates.create_affiliate(request).await?.into_inner();
            shop.affiliate_ids.push(made.affiliate.context("the affiliate is missing in the answer")?.id);
        }
        shop.add_leads(&mut client).await?;
        Ok(shop)
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

    async fn add_leads(&self, client: &mut Client) -> anyhow::Result<()> {
        let numbers: Vec<usize> = (0..self.size.leads).collect();
        for numbers in numbers.chunks(LEADS_PER_CALL) {
            let items = numbers.iter().map(|number| {
                let lead = pb::RecordLeadRequest {
                    event_id: format!("lead-{number}"),
                    email: self.email(*number as u64),
                    ref_id: self.ref_id(number % self.size.affiliates.max(1)),
                    ..pb::RecordLeadRequest::default()
                };
                pb::BatchItem { item: Some(pb::batch_item::Item::Lead(lead)) }
            });
            let request = pb::BatchRecordEventsRequest { items: items.collect() };
            let answer = loop {
                match client.tracking.batch_record_events(request.clone()).await {
                    Ok(answer) => break answer.into_inner(),
                    // Repeating the same event_ids has no further effect.
                    Err(status) if status.code() == Code::Unavailable => {}
                    Err(status) => return Err(status.into()),
                }
            };
            for result in answer.results {
                match result.answer {
                    Some(pb::batch_result::Answer::Lead(lead)) if !lead.credits.is_empty() => {}
                    other => bail!("a lead was not bound: {other:?}"),
                }
            }
        }
        Ok(())
    }

    fn ref_id(&self, affiliate: usize) -> String {
        format!("affiliate-{affiliate}")
    }

    pub(crate) fn coupon_code(&self, affiliate: usize) -> String {
        format!("CODE{affiliate}")
    }

    /// The address of a lead. Numbers past the last lead start again at the first.
    pub(crate) fn email(&self, lead: u64) -> String {
        format!("customer-{:05}@customers.example", lead % self.size.leads.max(1) as u64)
    }

    /// A sale to a bound lead, so that it is always credited. The number determines the event_id and the content.
    pub(crate) fn sale(&self, run: &str, number: u64) -> pb::RecordSaleRequest {
        pb::RecordSaleRequest {
            event_id: format!("{run}-{number:010}"),
            // The step is a prime, so that neighbouring sales do not share a page.
            email: self.email(number.wrapping_mul(7_919)),
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
