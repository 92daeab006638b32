//! A client that records sales through every failure. It notes every sale before sending it, and retries an unanswered one under
//! the same event_id. Sometimes it gives up, and the outcome of the sale stays unknown. Does not know what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use headwater::clock;
use headwater_client::pb;
use testkit::client::Client;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Request};

use crate::journal::{Answer, Failure, Journal, Order};
use crate::shop::Shop;

/// The client's deadline: longer than the server's own.
const PATIENCE: Duration = Duration::from_secs(15);

/// Delay before a retry.
const PAUSE_MILLISECONDS: std::ops::Range<u64> = 5..50;

/// One in this many failed sales is abandoned at each failure.
const GIVES_UP_ONE_IN: usize = 4;

/// State that all sellers share with the code that causes faults.
pub(crate) struct Market {
    /// Set when no new sale may begin.
    pub(crate) is_over: AtomicBool,
    /// The number of acknowledged sales.
    pub(crate) acknowledged: AtomicUsize,
    /// The latest send time of an acknowledged call.
    last_served: watch::Sender<Option<Instant>>,
}

impl Market {
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self {
            is_over: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            last_served: watch::Sender::new(None),
        })
    }

    /// Waits until a call sent after this moment was acknowledged.
    pub(crate) async fn served_after(&self, moment: Instant) {
        let mut last_served = self.last_served.subscribe();
        // The wait cannot fail, because the sender is in `self` and outlives it.
        let _ = last_served.wait_for(|last| last.is_some_and(|last| last > moment)).await;
    }

    fn served(&self, sent_at: Instant, count: usize) {
        self.acknowledged.fetch_add(count, Ordering::SeqCst);
        self.last_served.send_if_modified(|last| {
            let is_later = last.is_none_or(|last| last < sent_at);
            if is_later {
                *last = Some(sent_at);
            }
            is_later
        });
    }
}

/// One client.
pub(crate) struct Seller {
    /// Distinguishes its sales from those of others.
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) shop: Shop,
    /// The most sales in one call; 1 for single calls.
    pub(crate) batch_sales_max: usize,
    pub(crate) random: fastrand::Rng,
}

impl Seller {
    /// Records sales until the market is over.
    pub(crate) async fn sell(mut self, market: Arc<Market>) -> Journal {
        let mut journal = Journal::default();
        let mut number = 0;
        while !market.is_over.load(Ordering::SeqCst) {
            let length = self.random.usize(1..=self.batch_sales_max);
            let mut open: Vec<Order> = (number..number + length).map(|number| self.order(number)).collect();
            number += length;
            open.iter().for_each(|order| journal.sent(order));
            while !open.is_empty() {
                let sent_at = clock::monotonic_now();
                let answers = record(&mut self.client, &open).await;
                let served = answers.iter().filter(|answer| answer.is_ok()).count();
                if served > 0 {
                    market.served(sent_at, served);
                }
                let mut still_open = Vec::new();
                for (order, answer) in open.into_iter().zip(answers) {
                    match answer {
                        Ok(answer) => journal.answered(&order.event_id, answer),
                        Err(failure) => {
                            journal.failed(&order.event_id, &failure);
                            still_open.push(order);
                        }
                    }
                }
                open = still_open;
                if open.is_empty() || self.random.usize(0..GIVES_UP_ONE_IN) == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(self.random.u64(PAUSE_MILLISECONDS))).await;
            }
        }
        journal
    }

    fn order(&mut self, number: usize) -> Order {
        let event_id = format!("{}-{number:06}", self.name);
        order(&self.shop, event_id, &mut self.random)
    }
}

/// A sale of a random amount, to a bound customer or with a coupon.
pub(crate) fn order(shop: &Shop, event_id: String, random: &mut fastrand::Rng) -> Order {
    let amount_minor = 5 * random.i64(1..20_000);
    let affiliates = shop.size.affiliates.max(1);
    if shop.size.leads > 0 && random.bool() {
        let lead = random.usize(0..shop.size.leads);
        let email = shop.email(lead as u64);
        return Order { event_id, email, coupon_code: String::new(), amount_minor, affiliate: lead % affiliates };
    }
    let affiliate = random.usize(0..affiliates);
    Order { event_id, email: String::new(), coupon_code: shop.coupon_code(affiliate), amount_minor, affiliate }
}

/// Records the sales, singly or as a batch. Returns the result of each.
pub(crate) async fn record(client: &mut Client, orders: &[Order]) -> Vec<Result<Answer, Failure>> {
    if let [order] = orders {
        let mut request = Request::new(order.request());
        request.set_timeout(PATIENCE);
        let answer = client.tracking.record_sale(request).await;
        return vec![answer.map(|answer| Answer::from(answer.into_inner())).map_err(Failure::from)];
    }
    let item = |order: &Order| pb::BatchItem { item: Some(pb::batch_item::Item::Sale(order.request())) };
    let mut request = Request::new(pb::BatchRecordEventsRequest { items: orders.iter().map(item).collect() });
    request.set_timeout(PATIENCE);
    match client.tracking.batch_record_events(request).await {
        Ok(answer) => {
            let mut results: Vec<_> = answer.into_inner().results.into_iter().map(of_batch).collect();
            // Missing results are filled in as errors, because they would otherwise go unnoticed.
            results.resize_with(orders.len(), || Err(nonsense("the batch's answer is too short")));
            results
        }
        Err(status) => {
            let failure = Failure::from(status);
            orders.iter().map(|_| Err(failure.clone())).collect()
        }
    }
}

fn of_batch(result: pb::BatchResult) -> Result<Answer, Failure> {
    use pb::batch_result::Answer as Recorded;
    match result.answer {
        Some(Recorded::Sale(sale)) => Ok(Answer::from(sale)),
        Some(Recorded::Error(status)) => {
            Err(Failure { code: Code::from_i32(status.code), message: status.message, is_the_servers: true })
        }
        _ => Err(nonsense("a sale was answered as something else")),
    }
}

fn nonsense(message: &str) -> Failure {
    Failure { code: Code::Internal, message: message.to_owned(), is_the_servers: true }
}
