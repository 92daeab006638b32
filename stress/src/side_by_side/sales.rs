//! Sales, batches of sales, and clicks through the public API. Does not know what they are compared with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use headwater_client::pb;
use headwater_client::pb::tracking_service_client::TrackingServiceClient;
use prost::Message;
use testkit::client::{Authorized, Client};
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;

use crate::load::{self, Measured, Until};
use crate::shop::Shop;

/// Sales in one batch.
pub(crate) const BATCH_SALES: u64 = 500;

/// The target of the load.
#[derive(Clone)]
pub(crate) struct Target {
    /// The server's address.
    pub(crate) url: String,
    /// The connections shared by callers.
    pub(crate) channels: Vec<Channel>,
    /// The accounts, used in turn.
    pub(crate) shops: Arc<Vec<Shop>>,
    /// The prefix of every event_id of this run.
    pub(crate) run: String,
    /// The next unused number.
    pub(crate) numbers: Arc<AtomicU64>,
    /// The number of acknowledged sales.
    pub(crate) acknowledged: Arc<AtomicU64>,
    /// The number of acknowledged clicks.
    pub(crate) clicks: Arc<AtomicU64>,
    /// Calls that were retried because the server was unavailable.
    pub(crate) repeated: Arc<AtomicU64>,
    /// The processes whose processor time is measured.
    pub(crate) processes: Vec<u32>,
}

/// What a sale and a click look like on the wire.
pub(super) struct Samples {
    /// The bytes of a sale's request and answer.
    pub(super) sale_bytes: (usize, usize),
    /// The bytes of a click's request and answer.
    pub(super) click_bytes: (usize, usize),
    /// The answer to a click.
    pub(super) click_answer: pb::RecordClickResponse,
}

/// One caller: a client for each account, all on one connection.
struct Caller {
    target: Target,
    clients: Vec<TrackingServiceClient<Authorized>>,
}

impl Target {
    /// The same target with these accounts instead.
    pub(crate) fn with_shops(&self, shops: Vec<Shop>) -> Self {
        Self { shops: Arc::new(shops), ..self.clone() }
    }

    /// The same target with the first account only.
    pub(crate) fn with_one_account(&self) -> Self {
        self.with_shops(self.shops.first().cloned().into_iter().collect())
    }

    /// A target of the same calls on another server, with counters of its own.
    pub(super) fn elsewhere(&self, url: String, channels: Vec<Channel>, processes: Vec<u32>) -> Self {
        let zero = || Arc::new(AtomicU64::new(0));
        Self {
            url,
            channels,
            processes,
            numbers: zero(),
            acknowledged: zero(),
            clicks: zero(),
            repeated: zero(),
            ..self.clone()
        }
    }

