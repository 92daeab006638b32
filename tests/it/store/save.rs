//! Saving: updates, numbers without a gap, balances, waiting rows, conflicts, and two concurrent writers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use headwater::clock::RandomIds;
use headwater::domain::conversion::{Conversion, ConversionKind, ConversionOutcome, ConversionSelector, WaitingRefund};
use headwater::domain::coupon::{Coupon, CouponState};
use headwater::domain::decide;
use headwater::domain::id::{AccountId, ConversionId};
use headwater::domain::lead::{Customer, Lead, LeadSelector, UnmatchedSale};
use headwater::domain::ledger::{Balance, GENESIS_HASH, entry_hash};
use headwater::domain::request::{Request, RequestKey};
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::rule::add_needs;
use headwater::domain::set::{Kind, Needs, WorkingSet};
use headwater::domain::time::Time;
use headwater::pb;
use headwater::store::event::{SEGMENT_EVENTS_MAX, Segment};
use headwater::store::list::Walk;
use headwater::store::{self, Store, StoreError, StoreOptions};

use sea_orm::sea_query::Expr;
use sea_orm::{Database, EntityTrait};

use super::{encode_body, load, lock, needs, open_with_account, read, write};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::request::envelope;
use crate::support::rows::{self, ACCOUNT, NOW, uuid};
use crate::support::store::{open, options};

db_test!(a_changed_row_replaces_the_old_one, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let lead = rows::lead();
    write(&store, Needs::default(), |set| _ = set.put(lead.clone()), NOW).await.unwrap();

    let needs = || needs(|needs| needs.lead(ACCOUNT, LeadSelector::Id(lead.id)));
    let changed = Arc::new(Lead { binding: None, mrr: None, external_id: None, ..lead.clone() });
    write(&store, needs(), |set| _ = set.put::<Lead>(Arc::clone(&changed)), NOW).await.unwrap();
    assert_eq!(read(&store, needs()).await.leads.get(&(ACCOUNT, lead.id)), Some(&changed));
});

db_test!(a_name_that_is_given_up_is_free_in_the_same_batch, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let old = rows::coupon(1, "ADA10", CouponState::Active);
    write(&store, Needs::default(), |set| _ = set.put(old.clone()), NOW).await.unwrap();
    let change = |set: &mut WorkingSet| {
        set.put(rows::coupon(1, "ADA10", CouponState::Removed));
        set.put(rows::coupon(2, "ADA10", CouponState::Active));
    };
    write(&store, needs(|needs| needs.row::<Coupon>(old.key())), change, NOW).await.unwrap();
});

db_test!(a_name_that_is_taken_is_a_conflict_and_nothing_is_written, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let change = |number| {
        move |set: &mut WorkingSet| {
            set.put(rows::coupon(number, "ADA10", CouponState::Active));
            set.events.push(rows::event(ACCOUNT, 1));
        }
    };
    write(&store, Needs::default(), change(1), NOW).await.unwrap();
    assert_eq!(write(&store, Needs::default(), change(2), NOW).await, Err(StoreError::Conflict));
    let head = store::account_head::head(&store, ACCOUNT).await.unwrap();
    assert_eq!((head.event_sequence, store::event::count(&store, ACCOUNT).await.unwrap()), (1, 1));
});

