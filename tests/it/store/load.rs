//! Loading: each kind of row by each of its names, what rows lead to, and absences.

use headwater::domain::affiliate::AffiliateSelector;
use headwater::domain::click::Click;
use headwater::domain::conversion::{ConversionKind, ConversionOutcome};
use headwater::domain::coupon::CouponState;
use headwater::domain::id::{
    AccountId, AffiliateId, ApiKeyId, ClickId, CouponId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId,
};
use headwater::domain::lead::LeadSelector;
use headwater::domain::request::RequestKey;
use headwater::domain::working_set::{Changes, Needs};

use super::{open_with_account, read, write};
use crate::support::database::TestDatabase;
use crate::support::rows::{self, ACCOUNT, NOW, uuid};

fn key(scope: &str, key: &str) -> RequestKey {
    RequestKey { account_id: ACCOUNT, scope: scope.to_owned(), key: key.to_owned() }
}

/// One of each kind, and a refund of the sale.
pub(super) fn everything() -> Changes {
    let (sale, refund) = (rows::sale(1), rows::refund(2, ConversionOutcome::Attributed));
    let reward = rows::reward(1, &sale, None);
    let reversal = rows::reward(2, &refund, Some(reward.id));
    Changes {
        api_keys: vec![rows::api_key()],
        programs: vec![rows::program()],
        terms: vec![rows::terms()],
        affiliates: vec![rows::affiliate()],
        enrollments: vec![rows::enrollment()],
        links: vec![rows::link()],
        coupons: vec![rows::coupon(1, "ADA10", CouponState::Active)],
        clicks: vec![rows::click(1, ClickId::from_uuid(uuid(1)))],
        leads: vec![rows::lead()],
        unmatched_sales: vec![rows::unmatched_sale(&sale)],
        requests: vec![rows::request("sale", "order-1", sale.id.uuid())],
        conversions: vec![sale, refund],
        rewards: vec![reward, reversal],
        ..Changes::default()
    }
}

/// Everything of [`everything`] by its id, or by the name that it is always asked for by.
pub(super) fn by_id() -> Needs {
    Needs {
        requests: [key("sale", "order-1")].into(),
        accounts: [ACCOUNT].into(),
        api_keys: [(ACCOUNT, rows::api_key().id)].into(),
        programs: [(ACCOUNT, rows::program().id)].into(),
        affiliates: [(ACCOUNT, AffiliateSelector::Id(rows::affiliate().id))].into(),
        enrollments: [(ACCOUNT, rows::enrollment().id)].into(),
        links: [(ACCOUNT, rows::link().id)].into(),
        coupons: [(ACCOUNT, CouponId::from_uuid(uuid(1)))].into(),
        tids: [(ACCOUNT, ClickId::from_uuid(uuid(1)))].into(),
        leads: [(ACCOUNT, LeadSelector::Id(rows::lead().id))].into(),
        unmatched_sales: [(ACCOUNT, LeadSelector::Uid("u-9".to_owned()))].into(),
        rewards: [(ACCOUNT, RewardId::from_uuid(uuid(1)))].into(),
        ..Needs::default()
    }
}

