//! Saving: updates, numbers without a gap, balances, what waits, conflicts, and two writers at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use headwater::domain::conversion::{ConversionImage, ConversionOutcome};
use headwater::domain::coupon::CouponState;
use headwater::domain::id::{AccountId, ConversionId};
use headwater::domain::lead::LeadSelector;
use headwater::domain::ledger::{Balance, GENESIS_HASH, entry_hash};
use headwater::domain::request::{Request, RequestKey};
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::time::Time;
use headwater::domain::working_set::{Changes, Needs, WorkingSet};
use headwater::store::catalogue::Catalogues;
use headwater::store::event::{SEGMENT_EVENTS_MAX, Segment};
use headwater::store::{self, StoreError};

use sea_orm::sea_query::Expr;
use sea_orm::{Database, EntityTrait};

use super::{encode_body, open_with_account, read, write};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::rows::{self, ACCOUNT, NOW, uuid};
use crate::support::store::open;

db_test!(a_changed_row_replaces_the_old_one, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let lead = rows::lead();
    let changes = Changes { leads: vec![lead.clone()], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();

    let needs = || Needs { leads: [(ACCOUNT, LeadSelector::Id(lead.id))].into(), ..Needs::default() };
    let changed = headwater::domain::lead::Lead { binding: None, mrr: None, uid: None, ..lead.clone() };
    let changes = Changes { leads: vec![changed.clone()], ..Changes::default() };
    write(&store, needs(), changes, NOW).await.unwrap();
    assert_eq!(read(&store, needs()).await.leads.get(&(ACCOUNT, lead.id)), Some(&changed));
});

db_test!(a_name_that_is_given_up_is_free_in_the_same_batch, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let old = rows::coupon(1, "ADA10", CouponState::Active);
    let changes = Changes { coupons: vec![old.clone()], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    let coupons = vec![rows::coupon(1, "ADA10", CouponState::Removed), rows::coupon(2, "ADA10", CouponState::Active)];
    let needs = Needs { coupons: [(ACCOUNT, old.id)].into(), ..Needs::default() };
    write(&store, needs, Changes { coupons, ..Changes::default() }, NOW).await.unwrap();
});

db_test!(a_name_that_is_taken_is_a_conflict_and_nothing_is_written, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let changes = || Changes { events: vec![rows::event(ACCOUNT, 1, None)], ..Changes::default() };
    let first = Changes { coupons: vec![rows::coupon(1, "ADA10", CouponState::Active)], ..changes() };
    write(&store, Needs::default(), first, NOW).await.unwrap();
    let second = Changes { coupons: vec![rows::coupon(2, "ADA10", CouponState::Active)], ..changes() };
    assert_eq!(write(&store, Needs::default(), second, NOW).await, Err(StoreError::Conflict));
    let head = store::account_head::head(&store, ACCOUNT).await.unwrap();
    assert_eq!((head.event_sequence, store::event::count(&store, ACCOUNT).await.unwrap()), (1, 1));
});

db_test!(events_and_entries_are_numbered_without_a_gap, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let sale = rows::sale(1);
    let reward = rows::reward(1, &sale, None);
    let image = ConversionImage { conversion: sale, rewards: vec![reward.clone()] };
    for batch in 0..3_u128 {
        let events = vec![
            rows::event(ACCOUNT, 2 * batch, Some(image.clone())),
            // Of the server's own feed, in the same batch.
            rows::event(AccountId::SERVER, 100 + batch, None),
            rows::event(ACCOUNT, 2 * batch + 1, None),
        ];
        let postings = vec![rows::posting(&reward), rows::posting(&reward)];
        let changes = Changes { events, postings, ..Changes::default() };
        let now = NOW.plus_days(i32::try_from(batch).unwrap());
        write(&store, Needs::default(), changes, now).await.unwrap();
    }
    let segments = store::event::read(&store, ACCOUNT, 0, 100).await.unwrap();
    let sequences = |segments: &[Segment]| -> Vec<i64> {
        segments.iter().flat_map(Segment::events).map(|(sequence, ..)| sequence).collect()
    };
    assert_eq!(sequences(&segments), [1, 2, 3, 4, 5, 6]);
    assert_eq!(segments.iter().map(|segment| segment.last_sequence).collect::<Vec<_>>(), [2, 4, 6]);
    let fact = rows::event(ACCOUNT, 0, Some(image));
    let mut body = Vec::new();
    encode_body(&fact, &mut body);
    assert_eq!(segments[0].events().next(), Some((1, &fact.header(), &*body)));
    for (after, limit, expected) in [(4, 1, &[5, 6][..]), (3, 1, &[3, 4]), (3, 2, &[3, 4, 5, 6]), (6, 100, &[])] {
        let read = store::event::read(&store, ACCOUNT, after, limit).await.unwrap();
        assert_eq!(sequences(&read), expected, "after {after}, {limit}");
    }
    assert_eq!(store::account_head::heads(&store, &[ACCOUNT, AccountId::SERVER]).await.unwrap().len(), 2);
    assert_eq!(store::account_head::head(&store, AccountId::SERVER).await.unwrap().event_sequence, 3);

    let entries = store::ledger::list(&store, ACCOUNT, None, 0, 100).await.unwrap();
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
    let events: Vec<_> = (0..count).map(|number| rows::event(ACCOUNT, number, None)).collect();
    write(&store, Needs::default(), Changes { events, ..Changes::default() }, NOW).await.unwrap();
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
    let changes = Changes { events: vec![rows::event(ACCOUNT, 1, None)], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    let connection = Database::connect(&database.url).await.unwrap();
    let row = Entity::find().one(&connection).await.unwrap().unwrap();
    let mut changed = row.events.clone();
    *changed.last_mut().unwrap() ^= 1;
    for bytes in [changed, row.events[..row.events.len() - 1].to_vec(), Vec::new(), b"anything else".to_vec()] {
        Entity::update_many().col_expr(Column::Events, Expr::value(bytes)).exec(&connection).await.unwrap();
        let expected = StoreError::Inconsistent { table: "event_segment", row: ACCOUNT.uuid() };
        assert_eq!(store::event::read(&store, ACCOUNT, 0, 1).await, Err(expected));
    }
});