db_test!(events_and_entries_are_numbered_without_a_gap, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let sale = rows::sale(1);
    let reward = rows::reward(1, &sale, None);
    for batch in 0..3_u128 {
        let change = |set: &mut WorkingSet| {
            set.events = vec![
                rows::event(ACCOUNT, 2 * batch),
                // The same batch adds an event to the server's own feed.
                rows::event(AccountId::SERVER, 100 + batch),
                rows::event(ACCOUNT, 2 * batch + 1),
            ];
            set.postings = vec![rows::posting(&reward), rows::posting(&reward)];
        };
        let now = NOW.plus_days(i32::try_from(batch).unwrap());
        write(&store, Needs::default(), change, now).await.unwrap();
    }
    let segments = store::event::read(&store, ACCOUNT, 0, 100).await.unwrap();
    let sequences = |segments: &[Segment]| -> Vec<i64> {
        segments.iter().flat_map(Segment::events).map(|(sequence, ..)| sequence).collect()
    };
    assert_eq!(sequences(&segments), [1, 2, 3, 4, 5, 6]);
    assert_eq!(segments.iter().map(|segment| segment.last_sequence).collect::<Vec<_>>(), [2, 4, 6]);
    let fact = rows::event(ACCOUNT, 0);
    let mut body = Vec::new();
    encode_body(&fact, &mut body);
    assert_eq!(segments[0].events().next(), Some((1, &fact.header(), &*body)));
    for (after, limit, expected) in [(4, 1, &[5, 6][..]), (3, 1, &[3, 4]), (3, 2, &[3, 4, 5, 6]), (6, 100, &[])] {
        let read = store::event::read(&store, ACCOUNT, after, limit).await.unwrap();
        assert_eq!(sequences(&read), expected, "after {after}, {limit}");
    }
    assert_eq!(store::account_head::heads(&store, &[ACCOUNT, AccountId::SERVER]).await.unwrap().len(), 2);
    assert_eq!(store::account_head::head(&store, AccountId::SERVER).await.unwrap().event_sequence, 3);

    let entries = store::ledger::list(&store, ACCOUNT, None, Walk::first(100)).await.unwrap();
    let mut previous = GENESIS_HASH;
    for (sequence, entry) in (1..).zip(&entries) {
        assert_eq!(entry.sequence, sequence);
        assert_eq!(entry.hash, entry_hash(&previous, sequence, &entry.posting));
        previous = entry.hash;
    }
    let head = store::account_head::head(&store, ACCOUNT).await.unwrap();
    assert_eq!((head.ledger_sequence, head.ledger_hash), (6, previous));
    let balances = store::ledger::balances(&store, ACCOUNT, rows::affiliate().id).await.unwrap();
    let sum = Balance { pending_minor: 6000, ..Balance::default() };
    assert_eq!(balances, [(entries[0].posting.balance_key(), sum)]);
    assert_eq!(store::ledger::all_balances(&store, ACCOUNT).await.unwrap(), balances);
});

db_test!(a_long_commit_makes_several_segments_without_a_gap, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let count = 2 * SEGMENT_EVENTS_MAX as u128 + 7;
    let change = |set: &mut WorkingSet| set.events = (0..count).map(|number| rows::event(ACCOUNT, number)).collect();
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let (mut position, mut segments) = (0, 0);
    loop {
        let page = store::event::read(&store, ACCOUNT, position, 1).await.unwrap();
        let Some(segment) = page.first() else { break };
        assert_eq!((page.len(), segment.first_sequence), (1, position + 1));
        assert!(segment.events().count() <= SEGMENT_EVENTS_MAX);
        position = segment.last_sequence;
        segments += 1;
    }
    assert!(segments >= 3, "{segments}");
    assert_eq!(u128::try_from(position).unwrap(), count);
    assert_eq!(store::event::count(&store, ACCOUNT).await.unwrap(), position);
});

