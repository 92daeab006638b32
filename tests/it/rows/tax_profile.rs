//! Tax profiles and the billing profile: what is shown, what is stored, what is erased, and whom an account pays that asks for them.

use headwater::domain::id::{AccountId, AffiliateId};
use headwater::domain::time::Time;
use headwater::pb;
use headwater::secrets::tax_number;
use headwater::store;
use pb::PayoutRunVerdict as Verdict;
use pb::TaxProfileState as State;
use testkit::client::Client;
use tonic::Status;

use super::payout_reserved::{
    create, create_affiliate, due_to, give_approved, selector, set_policy, two_servers, usd, with_another_key,
};
use super::payout_run::{finished, payouts_of, start};
use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

const DAY_MICROS: i64 = 86_400_000_000;

const SSN: &str = "123-45-6789";

fn address(country_code: &str) -> Option<pb::PostalAddress> {
    Some(pb::PostalAddress {
        street: "Canary Street 1".to_owned(),
        city: "Springfield".to_owned(),
        country_code: country_code.to_owned(),
        ..Default::default()
    })
}

fn w_9(affiliate_id: &str) -> pb::SetTaxProfileRequest {
    pb::SetTaxProfileRequest {
        affiliate: selector(affiliate_id),
        payee_kind: pb::PayeeKind::Individual.into(),
        legal_name: "Ann Canary".to_owned(),
        address: address("US"),
        residence_country_code: "US".to_owned(),
        form: pb::TaxForm::W9.into(),
        sign_date: "2025-11-27".to_owned(),
        number: Some(pb::TaxNumber { kind: pb::TaxNumberKind::Ssn.into(), text: SSN.to_owned() }),
        ..Default::default()
    }
}

/// A W-8BEN that expires with the year 2026.
fn w_8ben(affiliate_id: &str) -> pb::SetTaxProfileRequest {
    pb::SetTaxProfileRequest {
        residence_country_code: "DE".to_owned(),
        form: pb::TaxForm::W8ben.into(),
        sign_date: "2023-06-30".to_owned(),
        number: None,
        ..w_9(affiliate_id)
    }
}

async fn set(client: &mut Client, request: pb::SetTaxProfileRequest) -> Result<pb::TaxProfile, Status> {
    client.payouts.set_tax_profile(request).await.map(|answer| answer.into_inner().tax_profile.unwrap())
}

async fn get(client: &mut Client, affiliate_id: &str) -> pb::TaxProfile {
    let request = pb::GetTaxProfileRequest { affiliate: selector(affiliate_id) };
    client.payouts.get_tax_profile(request).await.unwrap().into_inner().tax_profile.unwrap()
}

async fn confirm(client: &mut Client, affiliate_id: &str, etag: &str) -> Result<pb::TaxProfile, Status> {
    let request =
        pb::ConfirmTaxProfileRequest { affiliate: selector(affiliate_id), etag: etag.to_owned(), ..Default::default() };
    client.payouts.confirm_tax_profile(request).await.map(|answer| answer.into_inner().tax_profile.unwrap())
}

async fn refuse(client: &mut Client, affiliate_id: &str, reason: &str) -> Result<pb::TaxProfile, Status> {
    let request = pb::RefuseTaxProfileRequest {
        affiliate: selector(affiliate_id),
        reason: reason.to_owned(),
        ..Default::default()
    };
    client.payouts.refuse_tax_profile(request).await.map(|answer| answer.into_inner().tax_profile.unwrap())
}

async fn account_id(client: &mut Client) -> AccountId {
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account;
    account.unwrap().id.parse().unwrap()
}

async fn events(client: &mut Client) -> String {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    format!("{:?}", client.feed.read_events(request).await.unwrap().into_inner())
}