db_test!(a_time_is_found_in_the_feed_and_old_events_are_pruned, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    for day in 1..=5 {
        let events = vec![rows::event(ACCOUNT, 2 * day, None), rows::event(ACCOUNT, 2 * day + 1, None)];
        let now = NOW.plus_days(i32::try_from(day).unwrap());
        write(&store, Needs::default(), Changes { events, ..Changes::default() }, now).await.unwrap();
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
        let mut heads = store::account_head::lock_heads(&transaction, &BTreeSet::from([ACCOUNT])).await.unwrap();
        let head = heads.get_mut(&ACCOUNT).unwrap();
        assert_eq!(store::event::prune(&transaction, head, before, limit).await.unwrap(), pruned);
        transaction.commit().await.unwrap();
    }
    let head = store::account_head::head(&store, ACCOUNT).await.unwrap();
    assert_eq!((head.pruned_sequence, head.event_sequence), (4, 10));
    assert_eq!(store::event::count(&store, ACCOUNT).await.unwrap(), 6);
    assert_eq!((at(NOW).await, at(NOW.plus_days(4)).await), (4, 6));
    // A place whose events are gone gets the first that is kept, so that its reader sees that it missed some.
    let first_kept = store::event::read(&store, ACCOUNT, 0, 1).await.unwrap();
    assert_eq!(first_kept.iter().map(|segment| segment.first_sequence).collect::<Vec<_>>(), [5]);
    assert!(store::event::accounts_with_events_before(&store, before).await.unwrap().is_empty());
});

db_test!(a_waiting_refund_is_found_until_it_is_settled, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let waiting = rows::refund(2, ConversionOutcome::Waiting);
    let changes = Changes { conversions: vec![waiting.clone()], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    let needs = || Needs { waiting_refunds: [(ACCOUNT, "order-1".to_owned())].into(), ..Needs::default() };
    assert_eq!(read(&store, needs()).await.refunds_waiting_for(ACCOUNT, "order-1"), Ok(vec![&waiting]));

    let changes = Changes { conversions: vec![rows::refund(2, ConversionOutcome::Attributed)], ..Changes::default() };
    write(&store, needs(), changes, NOW).await.unwrap();
    assert_eq!(read(&store, needs()).await.refunds_waiting_for(ACCOUNT, "order-1"), Ok(vec![]));
});

db_test!(a_matched_sale_is_no_longer_unmatched, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let sales = [rows::sale(1), rows::sale(2)];
    let changes = Changes {
        unmatched_sales: sales.iter().map(rows::unmatched_sale).collect(),
        matched_sales: vec![(ACCOUNT, sales[1].id)],
        conversions: sales.to_vec(),
        ..Changes::default()
    };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    let customer = LeadSelector::Uid("u-9".to_owned());
    let needs = Needs { unmatched_sales: [(ACCOUNT, customer.clone())].into(), ..Needs::default() };
    assert_eq!(read(&store, needs).await.unmatched_sales_of(ACCOUNT, &customer), Ok(vec![&sales[0]]));
});

