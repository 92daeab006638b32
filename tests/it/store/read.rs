//! The reads of the API: every filter and every page, on both databases.

use std::sync::Arc;

use headwater::domain::affiliate::{Affiliate, AffiliateSelector};
use headwater::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, ConversionSelector, Credit, Credits,
};
use headwater::domain::coupon::{Coupon, CouponState};
use headwater::domain::enrollment::{Enrollment, EnrollmentState};
use headwater::domain::id::{AccountId, AffiliateId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId};
use headwater::domain::lead::{Binding, Lead, LeadSelector, LeadState};
use headwater::domain::link::{Link, LinkState};
use headwater::domain::program::{Program, ProgramState, ProgramWithTerms, Terms};
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::set::{Needs, WorkingSet};
use headwater::domain::time::{Interval, Time};
use headwater::store::affiliate::AffiliateQuery;
use headwater::store::conversion::ConversionQuery;
use headwater::store::coupon::CouponQuery;
use headwater::store::enrollment::EnrollmentQuery;
use headwater::store::lead::LeadQuery;
use headwater::store::link::LinkQuery;
use headwater::store::list::{ListOrder, Walk};
use headwater::store::program::{ProgramPage, ProgramQuery};
use headwater::store::reward::RewardQuery;
use headwater::store::{self, Store, StoreError};
use smallvec::smallvec;
use uuid::Uuid;

use super::{needs, open_with_account, write};
use crate::support::database::TestDatabase;
use crate::support::rows::{self, ACCOUNT, NOW, uuid};

const OTHER: AccountId = AccountId::from_uuid(Uuid::from_u128(0xb));

async fn open_with(database: &TestDatabase, change: impl FnOnce(&mut WorkingSet)) -> Store {
    let store = open_with_account(database).await;
    write(&store, Needs::default(), change, NOW).await.unwrap();
    store
}

fn from(start: Time) -> Interval {
    Interval { start: Some(start), end: None }
}

fn before(end: Time) -> Interval {
    Interval { start: None, end: Some(end) }
}

/// Checks that a list returns exactly these rows, in one page and page by page in both orders, and none of another account.
/// The rows of a list whose pages may end before they are full.
macro_rules! rows_of {
    ($name:ident, $list:path, $query:ty, $row:ty) => {
        async fn $name(store: &Store, id: AccountId, query: &$query, walk: Walk) -> Result<Vec<$row>, StoreError> {
            $list(store, id, query, walk).await.map(|found| found.rows)
        }
    };
}

rows_of!(programs, store::program::list, ProgramQuery, ProgramWithTerms);
rows_of!(affiliates, store::affiliate::list, AffiliateQuery, Affiliate);
rows_of!(enrollments, store::enrollment::list, EnrollmentQuery, Enrollment);
rows_of!(conversions, store::conversion::list, ConversionQuery, ConversionImage);
rows_of!(coupons, store::coupon::list, CouponQuery, Coupon);
rows_of!(leads, store::lead::list, LeadQuery, Lead);

macro_rules! assert_lists {
    ($list:path, $store:expr, ($($filter:expr)?), |$row:ident| $id:expr, $expected:expr) => {{
        let expected: Vec<Uuid> = $expected.into_iter().map(uuid).collect();
        let rows = $list($store, ACCOUNT, $($filter,)? Walk::first(100)).await.unwrap();
        assert_eq!(rows.iter().map(|$row| $id.uuid()).collect::<Vec<_>>(), expected);
        let newest_first: Vec<Uuid> = expected.iter().rev().copied().collect();
        for (order, expected) in [(ListOrder::OldestFirst, expected), (ListOrder::NewestFirst, newest_first)] {
            let mut paged = Vec::new();
            let page = |after| Walk { order, after, limit: 1 };
            while let Some($row) = $list($store, ACCOUNT, $($filter,)? page(paged.last().copied())).await.unwrap().first() {
                paged.push($id.uuid());
            }
            assert_eq!(paged, expected);
        }
        assert!($list($store, OTHER, $($filter,)? Walk::first(100)).await.unwrap().is_empty());
    }};
}

