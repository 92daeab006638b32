//! Loading: each kind of row by each of its keys, the rows that it leads to, and absent rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::account::{Account, ApiKey};
use headwater::domain::affiliate::AffiliateSelector;
use headwater::domain::conversion::{ConversionKind, ConversionOutcome};
use headwater::domain::coupon::{Coupon, CouponCount, CouponState};
use headwater::domain::id::{AccountId, ClickId, CouponId, RewardId};
use headwater::domain::lead::{Customer, LeadSelector};
use headwater::domain::program::Program;
use headwater::domain::refusal::Refusal;
use headwater::domain::request::{Request, RequestKey};
use headwater::domain::reward::Reward;
use headwater::domain::set::{Kind, Needs, WorkingSet};

use super::{needs, open_with_account, read, write};
use crate::support::database::TestDatabase;
use crate::support::rows::{self, ACCOUNT, NOW, uuid};

fn key(scope: &str, key: &str) -> RequestKey {
    RequestKey { account_id: ACCOUNT, scope: scope.to_owned(), key: key.to_owned() }
}

/// The set of an account that has a row of every kind.
fn everything() -> WorkingSet {
    let mut set = WorkingSet::default();
    set.put(rows::account(ACCOUNT));
    rows::everything::put_everything(&mut set);
    set
}

/// The needs for all rows of [`everything`], by their keys and by the other names that they are looked up by.
pub(super) fn by_every_name() -> Needs {
    let mut needs = by_key(&everything());
    needs.affiliate(ACCOUNT, &AffiliateSelector::Id(rows::affiliate().id));
    needs.names.clicks_of.insert((ACCOUNT, ClickId::from_uuid(uuid(1))));
    needs.lead(ACCOUNT, LeadSelector::Id(rows::lead().id));
    needs.names.unmatched_sales.insert((ACCOUNT, LeadSelector::ExternalId("u-9".to_owned())));
    needs.names.waiting_refunds.insert((ACCOUNT, "order-1".to_owned()));
    needs
}

/// Generates the checks of all kinds.
macro_rules! every_kind {
    ($($place:ident: $kind:ty,)*) => {
        /// All rows by their keys.
        fn by_key(set: &WorkingSet) -> Needs {
            needs(|needs| {
                $(set.$place.iter().for_each(|row| needs.row::<$kind>(row.key()));)*
            })
        }

        /// Fails unless the set has exactly the other's rows, and at least one of each kind.
        fn assert_same_rows(set: &WorkingSet, other: &WorkingSet) {
            $({
                let rows = |set: &WorkingSet| -> BTreeMap<_, _> {
                    set.$place.iter().map(|row| (row.key(), Arc::clone(row))).collect()
                };
                assert!(!rows(other).is_empty(), "everything lacks a row of kind {}", <$kind>::NAME);
                assert_eq!(rows(set), rows(other));
            })*
        }

        /// Fails unless the set knows each row of the other to be absent.
        fn assert_absent(set: &WorkingSet, other: &WorkingSet) {
            $(for row in other.$place.iter() {
                assert_eq!(set.find::<$kind>(&row.key()), Ok(None));
            })*
        }

        /// Fails unless the set has never looked up any row of the other.
        fn assert_not_loaded(set: &WorkingSet, other: &WorkingSet) {
            $(for row in other.$place.iter() {
                assert_eq!(set.find::<$kind>(&row.key()), Err(Refusal::NotLoaded(<$kind>::NAME)));
            })*
        }
    };
}

headwater::for_all_kinds!(every_kind);

db_test!(saved_rows_load_back, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), rows::everything::put_everything, NOW).await.unwrap();
    let saved = everything();
    assert_same_rows(&read(&store, by_every_name()).await, &saved);
    assert_same_rows(&read(&store, by_key(&saved)).await, &saved);
});

