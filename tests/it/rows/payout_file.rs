//! Files of payouts: what is in them is what was reserved, once, and they stay the same.

use headwater::app::worker::forget_requests;
use headwater::pb;
use pb::export_payout_file_request::Settings;
use sha2::{Digest, Sha256};
use testkit::client::Client;
use tonic::Status;
use tonic_types::StatusExt;

use super::payout_reserved::{create, due_to, give_approved, owed_in_dollars, selector, two_servers, usd, verify};
use super::payout_run::{create_affiliate, finished, payouts_of, start};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn set_method(client: &mut Client, affiliate_id: &str, details: pb::payout_details::Details) {
    let request = pb::SetPayoutMethodRequest {
        affiliate: selector(affiliate_id),
        details: Some(pb::PayoutDetails { details: Some(details) }),
        ..Default::default()
    };
    client.payouts.set_payout_method(request).await.unwrap();
}

fn us_bank(account_number: &str) -> pb::payout_details::Details {
    pb::payout_details::Details::UnitedStatesBank(pb::UnitedStatesBankDetails {
        routing_number: "021000021".to_owned(),
        account_number: account_number.to_owned(),
        account_kind: pb::BankAccountKind::Checking.into(),
        holder_name: "Bea Baker".to_owned(),
    })
}

fn nacha() -> Option<Settings> {
    Some(Settings::Nacha(pb::NachaFileSettings {
        bank_routing_number: "021000021".to_owned(),
        bank_name: "First Bank".to_owned(),
        origin: "1123456789".to_owned(),
        company_name: "Corner Shop".to_owned(),
        company_id: "1123456789".to_owned(),
        entry_description: "PAYOUT".to_owned(),
        effective_date: "2026-01-03".to_owned(),
        ..Default::default()
    }))
}

async fn export(
    client: &mut Client,
    request: pb::ExportPayoutFileRequest,
) -> Result<pb::ExportPayoutFileResponse, Status> {
    client.payouts.export_payout_file(request).await.map(tonic::Response::into_inner)
}

/// The amounts of the entries of a NACHA file, in cents.
fn amounts(content: &[u8]) -> Vec<i64> {
    let text = std::str::from_utf8(content).unwrap();
    let entries = text.lines().filter(|line| line.starts_with("622"));
    entries.map(|line| line[29..39].parse().unwrap()).collect()
}

async fn states_of(client: &mut Client, run_id: &str) -> Vec<pb::PayoutState> {
    payouts_of(client, run_id).await.iter().map(pb::Payout::state).collect()
}

