//! Balances and statements of the past: those of every commit of a random history are those that were read then.

mod many_lines;
mod statement;

use std::collections::BTreeMap;
use std::time::Duration;

use headwater::pb;
use pb::reward_value::Amount;
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

/// More entries than some checkpoints and folds take, because test builds make these after a few.
const STEPS: usize = 150;

/// Numbers that look random and are the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn affiliate(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

fn micros(time: prost_types::Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)
}

fn timestamp(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

async fn balances(client: &mut Client, id: &str, as_of: Option<i64>) -> Vec<pb::Balance> {
    let request = pb::GetBalanceRequest { affiliate: affiliate(id), as_of_time: as_of.map(timestamp) };
    client.rewards.get_balance(request).await.unwrap().into_inner().balances
}

/// All pages.
async fn list_balances(client: &mut Client, request: pb::ListBalancesRequest) -> BTreeMap<String, Vec<pb::Balance>> {
    let (mut request, mut all) = (request, BTreeMap::new());
    loop {
        let page = client.rewards.list_balances(request.clone()).await.unwrap().into_inner();
        for of_one in page.affiliates {
            assert!(all.insert(of_one.affiliate_id, of_one.balances).is_none(), "an affiliate is on two pages");
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

/// The time of the newest entry.
async fn newest_commit(client: &mut Client) -> Option<i64> {
    let order = pb::ListOrder::NewestFirst.into();
    let request = pb::ListLedgerEntriesRequest { page_size: 1, order, ..Default::default() };
    let entries = client.rewards.list_ledger_entries(request).await.unwrap().into_inner().entries;
    entries.first().and_then(|entry| entry.post_time).map(micros)
}

/// A shop with three affiliates, and what happened to their sales.
struct History {
    shop: Shop,
    affiliates: Vec<String>,
    draw: Draw,
    sale_count: usize,
    pending: Vec<String>,
    points: Vec<String>,
}

impl History {
    async fn open(server: &TestServer, seed: u64) -> Self {
        let mut shop = Shop::open(server, "shop").await;
        let mut affiliates = vec![shop.affiliate_id.clone()];
        for code in ["BEN", "CLEO"] {
            let request = pb::CreateAffiliateRequest {
                email: format!("{code}@affiliates.example").to_lowercase(),
                ref_id: code.to_lowercase(),
                coupon_code: code.to_owned(),
                ..Default::default()
            };
            affiliates.push(
                shop.client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id,
            );
        }
        let (pending, points) = Default::default();
        Self { shop, affiliates, draw: Draw(seed), sale_count: 0, pending, points }
    }

    fn taken(&mut self, from: fn(&mut Self) -> &mut Vec<String>) -> Option<String> {
        let length = from(self).len();
        let place = self.draw.below(length.max(1));
        (length > 0).then(|| from(self).swap_remove(place))
    }

    /// Something that changes a balance, or is refused.
    async fn step(&mut self) {
        match self.draw.below(10) {
            0..=3 => self.sell().await,
            4 | 5 => self.refund().await,
            6 => {
                let Some(id) = self.taken(|history| &mut history.pending) else { return };
                let request = pb::ApproveRewardsRequest { reward_ids: vec![id], ..Default::default() };
                let _ = self.shop.client.rewards.approve_rewards(request).await;
            }
            7 => {
                let Some(id) = self.taken(|history| &mut history.pending) else { return };
                let request =
                    pb::DenyRewardsRequest { reward_ids: vec![id], reason: "a test".to_owned(), ..Default::default() };
                let _ = self.shop.client.rewards.deny_rewards(request).await;
            }
            8 => self.give_points().await,
            _ => {
                let Some(reward_id) = self.taken(|history| &mut history.points) else { return };
                let request = pb::FulfillRewardRequest { reward_id, ..Default::default() };
                self.shop.client.rewards.fulfill_reward(request).await.unwrap();
            }
        }
    }

    /// One to three sales in one commit.
    async fn sell(&mut self) {
        let mut items = Vec::new();
        for _ in 0..=self.draw.below(3) {
            self.sale_count += 1;
            let code = ["ANN", "BEN", "CLEO"][self.draw.below(3)].to_owned();
            let amount = Some(usd(i64::try_from(self.draw.below(10_000)).unwrap()));
            let sold = pb::RecordSaleRequest { coupon_code: code, amount, ..sale(self.sale_count) };
            items.push(pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sold)) });
        }
        let request = pb::BatchRecordEventsRequest { items };
        let answer = self.shop.client.tracking.batch_record_events(request).await.unwrap().into_inner();
        for result in answer.results {
            let Some(pb::batch_result::Answer::Sale(sold)) = result.answer else { panic!("{result:?}") };
            self.pending.extend(sold.rewards.into_iter().map(|reward| reward.reward_id));
        }
    }

    async fn refund(&mut self) {
        if self.sale_count == 0 {
            return;
        }
        let number = 1 + self.draw.below(self.sale_count);
        let request = pb::RecordRefundRequest {
            event_id: format!("refund-{}", self.draw.0),
            sale_event_id: format!("sale-{number}"),
            amount: Some(usd(1 + i64::try_from(self.draw.below(4_000)).unwrap())),
            ..Default::default()
        };
        // It may exceed what the sale has left.
        let _ = self.shop.client.tracking.record_refund(request).await;
    }

    async fn give_points(&mut self) {
        let ref_id = ["ann", "ben", "cleo"][self.draw.below(3)].to_owned();
        let selector = Some(pb::enrollment_selector::Selector::RefId(ref_id));
        let request = pb::CreateRewardRequest {
            recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
            value: Some(pb::RewardValue { amount: Some(Amount::Points(5)) }),
            ..Default::default()
        };
        let made = self.shop.client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
        self.points.push(made.id);
    }

    /// Plays the history. Returns the balances of all affiliates after each commit, by its time.
    async fn play(&mut self, server: &TestServer) -> BTreeMap<i64, BTreeMap<String, Vec<pb::Balance>>> {
        let mut read = BTreeMap::new();
        for step in 0..STEPS {
            match self.draw.below(4) {
                // Commits follow each other within a microsecond.
                0 | 1 => {}
                2 => server.clock.pass(Duration::from_millis(700)),
                _ if step % 3 == 0 => server.clock.jump(-20_000_000),
                _ => server.clock.advance_days(1),
            }
            self.step().await;
            let Some(time) = newest_commit(&mut self.shop.client).await else { continue };
            let mut now = BTreeMap::new();
            for id in self.affiliates.clone() {
                now.insert(id.clone(), balances(&mut self.shop.client, &id, None).await);
            }
            read.insert(time, now);
        }
        read
    }
}

fn has_balances(all: &BTreeMap<String, Vec<pb::Balance>>) -> BTreeMap<String, Vec<pb::Balance>> {
    all.iter().filter(|(_, balances)| !balances.is_empty()).map(|(id, all)| (id.clone(), all.clone())).collect()
}

db_test!(n10_balances_as_of_every_commit_are_those_read_then, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut history = History::open(&server, 7).await;
    let read = history.play(&server).await;
    assert!(read.len() > STEPS / 2, "only {} commits", read.len());
    let client = &mut history.shop.client;
    let mut before: BTreeMap<String, Vec<pb::Balance>> =
        history.affiliates.iter().map(|id| (id.clone(), Vec::new())).collect();
    for (number, (time, then)) in read.iter().enumerate() {
        for (id, expected) in then {
            assert_eq!(&balances(client, id, Some(*time)).await, expected, "{id} as of {time}");
            assert_eq!(balances(client, id, Some(time - 1)).await, before[id], "{id} right before {time}");
        }
        if number % 10 == 0 {
            let as_of_time = Some(timestamp(*time));
            let request = pb::ListBalancesRequest { page_size: 1, as_of_time, ..Default::default() };
            assert_eq!(list_balances(client, request.clone()).await, has_balances(then), "as of {time}");
            let newest_first =
                pb::ListBalancesRequest { page_size: 2, order: pb::ListOrder::NewestFirst.into(), ..request.clone() };
            assert_eq!(list_balances(client, newest_first).await, has_balances(then), "as of {time}");
            let owed = pb::ListBalancesRequest {
                owed_only: true,
                units: vec![pb::RewardUnit::Cash.into()],
                currencies: vec!["USD".to_owned()],
                ..request
            };
            let is_owed = |balance: &pb::Balance| matches!(&balance.owed, Some(pb::RewardValue { amount: Some(Amount::Cash(owed)) }) if owed.amount_minor > 0);
            let expected =
                then.iter().map(|(id, all)| (id.clone(), all.iter().filter(|one| is_owed(one)).cloned().collect()));
            assert_eq!(list_balances(client, owed).await, has_balances(&expected.collect()), "owed as of {time}");
        }
        before.clone_from(then);
    }
    let newest = *read.keys().last().unwrap();
    for id in &history.affiliates {
        assert_eq!(balances(client, id, Some(newest)).await, balances(client, id, None).await);
        assert_eq!(balances(client, id, Some(1)).await, [], "before the account");
    }
    statement::check_random_periods(client, &history.affiliates, &read, &mut history.draw).await;
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert_eq!(report.differences, Vec::<String>::new());
});