db_test!(every_name_leads_to_its_row_and_on, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), rows::everything::put_everything, NOW).await.unwrap();
    let (affiliate, enrollment) = (Arc::new(rows::inactive_affiliate()), Arc::new(rows::enrollment()));
    let (program, lead, sale) = (Arc::new(rows::program()), Arc::new(rows::lead()), Arc::new(rows::sale(1)));

    for selector in [
        AffiliateSelector::Id(affiliate.id),
        AffiliateSelector::ExternalId("partner-1".to_owned()),
        AffiliateSelector::Email(affiliate.email.clone()),
        AffiliateSelector::RefId("ada".to_owned()),
        AffiliateSelector::TokenHash([9; 32]),
    ] {
        let needs = needs(|needs| {
            needs.affiliate(ACCOUNT, &selector);
            needs.coupon_count(ACCOUNT, &selector);
        });
        let set = read(&store, needs).await;
        assert_eq!(set.find_affiliate(ACCOUNT, &selector), Ok(Some(&affiliate)), "{selector:?}");
        assert_eq!(set.enrollment_in(ACCOUNT, affiliate.id, program.id), Ok(Some(&enrollment)));
        assert_eq!(set.find::<CouponCount>(&(ACCOUNT, affiliate.id)), Ok(Some(&Arc::new(rows::coupon_count()))));
        assert_eq!(set.program(ACCOUNT, program.id), Ok(&program));
        assert_eq!(set.terms(&program, 1), Ok(&Arc::new(rows::terms())));
    }

    for selector in [
        LeadSelector::Id(lead.id),
        LeadSelector::ExternalId("u-1".to_owned()),
        LeadSelector::Email("grace@customer.test".to_owned()),
    ] {
        let set = read(&store, needs(|needs| _ = needs.names.latest_sales.insert((ACCOUNT, selector.clone())))).await;
        assert_eq!(set.find_lead(ACCOUNT, &selector), Ok(Some(&lead)));
        assert_eq!(set.enrollment(ACCOUNT, enrollment.id), Ok(&enrollment));
        assert_eq!(set.program(ACCOUNT, program.id), Ok(&program));
        let sales = set.latest_sales_of(&lead).unwrap();
        assert_eq!(sales, [&sale]);
        assert_eq!(set.rewards_of(ACCOUNT, sales[0].id).unwrap().len(), 1);
    }

    let later = LeadSelector::Email("later@customer.test".to_owned());
    let needs = needs(|needs| {
        needs.names.account_emails.insert(rows::account(ACCOUNT).email);
        needs.program(ACCOUNT, None);
        needs.link_code(ACCOUNT, "ada-blog");
        needs.coupon_code(ACCOUNT, "ADA10");
        needs.names.unmatched_sales.insert((ACCOUNT, later.clone()));
        needs.names.clicks_of.insert((ACCOUNT, ClickId::from_uuid(uuid(1))));
        needs.names.waiting_refunds.insert((ACCOUNT, "order-1".to_owned()));
    });
    let set = read(&store, needs).await;
    assert_eq!(set.account_with_email(&rows::account(ACCOUNT).email), Ok(Some(ACCOUNT)));
    assert_eq!(set.default_program(ACCOUNT), Ok(Some(&program)));
    assert_eq!(set.link_with_code(ACCOUNT, "ada-blog"), Ok(Some(&Arc::new(rows::link()))));
    assert_eq!(set.coupons_with_code(ACCOUNT, "ADA10").unwrap()[0].id, CouponId::from_uuid(uuid(1)));
    assert_eq!(set.enrollment(ACCOUNT, enrollment.id), Ok(&enrollment));
    assert_eq!(set.names.unmatched_sales.get(&(ACCOUNT, later)), Some(&[sale.id][..]));
    assert_eq!(set.conversion(ACCOUNT, sale.id), Ok(&sale));
    assert_eq!(set.clicks_of(ACCOUNT, ClickId::from_uuid(uuid(1))).unwrap().len(), 2);
    assert_eq!(set.refunds_waiting_for(ACCOUNT, "order-1").unwrap().len(), 1);
});

db_test!(numbers_that_limits_need_are_rows, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), |set| _ = set.put(rows::affiliate()), NOW).await.unwrap();
    let affiliate_id = rows::affiliate().id;
    let selector = AffiliateSelector::Id(affiliate_id);
    // An affiliate without a row has no coupon and no claim.
    let mut set = read(&store, needs(|needs| needs.coupon_count(ACCOUNT, &selector))).await;
    let count = set.coupon_count(ACCOUNT, affiliate_id).unwrap();
    assert_eq!(count.active_count, 0);
    set.put(CouponCount { active_count: 2, ..count });
    assert_eq!(set.coupon_count(ACCOUNT, affiliate_id).unwrap().active_count, 2);
    // What was not looked up is wanted, so that the command is decided again with it.
    let claims = set.offer_claims(ACCOUNT, rows::offer().id, affiliate_id);
    assert!(matches!(claims, Err(Refusal::NotLoaded(_))), "{claims:?}");
    let wanted = set.take_wanted().unwrap();
    assert_eq!(wanted.offer_claims, [(ACCOUNT, rows::offer().id, affiliate_id)].into());
    // A new affiliate has neither, and the database need not be asked.
    let mut set = WorkingSet::default();
    set.put(rows::affiliate());
    assert_eq!(set.coupon_count(ACCOUNT, affiliate_id).unwrap().active_count, 0);
    assert_eq!(set.offer_claims(ACCOUNT, rows::offer().id, affiliate_id).unwrap().claim_count, 0);
});

