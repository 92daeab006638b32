//! VerifyLedger finds changes that were made directly in the database, and reports nothing if there are none.

use std::collections::BTreeSet;

use headwater::domain::id::AccountId;
use headwater::domain::ledger::entry_hash;
use headwater::pb;
use headwater::store::entity::{account_head, balance, event_segment, ledger_entry, reward};
use headwater::store::list::Walk;
use headwater::store::{self, Store};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Database, DatabaseConnection, EntityTrait, QueryFilter, UpdateMany};
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

/// An account with four ledger entries: two sales, the first approved, the second refunded by half.
async fn open_shop(server: &TestServer, name: &str) -> (Shop, Uuid) {
    let mut shop = Shop::open(server, name).await;
    let account =
        shop.client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
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
    EntryOfAnotherVersion,
    HeadRewritten,
    BalanceRaised,
    BalanceInvented,
    RewardApproved,
    RewardRemoved,
    EventRemoved,
}

impl Tampering {
    const ALL: [(Self, &'static str); 12] = [
        (Self::EntryRaised, "entry 2: the hash does not fit"),
        (Self::EntryRewritten, "entry 3: the hash does not fit"),
        (Self::EntryRemoved, "entry 3 stands in the place of 2"),
        (Self::LastEntryRemoved, "the head counts 4 entries, 3 are there"),
        (Self::EntryMovedToAnotherReward, "has entries and does not exist"),
        (Self::EntryOfAnotherVersion, "entry 2: its hash is of version 7, which this server does not know"),
        (Self::HeadRewritten, "the last entry's hash is not the head's"),
        (Self::BalanceRaised, "101 pending and 200 owed are kept, the entries say 100 and 200"),
        (Self::BalanceInvented, "has no entries"),
        (Self::RewardApproved, "is approved with 2.00 USD, the entries say 200 pending and 0 payable"),
        (Self::RewardRemoved, "has entries and does not exist"),
        (Self::EventRemoved, "the feed should hold"),
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

        tampering.commit(server.server.app().store(), &connection, account_id).await;
        let report = verify(&mut shop).await;
        assert!(!report.ok, "{tampering:?} was not found");
        assert!(report.differences.iter().any(|text| text.contains(words)), "{tampering:?}: {:?}", report.differences);
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
