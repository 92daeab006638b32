//! Results of payouts that are imported from a file.

use headwater::pb;
use testkit::client::Client;
use tonic::Status;

use super::payout_reserved::{create, due_to, give_approved, owed_in_dollars, two_servers, verify};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn import(client: &mut Client, csv: String) -> Result<Vec<pb::Payout>, Status> {
    let request = pb::ImportPayoutResultsRequest { csv, ..Default::default() };
    client.payouts.import_payout_results(request).await.map(|answer| answer.into_inner().payouts)
}

/// A payout of one new reward.
async fn payout_of(shop: &mut Shop, amount_minor: i64) -> pb::Payout {
    let reward_ids = vec![give_approved(&mut shop.client, "ann", amount_minor).await];
    let request = pb::CreatePayoutRequest { reward_ids, note: "May".to_owned(), ..due_to(&shop.affiliate_id) };
    create(&mut shop.client, request).await.unwrap()
}

db_test!(g16_a_file_of_results_is_taken_as_a_whole_and_can_be_repeated, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (paid, failed, other) =
        (payout_of(&mut shop, 100).await, payout_of(&mut shop, 20).await, payout_of(&mut shop, 3).await);
    let unknown = format!("pay_{:032x}", 7);
    let head = "payout_id,result,reference,reason";
    let rows = format!("{head}\n{},paid,TRX 17,\n{},failed,,account closed\n", paid.id, &failed.id[4..]);
    let status = import(&mut shop.client, format!("{rows}{unknown},paid,,\n")).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_NOT_FOUND");
    assert!(status.message().contains(&unknown), "{}", status.message());
    let status = import(&mut shop.client, format!("{rows}{},perhaps,,\n", other.id)).await.unwrap_err();
    assert_eq!(status.message(), "csv: row 4 has a result that is neither paid nor failed");
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 0, 0, 0, 123, 0, 0]);

    let payouts = import(&mut shop.client, rows.clone()).await.unwrap();
    let facts: Vec<_> = payouts.iter().map(|payout| (payout.state(), payout.note.as_str())).collect();
    use pb::PayoutState::{Failed, Paid};
    assert_eq!(facts, [(Paid, "May"), (Failed, "May\naccount closed")]);
    assert_eq!((payouts[0].reference.as_str(), payouts[0].paid_time), ("TRX 17", payouts[0].update_time));
    assert_eq!(owed_in_dollars(&mut shop.client).await, [20, 0, 0, 0, 3, 0, 1]);
    // The same file, in a later call, changes nothing. Neither does it together with a new row.
    assert_eq!(import(&mut shop.client, rows.clone()).await.unwrap(), payouts);
    let longer = import(&mut shop.client, format!("{rows}{},paid,,\n", other.id)).await.unwrap();
    assert_eq!((&longer[..2], longer[2].state()), (&payouts[..], Paid));
    // A file that says something else is refused, and says which payout.
    for row in [format!("{},failed,,", paid.id), format!("{},paid,TRX 18,", paid.id), format!("{},paid,,", failed.id)] {
        let status = import(&mut shop.client, format!("{head}\n{row}\n")).await.unwrap_err();
        assert_eq!(reason(&status), "PAYOUT_STATE");
        assert!(status.message().starts_with(&format!("csv: payout {}", &row[..36])), "{}", status.message());
    }
    assert_eq!(owed_in_dollars(&mut shop.client).await, [20, 0, 0, 0, 0, 0, 1]);
    verify(&mut shop.client).await;
});

db_test!(g16_of_64_files_at_once_each_payout_has_one_result, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(payout_of(&mut shop, 100).await.id);
    }
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number / 2 % 2].address.clone(), shop.client.key.clone());
        let result = if number % 2 == 0 { "paid" } else { "failed" };
        let rows: String = ids.iter().map(|id| format!("{id},{result}\n")).collect();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            import(&mut client, format!("payout_id,result\n{rows}")).await.map(|payouts| payouts[0].state())
        }));
    }
    let mut states = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(state) => states.push(state),
            // Each of the four payouts is named.
            Err(status) => assert_eq!(reason(&status), "INVALID_FIELDS"),
        }
    }
    // All files with the first result are answered, and no other one.
    assert_eq!(states.len(), 32);
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    let owed_minor = if states[0] == pb::PayoutState::Failed { 400 } else { 0 };
    assert_eq!(owed_in_dollars(&mut shop.client).await[..5], [owed_minor, 0, 0, 0, 0]);
    verify(&mut shop.client).await;
});

