//! VerifyLedger finds changes that were made directly in the database, and reports nothing if there are none.

use std::collections::BTreeSet;
use std::time::Duration;

use headwater::app::verify::{Report, verify_in_slices};
use headwater::domain::id::AccountId;
use headwater::domain::ledger::entry_hash;
use headwater::pb;
use headwater::store::entity::{
    account_head, balance, click, event_segment, ledger_entry, list_tail, payout, reward, statistic_block,
    statistic_tail,
};
use headwater::store::list::Walk;
use headwater::store::{self, Store};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Database, DatabaseConnection, EntityTrait, QueryFilter, UpdateMany};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

/// An account with a click and four ledger entries: two sales, the first approved, the second refunded by half.
async fn open_shop(server: &TestServer, name: &str) -> (Shop, Uuid) {
    let mut shop = Shop::open(server, name).await;
    let account =
        shop.client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..pb::RecordClickRequest::default() };
    shop.client.tracking.record_click(click).await.unwrap();
    let first = record_sale(&mut shop, "sale-1").await;
    let reward_ids = first.rewards.into_iter().map(|reward| reward.reward_id).collect();
    let request = pb::ApproveRewardsRequest { reward_ids, ..pb::ApproveRewardsRequest::default() };
    shop.client.rewards.approve_rewards(request).await.unwrap();
    record_sale(&mut shop, "sale-2").await;
    let request = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-2".to_owned(),
        amount: Some(usd(500)),
        ..pb::RecordRefundRequest::default()
    };
    shop.client.tracking.record_refund(request).await.unwrap();
    let account_id = Uuid::try_parse(account.id.strip_prefix("acc_").unwrap()).unwrap();
    (shop, account_id)
}

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

async fn record_sale(shop: &mut Shop, event_id: &str) -> pb::RecordSaleResponse {
    let request = pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(usd(1_000)),
        ..pb::RecordSaleRequest::default()
    };
    shop.client.tracking.record_sale(request).await.unwrap().into_inner()
}

async fn verify(shop: &mut Shop) -> pb::VerifyLedgerResponse {
    shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner()
}

/// A direct change of the tables.
#[derive(Debug, Clone, Copy)]
enum Tampering {
    EntryRaised,
    /// A change with the row's own hash recomputed.
    EntryRewritten,
    EntryRemoved,
    LastEntryRemoved,
    EntryMovedToAnotherReward,
    EntryPutBack,
    EntryOfAnotherVersion,
    HeadRewritten,
    BalanceRaised,
    BalancePaid,
    BalanceInvented,
    RewardApproved,
    RewardRemoved,
    EventRemoved,
    FiguresRemoved,
    ClickRemoved,
}