db_test!(p32_a_tax_number_is_in_no_answer_no_event_and_no_row, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let request = pb::SetTaxProfileRequest { request_id: "once".to_owned(), ..w_9(&id) };
    let answer = set(client, request.clone()).await.unwrap();
    assert_eq!((answer.state(), answer.number_hint.as_str()), (State::Received, "…789"));
    let got = get(client, &id).await;
    assert_eq!(got, answer);
    let events = events(client).await;
    let account_id = account_id(client).await;
    let affiliate_id: AffiliateId = id.parse().unwrap();
    let store = server.server.app().store();
    let row = store::tax_profile::find(store, account_id, affiliate_id).await.unwrap().unwrap();
    let audit = client.accounts.list_audit_entries(pb::ListAuditEntriesRequest::default()).await.unwrap().into_inner();
    for text in [format!("{answer:?}"), format!("{got:?}"), format!("{row:?}"), format!("{audit:?}"), events.clone()] {
        assert!(!text.contains(SSN) && !text.contains("123456789"), "{text}");
    }
    for personal in ["Canary", "…789"] {
        assert!(!events.contains(personal), "the feed has {personal}, which cannot be erased: {events}");
    }
    let sealed = row.details.unwrap().number.unwrap().sealed;
    assert!(!String::from_utf8_lossy(sealed.bytes()).contains("456"), "the row is not encrypted");
    let other = headwater::secrets::Secrets::parse(&"7".repeat(64)).unwrap();
    assert!(tax_number::open(&other, account_id, &sealed).is_err());
    let entry = audit.audit_entries.iter().find(|entry| entry.called_method.ends_with("SetTaxProfile")).unwrap();
    assert_eq!(entry.subject_id, id);

    // A repeat changes nothing, and a number that is left out stays.
    let again = client.payouts.set_tax_profile(request.clone()).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.tax_profile), (true, Some(answer.clone())));
    let other_form = pb::SetTaxProfileRequest { legal_name: "Bea".to_owned(), ..request };
    assert_eq!(reason(&set(client, other_form).await.unwrap_err()), "IDEMPOTENCY_MISMATCH");
    let renamed = pb::SetTaxProfileRequest { legal_name: "Ann Ample".to_owned(), number: None, ..w_9(&id) };
    let renamed = set(client, renamed).await.unwrap();
    assert_eq!((renamed.legal_name.as_str(), renamed.number_hint.as_str()), ("Ann Ample", "…789"));
    assert_eq!(renamed.create_time, answer.create_time);
});

db_test!(p32_an_erased_affiliate_leaves_no_tax_profile_behind, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let request = pb::SetTaxProfileRequest { request_id: "once".to_owned(), ..w_9(&id) };
    set(client, request.clone()).await.unwrap();
    let erasure = pb::EraseAffiliateRequest { affiliate: selector(&id), ..Default::default() };
    client.affiliates.erase_affiliate(erasure).await.unwrap();
    let (account_id, affiliate_id) = (account_id(client).await, id.parse().unwrap());
    let store = server.server.app().store();
    assert!(store::tax_profile::find(store, account_id, affiliate_id).await.unwrap().is_none());
    let missing = get(client, &id).await;
    assert_eq!((missing.state(), missing.legal_name.as_str()), (State::Missing, ""));
    let replayed = client.payouts.set_tax_profile(request).await.unwrap().into_inner();
    let profile = replayed.tax_profile.unwrap();
    assert_eq!((replayed.replayed, profile.state(), profile.legal_name.as_str()), (true, State::Missing, ""));
    assert_eq!(reason(&set(client, w_9(&id)).await.unwrap_err()), "AFFILIATE_ERASED");
    let listed = client.payouts.list_tax_profiles(pb::ListTaxProfilesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.tax_profiles, [], "who is erased is asked for nothing");
});

db_test!(p32_only_an_admin_key_confirms_and_only_what_it_has_looked_at, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let mut payer = with_another_key(client, &server).await;
    let seen = set(&mut payer, w_9(&id)).await.unwrap();
    assert_eq!(reason(&confirm(&mut payer, &id, "").await.unwrap_err()), "KEY_KIND_NOT_ALLOWED");
    assert_eq!(reason(&refuse(&mut payer, &id, "no").await.unwrap_err()), "KEY_KIND_NOT_ALLOWED");
    let changed = pb::SetTaxProfileRequest { legal_name: "Eve".to_owned(), ..w_9(&id) };
    let changed = set(&mut payer, changed).await.unwrap();
    let status = confirm(client, &id, &seen.etag).await.unwrap_err();
    assert_eq!(reason(&status), "ETAG_MISMATCH");
    assert_eq!(get(client, &id).await, changed, "a refused call changes nothing");
    let confirmed = confirm(client, &id, &changed.etag).await.unwrap();
    assert_eq!(confirmed.state(), State::Confirmed);
    assert!(confirmed.reviewer_key_id.starts_with("key_") && confirmed.review_time.is_some(), "{confirmed:?}");
    let refused = refuse(client, &id, " another name ").await.unwrap();
    assert_eq!((refused.state(), refused.refusal_reason.as_str()), (State::Refused, "another name"));
    let again = set(&mut payer, w_9(&id)).await.unwrap();
    assert_eq!((again.state(), again.refusal_reason.as_str(), again.review_time), (State::Received, "", None));
});