db_test!(accounts_and_keys, |database: TestDatabase| async move {
    let second = headwater::domain::account::ApiKey {
        id: headwater::domain::id::ApiKeyId::from_uuid(uuid(2)),
        expires_at: None,
        ..rows::bound_key()
    };
    let places = second.clone();
    let change = |set: &mut WorkingSet| {
        set.put(rows::api_key());
        set.put(second);
    };
    let store = open_with(&database, change).await;
    assert_eq!(store::account::find(&store, ACCOUNT).await, Ok(Some(rows::account(ACCOUNT))));
    assert_eq!(store::account::find(&store, OTHER).await, Ok(None));
    assert_eq!(store::account::find_key(&store, ACCOUNT, rows::api_key().id).await, Ok(Some(rows::api_key())));
    assert_eq!(store::account::find_key(&store, OTHER, rows::api_key().id).await, Ok(None));
    let mut credential =
        store::account::Credential { key: rows::api_key().into(), suspension: None, calls_per_minute: 0 };
    assert_eq!(store::account::find_key_by_prefix(&store, "hw_admin_1").await, Ok(Some(credential.clone())));
    assert_eq!(store::account::find_key(&store, ACCOUNT, places.id).await, Ok(Some(places)));
    assert_eq!(store::account::find_key_by_prefix(&store, "hw_admin_9").await, Ok(None));
    assert_lists!(store::account::list_keys, &store, (), |row| row.id, [1, 2]);
    let mut suspended = rows::suspended_account(ACCOUNT);
    suspended.verification = Some(headwater::domain::account::Verification {
        email: "other@shop.test".to_owned(),
        token_hash: [9; 32],
        expires_at: NOW.plus_days(3),
    });
    let changed = suspended.clone();
    let needs = needs(|needs| needs.row::<headwater::domain::account::Account>(ACCOUNT));
    write(&store, needs, |set| _ = set.put(changed), NOW).await.unwrap();
    assert_eq!(store::account::find(&store, ACCOUNT).await, Ok(Some(suspended)));
    credential.suspension = Some("unpaid".into());
    assert_eq!(store::account::find_key_by_prefix(&store, "hw_admin_1").await, Ok(Some(credential)));
});

db_test!(programs, |database: TestDatabase| async move {
    let archived = Program {
        id: ProgramId::from_uuid(uuid(2)),
        is_default: false,
        state: ProgramState::Archived,
        terms_version: 2,
        landing_url: "https://two.test/".to_owned(),
        agreement: Some(rows::agreement()),
        welcome_mail: Some(rows::welcome_mail()),
        ..rows::program()
    };
    let terms = |version| Terms { program_id: archived.id, version, ..rows::terms() };
    let change = |set: &mut WorkingSet| {
        set.put(rows::program());
        set.put(archived.clone());
        [rows::terms(), terms(1), terms(2)].into_iter().for_each(|terms| _ = set.put(terms));
    };
    let store = open_with(&database, change).await;
    assert_eq!(store::program::find(&store, ACCOUNT, archived.id).await, Ok(Some(archived.clone())));
    assert_eq!(store::program::find(&store, OTHER, archived.id).await, Ok(None));
    assert_eq!(store::program::find_default(&store, ACCOUNT).await, Ok(Some(rows::program())));
    assert_eq!(store::program::find_default(&store, OTHER).await, Ok(None));
    assert_eq!(store::program::find_terms(&store, ACCOUNT, archived.id, 1).await, Ok(Some(terms(1))));
    assert_eq!(store::program::find_terms(&store, ACCOUNT, archived.id, 3).await, Ok(None));
    let in_state = |state| ProgramQuery { states: vec![state], ..ProgramQuery::default() };
    assert_lists!(programs, &store, (&ProgramQuery::default()), |row| row.program.id, [1, 2]);
    assert_lists!(programs, &store, (&in_state(ProgramState::Active)), |row| row.program.id, [1]);
    let listed = programs(&store, ACCOUNT, &in_state(ProgramState::Archived), Walk::first(10)).await.unwrap();
    assert_eq!(listed, [ProgramWithTerms { program: Arc::new(archived.clone()), terms: Arc::new(terms(2)) }]);
    let pages = store::program::pages(&store, ACCOUNT, &[archived.id, ProgramId::from_uuid(uuid(9))]).await.unwrap();
    let page = ProgramPage { landing_url: "https://two.test/".to_owned(), agreement_version: 2 };
    assert_eq!(pages.into_iter().collect::<Vec<_>>(), [(archived.id, page)]);
});