db_test!(request_keys_are_deleted_once_they_expire, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let effect = ConversionId::from_uuid(uuid(1)).uuid();
    let forever = Request { expires_at: None, ..rows::request("sale", "order-1", effect) };
    let requests = vec![forever.clone(), rows::request("m", "1", effect), rows::request("m", "2", effect)];
    write(&store, Needs::default(), Changes { requests, ..Changes::default() }, NOW).await.unwrap();
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
    let requests = vec![first.clone()];
    write(&store, Needs::default(), Changes { requests, ..Changes::default() }, NOW).await.unwrap();

    // One server uses it again, and is about to commit that; another forgets what has expired.
    let later = NOW.plus_days(31);
    let again = Request { effect: uuid(2), expires_at: Some(later.plus_days(30)), ..first.clone() };
    let transaction = store.begin().await.unwrap();
    let mut heads = store::account_head::lock_heads(&transaction, &[ACCOUNT].into()).await.unwrap();
    let mut set = WorkingSet::default();
    let needs = Needs { requests: [first.key.clone()].into(), ..Needs::default() };
    store::load::load(&transaction, &needs, &mut Catalogues::default(), &mut set).await.unwrap();
    set.absorb(Changes { requests: vec![again.clone()], ..Changes::default() });
    store::save::save(&transaction, &set, &mut heads, later, encode_body).await.unwrap();
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
    let rewards = vec![
        pending.clone(),
        rows::reward(2, &sale, Some(pending.id)),
        Reward { state: RewardState::Approved, ..rows::reward(3, &sale, None) },
    ];
    write(&store, Needs::default(), Changes { rewards, ..Changes::default() }, NOW).await.unwrap();
    assert!(store::reward::due(&store, NOW.plus_days(29), &[], 10).await.unwrap().is_empty());
    assert_eq!(store::reward::due(&store, NOW.plus_days(30), &[], 10).await.unwrap(), [(ACCOUNT, pending.id)]);
    assert!(store::reward::due(&store, NOW.plus_days(30), &[ACCOUNT], 10).await.unwrap().is_empty());
});

db_test!(a_batch_larger_than_a_statement_is_written_whole, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let count = 3000;
    let rewards = (1..=count).map(|number| rows::reward(number, &rows::sale(number), None)).collect();
    write(&store, Needs::default(), Changes { rewards, ..Changes::default() }, NOW).await.unwrap();
    let ids = (1..=count).map(|number| (ACCOUNT, headwater::domain::id::RewardId::from_uuid(uuid(number))));
    let transaction = store.begin().await.unwrap();
    let mut set = WorkingSet::default();
    let needs = Needs { rewards: ids.collect(), ..Needs::default() };
    store::load::load(&transaction, &needs, &mut Catalogues::default(), &mut set).await.unwrap();
    assert_eq!(set.rewards.iter().count(), usize::try_from(count).unwrap());
});

db_test!(the_heads_lock_is_the_accounts_write_lock, |database: TestDatabase| async move {
    let store = Arc::new(open_with_account(&database).await);
    let first = store.begin().await.unwrap();
    let mut heads = store::account_head::lock_heads(&first, &BTreeSet::from([ACCOUNT])).await.unwrap();

    let second = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let events = vec![rows::event(ACCOUNT, 2, None)];
            write(&store, Needs::default(), Changes { events, ..Changes::default() }, NOW).await
        })
    };
    if database.kind == DatabaseKind::Postgres {
        // Who writes to another account waits for nobody.
        let changes = Changes { accounts: vec![rows::account(AccountId::from_uuid(uuid(5)))], ..Changes::default() };
        let transaction = store.begin().await.unwrap();
        let mut set = WorkingSet::default();
        set.absorb(changes);
        store::save::save(&transaction, &set, &mut std::collections::BTreeMap::new(), NOW, encode_body).await.unwrap();
        transaction.commit().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!second.is_finished(), "the second writer must wait");

    let mut set = WorkingSet::default();
    set.absorb(Changes { events: vec![rows::event(ACCOUNT, 1, None)], ..Changes::default() });
    store::save::save(&first, &set, &mut heads, NOW, encode_body).await.unwrap();
    first.commit().await.unwrap();
    second.await.unwrap().unwrap();
    let segments = store::event::read(&store, ACCOUNT, 0, 10).await.unwrap();
    let body = |number| {
        let mut body = Vec::new();
        encode_body(&rows::event(ACCOUNT, number, None), &mut body);
        body
    };
    let order: Vec<_> = segments.iter().flat_map(Segment::events).collect();
    let header = rows::event(ACCOUNT, 1, None).header();
    assert_eq!(order, [(1, &header, &*body(1)), (2, &header, &*body(2))]);
});

db_test!(a_balance_overflow_is_an_error_and_no_float, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let huge = Reward { value: rows::usd(5_000_000_000_000_000_000), ..rows::reward(1, &rows::sale(1), None) };
    let changes = || Changes { postings: vec![rows::posting(&huge)], ..Changes::default() };
    write(&store, Needs::default(), changes(), NOW).await.unwrap();
    let result = write(&store, Needs::default(), changes(), NOW).await;
    assert!(matches!(result, Err(StoreError::Unexpected(_))), "{result:?}");
    let balances = store::ledger::balances(&store, ACCOUNT, huge.affiliate_id).await.unwrap();
    assert_eq!(balances[0].1.pending_minor, huge.value.amount_minor);
});

db_test!(a_dropped_transaction_is_rolled_back, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let transaction = store.begin().await.unwrap();
    let mut heads = store::account_head::lock_heads(&transaction, &BTreeSet::from([ACCOUNT])).await.unwrap();
    let mut set = WorkingSet::default();
    set.absorb(Changes { events: vec![rows::event(ACCOUNT, 1, None)], ..Changes::default() });
    store::save::save(&transaction, &set, &mut heads, NOW, encode_body).await.unwrap();
    drop(transaction);
    assert_eq!(store::account_head::head(&store, ACCOUNT).await.unwrap().event_sequence, 0);
});