impl Tampering {
    const ALL: [(Self, &'static str); 16] = [
        (Self::EntryRaised, "entry 2: the hash does not fit"),
        (Self::EntryRewritten, "entry 3: the hash does not fit"),
        (Self::EntryRemoved, "entry 3 stands in the place of 2"),
        (Self::LastEntryRemoved, "the head counts 4 entries, 3 are there"),
        (Self::EntryMovedToAnotherReward, "has entries and does not exist"),
        (Self::EntryPutBack, "entry 2: it is older than the one before"),
        (Self::EntryOfAnotherVersion, "entry 2: its hash is of version 7, which this server does not know"),
        (Self::HeadRewritten, "the last entry's hash is not the head's"),
        (
            Self::BalanceRaised,
            "101 pending, 200 owed, 0 in flight, 0 frozen and 0 paid are kept, the entries say 100, 200, 0, 0 and 0",
        ),
        (
            Self::BalancePaid,
            "200 owed, 0 in flight, 0 frozen and 1 paid are kept, the entries say 100, 200, 0, 0 and 0",
        ),
        (Self::BalanceInvented, "has no entries"),
        (
            Self::RewardApproved,
            "is approved with 2.00 USD, the entries say 200 pending, 0 payable, 0 frozen and 0 fulfilled",
        ),
        (Self::RewardRemoved, "has entries and does not exist"),
        (Self::EventRemoved, "the feed should hold"),
        (Self::FiguresRemoved, ": none are kept, the rows say 1 clicks, 2 sales, 1 refunds"),
        (Self::ClickRemoved, ": 1 clicks are kept, the rows say none"),
    ];

    async fn commit(self, store: &Store, database: &DatabaseConnection, account_id: Uuid) {
        let entries = ledger_entry::Column::AccountId.eq(account_id);
        let second = entries.clone().and(ledger_entry::Column::Sequence.eq(2));
        let pending = reward::Column::AccountId.eq(account_id).and(reward::Column::State.eq("pending"));
        let the_sale = pending.clone().and(reward::Column::ValueMinor.eq(200));
        let balances = balance::Column::AccountId.eq(account_id);
        match self {
            Self::EntryRaised => {
                let raised = Expr::col(ledger_entry::Column::AmountMinor).add(1);
                let update = ledger_entry::Entity::update_many().col_expr(ledger_entry::Column::AmountMinor, raised);
                apply(update.filter(second), database).await;
            }
            Self::EntryRewritten => rewrite_second_entry(store, database, account_id).await,
            Self::EntryRemoved => remove::<ledger_entry::Entity>(second, database).await,
            Self::LastEntryRemoved => {
                remove::<ledger_entry::Entity>(entries.and(ledger_entry::Column::Sequence.eq(4)), database).await;
            }
            Self::EntryMovedToAnotherReward => {
                let nobody = Expr::value(Uuid::from_u128(1));
                let update = ledger_entry::Entity::update_many().col_expr(ledger_entry::Column::SubjectId, nobody);
                apply(update.filter(second), database).await;
            }
            Self::EntryPutBack => {
                let early = Expr::value(1_i64);
                let update = ledger_entry::Entity::update_many().col_expr(ledger_entry::Column::PostedAt, early);
                apply(update.filter(second), database).await;
            }
            Self::EntryOfAnotherVersion => {
                let version = Expr::value(7);
                let update = ledger_entry::Entity::update_many().col_expr(ledger_entry::Column::HashVersion, version);
                apply(update.filter(second), database).await;
            }
            Self::HeadRewritten => {
                let hash = Expr::value(vec![7_u8; 32]);
                let update = account_head::Entity::update_many().col_expr(account_head::Column::LedgerHash, hash);
                apply(update.filter(account_head::Column::AccountId.eq(account_id)), database).await;
            }
            Self::BalanceRaised => {
                let raised = Expr::col(balance::Column::PendingMinor).add(1);
                let update = balance::Entity::update_many().col_expr(balance::Column::PendingMinor, raised);
                apply(update.filter(balances), database).await;
            }
            Self::BalancePaid => {
                let update = balance::Entity::update_many().col_expr(balance::Column::PaidMinor, Expr::value(1));
                apply(update.filter(balances), database).await;
            }
            Self::BalanceInvented => {
                let kept = balance::Entity::find().filter(balances).one(database).await.unwrap().unwrap();
                let invented = balance::Model { currency: "JPY".to_owned(), ..kept };
                balance::Entity::insert(balance::ActiveModel::from(invented))
                    .exec_without_returning(database)
                    .await
                    .unwrap();
            }
            Self::RewardApproved => {
                let update = reward::Entity::update_many().col_expr(reward::Column::State, Expr::value("approved"));
                apply(update.filter(the_sale), database).await;
            }
            Self::RewardRemoved => remove::<reward::Entity>(the_sale, database).await,
            Self::EventRemoved => {
                let middle =
                    event_segment::Column::AccountId.eq(account_id).and(event_segment::Column::LastSequence.eq(3));
                remove::<event_segment::Entity>(middle, database).await;
            }
            Self::FiguresRemoved => {
                // Some may be folded already.
                let of_account = statistic_tail::Column::AccountId.eq(account_id);
                statistic_tail::Entity::delete_many().filter(of_account).exec(database).await.unwrap();
                let of_account = list_tail::Column::AccountId.eq(account_id);
                let update = list_tail::Entity::update_many()
                    .col_expr(list_tail::Column::Figures, Expr::value(Vec::<u8>::new()));
                update.filter(of_account).exec(database).await.unwrap();
                let of_account = statistic_block::Column::AccountId.eq(account_id);
                statistic_block::Entity::delete_many().filter(of_account).exec(database).await.unwrap();
            }
            Self::ClickRemoved => remove::<click::Entity>(click::Column::AccountId.eq(account_id), database).await,
        }
    }
}

/// A manipulation that also recomputes the hashes.
async fn rewrite_second_entry(store: &Store, database: &DatabaseConnection, account_id: Uuid) {
    let second = ledger_entry::Column::AccountId.eq(account_id).and(ledger_entry::Column::Sequence.eq(2));
    let raised = Expr::col(ledger_entry::Column::AmountMinor).add(1);
    let update = ledger_entry::Entity::update_many().col_expr(ledger_entry::Column::AmountMinor, raised);
    apply(update.filter(second.clone()), database).await;
    let entries = store::ledger::list(store, AccountId::from_uuid(account_id), None, Walk::first(2)).await.unwrap();
    let hash = entry_hash(&entries[0].hash, 2, &entries[1].posting);
    let update = ledger_entry::Entity::update_many().col_expr(ledger_entry::Column::Hash, Expr::value(hash.to_vec()));
    apply(update.filter(second), database).await;
}

async fn apply<E: EntityTrait>(update: UpdateMany<E>, database: &DatabaseConnection) {
    assert_eq!(update.exec(database).await.unwrap().rows_affected, 1);
}

async fn remove<E: EntityTrait>(which: Expr, database: &DatabaseConnection) {
    assert_eq!(E::delete_many().filter(which).exec(database).await.unwrap().rows_affected, 1);
}

db_test!(verify_ledger_finds_tampered_rows, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    for (tampering, words) in Tampering::ALL {
        let (mut shop, account_id) = open_shop(&server, &format!("{tampering:?}")).await;
        let report = verify(&mut shop).await;
        assert!(report.ok, "{:?}", report.differences);
        assert_eq!((report.entry_count, report.reward_count), (4, 3));
        let store = server.server.app().store();
        for slice_rows in [1, 2, 3] {
            let report = verify_in_slices(store, AccountId::from_uuid(account_id), slice_rows).await.unwrap();
            assert_eq!(report.differences, Vec::<String>::new(), "{slice_rows} rows");
            assert_eq!((report.entry_count, report.reward_count), (4, 3));
        }

        tampering.commit(server.server.app().store(), &connection, account_id).await;
        let report = verify(&mut shop).await;
        assert!(!report.ok, "{tampering:?} was not found");
        assert!(report.differences.iter().any(|text| text.contains(words)), "{tampering:?}: {:?}", report.differences);
        for slice_rows in [1, 2, 3] {
            let sliced = verify_in_slices(store, AccountId::from_uuid(account_id), slice_rows).await.unwrap();
            assert_eq!(sliced.differences, report.differences, "{tampering:?} in slices of {slice_rows} rows");
        }
    }
    connection.close().await.unwrap();
});