db_test!(affiliates_and_enrollments, |database: TestDatabase| async move {
    let second = Affiliate {
        id: AffiliateId::from_uuid(uuid(2)),
        external_id: None,
        email: "two@partner.test".to_owned(),
        token_hash: [2; 32],
        ..rows::affiliate()
    };
    let in_other_program = Enrollment {
        id: EnrollmentId::from_uuid(uuid(2)),
        affiliate_id: second.id,
        program_id: ProgramId::from_uuid(uuid(2)),
        ref_id: "two".to_owned(),
        state: EnrollmentState::Active,
        ..rows::enrollment()
    };
    let change = |set: &mut WorkingSet| {
        set.put(rows::affiliate());
        set.put(second.clone());
        set.put(rows::enrollment());
        set.put(in_other_program.clone());
    };
    let store = open_with(&database, change).await;
    for selector in [
        AffiliateSelector::Id(second.id),
        AffiliateSelector::Email(second.email.clone()),
        AffiliateSelector::TokenHash([2; 32]),
        AffiliateSelector::RefId("two".to_owned()),
    ] {
        assert_eq!(store::affiliate::find(&store, ACCOUNT, &selector).await, Ok(Some(second.clone())), "{selector:?}");
        assert_eq!(store::affiliate::find(&store, OTHER, &selector).await, Ok(None), "{selector:?}");
    }
    let by_external_id = AffiliateSelector::ExternalId("partner-1".to_owned());
    assert_eq!(store::affiliate::find(&store, ACCOUNT, &by_external_id).await, Ok(Some(rows::affiliate())));
    assert_lists!(affiliates, &store, (&AffiliateQuery::default()), |row| row.id, [1, 2]);
    let of_program = AffiliateQuery { program_id: Some(in_other_program.program_id), ..AffiliateQuery::default() };
    assert_lists!(affiliates, &store, (&of_program), |row| row.id, [2]);
    assert_eq!(store::affiliate::by_ids(&store, ACCOUNT, &[second.id]).await, Ok(vec![second.clone()]));

    let found = store::enrollment::find(&store, ACCOUNT, in_other_program.id).await;
    assert_eq!(found, Ok(Some(in_other_program.clone())));
    for (query, expected) in [
        (EnrollmentQuery::default(), vec![1, 2]),
        (EnrollmentQuery { affiliate_id: Some(second.id), ..EnrollmentQuery::default() }, vec![2]),
        (EnrollmentQuery { program_id: Some(rows::program().id), ..EnrollmentQuery::default() }, vec![1]),
        (EnrollmentQuery { states: vec![EnrollmentState::Ended], ..EnrollmentQuery::default() }, vec![1]),
    ] {
        assert_lists!(enrollments, &store, (&query), |row| row.id, expected);
    }
});

db_test!(links_and_coupons, |database: TestDatabase| async move {
    let second = Link {
        id: LinkId::from_uuid(uuid(2)),
        affiliate_id: AffiliateId::from_uuid(uuid(2)),
        enrollment_id: EnrollmentId::from_uuid(uuid(2)),
        code: "two".to_owned(),
        state: LinkState::Active,
        ..rows::link()
    };
    let other_coupon = Coupon {
        affiliate_id: AffiliateId::from_uuid(uuid(2)),
        code: "TWO".to_owned(),
        ..rows::coupon(3, "ADA10", CouponState::Removed)
    };
    let change = |set: &mut WorkingSet| {
        set.put(rows::link());
        set.put(second.clone());
        set.put(rows::coupon(1, "ADA10", CouponState::Removed));
        set.put(rows::coupon(2, "ADA10", CouponState::Active));
        set.put(other_coupon.clone());
    };
    let store = open_with(&database, change).await;
    for (query, expected) in [
        (LinkQuery::default(), vec![1, 2]),
        (LinkQuery { affiliate_id: Some(second.affiliate_id), ..LinkQuery::default() }, vec![2]),
        (LinkQuery { enrollment_id: Some(rows::enrollment().id), ..LinkQuery::default() }, vec![1]),
        (LinkQuery { states: vec![LinkState::Active], ..LinkQuery::default() }, vec![2]),
    ] {
        assert_lists!(store::link::list, &store, (&query), |row| row.id, expected);
    }
    for (query, expected) in [
        (CouponQuery::default(), vec![1, 2, 3]),
        (CouponQuery { affiliate_id: Some(other_coupon.affiliate_id), ..CouponQuery::default() }, vec![3]),
        (CouponQuery { code: Some("ADA10".to_owned()), ..CouponQuery::default() }, vec![1, 2]),
        (CouponQuery { states: vec![CouponState::Active], ..CouponQuery::default() }, vec![2]),
    ] {
        assert_lists!(coupons, &store, (&query), |row| row.id, expected);
    }
});