// The case in the field: a file had each row twice, and two totals differed.
db_test!(c30_a_file_pays_what_the_run_reserved_once_and_stays_the_same, |database: TestDatabase| async move {
    let mut paid = Vec::new();
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    for (ref_id, amount_minor) in [("bea", 1_000), ("cem", 250), ("dan", 7)] {
        let id = create_affiliate(client, ref_id).await;
        set_method(client, &id, us_bank(&format!("00012345{amount_minor}"))).await;
        give_approved(client, ref_id, amount_minor).await;
        paid.push(amount_minor);
    }
    let request =
        pb::CreatePayoutRunRequest { currency_code: "USD".to_owned(), all_affiliates: true, ..Default::default() };
    let run = start(client, request).await;
    let run = finished(client, &run.id).await;
    let request = pb::ExportPayoutFileRequest {
        request_id: "november".to_owned(),
        payout_run_id: run.id.clone(),
        settings: nacha(),
        ..Default::default()
    };
    let made = export(client, request.clone()).await.unwrap();
    let exported = made.payout_export.clone().unwrap();
    assert_eq!((amounts(&made.content), &exported.total), (paid, &run.total));
    assert_eq!((exported.total.as_ref(), exported.file_format()), (Some(&usd(1_257)), pb::PayoutFileFormat::Nacha));
    let sha256: String = Sha256::digest(&made.content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(exported.content_sha256, sha256);
    assert_eq!(owed_in_dollars(client).await, [0, 0, 0, 0, 1_257, 0, 0]);
    let payouts = payouts_of(client, &run.id).await;
    assert_eq!(payouts.iter().map(|payout| payout.id.clone()).collect::<Vec<_>>(), exported.payout_ids);
    for payout in &payouts {
        assert_eq!((payout.state(), &payout.payout_export_id), (pb::PayoutState::Exported, &exported.id));
    }

    // The same file again, whether the answer was lost or somebody asks later. What is in it is in no other file.
    server.clock.advance_days(1);
    let again = export(client, request.clone()).await.unwrap();
    assert_eq!(again, pb::ExportPayoutFileResponse { replayed: true, ..made.clone() });
    let by_id = pb::ExportPayoutFileRequest { payout_export_id: exported.id.clone(), ..Default::default() };
    assert_eq!(export(client, by_id.clone()).await.unwrap(), made);
    let another = pb::ExportPayoutFileRequest { request_id: String::new(), ..request.clone() };
    let status = export(client, another).await.unwrap_err();
    assert!(status.message().starts_with("payout_run_id: has no payout that is READY"), "{}", status.message());
    let named = pb::ExportPayoutFileRequest {
        payout_ids: vec![payouts[0].id.clone()],
        settings: Some(Settings::Plain(pb::PlainFileSettings {})),
        ..Default::default()
    };
    assert_eq!(reason(&export(client, named).await.unwrap_err()), "PAYOUT_STATE");
    verify(client).await;

    // The bank's answer.
    let rows = format!("payout_id,result\n{},paid\n{},failed\n{},paid\n", payouts[0].id, payouts[1].id, payouts[2].id);
    let request = pb::ImportPayoutResultsRequest { csv: rows, ..Default::default() };
    client.payouts.import_payout_results(request).await.unwrap();
    use pb::PayoutState::{Failed, Paid};
    assert_eq!(states_of(client, &run.id).await, [Paid, Failed, Paid]);
    assert_eq!(owed_in_dollars(client).await, [250, 0, 0, 0, 0, 0, 1]);
    verify(client).await;

    // The file is kept as long as requests are.
    server.clock.advance_days(30);
    server.server.app().wake_worker(forget_requests::NAME);
    let gone = loop {
        match export(client, by_id.clone()).await {
            Ok(kept) => assert_eq!(kept, made),
            Err(status) => break status,
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(reason(&gone), "PAYOUT_FILE_GONE");
});

db_test!(g16_all_wrong_fields_of_a_file_are_named_and_then_nothing_is_exported, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let mut payout_ids = Vec::new();
    for ref_id in ["bea", "cem", "dan"] {
        let id = create_affiliate(client, ref_id).await;
        match ref_id {
            "bea" => set_method(client, &id, us_bank("0001234567")).await,
            "cem" => {
                let paypal = pb::PayPalDetails { email: "cem@example.com".to_owned() };
                set_method(client, &id, pb::payout_details::Details::Paypal(paypal)).await;
            }
            _ => {}
        }
        give_approved(client, ref_id, 100).await;
        payout_ids.push(create(client, due_to(&id)).await.unwrap().id);
    }
    let violations = |status: &Status| -> Vec<String> {
        let details = status.get_error_details();
        let wrong = details.bad_request().unwrap().field_violations.clone();
        wrong.into_iter().map(|violation| violation.field).collect()
    };
    let request =
        pb::ExportPayoutFileRequest { payout_ids: payout_ids.clone(), settings: nacha(), ..Default::default() };
    let status = export(client, request.clone()).await.unwrap_err();
    assert_eq!(violations(&status), [format!("{}.destination", payout_ids[2]), format!("{}.account", payout_ids[1])]);
    let two = pb::ExportPayoutFileRequest { payout_ids: payout_ids[..2].to_vec(), ..request.clone() };
    let status = export(client, two.clone()).await.unwrap_err();
    assert_eq!(violations(&status), [format!("{}.account", payout_ids[1])]);
    let wrong_bank = pb::NachaFileSettings {
        bank_routing_number: "021000022".to_owned(),
        ..match nacha() {
            Some(Settings::Nacha(settings)) => settings,
            _ => unreachable!(),
        }
    };
    let wrong = pb::ExportPayoutFileRequest { settings: Some(Settings::Nacha(wrong_bank)), ..two.clone() };
    let status = export(client, wrong).await.unwrap_err();
    assert_eq!(violations(&status), ["nacha.bank_routing_number".to_owned(), format!("{}.account", payout_ids[1])]);
    let unknown = pb::ExportPayoutFileRequest {
        payout_ids: vec![payout_ids[0].clone(), format!("pay_{:032x}", 7)],
        ..request.clone()
    };
    assert_eq!(reason(&export(client, unknown).await.unwrap_err()), "PAYOUT_NOT_FOUND");
    for payout_id in &payout_ids {
        let request = pb::GetPayoutRequest { payout_id: payout_id.clone() };
        let payout = client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap();
        assert_eq!((payout.state(), payout.payout_export_id.as_str()), (pb::PayoutState::Ready, ""));
    }
    // A plain file takes any destination.
    let plain = pb::ExportPayoutFileRequest { settings: Some(Settings::Plain(pb::PlainFileSettings {})), ..two };
    let made = export(client, plain).await.unwrap();
    let text = String::from_utf8(made.content.clone()).unwrap();
    assert!(
        text.contains("us_checking,0001234567,021000021,1.00") && text.contains("email,cem@example.com,,1.00"),
        "{text}"
    );
    verify(client).await;
});

db_test!(c30_of_64_exports_at_once_exactly_one_takes_a_payout, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    let affiliate_id = shop.affiliate_id.clone();
    set_method(&mut shop.client, &affiliate_id, us_bank("0001234567")).await;
    give_approved(&mut shop.client, "ann", 100).await;
    let payout = create(&mut shop.client, due_to(&affiliate_id)).await.unwrap();
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        let request = pb::ExportPayoutFileRequest {
            payout_ids: vec![payout.id.clone()],
            settings: nacha(),
            ..Default::default()
        };
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            export(&mut client, request).await
        }));
    }
    let mut made = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => made.push(answer.payout_export.unwrap().id),
            Err(status) => assert_eq!(reason(&status), "PAYOUT_STATE"),
        }
    }
    assert_eq!(made.len(), 1);
    let request = pb::GetPayoutRequest { payout_id: payout.id };
    let payout = shop.client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap();
    assert_eq!(payout.payout_export_id, made[0]);
    verify(&mut shop.client).await;
});