db_test!(ledger_entries_name_a_reward_and_its_conversion, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let (mut shop, _) = open_shop(&server, "books").await;
    let rewards = &mut shop.client.rewards;
    let listed = rewards.list_rewards(pb::ListRewardsRequest::default()).await.unwrap().into_inner().rewards;
    let mut earned: BTreeSet<_> = listed.into_iter().map(|reward| (reward.id, reward.conversion_id)).collect();
    assert_eq!(earned.len(), 3);
    let entries =
        rewards.list_ledger_entries(pb::ListLedgerEntriesRequest::default()).await.unwrap().into_inner().entries;
    assert_eq!(entries.len(), 4);
    for entry in &entries {
        assert!(earned.contains(&(entry.reward_id.clone(), entry.conversion_id.clone())), "{entry:?}");
    }
    for entry in entries {
        earned.remove(&(entry.reward_id, entry.conversion_id));
    }
    assert!(earned.is_empty(), "{earned:?} have no entries");
});

db_test!(verifying_while_sales_are_written_finds_nothing, |database: TestDatabase| async move {
    const SALES: usize = 400;
    let server = TestServer::start(&database).await;
    let (mut shop, _) = open_shop(&server, "busy").await;
    let mut seller = Shop { client: shop.client.clone(), program_id: String::new(), affiliate_id: String::new() };
    let selling = tokio::spawn(async move {
        for number in 0..SALES {
            record_sale(&mut seller, &format!("busy-{number}")).await;
        }
    });
    let mut reports = 0;
    while !selling.is_finished() {
        let report = verify(&mut shop).await;
        assert!(report.ok, "{:?}", report.differences);
        reports += 1;
    }
    selling.await.unwrap();
    assert!(reports > 2, "only {reports} reports were made meanwhile");
});

