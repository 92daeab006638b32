//! Sales, batches of sales, and clicks through the public API. Knows nothing of what they are held against.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::pb;
use headwater::pb::tracking_service_client::TrackingServiceClient;
use prost::Message;
use tonic::transport::Channel;

use crate::client::{Authorized, Client};
use crate::load::{self, Measured};
use crate::shop::Shop;

/// Sales in one batch.
pub(crate) const BATCH_SALES: u64 = 500;

/// Where load is sent.
#[derive(Clone)]
pub(crate) struct Target {
    /// The connections that callers share.
    pub(crate) channels: Vec<Channel>,
    /// The accounts that take turns.
    pub(crate) shops: Arc<Vec<Shop>>,
    /// The beginning of every event_id of this run.
    pub(crate) run: String,
    /// The next number that was not sent yet.
    pub(crate) numbers: Arc<AtomicU64>,
    /// Sales that were acknowledged.
    pub(crate) acknowledged: Arc<AtomicU64>,
    /// Clicks that were acknowledged.
    pub(crate) clicks: Arc<AtomicU64>,
    /// The processes whose processor time is measured.
    pub(crate) processes: Vec<u32>,
}

/// One caller: its client of each account, all on one connection.
struct Caller {
    target: Target,
    clients: Vec<TrackingServiceClient<Authorized>>,
}

impl Target {
    /// The same, with the first account alone.
    pub(crate) fn with_one_account(&self) -> Self {
        Self { shops: Arc::new(self.shops.first().cloned().into_iter().collect()), ..self.clone() }
    }

    fn caller(&self, place: usize) -> anyhow::Result<Arc<Caller>> {
        let channel = self.channels.get(place % self.channels.len().max(1)).context("there is no connection")?;
        let clients = self.shops.iter().map(|shop| Ok(Client::on(channel, &shop.key)?.tracking));
        Ok(Arc::new(Caller { target: self.clone(), clients: clients.collect::<anyhow::Result<_>>()? }))
    }

    /// Sales, one a call.
    pub(crate) async fn sales(&self, callers: usize, time: Duration) -> anyhow::Result<Measured> {
        load::run(callers, time, &self.numbers, &self.processes, |place| {
            let caller = self.caller(place)?;
            Ok(move |number| sale(Arc::clone(&caller), number))
        })
        .await
    }

    /// Sales, a batch a call. A batch is of one account.
    pub(crate) async fn batches(&self, callers: usize, time: Duration) -> anyhow::Result<Measured> {
        load::run(callers, time, &self.numbers, &self.processes, |place| {
            let caller = self.caller(place)?;
            Ok(move |number| batch(Arc::clone(&caller), number))
        })
        .await
    }

    /// Clicks, one a call.
    pub(crate) async fn clicks(&self, callers: usize, time: Duration) -> anyhow::Result<Measured> {
        load::run(callers, time, &self.numbers, &self.processes, |place| {
            let caller = self.caller(place)?;
            Ok(move |number| click(Arc::clone(&caller), number))
        })
        .await
    }

    /// How many bytes request and answer of a sale and of a click have on the wire.
    pub(crate) async fn message_bytes(&self) -> anyhow::Result<[(usize, usize); 2]> {
        let caller = self.caller(0)?;
        let (shop, mut client) = caller.turn(0)?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let request = shop.sale(&self.run, number);
        let sale_bytes = request.encoded_len();
        let answer = client.record_sale(request).await?.into_inner();
        check_sale(&answer)?;
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let sale = (sale_bytes, answer.encoded_len());
        let request = shop.click(number);
        let click_bytes = request.encoded_len();
        let answer = client.record_click(request).await?.into_inner();
        self.clicks.fetch_add(1, Ordering::Relaxed);
        Ok([sale, (click_bytes, answer.encoded_len())])
    }
}

impl Caller {
    fn turn(&self, number: u64) -> anyhow::Result<(&Shop, TrackingServiceClient<Authorized>)> {
        let place = usize::try_from(number)? % self.clients.len().max(1);
        let shop = self.target.shops.get(place).context("there is no account")?;
        Ok((shop, self.clients.get(place).context("there is no account")?.clone()))
    }
}

async fn sale(caller: Arc<Caller>, number: u64) -> anyhow::Result<u64> {
    let (shop, mut client) = caller.turn(number)?;
    let answer = client.record_sale(shop.sale(&caller.target.run, number)).await?.into_inner();
    check_sale(&answer)?;
    caller.target.acknowledged.fetch_add(1, Ordering::Relaxed);
    Ok(1)
}

/// Every sale is new and credited, or the figures would be of something else.
fn check_sale(answer: &pb::RecordSaleResponse) -> anyhow::Result<()> {
    if answer.outcome() != pb::ConversionOutcome::Attributed || answer.replayed || answer.rewards.len() != 1 {
        bail!("a sale was not recorded as it should be: {answer:?}");
    }
    Ok(())
}

async fn batch(caller: Arc<Caller>, number: u64) -> anyhow::Result<u64> {
    let (shop, mut client) = caller.turn(number)?;
    let run = format!("{}-batch-{number}", caller.target.run);
    let items = (0..BATCH_SALES).map(|place| {
        let sale = shop.sale(&run, number.wrapping_mul(BATCH_SALES) + place);
        pb::RecordItem { item: Some(pb::record_item::Item::Sale(sale)) }
    });
    let request = pb::BatchRecordRequest { items: items.collect() };
    let answer = client.batch_record(request).await?.into_inner();
    for result in &answer.results {
        match &result.result {
            Some(pb::record_result::Result::Sale(sale)) => check_sale(sale)?,
            other => bail!("a sale of a batch was not recorded: {other:?}"),
        }
    }
    anyhow::ensure!(answer.results.len() as u64 == BATCH_SALES, "an answer of a batch is missing");
    caller.target.acknowledged.fetch_add(BATCH_SALES, Ordering::Relaxed);
    Ok(BATCH_SALES)
}

async fn click(caller: Arc<Caller>, number: u64) -> anyhow::Result<u64> {
    let (shop, mut client) = caller.turn(number)?;
    let answer = client.record_click(shop.click(number)).await?.into_inner();
    anyhow::ensure!(!answer.tid.is_empty() && !answer.replayed, "a click was not recorded: {answer:?}");
    caller.target.clicks.fetch_add(1, Ordering::Relaxed);
    Ok(1)
}
