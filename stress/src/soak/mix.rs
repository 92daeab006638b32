//! One merchant's process: clicks, leads, sales, refunds, appointments, custom events, approvals, repeats, reads, lists, and short-lived readers of the feed,
//! drawn at random. Counts calls and records failures. Knows nothing of the server's state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headwater::clock;
use headwater_client::pb;
use testkit::client::Client;
use tonic::{Status, Streaming};

use crate::feed;
use crate::figures::Latencies;
use crate::journal::{Answer, Order};
use crate::seller;
use crate::shop::{CUSTOM_KIND, Shop};

/// The number of sales, tracking ids and cursors that a worker remembers.
const REMEMBERED_MAX: usize = 200;

/// The number of messages that a reader of the feed takes before it leaves.
const MESSAGES_MAX: usize = 5;

/// The weight of each kind, out of the sum of all.
const WEIGHTS: [(Kind, usize); 11] = [
    (Kind::Click, 32),
    (Kind::Lead, 10),
    (Kind::Sale, 25),
    (Kind::Refund, 4),
    (Kind::Appointment, 1),
    (Kind::CustomEvent, 2),
    (Kind::Approve, 4),
    (Kind::Repeat, 4),
    (Kind::Read, 10),
    (Kind::List, 6),
    (Kind::Follow, 2),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Click,
    Lead,
    Sale,
    Refund,
    Appointment,
    CustomEvent,
    Approve,
    Repeat,
    Read,
    List,
    Follow,
}

/// The results of a worker.
#[derive(Default)]
pub(super) struct Tally {
    /// By kind of call, from its scheduled time to its answer.
    pub(super) latencies: BTreeMap<String, Latencies>,
    /// The number of recorded sales.
    pub(super) sales: usize,
    pub(super) errors: Vec<String>,
    /// The server's memory during the run, second by second.
    pub(super) mebibytes: Vec<f64>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        for (kind, latencies) in other.latencies {
            self.latencies.entry(kind).or_insert_with(Latencies::new).add(&latencies);
        }
        self.sales += other.sales;
        self.errors.extend(other.errors);
        self.mebibytes.extend(other.mebibytes);
    }
}

/// A sale that later calls may use.
struct Sold {
    order: Order,
    answer: Answer,
}

/// One merchant's process.
pub(super) struct Worker {
    client: Client,
    url: String,
    shop: Arc<Shop>,
    name: String,
    random: fastrand::Rng,
    number: usize,
    tids: Vec<String>,
    sold: Vec<Sold>,
    cursor: Option<String>,
    tally: Tally,
}

impl Worker {
    pub(super) fn new(client: Client, url: String, shop: Arc<Shop>, name: String, random: fastrand::Rng) -> Self {
        let (tids, sold) = (Vec::new(), Vec::new());
        Self { client, url, shop, name, random, number: 0, tids, sold, cursor: None, tally: Tally::default() }
    }

    /// Makes one call in each interval, for this time.
    pub(super) async fn work(mut self, interval: Duration, time: Duration) -> Tally {
        let begun_at = clock::monotonic_now();
        let mut due_at = begun_at;
        while due_at - begun_at < time {
            tokio::time::sleep_until(due_at).await;
            let kind = self.draw();
            self.number += 1;
            if let Err(status) = self.act(kind).await {
                self.tally.errors.push(format!("{kind:?}: {:?}: {}", status.code(), status.message()));
            }
            self.tally.latencies.entry(format!("{kind:?}")).or_insert_with(Latencies::new).record(due_at.elapsed());
            due_at += interval;
        }
        self.tally
    }

    fn draw(&mut self) -> Kind {
        let mut place = self.random.usize(0..WEIGHTS.iter().map(|(_, weight)| weight).sum());
        for (kind, weight) in WEIGHTS {
            if place < weight {
                return kind;
            }
            place -= weight;
        }
        Kind::Read
    }