db_test!(verifying_in_small_slices_while_everything_moves_finds_nothing, |database: TestDatabase| async move {
    const SALES: usize = 150;
    let server = TestServer::start(&database).await;
    let (shop, account_id) = open_shop(&server, "busy").await;
    let mut sellers = Vec::new();
    for seller in 0..3 {
        let mut seller_shop =
            Shop { client: shop.client.clone(), program_id: String::new(), affiliate_id: String::new() };
        sellers.push(tokio::spawn(async move {
            for number in 0..SALES {
                let event_id = format!("busy-{seller}-{number}");
                let sale = record_sale(&mut seller_shop, &event_id).await;
                let reward_ids = sale.rewards.into_iter().map(|reward| reward.reward_id).collect();
                if number % 3 == 0 {
                    let request = pb::ApproveRewardsRequest { reward_ids, ..pb::ApproveRewardsRequest::default() };
                    seller_shop.client.rewards.approve_rewards(request).await.unwrap();
                }
                // Two refunds of a half: the second one reverses the reward and the first refund's.
                for part in 0..number % 4 {
                    let request = pb::RecordRefundRequest {
                        event_id: format!("{event_id}-refund-{part}"),
                        sale_event_id: event_id.clone(),
                        amount: Some(usd(500)),
                        ..pb::RecordRefundRequest::default()
                    };
                    let refunded = seller_shop.client.tracking.record_refund(request).await;
                    assert_eq!(refunded.is_ok(), part < 2);
                }
            }
        }));
    }
    let store = server.server.app().store();
    let account_id = AccountId::from_uuid(account_id);
    let mut reports = 0;
    while !sellers.iter().all(tokio::task::JoinHandle::is_finished) {
        for slice_rows in [1, 7, 40] {
            let report = verify_in_slices(store, account_id, slice_rows).await.unwrap();
            assert_eq!(report.differences, Vec::<String>::new(), "in slices of {slice_rows} rows");
            reports += 1;
        }
    }
    for seller in sellers {
        seller.await.unwrap();
    }
    assert!(reports > 2, "only {reports} reports were made meanwhile");
    // At rest, every way to read the books finds the same.
    let whole = verify_in_slices(store, account_id, 1_000_000).await.unwrap();
    let sliced = verify_in_slices(store, account_id, 13).await.unwrap();
    let numbers = |report: &Report| (report.entry_count, report.reward_count, report.event_count);
    assert_eq!((numbers(&whole), &whole.totals), (numbers(&sliced), &sliced.totals));
});