db_test!(saved_rows_load_back, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), everything(), NOW).await.unwrap();
    let set = read(&store, by_id()).await;
    let saved = everything();
    let one = |id: u128| uuid(id);
    assert_eq!(set.accounts.get(&ACCOUNT), Some(&rows::account(ACCOUNT)));
    assert_eq!(set.api_keys.get(&(ACCOUNT, ApiKeyId::from_uuid(one(1)))), saved.api_keys.first());
    assert_eq!(set.programs.get(&(ACCOUNT, ProgramId::from_uuid(one(1)))), saved.programs.first());
    assert_eq!(set.terms.get(&(ACCOUNT, ProgramId::from_uuid(one(1)), 1)), saved.terms.first());
    assert_eq!(set.affiliates.get(&(ACCOUNT, AffiliateId::from_uuid(one(1)))), saved.affiliates.first());
    assert_eq!(set.enrollments.get(&(ACCOUNT, EnrollmentId::from_uuid(one(1)))), saved.enrollments.first());
    assert_eq!(set.links.get(&(ACCOUNT, LinkId::from_uuid(one(1)))), saved.links.first());
    assert_eq!(set.coupons.get(&(ACCOUNT, CouponId::from_uuid(one(1)))), saved.coupons.first());
    assert_eq!(set.clicks.get(&(ACCOUNT, ClickId::from_uuid(one(1)))), saved.clicks.first());
    assert_eq!(set.leads.get(&(ACCOUNT, LeadId::from_uuid(one(1)))), saved.leads.first());
    assert_eq!(set.unmatched_sales.iter().collect::<Vec<_>>(), [&saved.unmatched_sales[0]]);
    for conversion in &saved.conversions {
        assert_eq!(set.conversions.get(&(ACCOUNT, conversion.id)), Some(conversion));
    }
    for reward in &saved.rewards {
        assert_eq!(set.rewards.get(&(ACCOUNT, reward.id)), Some(reward));
    }
    // A key's hash and a token's are not in the answers that are kept; everything else of a request comes back.
    assert_eq!(set.requests.get(&key("sale", "order-1")), saved.requests.first());
});

db_test!(every_name_leads_to_its_row_and_on, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), everything(), NOW).await.unwrap();
    let (affiliate, enrollment, program) = (rows::affiliate(), rows::enrollment(), rows::program());

    for selector in [
        AffiliateSelector::Id(affiliate.id),
        AffiliateSelector::ExternalId("partner-1".to_owned()),
        AffiliateSelector::Email(affiliate.email.clone()),
        AffiliateSelector::RefId("ada".to_owned()),
        AffiliateSelector::TokenHash([9; 32]),
    ] {
        let name = (ACCOUNT, selector);
        let needs =
            Needs { affiliates: [name.clone()].into(), coupon_counts: [name.clone()].into(), ..Needs::default() };
        let set = read(&store, needs).await;
        assert_eq!(set.find_affiliate(ACCOUNT, &name.1), Ok(Some(&affiliate)), "{:?}", name.1);
        assert_eq!(set.enrollment_in(ACCOUNT, affiliate.id, program.id), Ok(Some(&enrollment)));
        assert_eq!(set.active_coupon_count(ACCOUNT, affiliate.id), Ok(1));
        assert_eq!(set.program(ACCOUNT, program.id), Ok(&program));
        assert_eq!(set.terms(&program, 1), Ok(&rows::terms()));
    }

    for selector in [
        LeadSelector::Id(rows::lead().id),
        LeadSelector::Uid("u-1".to_owned()),
        LeadSelector::Email("grace@customer.test".to_owned()),
    ] {
        let needs = Needs { latest_sales: [(ACCOUNT, selector.clone())].into(), ..Needs::default() };
        let set = read(&store, needs).await;
        assert_eq!(set.find_lead(ACCOUNT, &selector), Ok(Some(&rows::lead())));
        assert_eq!(set.enrollment(ACCOUNT, enrollment.id), Ok(&enrollment));
        assert_eq!(set.program(ACCOUNT, program.id), Ok(&program));
        let sales = set.latest_sales_of(ACCOUNT, rows::lead().id).unwrap();
        assert_eq!(sales, [&rows::sale(1)]);
        assert_eq!(set.rewards_of(ACCOUNT, sales[0].id).unwrap().len(), 1);
    }

    let needs = Needs {
        account_emails: [rows::account(ACCOUNT).email].into(),
        default_programs: [ACCOUNT].into(),
        link_codes: [(ACCOUNT, "ada-blog".to_owned())].into(),
        coupon_codes: [(ACCOUNT, "ADA10".to_owned())].into(),
        unmatched_sales: [(ACCOUNT, LeadSelector::Email("later@customer.test".to_owned()))].into(),
        ..Needs::default()
    };
    let set = read(&store, needs).await;
    assert_eq!(set.account_with_email(&rows::account(ACCOUNT).email), Ok(Some(ACCOUNT)));
    assert_eq!(set.default_program(ACCOUNT), Ok(Some(&program)));
    assert_eq!(set.link_with_code(ACCOUNT, "ada-blog"), Ok(Some(&rows::link())));
    assert_eq!(set.coupon_with_code(ACCOUNT, "ADA10").unwrap().unwrap().id, CouponId::from_uuid(uuid(1)));
    assert_eq!(set.enrollment(ACCOUNT, enrollment.id), Ok(&enrollment));
    let later = LeadSelector::Email("later@customer.test".to_owned());
    assert_eq!(set.unmatched_sales_of(ACCOUNT, &later), Ok(vec![&rows::sale(1)]));
});

