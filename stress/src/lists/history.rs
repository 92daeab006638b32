//! The history that lists are read from: one affiliate with most of the sales, one customer with many, and affiliates and customers
//! with 1 to 20. It is the same for the same seed. Does not know how lists are read.

use anyhow::bail;
use headwater_client::pb;
use testkit::client::Client;
use tonic::Code;

use super::pages::{Ask, List};
use crate::shop::{self, Shop};

/// The number of sales of one call. With their refunds they are as many events as a call may have.
const SALES_PER_CALL: usize = 950;

/// Of so many sales one is refunded in part.
const REFUNDED_ONE_IN: usize = 20;

/// Of so many rewards of the busy affiliate one is approved.
const APPROVED_ONE_IN: usize = 10;

/// The most pages of rewards of which some are approved.
const APPROVED_PAGES_MAX: usize = 100;

/// The most sales of an affiliate or customer with few.
const FEW_SALES_MAX: usize = 20;

/// The affiliate with most of the sales.
pub(super) const BUSY_AFFILIATE: usize = 0;

/// The customer with many sales, who is bound to that affiliate.
pub(super) const BUSY_LEAD: usize = 0;

/// Who buys.
pub(super) struct History {
    /// The customer of each sale, in order.
    buyers: Vec<u32>,
    /// The affiliates with few sales are 1 to this number. Each has one customer, of the same number.
    pub(super) quiet: usize,
    /// The number of customers. Those after the quiet ones are bound to the busy affiliate.
    leads: usize,
}

impl History {
    /// Draws the buyers of this many sales.
    pub(super) fn drawn(sales: usize, seed: u64) -> Self {
        let quiet = (sales / 100).clamp(1, 500);
        let mut buyers = vec![BUSY_LEAD as u32; (sales / 10).clamp(1, 10_000)];
        for lead in 1..=quiet {
            buyers.extend(std::iter::repeat_n(lead as u32, 1 + (lead - 1) % FEW_SALES_MAX));
        }
        let missing = sales.saturating_sub(buyers.len());
        let others = (missing / 10).max(1);
        let mut random = fastrand::Rng::with_seed(seed);
        buyers.extend((0..missing).map(|_| (quiet + 1 + random.usize(0..others)) as u32));
        // Mixed, so that the sales of a quiet affiliate are far apart.
        random.shuffle(&mut buyers);
        Self { buyers, quiet, leads: quiet + 1 + others }
    }

    /// The number of affiliates.
    pub(super) fn affiliates(&self) -> usize {
        self.quiet + 1
    }

    /// The number of sales and refunds of a customer.
    pub(super) fn sales_and_refunds_of_lead(&self, lead: usize) -> usize {
        self.sales_and_refunds_where(|buyer| buyer == lead)
    }

    /// The number of sales and refunds of an affiliate.
    pub(super) fn sales_and_refunds_of_affiliate(&self, affiliate: usize) -> usize {
        let is_quiet = |buyer: usize| (1..=self.quiet).contains(&buyer);
        self.sales_and_refunds_where(
            |buyer| if is_quiet(buyer) { buyer == affiliate } else { affiliate == BUSY_AFFILIATE },
        )
    }

    /// The number of leads that are bound to an affiliate.
    pub(super) fn leads_of_affiliate(&self, affiliate: usize) -> usize {
        if affiliate == BUSY_AFFILIATE { self.leads - self.quiet } else { 1 }
    }

    fn sales_and_refunds_where(&self, is_counted: impl Fn(usize) -> bool) -> usize {
        let counted = self.buyers.iter().enumerate().filter(|(_, buyer)| is_counted(**buyer as usize));
        counted.map(|(number, _)| 1 + usize::from(is_refunded(number))).sum()
    }

    /// Records everything. The shop must have all affiliates and no lead.
    pub(super) async fn record(&self, mut client: Client, shop: &Shop) -> anyhow::Result<()> {
        let affiliate_of = |lead: usize| if lead <= self.quiet { lead } else { BUSY_AFFILIATE };
        shop.add_leads(&client, 0..self.leads, affiliate_of).await?;
        // One call after the other, so that the order in the lists is the same on every server.
        for (call, buyers) in self.buyers.chunks(SALES_PER_CALL).enumerate() {
            let first = call * SALES_PER_CALL;
            let items = buyers.iter().enumerate().flat_map(|(place, buyer)| events(first + place, *buyer));
            let request = pb::BatchRecordEventsRequest { items: items.collect() };
            while !is_recorded(&mut client, &request).await? {
                tokio::time::sleep(shop::REPEAT_DELAY).await;
            }
        }
        self.approve_some(client, shop).await
    }