/// SQLite cannot shorten its log past a snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn verifying_without_a_pause_leaves_the_log_of_sqlite_short() {
    /// Twice the size at which SQLite begins to copy the log into the file.
    const LOG_BYTES_MAX: u64 = 64 << 20;
    const CALLS: usize = 10;
    let database = TestDatabase::sqlite().await;
    let server = TestServer::start(&database).await;
    let mut shops = Vec::new();
    for name in ["first", "second", "third"] {
        shops.push(open_shop(&server, name).await);
    }
    let batch = |name: String| pb::BatchRecordEventsRequest {
        items: (0..1_000)
            .map(|number| {
                let request = pb::RecordSaleRequest {
                    event_id: format!("{name}-{number}"),
                    coupon_code: "ANN".to_owned(),
                    amount: Some(usd(1_000)),
                    ..pb::RecordSaleRequest::default()
                };
                pb::BatchItem { item: Some(pb::batch_item::Item::Sale(request)) }
            })
            .collect(),
    };
    for (shop, _) in &shops {
        let mut client = shop.client.clone();
        for call in 0..4 {
            client.tracking.batch_record_events(batch(format!("before-{call}"))).await.unwrap();
        }
    }
    let writers: Vec<_> = shops[..2]
        .iter()
        .map(|(shop, _)| {
            let mut client = shop.client.clone();
            let calls: Vec<_> = (0..CALLS).map(|call| batch(format!("beside-{call}"))).collect();
            tokio::spawn(async move {
                for call in calls {
                    client.tracking.batch_record_events(call).await.unwrap();
                }
            })
        })
        .collect();
    let stop = CancellationToken::new();
    let auditors: Vec<_> = shops
        .into_iter()
        .map(|(mut shop, _)| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut reports = 0;
                while !stop.is_cancelled() {
                    // Of three, one is refused at any time.
                    if let Ok(report) = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await {
                        assert!(report.get_ref().ok, "{:?}", report.get_ref().differences);
                        reports += 1;
                    } else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                reports
            })
        })
        .collect();
    let log = format!("{}-wal", database.url.trim_start_matches("sqlite://"));
    let mut largest = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        largest = Ord::max(largest, std::fs::metadata(&log).map_or(0, |log| log.len()));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    stop.cancel();
    let mut reports = 0;
    for auditor in auditors {
        reports += auditor.await.unwrap();
    }
    assert!(reports > 2, "only {reports} reports were made meanwhile");
    assert!(largest <= LOG_BYTES_MAX, "the log grew to {} MiB", largest >> 20);
}

db_test!(verify_ledger_finds_tampered_rewards_by_hand, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    let (mut shop, account_id) = open_shop(&server, "shop").await;
    let selector = pb::enrollment_selector::Selector::RefId("ann".to_owned());
    let enrollment = pb::EnrollmentSelector { selector: Some(selector) };
    let points = pb::RewardValue { amount: Some(pb::reward_value::Amount::Points(50)) };
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(enrollment)),
        value: Some(points),
        ..Default::default()
    };
    let reward = shop.client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
    let request = pb::FulfillRewardRequest { reward_id: reward.id, ..Default::default() };
    shop.client.rewards.fulfill_reward(request).await.unwrap();
    assert!(verify(&mut shop).await.ok);
    let in_points = reward::Column::AccountId.eq(account_id).and(reward::Column::Unit.eq("points"));
    for (column, value, words) in [
        (
            reward::Column::State,
            Expr::value("approved"),
            "is approved with 50 points, the entries say 0 pending, 0 payable, 0 frozen and 50 fulfilled",
        ),
        (reward::Column::State, Expr::value("paid"), ""),
        (reward::Column::ValueMinor, Expr::value(51), "is paid with 51 points, the entries say"),
        (reward::Column::ValueMinor, Expr::value(50), ""),
    ] {
        let update = reward::Entity::update_many().col_expr(column, value);
        apply(update.filter(in_points.clone()), &connection).await;
        let report = verify(&mut shop).await;
        assert_eq!(report.ok, words.is_empty());
        let is_told = report.differences.iter().any(|text| text.contains(words));
        assert!(words.is_empty() || is_told, "{:?}", report.differences);
    }
    let of_points = balance::Column::AccountId.eq(account_id).and(balance::Column::Unit.eq("points"));
    let update = balance::Entity::update_many().col_expr(balance::Column::PaidMinor, Expr::value(49));
    apply(update.filter(of_points), &connection).await;
    let report = verify(&mut shop).await;
    let words =
        "in points: 0 pending, 0 owed, 0 in flight, 0 frozen and 49 paid are kept, the entries say 0, 0, 0, 0 and 50";
    assert!(report.differences.iter().all(|text| text.contains(words)) && !report.ok, "{:?}", report.differences);
    connection.close().await.unwrap();
});