    /// Waits before retrying a call that the server could not take, as every client should. Errors that a retry cannot help, and
    /// too many retries, are returned. The delay counts toward the call's latency.
    async fn bear(&self, code: Code, message: &str, tries: &mut u32) -> anyhow::Result<()> {
        const TRIES_MAX: u32 = 20;
        *tries += 1;
        if code != Code::Unavailable || *tries >= TRIES_MAX {
            bail!("a call was refused, try {tries}: {code}: {message}");
        }
        self.repeated.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    fn caller(&self, place: usize) -> anyhow::Result<Arc<Caller>> {
        let channel = self.channels.get(place % self.channels.len().max(1)).context("there is no connection")?;
        let clients = self.shops.iter().map(|shop| Ok(Client::on(channel, &shop.key)?.tracking));
        Ok(Arc::new(Caller { target: self.clone(), clients: clients.collect::<anyhow::Result<_>>()? }))
    }

    /// Records one sale per call.
    pub(crate) async fn sales(&self, callers: usize, until: Until) -> anyhow::Result<Measured> {
        load::run(callers, until, &self.numbers, &self.processes, |place| {
            let caller = self.caller(place)?;
            Ok(move |number| sale(Arc::clone(&caller), number))
        })
        .await
    }

    /// Records a batch per call. A batch belongs to one account.
    pub(crate) async fn batches(&self, callers: usize, until: Until) -> anyhow::Result<Measured> {
        load::run(callers, until, &self.numbers, &self.processes, |place| {
            let caller = self.caller(place)?;
            Ok(move |number| batch(Arc::clone(&caller), number))
        })
        .await
    }

    /// Records one sale per call, at this rate per second if possible. Returns how many.
    pub(crate) async fn paced_sales(&self, callers: usize, per_second: u64, until: Until) -> anyhow::Result<u64> {
        let begun = clock::monotonic_now();
        let interval = Duration::from_secs(1) / u32::try_from(per_second.max(1))?;
        let turns = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for place in 0..callers {
            let (caller, turns, target) = (self.caller(place)?, Arc::clone(&turns), self.clone());
            tasks.spawn(async move {
                let mut count = 0;
                loop {
                    let turn = u32::try_from(turns.fetch_add(1, Ordering::Relaxed))?;
                    let is_over = match until {
                        Until::Time(time) => interval * turn >= time,
                        Until::Calls(calls) => u64::from(turn) >= calls,
                    };
                    if is_over {
                        return anyhow::Ok(count);
                    }
                    tokio::time::sleep_until(begun + interval * turn).await;
                    let number = target.numbers.fetch_add(1, Ordering::Relaxed);
                    count += sale(Arc::clone(&caller), number).await?;
                }
            });
        }
        let mut count = 0;
        while let Some(done) = tasks.join_next().await {
            count += done.context("a caller panicked")??;
        }
        Ok(count)
    }

    /// Records one click per call.
    pub(crate) async fn clicks(&self, callers: usize, until: Until) -> anyhow::Result<Measured> {
        load::run(callers, until, &self.numbers, &self.processes, |place| {
            let caller = self.caller(place)?;
            Ok(move |number| click(Arc::clone(&caller), number))
        })
        .await
    }

    /// Records a sale and a click.
    pub(super) async fn samples(&self) -> anyhow::Result<Samples> {
        let caller = self.caller(0)?;
        let (shop, mut client) = caller.turn(0)?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let request = shop.sale(&self.run, number);
        let sale_bytes = request.encoded_len();
        let answer = client.record_sale(request).await?.into_inner();
        check_sale(&answer)?;
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let sale_bytes = (sale_bytes, answer.encoded_len());
        let request = shop.click(number);
        let click_bytes = request.encoded_len();
        let click_answer = client.record_click(request).await?.into_inner();
        self.clicks.fetch_add(1, Ordering::Relaxed);
        Ok(Samples { sale_bytes, click_bytes: (click_bytes, click_answer.encoded_len()), click_answer })
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
    let request = shop.sale(&caller.target.run, number);
    let mut tries = 0;
    let answer = loop {
        match client.record_sale(request.clone()).await {
            Ok(answer) => break answer.into_inner(),
            Err(status) => caller.target.bear(status.code(), status.message(), &mut tries).await?,
        }
    };
    check_sale(&answer)?;
    caller.target.acknowledged.fetch_add(1, Ordering::Relaxed);
    Ok(1)
}

/// Checks that a sale is credited. Otherwise the figures would describe something else.
fn check_sale(answer: &pb::RecordSaleResponse) -> anyhow::Result<()> {
    if answer.outcome() != pb::ConversionOutcome::Attributed || answer.rewards.len() != 1 {
        bail!("a sale was not recorded as it should be: {answer:?}");
    }
    Ok(())
}

async fn batch(caller: Arc<Caller>, number: u64) -> anyhow::Result<u64> {
    let (shop, mut client) = caller.turn(number)?;
    let run = format!("{}-batch-{number}", caller.target.run);
    let items = (0..BATCH_SALES).map(|place| {
        let sale = shop.sale(&run, number.wrapping_mul(BATCH_SALES) + place);
        pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) }
    });
    let request = pb::BatchRecordEventsRequest { items: items.collect() };
    let mut tries = 0;
    let answer = loop {
        match client.batch_record_events(request.clone()).await {
            Ok(answer) => match could_not_be_taken(answer.get_ref()) {
                Some(message) => caller.target.bear(Code::Unavailable, message, &mut tries).await?,
                None => break answer.into_inner(),
            },
            Err(status) => caller.target.bear(status.code(), status.message(), &mut tries).await?,
        }
    };
    for result in &answer.results {
        match &result.answer {
            Some(pb::batch_result::Answer::Sale(sale)) => check_sale(sale)?,
            other => bail!("a sale of a batch was not recorded: {other:?}"),
        }
    }
    anyhow::ensure!(answer.results.len() as u64 == BATCH_SALES, "an answer of a batch is missing");
    caller.target.acknowledged.fetch_add(BATCH_SALES, Ordering::Relaxed);
    Ok(BATCH_SALES)
}

/// The error of an item that the server could not take, if any. The whole batch is then sent again, which does not change items
/// that were recorded.
fn could_not_be_taken(answer: &pb::BatchRecordEventsResponse) -> Option<&str> {
    answer.results.iter().find_map(|result| match &result.answer {
        Some(pb::batch_result::Answer::Error(error)) if error.code == Code::Unavailable as i32 => Some(&*error.message),
        _ => None,
    })
}

async fn click(caller: Arc<Caller>, number: u64) -> anyhow::Result<u64> {
    let (shop, mut client) = caller.turn(number)?;
    let request = shop.click(number);
    let mut tries = 0;
    let answer = loop {
        match client.record_click(request.clone()).await {
            Ok(answer) => break answer.into_inner(),
            Err(status) => caller.target.bear(status.code(), status.message(), &mut tries).await?,
        }
    };
    anyhow::ensure!(!answer.tid.is_empty(), "a click was not recorded: {answer:?}");
    caller.target.clicks.fetch_add(1, Ordering::Relaxed);
    Ok(1)
}