db_test!(leads, |database: TestDatabase| async move {
    let second = Lead {
        id: LeadId::from_uuid(uuid(2)),
        email: None,
        external_id: Some("u-2".to_owned()),
        binding: None,
        state: LeadState::SignedUp,
        ..rows::lead()
    };
    let change = |set: &mut WorkingSet| {
        set.put(rows::lead());
        set.put(second.clone());
    };
    let store = open_with(&database, change).await;
    for selector in [LeadSelector::Id(second.id), LeadSelector::ExternalId("u-2".to_owned())] {
        assert_eq!(store::lead::find(&store, ACCOUNT, &selector).await, Ok(Some(second.clone())));
        assert_eq!(store::lead::find(&store, OTHER, &selector).await, Ok(None));
    }
    let by_email = LeadSelector::Email("grace@customer.test".to_owned());
    assert_eq!(store::lead::find(&store, ACCOUNT, &by_email).await, Ok(Some(rows::lead())));
    for (query, expected) in [
        (LeadQuery::default(), vec![1, 2]),
        (LeadQuery { states: vec![LeadState::SignedUp], ..LeadQuery::default() }, vec![2]),
        (LeadQuery { affiliate_id: Some(rows::affiliate().id), ..LeadQuery::default() }, vec![1]),
    ] {
        assert_lists!(leads, &store, (&query), |row| row.id, expected);
    }
});