db_test!(a_segment_that_was_changed_is_an_error_that_names_its_row, |database: TestDatabase| async move {
    use headwater::store::entity::event_segment::{Column, Entity};
    let store = open_with_account(&database).await;
    let change = |set: &mut WorkingSet| set.events = (0..100).map(|number| rows::event(ACCOUNT, number)).collect();
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let whole = store::event::read(&store, ACCOUNT, 0, 1).await.unwrap();
    let connection = Database::connect(&database.url).await.unwrap();
    let row = Entity::find().one(&connection).await.unwrap().unwrap();
    assert_eq!(row.events[0], 2, "compressed, on both databases");
    assert!(row.events.len() < whole[0].byte_count() / 2, "{} bytes", row.events.len());

    let changed_at = |place: usize, bytes: &[u8]| {
        let mut changed = row.events.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let last = row.events.len() - 1;
    let too_long = [changed_at(5, &[0xff; 4]), changed_at(5, &i32::MAX.to_le_bytes())];
    let damaged = [
        changed_at(last, &[row.events[last] ^ 1]),
        changed_at(1, &[row.events[1] ^ 1]),
        changed_at(0, &[1]),
        changed_at(0, &[3]),
        row.events[..last].to_vec(),
        row.events[..7].to_vec(),
        Vec::new(),
        b"anything else".to_vec(),
    ];
    for bytes in damaged.into_iter().chain(too_long) {
        Entity::update_many().col_expr(Column::Events, Expr::value(bytes)).exec(&connection).await.unwrap();
        let expected = StoreError::Inconsistent { table: "event_segment", row: ACCOUNT.uuid() };
        assert_eq!(store::event::read(&store, ACCOUNT, 0, 1).await, Err(expected));
    }
    Entity::update_many().col_expr(Column::Events, Expr::value(row.events)).exec(&connection).await.unwrap();
    assert_eq!(store::event::read(&store, ACCOUNT, 0, 1).await.unwrap(), whole);
});

#[tokio::test]
async fn the_log_of_sqlite_becomes_as_long_as_the_setting_says() {
    const MIB: u64 = 1 << 20;
    let mut lengths = Vec::new();
    for sqlite_checkpoint_mib in [1, 64] {
        let database = TestDatabase::sqlite().await;
        let store = Store::open(&StoreOptions { sqlite_checkpoint_mib, ..options(&database) }).await.unwrap();
        write(&store, Needs::default(), |set| _ = set.put(rows::account(ACCOUNT)), NOW).await.unwrap();
        for commit in 0..20 {
            let change = |set: &mut WorkingSet| (0..500).for_each(|row| _ = set.put(rows::sale(500 * commit + row)));
            write(&store, Needs::default(), change, NOW).await.unwrap();
        }
        let log = format!("{}-wal", database.url.strip_prefix("sqlite://").unwrap());
        lengths.push(std::fs::metadata(log).unwrap().len());
    }
    // A commit may exceed the length, because the copy follows it.
    assert!(lengths[0] < 4 * MIB && lengths[1] > 8 * MIB, "{lengths:?}");
}

db_test!(a_time_is_found_in_the_feed_and_old_events_are_pruned, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    for day in 1..=5 {
        let change = |set: &mut WorkingSet| {
            set.events = vec![rows::event(ACCOUNT, 2 * day), rows::event(ACCOUNT, 2 * day + 1)];
        };
        write(&store, Needs::default(), change, NOW.plus_days(i32::try_from(day).unwrap())).await.unwrap();
    }
    let at = async |time: Time| store::event::first_sequence_at(&store, ACCOUNT, time).await.unwrap();
    assert_eq!(at(NOW).await, 0);
    assert_eq!(at(NOW.plus_days(3)).await, 4);
    assert_eq!(at(Time::from_micros(NOW.plus_days(3).micros() + 1)).await, 6);
    assert_eq!(at(NOW.plus_days(9)).await, 10);

    let before = NOW.plus_days(3);
    assert_eq!(store::event::accounts_with_events_before(&store, before).await.unwrap(), [ACCOUNT]);
    for (limit, pruned) in [(1, 1), (100, 1), (100, 0)] {
        let transaction = store.begin().await.unwrap();
        let mut heads = lock(&transaction).await.unwrap();
        let head = heads.get_mut(&ACCOUNT).unwrap();
        assert_eq!(store::event::prune(&transaction, head, before, limit).await.unwrap(), pruned);
        transaction.commit().await.unwrap();
    }
    let head = store::account_head::head(&store, ACCOUNT).await.unwrap();
    assert_eq!((head.pruned_sequence, head.event_sequence), (4, 10));
    assert_eq!(store::event::count(&store, ACCOUNT).await.unwrap(), 6);
    assert_eq!((at(NOW).await, at(NOW.plus_days(4)).await), (4, 6));
    // If a reader's next event is gone, it gets the earliest kept event. It can then notice the gap.
    let first_kept = store::event::read(&store, ACCOUNT, 0, 1).await.unwrap();
    assert_eq!(first_kept.iter().map(|segment| segment.first_sequence).collect::<Vec<_>>(), [5]);
    assert!(store::event::accounts_with_events_before(&store, before).await.unwrap().is_empty());
});