// Two at once: what is confirmed is what was looked at, whichever call comes first.
db_test!(
    p32_of_64_confirmations_and_changes_at_once_none_confirms_what_it_has_not_seen,
    |database: TestDatabase| async move {
        let (first, second) = two_servers(&database).await;
        let servers = [&first, second.as_ref().unwrap_or(&first)];
        let mut shop = Shop::open(&first, "shop").await;
        let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
        let seen = set(client, w_9(&id)).await.unwrap();
        let mut calls = Vec::new();
        for number in 0..64_usize {
            let (address, key) = (servers[number / 2 % 2].address.clone(), client.key.clone());
            let (id, etag) = (id.clone(), seen.etag.clone());
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                match number % 2 {
                    0 => confirm(&mut client, &id, &etag).await,
                    _ => set(&mut client, pb::SetTaxProfileRequest { legal_name: "Eve".to_owned(), ..w_9(&id) }).await,
                }
            }));
        }
        let mut confirmed = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(profile) if profile.state() == State::Confirmed => {
                    assert_eq!(profile.legal_name, "Ann Canary");
                    confirmed += 1;
                }
                Ok(profile) => assert_eq!((profile.state(), profile.legal_name.as_str()), (State::Received, "Eve")),
                Err(status) => assert_eq!(reason(&status), "ETAG_MISMATCH"),
            }
        }
        assert!(confirmed <= 1, "{confirmed}");
        assert_eq!(get(client, &id).await.state(), State::Received);
    }
);

db_test!(p32_a_run_leaves_out_who_has_no_tax_profile_and_the_preview_says_so, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let names = ["missing", "received", "confirmed", "refused", "expiring"];
    let mut ids = Vec::new();
    for name in names {
        let id = create_affiliate(&mut client, name).await;
        give_approved(&mut client, name, 1_000).await;
        let request = if name == "expiring" { w_8ben(&id) } else { w_9(&id) };
        if name != "missing" {
            set(&mut client, request).await.unwrap();
        }
        match name {
            "confirmed" => _ = confirm(&mut client, &id, "").await.unwrap(),
            "refused" => _ = refuse(&mut client, &id, "no").await.unwrap(),
            _ => {}
        }
        ids.push(id);
    }
    server.clock.set(Time::from_micros(START_MICROS + 365 * DAY_MICROS));
    let verdicts = async |client: &mut Client| {
        let request = pb::PreviewPayoutRunRequest {
            currency_code: "USD".to_owned(),
            affiliate_ids: ids.clone(),
            ..Default::default()
        };
        let items = client.payouts.preview_payout_run(request).await.unwrap().into_inner().items;
        items.iter().map(pb::PayoutRunItem::verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&mut client).await, [Verdict::Pays; 5], "nobody is asked");
    set_policy(&mut client, Some(pb::PayoutPolicy { tax_profile_required: true, ..Default::default() })).await;
    let (pays, no) = (Verdict::Pays, Verdict::NoTaxProfile);
    assert_eq!(verdicts(&mut client).await, [no, pays, pays, no, no]);
    for (index, state) in [(0, "missing"), (3, "refused"), (4, "expired")] {
        let status = create(&mut client, due_to(&ids[index])).await.unwrap_err();
        assert_eq!(reason(&status), "TAX_PROFILE_REQUIRED");
        assert!(
            status.message().starts_with("affiliate: ") && status.message().contains("SetTaxProfile"),
            "{status:?}"
        );
        assert!(status.message().contains(if index == 0 { "no tax profile" } else { state }), "{status:?}");
    }
    let request =
        pb::CreatePayoutRunRequest { currency_code: "USD".to_owned(), all_affiliates: true, ..Default::default() };
    let run = start(&mut client, request).await;
    let run = finished(&mut client, &run.id).await;
    assert_eq!((run.payout_count, run.total), (2, Some(usd(2_000))));
    let paid: Vec<_> = payouts_of(&mut client, &run.id).await.into_iter().map(|payout| payout.affiliate_id).collect();
    assert_eq!(paid, ids[1..3]);
});