    /// Approves some rewards of the busy affiliate, and the oldest of each quiet one.
    async fn approve_some(&self, mut client: Client, shop: &Shop) -> anyhow::Result<()> {
        let mut ask = Ask { page_size: 1_000, ..Ask::default() };
        for _ in 0..APPROVED_PAGES_MAX {
            let page = List::Rewards.page(&mut client, shop, BUSY_AFFILIATE, &ask).await?;
            let ids = page.approvable.into_iter().step_by(APPROVED_ONE_IN).collect();
            approve(&mut client, ids).await?;
            if page.next.is_empty() {
                break;
            }
            ask.page_token = page.next;
        }
        let mut oldest = Vec::with_capacity(self.quiet);
        for affiliate in 1..=self.quiet {
            let ask = Ask { page_size: 1, ..Ask::default() };
            let page = List::Rewards.page(&mut client, shop, affiliate, &ask).await?;
            oldest.extend(page.approvable);
        }
        approve(&mut client, oldest).await
    }
}

fn is_refunded(number: usize) -> bool {
    number.is_multiple_of(REFUNDED_ONE_IN)
}

/// The sale with this number, and its refund if it has one.
fn events(number: usize, buyer: u32) -> impl Iterator<Item = pb::BatchItem> {
    use pb::batch_item::Item;
    let usd = |amount_minor| Some(pb::Money { amount_minor, currency_code: "USD".to_owned() });
    let event_id = format!("sale-{number:010}");
    let refund = is_refunded(number).then(|| pb::RecordRefundRequest {
        event_id: format!("refund-{number:010}"),
        sale_event_id: event_id.clone(),
        amount: usd(1_000),
        ..pb::RecordRefundRequest::default()
    });
    let sale = pb::RecordSaleRequest {
        event_id,
        email: shop::email_of(buyer.into()),
        amount: usd(shop::SALE_AMOUNT_MINOR),
        order_id: format!("order-{number:010}"),
        ..pb::RecordSaleRequest::default()
    };
    let items = [Some(Item::Sale(sale)), refund.map(Item::Refund)];
    items.into_iter().flatten().map(|item| pb::BatchItem { item: Some(item) })
}

/// Sends the events. False if the server could not take all of them now. A repeat does not change those that it took.
async fn is_recorded(client: &mut Client, request: &pb::BatchRecordEventsRequest) -> anyhow::Result<bool> {
    use pb::batch_result::Answer;
    let answer = match client.tracking.batch_record_events(request.clone()).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::Unavailable => return Ok(false),
        Err(status) => return Err(status.into()),
    };
    for result in answer.results {
        let rewards = match result.answer {
            Some(Answer::Sale(sale)) => sale.rewards,
            Some(Answer::Refund(refund)) => refund.rewards,
            Some(Answer::Error(error)) if error.code == Code::Unavailable as i32 => return Ok(false),
            other => bail!("an event was not recorded: {other:?}"),
        };
        anyhow::ensure!(rewards.len() == 1, "an event has {} rewards", rewards.len());
    }
    Ok(true)
}

async fn approve(client: &mut Client, reward_ids: Vec<String>) -> anyhow::Result<()> {
    if reward_ids.is_empty() {
        return Ok(());
    }
    let request = pb::ApproveRewardsRequest { request_id: String::new(), reward_ids };
    client.rewards.approve_rewards(request).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_sales_are_the_busy_affiliates_and_the_others_have_few() {
        let history = History::drawn(10_000, 7);
        assert_eq!(history.buyers.len(), 10_000);
        let all: usize =
            (0..history.affiliates()).map(|affiliate| history.sales_and_refunds_of_affiliate(affiliate)).sum();
        assert_eq!(all, 10_000 + 10_000 / REFUNDED_ONE_IN);
        assert!(history.sales_and_refunds_of_affiliate(BUSY_AFFILIATE) > all * 4 / 5);
        assert!(history.sales_and_refunds_of_lead(BUSY_LEAD) >= 1_000);
        let leads: usize = (0..history.affiliates()).map(|affiliate| history.leads_of_affiliate(affiliate)).sum();
        assert_eq!(leads, history.leads);
        for quiet in 1..=history.quiet {
            let events = history.sales_and_refunds_of_affiliate(quiet);
            assert_eq!(events, history.sales_and_refunds_of_lead(quiet));
            assert!((1..=2 * FEW_SALES_MAX).contains(&events));
        }
        assert_eq!(History::drawn(10_000, 7).buyers, history.buyers);
        assert_ne!(History::drawn(10_000, 8).buyers, history.buyers);
    }
}