db_test!(n10_a_time_in_the_future_is_refused_and_a_commit_is_never_in_it, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    shop.client.tracking.record_sale(sale(1)).await.unwrap();
    let committed = newest_commit(&mut shop.client).await.unwrap();
    // The clock is set back by an hour, and the commit stays in the past.
    server.clock.jump(-3_600_000_000);
    let id = shop.affiliate_id.clone();
    let now = balances(&mut shop.client, &id, None).await;
    assert_eq!((balances(&mut shop.client, &id, Some(committed)).await, now.len()), (now, 1));
    let as_of_time = Some(timestamp(committed + 1));
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), as_of_time };
    let refused = shop.client.rewards.get_balance(request).await.unwrap_err();
    let fields = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!((refused.code(), fields[0].field.as_str(), fields.len()), (Code::InvalidArgument, "as_of_time", 1));
    let request = pb::ListBalancesRequest { as_of_time, ..Default::default() };
    assert_eq!(shop.client.rewards.list_balances(request).await.unwrap_err().code(), Code::InvalidArgument);
    // The next commit is later by a microsecond, whatever the clock says.
    shop.client.tracking.record_sale(sale(2)).await.unwrap();
    assert_eq!(newest_commit(&mut shop.client).await, Some(committed + 1));
});

db_test!(n10_an_erased_affiliate_keeps_the_balances_of_the_past, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    shop.client.tracking.record_sale(sale(1)).await.unwrap();
    let first = newest_commit(&mut shop.client).await.unwrap();
    let id = shop.affiliate_id.clone();
    let then = balances(&mut shop.client, &id, None).await;
    shop.client.tracking.record_sale(sale(2)).await.unwrap();
    let request = pb::EraseAffiliateRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    shop.client.affiliates.erase_affiliate(request).await.unwrap();
    assert_eq!(balances(&mut shop.client, &id, Some(first)).await, then);
    let lines = statement::whole(&mut shop.client, &id).await.lines;
    assert_eq!(lines.iter().filter(|line| line.reason() == pb::LedgerReason::Earned).count(), 2);
});