db_test!(a_waiting_refund_is_found_until_it_is_settled, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let waiting = Arc::new(rows::refund(2, ConversionOutcome::Waiting));
    let row = rows::waiting_refund(&waiting);
    let change = |set: &mut WorkingSet| {
        set.put::<Conversion>(Arc::clone(&waiting));
        set.put(row.clone());
    };
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let needs = || needs(|needs| _ = needs.names.waiting_refunds.insert((ACCOUNT, "order-1".to_owned())));
    assert_eq!(read(&store, needs()).await.refunds_waiting_for(ACCOUNT, "order-1"), Ok(vec![&waiting]));

    let change = |set: &mut WorkingSet| {
        set.put(rows::refund(2, ConversionOutcome::Attributed));
        set.remove::<WaitingRefund>(&row.key());
    };
    write(&store, needs(), change, NOW).await.unwrap();
    assert_eq!(read(&store, needs()).await.refunds_waiting_for(ACCOUNT, "order-1"), Ok(vec![]));
    // The head counts a refund that has waited, so loads look for waiting refunds.
    assert_eq!(store::account_head::head(&store, ACCOUNT).await.unwrap().waited_refund_count, 1);
});

db_test!(a_refund_that_waits_only_within_its_batch_leaves_no_waiting_row, |database: TestDatabase| async move {
    use headwater::store::entity::waiting_refund::Entity;
    let store = open_with_account(&database).await;
    let amount = |amount_minor| Some(pb::Money { amount_minor, currency_code: "USD".to_owned() });
    let refund = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "order-1".to_owned(),
        amount: amount(400),
        ..pb::RecordRefundRequest::default()
    };
    let sale = pb::RecordSaleRequest {
        event_id: "order-1".to_owned(),
        external_id: "u-1".to_owned(),
        amount: amount(1_000),
        ..pb::RecordSaleRequest::default()
    };
    let batch = [envelope(&refund, ACCOUNT, NOW), envelope(&sale, ACCOUNT, NOW)];
    let change = |set: &mut WorkingSet| {
        decide(set, &batch[0], NOW, &mut RandomIds).unwrap();
        assert_eq!(set.waiting_refunds.inserted().len(), 1, "it waits");
        decide(set, &batch[1], NOW, &mut RandomIds).unwrap();
    };
    let needs = needs(|needs| batch.iter().for_each(|envelope| add_needs(needs, envelope)));
    write(&store, needs, change, NOW).await.unwrap();

    let find = async |kind, event_id| {
        let event = ConversionSelector::recorded_event(kind, event_id);
        store::conversion::find(&store, ACCOUNT, &event).await.unwrap()
    };
    let sale = find(ConversionKind::Sale, "order-1").await.unwrap().conversion;
    let refund = find(ConversionKind::Refund, "refund-1").await.unwrap().conversion;
    assert_eq!((sale.refunded_minor, refund.sale_id), (400, Some(sale.id)));
    let connection = Database::connect(&database.url).await.unwrap();
    assert_eq!(Entity::find().all(&connection).await.unwrap(), []);
    assert_eq!(store::account_head::head(&store, ACCOUNT).await.unwrap().waited_refund_count, 0);
});