    async fn act(&mut self, kind: Kind) -> Result<(), Status> {
        match kind {
            Kind::Click => self.click().await,
            Kind::Lead => self.lead().await,
            Kind::Sale => self.sale().await,
            Kind::Refund => self.refund().await,
            Kind::Appointment => self.appointment().await,
            Kind::CustomEvent => self.custom_event().await,
            Kind::Approve => self.approve().await,
            Kind::Repeat => self.repeat().await,
            Kind::Read => self.read().await,
            Kind::List => self.list().await,
            Kind::Follow => self.follow().await,
        }
    }

    fn event_id(&self) -> String {
        format!("{}-{:07}", self.name, self.number)
    }

    async fn click(&mut self) -> Result<(), Status> {
        let request = self.shop.click(self.random.u64(..));
        let tid = self.client.tracking.record_click(request).await?.into_inner().tid;
        if self.tids.len() >= REMEMBERED_MAX {
            self.tids.swap_remove(self.random.usize(0..REMEMBERED_MAX));
        }
        self.tids.push(tid);
        Ok(())
    }

    async fn lead(&mut self) -> Result<(), Status> {
        let request = pb::RecordLeadRequest {
            event_id: self.event_id(),
            email: format!("{}@visitors.example", self.event_id()),
            tid: self.random.choice(&self.tids).cloned().unwrap_or_default(),
            ..pb::RecordLeadRequest::default()
        };
        self.client.tracking.record_lead(request).await?;
        Ok(())
    }

    async fn sale(&mut self) -> Result<(), Status> {
        let order = seller::order(&self.shop, self.event_id(), &mut self.random);
        let answer = self.client.tracking.record_sale(order.request()).await?.into_inner();
        self.tally.sales += 1;
        if self.sold.len() >= REMEMBERED_MAX {
            self.sold.swap_remove(self.random.usize(0..REMEMBERED_MAX));
        }
        self.sold.push(Sold { order, answer: Answer::from(answer) });
        Ok(())
    }

    /// Takes one of the sales; later calls do not use it again.
    fn take_sold(&mut self) -> Option<Sold> {
        let count = self.sold.len();
        (count > 0).then(|| self.sold.swap_remove(self.random.usize(0..count)))
    }

    async fn refund(&mut self) -> Result<(), Status> {
        let Some(sold) = self.take_sold() else { return Ok(()) };
        let amount_minor = self.random.i64(1..=sold.order.amount_minor);
        let request = pb::RecordRefundRequest {
            event_id: self.event_id(),
            sale_event_id: sold.order.event_id,
            amount: Some(pb::Money { amount_minor, currency_code: "USD".to_owned() }),
            ..pb::RecordRefundRequest::default()
        };
        self.client.tracking.record_refund(request).await?;
        Ok(())
    }

    async fn appointment(&mut self) -> Result<(), Status> {
        let request = pb::RecordAppointmentRequest {
            event_id: self.event_id(),
            email: self.shop.email(self.random.u64(..)),
            tid: self.random.choice(&self.tids).cloned().unwrap_or_default(),
            ..pb::RecordAppointmentRequest::default()
        };
        self.client.tracking.record_appointment(request).await?;
        Ok(())
    }

    async fn custom_event(&mut self) -> Result<(), Status> {
        let request = pb::RecordCustomEventRequest {
            event_id: self.event_id(),
            custom_kind: CUSTOM_KIND.to_owned(),
            email: self.shop.email(self.random.u64(..)),
            tid: self.random.choice(&self.tids).cloned().unwrap_or_default(),
            ..pb::RecordCustomEventRequest::default()
        };
        self.client.tracking.record_custom_event(request).await?;
        Ok(())
    }

    async fn approve(&mut self) -> Result<(), Status> {
        let Some(sold) = self.take_sold() else { return Ok(()) };
        let reward_ids = sold.answer.rewards.into_iter().map(|(reward_id, _)| reward_id).collect();
        let request = pb::ApproveRewardsRequest { request_id: self.event_id(), reward_ids };
        self.client.rewards.approve_rewards(request).await?;
        Ok(())
    }