db_test!(a_refunds_sale_and_a_rewards_reversals_come_along, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), rows::everything::put_everything, NOW).await.unwrap();
    let (reward, reversal) = (RewardId::from_uuid(uuid(1)), RewardId::from_uuid(uuid(2)));
    let (sale, refund) = (Arc::new(rows::sale(1)), Arc::new(rows::refund(2, ConversionOutcome::Attributed)));
    for needs in [
        needs(|needs| needs.row::<Reward>((ACCOUNT, reward))),
        needs(|needs| needs.row::<Reward>((ACCOUNT, reversal))),
        needs(|needs| needs.row::<Request>(key("sale", "order-1"))),
    ] {
        let set = read(&store, needs).await;
        assert_eq!(set.conversion(ACCOUNT, sale.id), Ok(&sale));
        assert_eq!(set.conversion(ACCOUNT, refund.id), Ok(&refund));
        assert_eq!(set.image(ACCOUNT, sale.id).unwrap().rewards.len(), 1);
        assert_eq!(set.image(ACCOUNT, refund.id).unwrap().rewards.len(), 1);
        let reversals = set.reversals_of(ACCOUNT, reward).unwrap();
        assert_eq!(reversals.into_iter().map(|row| row.id).collect::<Vec<_>>(), [reversal]);
    }
});

db_test!(missing_rows_are_absent_and_unrequested_rows_not_loaded, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let none = read(&store, Needs::default()).await;
    let mut missing = WorkingSet::default();
    rows::everything::put_everything(&mut missing);
    missing.put(rows::account(AccountId::from_uuid(uuid(77))));
    assert_absent(&read(&store, by_key(&missing)).await, &missing);
    assert_not_loaded(&none, &missing);

    let mut absent = by_every_name();
    absent.row::<Account>(AccountId::from_uuid(uuid(77)));
    absent.names.account_emails.insert("nobody@shop.test".to_owned());
    absent.program(ACCOUNT, None);
    absent.link_code(ACCOUNT, "none");
    absent.coupon_code(ACCOUNT, "NONE");
    absent.group_name(ACCOUNT, "NONE");
    absent.item_sku(ACCOUNT, "NONE");
    absent.names.latest_sales.insert((ACCOUNT, LeadSelector::ExternalId("u-1".to_owned())));
    absent.coupon_count(ACCOUNT, &AffiliateSelector::Email("x@y.test".to_owned()));
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
    is_absent!(group_with_name(ACCOUNT, "NONE"));
    is_absent!(item_with_sku(ACCOUNT, "NONE"));
    is_absent!(find_affiliate(ACCOUNT, &AffiliateSelector::Id(rows::affiliate().id)));
    is_absent!(find_affiliate(ACCOUNT, &AffiliateSelector::Email("x@y.test".to_owned())));
    is_absent!(find_lead(ACCOUNT, &LeadSelector::ExternalId("u-1".to_owned())));

    macro_rules! is_not_found {
        ($call:ident::<$kind:ty, _>($($argument:expr),*)) => {
            let some = some.$call::<$kind, _>($($argument),*).unwrap_err();
            let none = none.$call::<$kind, _>($($argument),*).unwrap_err();
            is_not_found!(some, none, stringify!($kind));
        };
        ($call:ident($($argument:expr),*)) => {
            let (some, none) = (some.$call($($argument),*).unwrap_err(), none.$call($($argument),*).unwrap_err());
            is_not_found!(some, none, stringify!($call));
        };
        ($some:ident, $none:ident, $what:expr) => {
            let not_loaded = |refusal| matches!(refusal, Refusal::NotLoaded(_));
            assert!(!not_loaded($some) && not_loaded($none), "{}", $what);
        };
    }
    is_not_found!(account(AccountId::from_uuid(uuid(77))));
    is_not_found!(get::<ApiKey, _>(ACCOUNT, rows::api_key().id));
    is_not_found!(program(ACCOUNT, rows::program().id));
    is_not_found!(enrollment(ACCOUNT, rows::enrollment().id));
    is_not_found!(link(ACCOUNT, rows::link().id));
    is_not_found!(get::<Coupon, _>(ACCOUNT, CouponId::from_uuid(uuid(1))));
    is_not_found!(reward(ACCOUNT, RewardId::from_uuid(uuid(1))));

    assert!(some.coupons_with_code(ACCOUNT, "NONE").unwrap().is_empty());
    assert!(none.coupons_with_code(ACCOUNT, "NONE").is_err());
    assert!(some.clicks_of(ACCOUNT, ClickId::from_uuid(uuid(1))).unwrap().is_empty());
    assert!(none.clicks_of(ACCOUNT, ClickId::from_uuid(uuid(1))).is_err());
    assert!(some.refunds_waiting_for(ACCOUNT, "order-1").unwrap().is_empty());
    assert!(none.refunds_waiting_for(ACCOUNT, "order-1").is_err());
    let customer = Customer { external_id: Some("u-9".to_owned()), ..Customer::default() };
    assert!(some.unmatched_sales_of(ACCOUNT, None, &customer).unwrap().is_empty());
    assert!(none.unmatched_sales_of(ACCOUNT, None, &customer).is_err());
});