db_test!(a_refunds_sale_and_a_rewards_reversals_come_along, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), everything(), NOW).await.unwrap();
    let (reward, reversal) = (RewardId::from_uuid(uuid(1)), RewardId::from_uuid(uuid(2)));
    for needs in [
        Needs { rewards: [(ACCOUNT, reward)].into(), ..Needs::default() },
        Needs { rewards: [(ACCOUNT, reversal)].into(), ..Needs::default() },
        Needs { requests: [key("sale", "order-1")].into(), ..Needs::default() },
    ] {
        let set = read(&store, needs).await;
        let (sale, refund) = (rows::sale(1), rows::refund(2, ConversionOutcome::Attributed));
        assert_eq!(set.conversion(ACCOUNT, sale.id), Ok(&sale));
        assert_eq!(set.conversion(ACCOUNT, refund.id), Ok(&refund));
        assert_eq!(set.image(ACCOUNT, sale.id).unwrap().rewards.len(), 1);
        assert_eq!(set.image(ACCOUNT, refund.id).unwrap().rewards.len(), 1);
        assert_eq!(set.reversals_of(ACCOUNT, reward).map(|row| row.id).collect::<Vec<_>>(), [reversal]);
    }
});

db_test!(missing_rows_are_absent_and_unrequested_rows_not_loaded, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let none = read(&store, Needs::default()).await;
    let absent = Needs {
        accounts: [AccountId::from_uuid(uuid(77))].into(),
        account_emails: ["nobody@shop.test".to_owned()].into(),
        default_programs: [ACCOUNT].into(),
        link_codes: [(ACCOUNT, "none".to_owned())].into(),
        coupon_codes: [(ACCOUNT, "NONE".to_owned())].into(),
        waiting_refunds: [(ACCOUNT, "order-1".to_owned())].into(),
        latest_sales: [(ACCOUNT, LeadSelector::Uid("u-1".to_owned()))].into(),
        coupon_counts: [(ACCOUNT, AffiliateSelector::Email("x@y.test".to_owned()))].into(),
        ..by_id()
    };
    let some = read(&store, absent).await;

    macro_rules! is_absent {
        ($call:ident($($argument:expr),*)) => {
            assert!(matches!(some.$call($($argument),*), Ok(None)), stringify!($call));
            assert!(none.$call($($argument),*).is_err(), stringify!($call));
        };
    }
    is_absent!(request(&key("sale", "order-1")));
    is_absent!(account_with_email("nobody@shop.test"));
    is_absent!(default_program(ACCOUNT));
    is_absent!(link_with_code(ACCOUNT, "none"));
    is_absent!(coupon_with_code(ACCOUNT, "NONE"));
    is_absent!(find_affiliate(ACCOUNT, &AffiliateSelector::Id(rows::affiliate().id)));
    is_absent!(find_lead(ACCOUNT, &LeadSelector::Uid("u-1".to_owned())));

    macro_rules! is_not_found {
        ($call:ident($($argument:expr),*)) => {
            let (some, none) = (some.$call($($argument),*).unwrap_err(), none.$call($($argument),*).unwrap_err());
            let not_loaded = |refusal| matches!(refusal, headwater::domain::refusal::Refusal::NotLoaded(_));
            assert!(!not_loaded(some) && not_loaded(none), stringify!($call));
        };
    }
    is_not_found!(account(AccountId::from_uuid(uuid(77))));
    is_not_found!(api_key(ACCOUNT, rows::api_key().id));
    is_not_found!(program(ACCOUNT, rows::program().id));
    is_not_found!(enrollment(ACCOUNT, rows::enrollment().id));
    is_not_found!(link(ACCOUNT, rows::link().id));
    is_not_found!(coupon(ACCOUNT, CouponId::from_uuid(uuid(1))));
    is_not_found!(reward(ACCOUNT, RewardId::from_uuid(uuid(1))));

    assert!(some.clicks_of(ACCOUNT, ClickId::from_uuid(uuid(1))).unwrap().is_empty());
    assert!(none.clicks_of(ACCOUNT, ClickId::from_uuid(uuid(1))).is_err());
    assert!(some.refunds_waiting_for(ACCOUNT, "order-1").unwrap().is_empty());
    assert!(none.refunds_waiting_for(ACCOUNT, "order-1").is_err());
    let customer = LeadSelector::Uid("u-9".to_owned());
    assert!(some.unmatched_sales_of(ACCOUNT, &customer).unwrap().is_empty());
    assert!(none.unmatched_sales_of(ACCOUNT, &customer).is_err());
});