    async fn repeat(&mut self) -> Result<(), Status> {
        let Some(sold) = self.random.choice(&self.sold) else { return Ok(()) };
        let answer = Answer::from(self.client.tracking.record_sale(sold.order.request()).await?.into_inner());
        if answer != (Answer { replayed: true, ..sold.answer.clone() }) {
            self.tally.errors.push(format!("{:?} was repeated and answered {answer:?}", sold.answer));
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Status> {
        if self.random.bool() {
            let Some(sold) = self.random.choice(&self.sold) else { return Ok(()) };
            let selector = pb::conversion_selector::Selector::Id(sold.answer.conversion_id.clone());
            let request = pb::GetConversionRequest {
                conversion: Some(pb::ConversionSelector { selector: Some(selector) }),
                ..pb::GetConversionRequest::default()
            };
            self.client.tracking.get_conversion(request).await?;
        } else {
            let affiliate = Some(self.affiliate());
            self.client.rewards.get_balance(pb::GetBalanceRequest { affiliate, ..Default::default() }).await?;
        }
        Ok(())
    }

    fn affiliate(&mut self) -> pb::AffiliateSelector {
        let id = self.random.choice(&self.shop.affiliate_ids).cloned().unwrap_or_default();
        pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id)) }
    }

    async fn list(&mut self) -> Result<(), Status> {
        let affiliate = Some(self.affiliate());
        match self.random.usize(0..3) {
            0 => {
                let request = pb::ListConversionsRequest { affiliate, ..pb::ListConversionsRequest::default() };
                let page_token =
                    self.client.tracking.list_conversions(request.clone()).await?.into_inner().next_page_token;
                if !page_token.is_empty() {
                    let request = pb::ListConversionsRequest { page_token, ..request };
                    self.client.tracking.list_conversions(request).await?;
                }
            }
            1 => {
                let request = pb::ListRewardsRequest { affiliate, ..pb::ListRewardsRequest::default() };
                self.client.rewards.list_rewards(request).await?;
            }
            _ => {
                let request = pb::ListLedgerEntriesRequest { affiliate, ..pb::ListLedgerEntriesRequest::default() };
                self.client.rewards.list_ledger_entries(request).await?;
            }
        }
        Ok(())
    }

    /// Opens its own connection, takes some messages, and leaves without closing the stream.
    async fn follow(&mut self) -> Result<(), Status> {
        let Ok(mut client) = Client::connect(&self.url, &self.shop.key).await else {
            self.tally.errors.push("a follower could not connect".to_owned());
            return Ok(());
        };
        let start = Some(self.cursor.clone().map_or_else(feed::latest, feed::after));
        let messages = self.random.usize(1..=MESSAGES_MAX);
        // All three calls have the same cursors, so each call continues where another one stopped.
        match self.random.usize(0..3) {
            0 => {
                let request = pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() };
                let stream = client.feed.watch_events(request).await?.into_inner();
                self.take(stream, messages, |message| message.cursor).await
            }
            1 => {
                let request = pb::WatchConversionsRequest { start, ..pb::WatchConversionsRequest::default() };
                let stream = client.tracking.watch_conversions(request).await?.into_inner();
                self.take(stream, messages, |message| message.cursor).await
            }
            _ => {
                let request = pb::ReadEventsRequest { start, ..pb::ReadEventsRequest::default() };
                self.cursor = Some(client.feed.read_events(request).await?.into_inner().next_cursor);
                Ok(())
            }
        }
    }

    /// Takes some messages of a stream, as far as they come soon, and keeps the last cursor.
    async fn take<M>(
        &mut self,
        mut stream: Streaming<M>,
        messages: usize,
        cursor: impl Fn(M) -> String,
    ) -> Result<(), Status> {
        for _ in 0..messages {
            let Ok(message) = tokio::time::timeout(Duration::from_millis(200), stream.message()).await else { break };
            self.cursor = message?.map(&cursor);
        }
        Ok(())
    }
}