db_test!(p32_affiliates_without_a_good_tax_profile_are_listed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let mut ids = vec![shop.affiliate_id.clone()];
    for number in 0..24 {
        ids.push(create_affiliate(client, &format!("a{number}")).await);
    }
    for (index, id) in ids.iter().enumerate() {
        match index % 3 {
            0 => _ = set(client, w_9(id)).await.unwrap(),
            1 => _ = set(client, w_8ben(id)).await.unwrap(),
            _ => {}
        }
    }
    let list = async |client: &mut Client, states: &[State], order: pb::ListOrder| {
        let states: Vec<i32> = states.iter().map(|state| (*state).into()).collect();
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request =
                pb::ListTaxProfilesRequest { page_size: 3, page_token, states: states.clone(), order: order.into() };
            let page = client.payouts.list_tax_profiles(request).await.unwrap().into_inner();
            found.extend(page.tax_profiles.into_iter().map(|profile| (profile.affiliate_id.clone(), profile.state())));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return found;
            }
        }
    };
    let expected = |wanted: &dyn Fn(usize) -> Option<State>| {
        let states = ids.iter().enumerate().filter_map(|(index, id)| Some((id.clone(), wanted(index)?)));
        states.collect::<Vec<_>>()
    };
    let oldest = pb::ListOrder::OldestFirst;
    let all = list(client, &[], oldest).await;
    let before = expected(&|index| Some([State::Received, State::Received, State::Missing][index % 3]));
    assert_eq!(all, before);
    let mut newest = list(client, &[], pb::ListOrder::NewestFirst).await;
    newest.reverse();
    assert_eq!(newest, before);
    server.clock.set(Time::from_micros(START_MICROS + 365 * DAY_MICROS - 1));
    let missing = expected(&|index| (index % 3 == 2).then_some(State::Missing));
    assert_eq!(list(client, &[State::Missing, State::Expired], oldest).await, missing);
    server.clock.set(Time::from_micros(START_MICROS + 365 * DAY_MICROS));
    let bad = expected(&|index| [None, Some(State::Expired), Some(State::Missing)][index % 3]);
    assert_eq!(list(client, &[State::Missing, State::Expired], oldest).await, bad);
});

db_test!(p32_the_billing_profile_is_set_as_a_whole, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let got = async |client: &mut Client| {
        client.payouts.get_billing_profile(pb::GetBillingProfileRequest {}).await.unwrap().into_inner().billing_profile
    };
    assert_eq!(got(client).await, None);
    let profile = pb::BillingProfile {
        legal_name: " Canary Shop Ltd".to_owned(),
        address: address(" de"),
        vat_id: "de 123 456 789".to_owned(),
        invoice_prefix: "SB-".to_owned(),
        payment_terms: "14 days".to_owned(),
        ..Default::default()
    };
    let request = pb::SetBillingProfileRequest { billing_profile: Some(profile.clone()), ..Default::default() };
    let set = client.payouts.set_billing_profile(request).await.unwrap().into_inner().billing_profile.unwrap();
    assert_eq!((set.legal_name.as_str(), set.vat_id.as_str()), ("Canary Shop Ltd", "DE123456789"));
    assert_eq!(set.address.as_ref().unwrap().country_code, "DE");
    assert_eq!(got(client).await, Some(set.clone()));
    let shorter = pb::BillingProfile { legal_name: "Shop".to_owned(), address: address("DE"), ..Default::default() };
    let request = pb::SetBillingProfileRequest { billing_profile: Some(shorter), ..Default::default() };
    let replaced = client.payouts.set_billing_profile(request).await.unwrap().into_inner().billing_profile.unwrap();
    assert_eq!((replaced.vat_id.as_str(), replaced.create_time), ("", set.create_time));
    let events = events(client).await;
    assert!(!events.contains("Canary") && !events.contains("DE123456789") && !events.contains("14 days"), "{events}");
});