db_test!(another_accounts_rows_are_not_seen, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), everything(), NOW).await.unwrap();
    let other = AccountId::from_uuid(uuid(55));
    let needs = Needs {
        programs: [(other, rows::program().id)].into(),
        affiliates: [(other, AffiliateSelector::Id(rows::affiliate().id))].into(),
        link_codes: [(other, "ada-blog".to_owned())].into(),
        leads: [(other, LeadSelector::Uid("u-1".to_owned()))].into(),
        tids: [(other, ClickId::from_uuid(uuid(1)))].into(),
        rewards: [(other, RewardId::from_uuid(uuid(1)))].into(),
        ..Needs::default()
    };
    let set = read(&store, needs).await;
    assert_eq!(set.programs.iter().count() + set.affiliates.iter().count() + set.links.iter().count(), 0);
    assert_eq!(set.leads.iter().count() + set.clicks.iter().count() + set.rewards.iter().count(), 0);
});

db_test!(of_a_code_the_active_coupon_or_else_the_last_removed_is_found, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let removed = |number| rows::coupon(number, "ADA10", CouponState::Removed);
    let changes = Changes { coupons: vec![removed(3), removed(1), removed(2)], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    let needs = || Needs { coupon_codes: [(ACCOUNT, "ADA10".to_owned())].into(), ..Needs::default() };
    let found =
        |set: &headwater::domain::working_set::WorkingSet| set.coupon_with_code(ACCOUNT, "ADA10").unwrap().unwrap().id;
    assert_eq!(found(&read(&store, needs()).await), removed(3).id);

    let active = rows::coupon(9, "ADA10", CouponState::Active);
    let changes = Changes { coupons: vec![active.clone()], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    assert_eq!(found(&read(&store, needs()).await), active.id);
});

db_test!(of_many_clicks_and_sales_the_newest_hundred_are_loaded, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let (busy, calm) = (ClickId::from_uuid(uuid(1)), ClickId::from_uuid(uuid(1001)));
    let mut clicks: Vec<Click> = (1..=250).map(|number| rows::click(number, busy)).collect();
    clicks.push(rows::click(1001, calm));
    let changes = Changes {
        clicks,
        leads: vec![rows::lead()],
        conversions: (1..=150).map(rows::sale).collect(),
        ..Changes::default()
    };
    write(&store, Needs::default(), changes, NOW).await.unwrap();

    let needs = Needs {
        tids: [(ACCOUNT, busy), (ACCOUNT, calm), (ACCOUNT, ClickId::from_uuid(uuid(9999)))].into(),
        latest_sales: [(ACCOUNT, LeadSelector::Uid("u-1".to_owned()))].into(),
        ..Needs::default()
    };
    let set = read(&store, needs).await;
    let ids: Vec<_> = set.clicks_of(ACCOUNT, busy).unwrap().iter().map(|click| click.id.uuid()).collect();
    assert_eq!(ids, (151..=250).map(uuid).collect::<Vec<_>>());
    assert_eq!(set.clicks_of(ACCOUNT, calm).unwrap().len(), 1);
    let sales = set.latest_sales_of(ACCOUNT, rows::lead().id).unwrap();
    assert_eq!((sales.len(), sales[0].id.uuid()), (100, uuid(51)));
    assert!(sales.iter().all(|sale| sale.kind == ConversionKind::Sale));
});