/// A report of a SEPA bank about these transfers: the payout, the status, the reason's code, and the amount in cents.
fn sepa_report(transfers: &[(&str, &str, &str, i64)]) -> String {
    let transfer = |(payout_id, status, code, cents): &(&str, &str, &str, i64)| {
        let reason =
            if code.is_empty() { String::new() } else { format!("<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>") };
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        format!(
            "<TxInfAndSts><OrgnlEndToEndId>{}</OrgnlEndToEndId><TxSts>{status}</TxSts>{reason}\
             <OrgnlTxRef><Amt><InstdAmt Ccy=\"USD\">{amount}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts>",
            &payout_id[4..]
        )
    };
    let transfers: String = transfers.iter().map(transfer).collect();
    format!("<Document><CstmrPmtStsRpt><OrgnlPmtInfAndSts>{transfers}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>")
}

async fn import_report(client: &mut Client, sepa_status_report: String) -> Result<Vec<pb::Payout>, Status> {
    let request = pb::ImportPayoutResultsRequest { sepa_status_report, ..Default::default() };
    client.payouts.import_payout_results(request).await.map(|answer| answer.into_inner().payouts)
}

/// State, kind of problem, the bank's code, and who must act.
fn problem_facts(payout: &pb::Payout) -> (pb::PayoutState, &str, &str, pb::WhoMustAct) {
    match &payout.problem {
        Some(problem) => {
            (payout.state(), problem.code.as_str(), problem.provider_code.as_str(), problem.who_must_act())
        }
        None => (payout.state(), "", "", pb::WhoMustAct::Unspecified),
    }
}

db_test!(g16_a_report_of_a_bank_pays_and_fails_payouts, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut ids = Vec::new();
    for amount_minor in [100, 20, 3, 4] {
        ids.push(payout_of(&mut shop, amount_minor).await.id);
    }
    let client = &mut shop.client;
    let told = sepa_report(&[
        (ids[0].as_str(), "ACSC", "", 100),
        (ids[1].as_str(), "RJCT", "AC04", 20),
        (ids[2].as_str(), "RJCT", "AM04", 3),
        (ids[3].as_str(), "ACSP", "", 4),
    ]);
    // Wrong ones are all named, and nothing is changed.
    let unknown = format!("pay_{:032x}", 7);
    let wrong = sepa_report(&[
        (ids[0].as_str(), "ACSC", "", 101),
        (unknown.as_str(), "ACSC", "", 5),
        (ids[1].as_str(), "RJCT", "AC04", 20),
    ]);
    let status = import_report(client, wrong).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS");
    for id in [&ids[0], &unknown] {
        assert!(
            format!("{:?}", tonic_types::StatusExt::get_error_details(&status)).contains(id.as_str()),
            "{status:?}"
        );
    }
    assert_eq!(owed_in_dollars(client).await, [0, 0, 0, 0, 127, 0, 0]);
    let payouts = import_report(client, told.clone()).await.unwrap();
    use pb::PayoutState::{Failed, Paid, Ready};
    let facts: Vec<_> = payouts.iter().map(problem_facts).collect();
    assert_eq!(
        facts,
        [
            (Paid, "", "", pb::WhoMustAct::Unspecified),
            (Failed, "receiver_invalid", "AC04", pb::WhoMustAct::Affiliate),
            (Failed, "insufficient_funds", "AM04", pb::WhoMustAct::Owner),
            (Ready, "", "", pb::WhoMustAct::Unspecified),
        ]
    );
    assert_eq!(payouts[1].note, "May\nRJCT AC04");
    assert_eq!(owed_in_dollars(client).await, [23, 0, 0, 0, 4, 0, 1]);
    assert_eq!(import_report(client, told).await.unwrap(), payouts);
    // What was paid did not fail.
    let status = import_report(client, sepa_report(&[(ids[0].as_str(), "RJCT", "AC04", 100)])).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_STATE");
    assert!(status.message().starts_with("sepa_status_report: payout "), "{}", status.message());
    verify(client).await;
});