db_test!(a_matched_sale_is_no_longer_unmatched, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let sales = [1, 2, 3].map(|number| Arc::new(Conversion { lead_id: None, ..rows::sale(number) }));
    let change = |set: &mut WorkingSet| {
        sales.iter().for_each(|sale| _ = set.put::<Conversion>(Arc::clone(sale)));
        sales.iter().for_each(|sale| _ = set.put(rows::unmatched_sale(sale)));
        // The batch that inserted it removes it.
        set.remove::<UnmatchedSale>(&sales[1].key());
    };
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let customer = Customer { external_id: Some("u-9".to_owned()), ..Customer::default() };
    let needs = || needs(|needs| needs.unmatched_sales(ACCOUNT, &customer));
    let left = read(&store, needs()).await;
    assert_eq!(left.unmatched_sales_of(ACCOUNT, None, &customer), Ok(vec![&sales[0], &sales[2]]));

    // A later batch removes it.
    write(&store, needs(), |set| set.remove::<UnmatchedSale>(&sales[2].key()), NOW).await.unwrap();
    let left = read(&store, needs()).await;
    assert_eq!(left.unmatched_sales_of(ACCOUNT, None, &customer), Ok(vec![&sales[0]]));
});

db_test!(request_keys_are_deleted_once_they_expire, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let effect = ConversionId::from_uuid(uuid(1)).uuid();
    let forever = Request { expires_at: None, ..rows::request("sale", "order-1", effect) };
    let requests = [forever.clone(), rows::request("m", "1", effect), rows::request("m", "2", effect)];
    let change = |set: &mut WorkingSet| requests.into_iter().for_each(|request| _ = set.put(request));
    write(&store, Needs::default(), change, NOW).await.unwrap();
    for (now, forgotten) in
        [(NOW.plus_days(29), 0), (NOW.plus_days(30), 1), (NOW.plus_days(30), 1), (NOW.plus_days(99), 0)]
    {
        let transaction = store.begin().await.unwrap();
        assert_eq!(store::request::forget(&transaction, now, 1).await.unwrap(), forgotten);
        transaction.commit().await.unwrap();
    }
    assert_eq!(store::request::find_effect(&store, &forever.key).await.unwrap(), Some(effect));
    let gone = RequestKey { scope: "m".to_owned(), key: "1".to_owned(), ..forever.key };
    assert_eq!(store::request::find_effect(&store, &gone).await.unwrap(), None);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_reused_while_expired_keys_are_deleted_stays_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open_with_account(&database).await;
    let first = rows::request("m", "1", uuid(1));
    write(&store, Needs::default(), |set| _ = set.put(first.clone()), NOW).await.unwrap();

    // One server uses the request again and is about to commit, while another deletes the expired ones.
    let later = NOW.plus_days(31);
    let again = Request { effect: uuid(2), expires_at: Some(later.plus_days(30)), ..first.clone() };
    let transaction = store.begin().await.unwrap();
    let mut heads = lock(&transaction).await.unwrap();
    let mut set = load(&transaction, needs(|needs| needs.row::<Request>(first.key()))).await.unwrap();
    set.put(again.clone());
    store::set::save(&transaction, &set, &mut heads, later, encode_body).await.unwrap();
    let other = open(&database).await;
    let forgetting = tokio::spawn(async move {
        let transaction = other.begin().await.unwrap();
        store::request::forget(&transaction, later, 10).await.unwrap();
        transaction.commit().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    transaction.commit().await.unwrap();
    forgetting.await.unwrap();
    assert_eq!(store::request::find_effect(&store, &first.key).await.unwrap(), Some(again.effect));
}

db_test!(rewards_fall_due_when_their_hold_period_ends, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let sale = rows::sale(1);
    let pending = rows::reward(1, &sale, None);
    let change = |set: &mut WorkingSet| {
        set.put(sale.clone());
        set.put(pending.clone());
        set.put(rows::reward(2, &sale, Some(pending.id)));
        set.put(Reward { state: RewardState::Approved, ..rows::reward(3, &sale, None) });
    };
    write(&store, Needs::default(), change, NOW).await.unwrap();
    assert!(store::reward::due(&store, NOW.plus_days(29), &[], 10).await.unwrap().is_empty());
    assert_eq!(store::reward::due(&store, NOW.plus_days(30), &[], 10).await.unwrap(), [(ACCOUNT, pending.id)]);
    assert!(store::reward::due(&store, NOW.plus_days(30), &[ACCOUNT], 10).await.unwrap().is_empty());
});

db_test!(a_batch_larger_than_a_statement_is_written_whole, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let count = 3000;
    let reward = |number| rows::reward(number, &rows::sale(number), None);
    let change = |set: &mut WorkingSet| {
        (1..=count).for_each(|number| _ = set.put(rows::sale(number)));
        (1..=count).for_each(|number| _ = set.put(reward(number)));
    };
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let needs = needs(|needs| (1..=count).for_each(|number| needs.row::<Reward>(reward(number).key())));
    let set = read(&store, needs).await;
    assert_eq!(set.rewards.iter().count(), usize::try_from(count).unwrap());
});