db_test!(verify_ledger_finds_tampered_reservations, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    let (mut shop, account_id) = open_shop(&server, "shop").await;
    let request = pb::CreatePayoutRequest {
        affiliate: Some(shop.affiliate()),
        currency_code: "USD".to_owned(),
        ..Default::default()
    };
    shop.client.payouts.create_payout(request).await.unwrap();
    assert!(verify(&mut shop).await.ok);
    let mine = payout::Column::AccountId.eq(account_id);
    for (state, words) in [
        ("paid", "is paid with 2.00 USD, the entries say -200 payable, 200 in flight and 0 paid"),
        ("cancelled", "is cancelled and pays 1 rewards with 2.00 USD, and 1 rewards name it, with 200 in all"),
        ("needs_approval", ""),
        ("ready", ""),
    ] {
        let update = payout::Entity::update_many().col_expr(payout::Column::State, Expr::value(state));
        apply(update.filter(mine.clone()), &connection).await;
        let report = verify(&mut shop).await;
        assert_eq!(report.ok, words.is_empty(), "{:?}", report.differences);
        assert!(report.ok || report.differences.iter().any(|text| text.contains(words)), "{:?}", report.differences);
    }
    let reserved = reward::Column::AccountId.eq(account_id).and(reward::Column::State.eq("in_payout"));
    let update = reward::Entity::update_many().col_expr(reward::Column::State, Expr::value("approved"));
    apply(update.filter(reserved), &connection).await;
    let report = verify(&mut shop).await;
    let words = "is ready, and 0 of its 1 rewards are reserved";
    assert!(report.differences.iter().any(|text| text.contains(words)), "{:?}", report.differences);
    connection.close().await.unwrap();
});

db_test!(verify_ledger_finds_tampered_payouts, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    let (mut shop, account_id) = open_shop(&server, "shop").await;
    let request = pb::ListRewardsRequest {
        states: vec![pb::RewardState::Approved.into()],
        affiliate: Some(shop.affiliate()),
        ..Default::default()
    };
    let approved = shop.client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    let reward_ids = approved.into_iter().map(|reward| reward.id).collect();
    let request = pb::MarkPaidRequest { affiliate: Some(shop.affiliate()), reward_ids, ..Default::default() };
    shop.client.payouts.mark_paid(request).await.unwrap();
    assert!(verify(&mut shop).await.ok);
    let mine = payout::Column::AccountId.eq(account_id);
    for (column, value, words) in [
        (
            payout::Column::AmountMinor,
            201,
            "is paid with 2.01 USD, the entries say -200 payable, 0 in flight and 200 paid",
        ),
        (payout::Column::AmountMinor, 200, ""),
        (
            payout::Column::RewardCount,
            2,
            "is paid and pays 2 rewards with 2.00 USD, and 1 rewards name it, with 200 in all",
        ),
        (payout::Column::RewardCount, 1, ""),
    ] {
        let update = payout::Entity::update_many().col_expr(column, Expr::value(value));
        apply(update.filter(mine.clone()), &connection).await;
        let report = verify(&mut shop).await;
        assert_eq!(report.ok, words.is_empty(), "{:?}", report.differences);
        assert!(report.ok || report.differences.iter().any(|text| text.contains(words)), "{:?}", report.differences);
    }
    let paid = reward::Column::AccountId.eq(account_id).and(reward::Column::State.eq("paid"));
    let update = reward::Entity::update_many().col_expr(reward::Column::PayoutId, Expr::value(Option::<Uuid>::None));
    apply(update.filter(paid), &connection).await;
    let report = verify(&mut shop).await;
    let words = "and 0 rewards name it, with 0 in all";
    assert!(report.differences.iter().any(|text| text.contains(words)), "{:?}", report.differences);
    remove::<payout::Entity>(mine, &connection).await;
    let report = verify(&mut shop).await;
    let is_told = report.differences.iter().any(|text| text.contains("pay_") && text.contains("does not exist"));
    assert!(is_told, "{:?}", report.differences);
    connection.close().await.unwrap();
});