db_test!(conversions_and_rewards, |database: TestDatabase| async move {
    let (sale, refund) = (rows::sale(1), rows::refund(2, ConversionOutcome::Attributed));
    let unreferred =
        Conversion { outcome: ConversionOutcome::NotReferred, lead_id: None, credits: Credits::new(), ..rows::sale(3) };
    let first = rows::reward(1, &sale, None);
    let second = Reward { created_at: NOW.plus_days(1), state: RewardState::Denied, ..rows::reward(2, &sale, None) };
    let change = |set: &mut WorkingSet| {
        [&sale, &refund, &unreferred].into_iter().for_each(|conversion| _ = set.put(conversion.clone()));
        set.put(second.clone());
        set.put(first.clone());
        set.put(rows::reward(3, &refund, Some(first.id)));
        set.put(rows::request("sale", "order-1", sale.id.uuid()));
    };
    let store = open_with(&database, change).await;
    let image = store::conversion::find(&store, ACCOUNT, &ConversionSelector::Id(sale.id)).await.unwrap().unwrap();
    let rewards = vec![Arc::new(first.clone()), Arc::new(second.clone())];
    assert_eq!(image, ConversionImage { conversion: Arc::new(sale), rewards });
    assert_eq!(store::conversion::find(&store, OTHER, &ConversionSelector::Id(image.conversion.id)).await, Ok(None));
    let by_event = async |kind| {
        let event = ConversionSelector::recorded_event(kind, "order-1");
        store::conversion::find(&store, ACCOUNT, &event).await.unwrap()
    };
    assert_eq!(by_event(ConversionKind::Sale).await, Some(image));
    assert_eq!(by_event(ConversionKind::Refund).await, None);

    let all = ConversionQuery::default;
    for (query, expected) in [
        (all(), vec![1, 2, 3]),
        (ConversionQuery { kinds: vec![ConversionKind::Refund], ..all() }, vec![2]),
        (
            ConversionQuery { outcomes: vec![ConversionOutcome::NotReferred, ConversionOutcome::Waiting], ..all() },
            vec![3],
        ),
        (ConversionQuery { affiliate_id: Some(rows::affiliate().id), ..all() }, vec![1]),
        (ConversionQuery { program_id: Some(rows::program().id), ..all() }, vec![1]),
        (ConversionQuery { lead_ids: vec![rows::lead().id], ..all() }, vec![1]),
        (ConversionQuery { occurred: from(refund.occurred_at), ..all() }, vec![2, 3]),
        (ConversionQuery { occurred: before(refund.occurred_at), ..all() }, vec![1]),
    ] {
        assert_lists!(conversions, &store, (&query), |row| row.conversion.id, expected);
    }

    // A conversion that two affiliates share is on the lists of both.
    let other = AffiliateId::from_uuid(uuid(7));
    let half = Credit { share_ppm: 500_000, ..rows::credit() };
    let credits: Credits = smallvec![half.clone(), Credit { affiliate_id: other, ..half }];
    let shared = Conversion { credits: credits.clone(), ..rows::sale(4) };
    let binding = Some(Binding { credits, bound_at: NOW, referred_at: NOW });
    let lead = Lead { binding, ..rows::lead() };
    let change = |set: &mut WorkingSet| {
        set.put(shared.clone());
        set.put(lead.clone());
    };
    write(&store, Needs::default(), change, NOW).await.unwrap();
    for (affiliate_id, expected) in [(rows::affiliate().id, vec![1, 4]), (other, vec![4])] {
        let query = ConversionQuery { affiliate_id: Some(affiliate_id), ..ConversionQuery::default() };
        assert_lists!(conversions, &store, (&query), |row| row.conversion.id, expected);
        let query = LeadQuery { affiliate_id: Some(affiliate_id), ..LeadQuery::default() };
        let found = leads(&store, ACCOUNT, &query, Walk::first(9)).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&lead));
    }
    // When the other one gets the whole credit, it is on the list of that one only, and once.
    let credits: Credits = smallvec![Credit {
        affiliate_id: other,
        enrollment_id: EnrollmentId::from_uuid(uuid(8)),
        program_id: ProgramId::from_uuid(uuid(9)),
        ..rows::credit()
    }];
    let moved = Conversion { credits, version: shared.version + 1, ..shared.clone() };
    let needs = needs(|needs| needs.row::<Conversion>((ACCOUNT, shared.id)));
    write(&store, needs, |set: &mut WorkingSet| _ = set.put(moved.clone()), NOW).await.unwrap();
    for (affiliate_id, expected) in [(rows::affiliate().id, vec![1]), (other, vec![4])] {
        let query = ConversionQuery { affiliate_id: Some(affiliate_id), ..ConversionQuery::default() };
        assert_lists!(conversions, &store, (&query), |row| row.conversion.id, expected);
    }
    assert_eq!(
        *store::conversion::find(&store, ACCOUNT, &ConversionSelector::Id(shared.id))
            .await
            .unwrap()
            .unwrap()
            .conversion,
        moved
    );

    assert_eq!(store::reward::find(&store, ACCOUNT, second.id).await, Ok(Some(second.clone())));
    assert_eq!(store::reward::find(&store, OTHER, second.id).await, Ok(None));
    let all = RewardQuery::default;
    for (query, expected) in [
        (all(), vec![1, 2, 3]),
        (RewardQuery { states: vec![RewardState::Denied], ..all() }, vec![2]),
        (RewardQuery { affiliate_id: Some(rows::affiliate().id), ..all() }, vec![1, 2, 3]),
        (RewardQuery { program_id: Some(ProgramId::from_uuid(uuid(9))), ..all() }, vec![]),
        (RewardQuery { created: from(second.created_at), ..all() }, vec![2]),
        (RewardQuery { created: before(second.created_at), ..all() }, vec![1, 3]),
    ] {
        assert_lists!(store::reward::list, &store, (&query), |row| row.id, expected);
    }
    let page = store::reward::page(&store, ACCOUNT, Some(RewardId::from_uuid(uuid(2))), 10).await.unwrap();
    assert_eq!(page.len(), 1);
});