db_test!(the_heads_lock_is_the_accounts_write_lock, |database: TestDatabase| async move {
    let store = Arc::new(open_with_account(&database).await);
    let first = store.begin().await.unwrap();
    let mut heads = store::account_head::lock_heads(&first, &BTreeSet::from([ACCOUNT])).await.unwrap();

    let second = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            write(&store, Needs::default(), |set| set.events.push(rows::event(ACCOUNT, 2)), NOW).await
        })
    };
    if database.kind == DatabaseKind::Postgres {
        // A writer to another account does not wait.
        let transaction = store.begin().await.unwrap();
        let mut set = WorkingSet::default();
        set.put(rows::account(AccountId::from_uuid(uuid(5))));
        store::set::save(&transaction, &set, &mut BTreeMap::new(), NOW, encode_body).await.unwrap();
        transaction.commit().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!second.is_finished(), "the second writer must wait");

    let mut set = WorkingSet::default();
    set.events.push(rows::event(ACCOUNT, 1));
    store::set::save(&first, &set, &mut heads, NOW, encode_body).await.unwrap();
    first.commit().await.unwrap();
    second.await.unwrap().unwrap();
    let segments = store::event::read(&store, ACCOUNT, 0, 10).await.unwrap();
    let body = |number| {
        let mut body = Vec::new();
        encode_body(&rows::event(ACCOUNT, number), &mut body);
        body
    };
    let order: Vec<_> = segments.iter().flat_map(Segment::events).collect();
    let header = rows::event(ACCOUNT, 1).header();
    assert_eq!(order, [(1, &header, &*body(1)), (2, &header, &*body(2))]);
});

db_test!(a_balance_overflow_is_an_error_and_no_float, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let huge = Reward { value: rows::usd(5_000_000_000_000_000_000), ..rows::reward(1, &rows::sale(1), None) };
    let change = |set: &mut WorkingSet| set.postings.push(rows::posting(&huge));
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let result = write(&store, Needs::default(), change, NOW).await;
    assert!(matches!(result, Err(StoreError::Unexpected(_))), "{result:?}");
    let balances = store::ledger::balances(&store, ACCOUNT, huge.affiliate_id).await.unwrap();
    assert_eq!(balances[0].1.pending_minor, huge.value.amount_minor);
});

db_test!(a_dropped_transaction_is_rolled_back, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let transaction = store.begin().await.unwrap();
    let mut heads = lock(&transaction).await.unwrap();
    let mut set = WorkingSet::default();
    set.events.push(rows::event(ACCOUNT, 1));
    store::set::save(&transaction, &set, &mut heads, NOW, encode_body).await.unwrap();
    drop(transaction);
    assert_eq!(store::account_head::head(&store, ACCOUNT).await.unwrap().event_sequence, 0);
});
