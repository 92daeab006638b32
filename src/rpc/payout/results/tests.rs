//! Each kind of file is read as a whole or refused, and every wrong part is named.

use uuid::Uuid;

use super::*;
use crate::domain::account::KeyKind;
use crate::domain::id::AccountId;
use crate::domain::payout::ProblemKind;
use crate::domain::payout_export::PayoutFileFormat;
use crate::domain::time::Time;

fn id(number: u128) -> PayoutId {
    PayoutId::from_uuid(Uuid::from_u128(number))
}

fn dollars(amount_minor: i64) -> Money {
    Money::new(amount_minor, "USD".parse().unwrap())
}

/// The results of a request, or all that is wrong with it.
fn read(
    message: &pb::ImportPayoutResultsRequest,
    export: Option<&PayoutExport>,
) -> Result<Vec<PayoutResult>, Vec<String>> {
    let wrong = |error: Error| -> Vec<String> {
        match error {
            Error::InvalidFields(violations) => violations
                .into_iter()
                .map(|violation| format!("{}: {}", violation.field, violation.description))
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    let asking = Asking::new(Time::from_micros(0), KeyKind::Payout);
    let (rule, found) = message.read(&asking).map_err(wrong)?;
    let Some(export) = export else { return Ok(rule.results) };
    let mut fields = Fields::default();
    let results = found.results(&mut fields, Some(export));
    fields.finish().map_err(wrong)?;
    Ok(results)
}

fn csv(text: &str) -> Result<Vec<PayoutResult>, Vec<String>> {
    read(&pb::ImportPayoutResultsRequest { csv: text.to_owned(), ..Default::default() }, None)
}

fn export(numbers: std::ops::RangeInclusive<u128>) -> PayoutExport {
    PayoutExport {
        id: PayoutExportId::from_uuid(Uuid::from_u128(9)),
        account_id: AccountId::from_uuid(Uuid::nil()),
        format: PayoutFileFormat::Nacha,
        payout_ids: numbers.map(id).collect(),
        total: dollars(1),
        sha256: String::new(),
        file: None,
        created_by: None,
        created_at: Time::from_micros(0),
    }
}

fn of_export(message: pb::ImportPayoutResultsRequest, export: &PayoutExport) -> Result<Vec<PayoutResult>, Vec<String>> {
    read(&pb::ImportPayoutResultsRequest { payout_export_id: export.id.to_string(), ..message }, Some(export))
}

fn result(number: u128, kind: PayoutResultKind) -> PayoutResult {
    PayoutResult { payout_id: id(number), kind, amount: None, reference: String::new(), reason: String::new() }
}

fn failed(kind: ProblemKind, code: &str) -> PayoutResultKind {
    PayoutResultKind::Failed(PayoutProblem::new(kind, code, ""))
}

#[test]
fn a_table_is_read_whatever_its_columns_and_separator() {
    let paid = PayoutResult { reference: "TRX, 17".to_owned(), ..result(1, PayoutResultKind::Paid) };
    let closed = failed(ProblemKind::ReceiverInvalid, "AC04");
    let failed = PayoutResult { reason: "closed; account".to_owned(), ..result(2, failed(ProblemKind::NotPaid, "")) };
    let (first, second) = (id(1), format!("{:032X}", 2));
    let commas = format!(
        "payout_id,result,reference,reason\r\n{first},paid,\"TRX, 17\",\r\n{second},FAILED,,closed; account\r\n"
    );
    // The first row decides which character separates.
    let semicolons = format!(
        "\u{feff}bank;Reason;Result;reference;payout_id\nX;;paid;TRX, 17;{first}\nY;\"closed; account\";failed;;{second}\n"
    );
    assert_eq!(csv(&commas), Ok(vec![paid.clone(), failed.clone()]));
    assert_eq!(csv(&semicolons), Ok(vec![paid.clone(), failed]));
    let few = format!("payout_id,result\n{first},paid");
    assert_eq!(csv(&few), Ok(vec![PayoutResult { reference: String::new(), ..paid }]));
    // A reason that is a code alone says who must act.
    let code = csv(&format!("payout_id,result,reason\n{first},failed,AC04\n")).unwrap();
    assert_eq!(code[0].kind, closed);
}

#[test]
fn all_wrong_rows_are_named() {
    let (first, second) = (id(1), id(2));
    let text = format!("payout_id,result\npay_1,paid\n{first},maybe\n{second},paid\n{second},failed\n");
    assert_eq!(
        csv(&text),
        Err(vec![
            "csv: row 2 has no payout_id of pay_ and 32 hexadecimal digits".to_owned(),
            "csv: row 3 has a result that is neither paid nor failed".to_owned(),
            "csv: row 5 is about the same payout as row 4; each payout has one result".to_owned(),
        ])
    );
    let no_column = "csv: lacks result in its first row, which has the names of the fields";
    assert_eq!(csv("payout_id\nx"), Err(vec![no_column.to_owned()]));
    assert_eq!(csv("payout_id,result\n"), Err(vec!["csv: tells nothing of any payout".to_owned()]));
    let long = format!("payout_id,result,reference\n{first},paid,{}\n", "x".repeat(129));
    assert_eq!(csv(&long), Err(vec!["csv: row 2 has a reference of more than 128 characters".to_owned()]));
    let rows: String = (1..=1_001).map(|number| format!("{},paid\n", id(number))).collect();
    let many = csv(&format!("payout_id,result\n{rows}")).unwrap_err();
    assert_eq!(many, ["csv: has more than 1000 payouts; make several files of it"]);
}

#[test]
fn exactly_one_file_is_read() {
    let none = read(&pb::ImportPayoutResultsRequest::default(), None).unwrap_err();
    assert_eq!(none, ["csv: is required, or sepa_status_report, or ach_returns"]);
    let (csv, ach_returns) = ("x".to_owned(), "y".to_owned());
    let two = read(&pb::ImportPayoutResultsRequest { csv, ach_returns, ..Default::default() }, None).unwrap_err();
    assert_eq!(two, ["ach_returns: is one file too many; send one of csv, sepa_status_report and ach_returns"]);
}

/// A pain.002 with this content.
fn report(content: &str) -> pb::ImportPayoutResultsRequest {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<p:Document xmlns:p=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\">\n\
         <p:CstmrPmtStsRpt><p:GrpHdr><p:MsgId>B1</p:MsgId></p:GrpHdr>{content}</p:CstmrPmtStsRpt></p:Document>"
    );
    pb::ImportPayoutResultsRequest { sepa_status_report: text, ..Default::default() }
}

/// A transfer of a report, with what stands behind its id.
fn transfer(number: u128, rest: &str) -> String {
    format!("<TxInfAndSts><OrgnlEndToEndId>{number:032x}</OrgnlEndToEndId>{rest}</TxInfAndSts>")
}

fn sepa(content: &str) -> Result<Vec<PayoutResult>, Vec<String>> {
    read(&report(content), None)
}

#[test]
fn a_report_of_a_bank_tells_what_became_of_each_transfer() {
    let rejected =
        "<TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed &amp; gone</AddtlInf></StsRsnInf>";
    let paid = "<TxSts>ACSC</TxSts><AcctSvcrRef>TRX 17</AcctSvcrRef>\
                <OrgnlTxRef><Amt><InstdAmt Ccy=\"EUR\">12.30</InstdAmt></Amt></OrgnlTxRef>";
    let content = format!(
        "<OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>\
         <OrgnlPmtInfAndSts><OrgnlPmtInfId>M1</OrgnlPmtInfId>{}{}{}</OrgnlPmtInfAndSts>",
        transfer(1, paid),
        transfer(2, rejected),
        transfer(3, "<TxSts>PDNG</TxSts>"),
    );
    let euros = Money::new(1_230, "EUR".parse().unwrap());
    assert_eq!(
        sepa(&content),
        Ok(vec![
            PayoutResult { amount: Some(euros), reference: "TRX 17".to_owned(), ..result(1, PayoutResultKind::Paid) },
            PayoutResult {
                reason: "RJCT AC04 closed & gone".to_owned(),
                ..result(2, failed(ProblemKind::ReceiverInvalid, "AC04"))
            },
            result(3, PayoutResultKind::Noted),
        ])
    );
}

#[test]
fn transfers_without_a_status_have_that_of_their_batch_or_file() {
    let reason = "<StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf>";
    let rejected =
        PayoutResult { reason: "RJCT AM04".to_owned(), ..result(1, failed(ProblemKind::InsufficientFunds, "AM04")) };
    let batch = format!("<PmtInfSts>RJCT</PmtInfSts>{reason}{}", transfer(1, ""));
    let of_batch = format!(
        "<OrgnlGrpInfAndSts><GrpSts>ACSC</GrpSts></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts>{batch}</OrgnlPmtInfAndSts>"
    );
    assert_eq!(sepa(&of_batch), Ok(vec![rejected.clone()]));
    let of_file = format!(
        "<OrgnlGrpInfAndSts><GrpSts>RJCT</GrpSts>{reason}</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts>{}</OrgnlPmtInfAndSts>",
        transfer(1, "")
    );
    assert_eq!(sepa(&of_file), Ok(vec![rejected.clone()]));
    // Without transfers it is about all of an export.
    let whole = format!("<OrgnlGrpInfAndSts><GrpSts>RJCT</GrpSts>{reason}</OrgnlGrpInfAndSts>");
    let problem = "sepa_status_report: the file is about a file as a whole; send the payout_export_id of this file";
    assert_eq!(sepa(&whole), Err(vec![problem.to_owned()]));
    let all: Vec<_> = (1..=3).map(|number| PayoutResult { payout_id: id(number), ..rejected.clone() }).collect();
    assert_eq!(of_export(report(&whole), &export(1..=3)), Ok(all.clone()));
    let batch = format!("<OrgnlPmtInfAndSts><PmtInfSts>RJCT</PmtInfSts>{reason}</OrgnlPmtInfAndSts>");
    assert_eq!(of_export(report(&batch), &export(1..=3)), Ok(all));
}

#[test]
fn a_report_that_is_wrong_is_refused_and_names_each_wrong_transfer() {
    let content = format!(
        "<OrgnlPmtInfAndSts>{}{}{}{}<TxInfAndSts><OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts></OrgnlPmtInfAndSts>",
        transfer(1, "<TxSts>ACSC</TxSts>"),
        transfer(2, "<TxSts>DONE</TxSts>"),
        transfer(3, ""),
        transfer(4, "<TxSts>ACSC</TxSts><OrgnlTxRef><Amt><InstdAmt Ccy=\"EUR\">1.234</InstdAmt></Amt></OrgnlTxRef>"),
    );
    assert_eq!(
        sepa(&content),
        Err(vec![
            "sepa_status_report: transfer 2 has a status that is not known".to_owned(),
            "sepa_status_report: transfer 3 has no status".to_owned(),
            "sepa_status_report: transfer 4 has an InstdAmt that is no amount of its currency".to_owned(),
            "sepa_status_report: transfer 5 has no OrgnlEndToEndId of 32 hexadecimal digits".to_owned(),
        ])
    );
    let twice = transfer(1, "<TxSts>ACSC</TxSts>").repeat(2);
    let problem = "sepa_status_report: transfer 2 is about the same payout as transfer 1; each payout has one result";
    assert_eq!(sepa(&twice), Err(vec![problem.to_owned()]));
    let foreign = of_export(report(&transfer(7, "<TxSts>ACSC</TxSts>")), &export(1..=3)).unwrap_err();
    assert!(foreign[0].contains("is about pay_00000000000000000000000000000007, which is not in pex_"), "{foreign:?}");
    for (text, problem) in [
        ("no XML", "tells nothing of any payout"),
        ("<Document><CstmrPmtStsRpt>", "is no XML that ends"),
        ("<Document></Other>", "is no XML"),
        ("<Other/>", "tells nothing of any payout"),
        ("<Other></Other>", "is no pain.002, whose first element is Document"),
        (
            "<Document><CstmrCdtTrfInitn></CstmrCdtTrfInitn></Document>",
            "is no pain.002, which has CstmrPmtStsRpt in its Document",
        ),
        ("<!DOCTYPE x [<!ENTITY a \"b\">]><Document/>", "has a document type, which no report of a bank has"),
        (&format!("<Document><CstmrPmtStsRpt>{}", "<a>".repeat(50)), "has more levels than any report of a bank"),
    ] {
        let message = pb::ImportPayoutResultsRequest { sepa_status_report: text.to_owned(), ..Default::default() };
        assert_eq!(read(&message, None), Err(vec![format!("sepa_status_report: {problem}")]), "{text}");
    }
}

/// A record of an entry with its amount and its id, and its addenda.
fn entry(amount_minor: i64, entry_id: &str, addenda: &str) -> String {
    let entry = format!("621{:<26}{amount_minor:010}{entry_id:<15}{:<22}  1{:015}", "0210000210001234567", "BEA", 7);
    format!("{entry}\n{addenda:<94}\n")
}

fn returns(records: &[String]) -> pb::ImportPayoutResultsRequest {
    let text = format!("1{:<93}\n5{:<93}\n{}8{:<93}\n9{:<93}\n", "", "", records.concat(), "", "");
    pb::ImportPayoutResultsRequest { ach_returns: text, ..Default::default() }
}

#[test]
fn returns_and_changes_are_found_by_the_number_of_their_entry() {
    let export = export(1..=3);
    let records = [
        entry(250, &entry_id(id(1)), "799R03021000020000001      02100002"),
        // The bank may leave the id out.
        entry(0, "", "798C01021000020000003      021000020009876543"),
        entry(7, &entry_id(id(2)), "799R23021000020000002      02100002"),
    ];
    let returned = |number, kind, code: &str, amount_minor, words: &str| PayoutResult {
        amount: Some(dollars(amount_minor)),
        reason: format!("{code}: {words}"),
        ..result(number, PayoutResultKind::Returned(PayoutProblem::new(kind, code, "")))
    };
    let noted = PayoutResult {
        reason: "C01: another account number; the bank's file has the right one".to_owned(),
        ..result(3, PayoutResultKind::Noted)
    };
    let found = of_export(returns(&records), &export).unwrap();
    assert_eq!(
        found,
        [
            returned(1, ProblemKind::ReceiverInvalid, "R03", 250, "there is no such account"),
            noted,
            returned(2, ProblemKind::ReceiverRefused, "R23", 7, "the receiver refused it"),
        ]
    );
    // The new number of an account is in no text that is kept.
    assert!(found.iter().all(|result| !result.reason.contains("9876543")));
    // A table may name the numbers too.
    let text = "payout_id,result\n021000020000002,paid\n".to_owned();
    let table = pb::ImportPayoutResultsRequest { csv: text, ..Default::default() };
    assert_eq!(of_export(table.clone(), &export), Ok(vec![result(2, PayoutResultKind::Paid)]));
    let problem = "csv: row 2 names an entry by its number, which is in many files; send the payout_export_id of the file that it is about";
    assert_eq!(read(&table, None), Err(vec![problem.to_owned()]));
}

#[test]
fn returns_that_are_wrong_name_each_wrong_record() {
    let export = export(1..=3);
    let records = [
        entry(250, &entry_id(id(2)), "799R03021000020000001      02100002"),
        entry(250, "", "799R03021000020000004      02100002"),
        entry(250, "", "799R03021000020000000      02100002"),
    ];
    let wrong = of_export(returns(&records), &export).unwrap_err();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].starts_with("ach_returns: record 4 has the number of entry 1"), "{wrong:?}");
    assert!(wrong[1].starts_with("ach_returns: record 6 names entry 4, and pex_"), "{wrong:?}");
    let records = [
        entry(250, "", "799R61021000020000001      02100002"),
        entry(250, "", "799C01021000020000001      02100002"),
        entry(250, "", "799R0x021000020000001      02100002"),
        entry(250, "", "799R0302100002000000A      02100002"),
        "799R03021000020000001\n".to_owned(),
        "X\n".to_owned(),
        format!("6{}\n", "1".repeat(100)),
    ];
    let wrong = of_export(returns(&records), &export).unwrap_err();
    let problems: Vec<_> = wrong.iter().filter_map(|text| text.strip_prefix("ach_returns: record ")).collect();
    assert_eq!(
        problems,
        [
            "4 has a code that is neither of a return nor of a change; a person must look",
            "6 has a code that is neither of a return nor of a change; a person must look",
            "8 has no code of a letter and two digits",
            "10 has no number of the entry that it is about, of 15 digits",
            "11 has no entry before it",
            "12 begins with no digit of a record",
            "13 has more than 94 characters",
        ]
    );
    let letters = pb::ImportPayoutResultsRequest { ach_returns: "ü".to_owned(), ..Default::default() };
    assert_eq!(read(&letters, None), Err(vec!["ach_returns: is no file of ACH, which is in ASCII".to_owned()]));
}