db_test!(another_accounts_rows_are_not_seen, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), rows::everything::put_everything, NOW).await.unwrap();
    let other = AccountId::from_uuid(uuid(55));
    let needs = needs(|needs| {
        needs.row::<Program>((other, rows::program().id));
        needs.affiliate(other, &AffiliateSelector::Id(rows::affiliate().id));
        needs.link_code(other, "ada-blog");
        needs.lead(other, LeadSelector::ExternalId("u-1".to_owned()));
        needs.names.clicks_of.insert((other, ClickId::from_uuid(uuid(1))));
        needs.row::<Reward>((other, RewardId::from_uuid(uuid(1))));
    });
    let set = read(&store, needs).await;
    assert_eq!(set.programs.iter().count() + set.affiliates.iter().count() + set.links.iter().count(), 0);
    assert_eq!(set.leads.iter().count() + set.clicks.iter().count() + set.rewards.iter().count(), 0);
});

db_test!(all_coupons_of_a_code_are_found, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let removed = |number| rows::coupon(number, "ADA10", CouponState::Removed);
    let change = |set: &mut WorkingSet| [3, 1, 2].into_iter().for_each(|number| _ = set.put(removed(number)));
    write(&store, Needs::default(), change, NOW).await.unwrap();
    let needs = || needs(|needs| needs.coupon_code(ACCOUNT, "ADA10"));
    let found = |set: &WorkingSet| -> Vec<_> {
        set.coupons_with_code(ACCOUNT, "ADA10").unwrap().into_iter().map(|coupon| coupon.id).collect()
    };
    let ids = [1, 2, 3].map(|number| removed(number).id);
    assert_eq!(found(&read(&store, needs()).await), ids);

    let active = rows::coupon(9, "ADA10", CouponState::Active);
    write(&store, Needs::default(), |set| _ = set.put(active.clone()), NOW).await.unwrap();
    assert_eq!(found(&read(&store, needs()).await), [ids.as_slice(), &[active.id]].concat());
});

db_test!(of_many_clicks_and_sales_the_newest_hundred_are_loaded, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    let (busy, calm) = (ClickId::from_uuid(uuid(1)), ClickId::from_uuid(uuid(1001)));
    let change = |set: &mut WorkingSet| {
        (1..=250).for_each(|number| _ = set.put(rows::click(number, busy)));
        set.put(rows::click(1001, calm));
        set.put(rows::lead());
        (1..=150).for_each(|number| _ = set.put(rows::sale(number)));
    };
    write(&store, Needs::default(), change, NOW).await.unwrap();

    let needs = needs(|needs| {
        needs.names.clicks_of.extend([busy, calm, ClickId::from_uuid(uuid(9999))].map(|tid| (ACCOUNT, tid)));
        needs.names.latest_sales.insert((ACCOUNT, LeadSelector::ExternalId("u-1".to_owned())));
    });
    let set = read(&store, needs).await;
    let ids: Vec<_> = set.clicks_of(ACCOUNT, busy).unwrap().iter().map(|click| click.id.uuid()).collect();
    assert_eq!(ids, (151..=250).map(uuid).collect::<Vec<_>>());
    assert_eq!(set.clicks_of(ACCOUNT, calm).unwrap().len(), 1);
    let sales = set.latest_sales_of(&rows::lead()).unwrap();
    assert_eq!((sales.len(), sales[0].id.uuid()), (100, uuid(51)));
    assert!(sales.iter().all(|sale| sale.kind == ConversionKind::Sale));
});