/// A return, or a notice of change, of the entry with this number.
fn ach_record(code: &str, entry: usize, cents: i64) -> String {
    let kind = if code.starts_with('R') { "99" } else { "98" };
    let first = format!("621{:<26}{cents:010}{:<15}{:<22}  1{:015}", "", "", "BEA", 1);
    let addenda = format!("7{kind}{code}02100002{entry:07}      02100002");
    format!("{first}\n{addenda:<94}\n")
}

db_test!(g16_returns_of_ach_end_payouts_and_changes_are_noted, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let bank = pb::payout_details::Details::UnitedStatesBank(pb::UnitedStatesBankDetails {
        routing_number: "021000021".to_owned(),
        account_number: "000123456789".to_owned(),
        account_kind: pb::BankAccountKind::Checking.into(),
        holder_name: "Ann Affiliate".to_owned(),
    });
    let request = pb::SetPayoutMethodRequest {
        affiliate: Some(shop.affiliate()),
        details: Some(pb::PayoutDetails { details: Some(bank) }),
        ..Default::default()
    };
    shop.client.payouts.set_payout_method(request).await.unwrap();
    let mut payout_ids = Vec::new();
    for amount_minor in [100, 20, 3] {
        payout_ids.push(payout_of(&mut shop, amount_minor).await.id);
    }
    let client = &mut shop.client;
    let settings = pb::export_payout_file_request::Settings::Nacha(pb::NachaFileSettings {
        bank_routing_number: "021000021".to_owned(),
        bank_name: "First Bank".to_owned(),
        origin: "1123456789".to_owned(),
        company_name: "Corner Shop".to_owned(),
        company_id: "1123456789".to_owned(),
        entry_description: "PAYOUT".to_owned(),
        effective_date: "2026-01-03".to_owned(),
        ..Default::default()
    });
    let request =
        pb::ExportPayoutFileRequest { payout_ids: payout_ids.clone(), settings: Some(settings), ..Default::default() };
    let export = client.payouts.export_payout_file(request).await.unwrap().into_inner().payout_export.unwrap();
    // The first one was thought to be paid.
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![payout_ids[0].clone()], ..Default::default() };
    client.payouts.confirm_payouts(request).await.unwrap();
    let file = [ach_record("R02", 1, 100), ach_record("R03", 2, 20), ach_record("C01", 3, 0)].concat();
    let request =
        pb::ImportPayoutResultsRequest { ach_returns: file, payout_export_id: export.id.clone(), ..Default::default() };
    let unknown = pb::ImportPayoutResultsRequest { payout_export_id: format!("pex_{:032x}", 7), ..request.clone() };
    let status = client.payouts.import_payout_results(unknown).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_EXPORT_NOT_FOUND");
    let payouts = client.payouts.import_payout_results(request.clone()).await.unwrap().into_inner().payouts;
    use pb::PayoutState::{Exported, Failed, Returned};
    let facts: Vec<_> = payouts.iter().map(problem_facts).collect();
    assert_eq!(
        facts,
        [
            (Returned, "receiver_invalid", "R02", pb::WhoMustAct::Affiliate),
            (Failed, "receiver_invalid", "R03", pb::WhoMustAct::Affiliate),
            (Exported, "", "", pb::WhoMustAct::Unspecified),
        ]
    );
    assert_eq!(payouts[0].returned_amount, payouts[0].amount);
    assert_eq!(payouts[2].note, "May\nC01: another account number; the bank's file has the right one");
    assert_eq!(owed_in_dollars(client).await, [120, 0, 0, 0, 3, 0, 1]);
    // The same file again changes nothing.
    assert_eq!(client.payouts.import_payout_results(request).await.unwrap().into_inner().payouts, payouts);
    verify(client).await;
});
