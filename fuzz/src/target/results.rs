//! Files of results of payouts. Any file is read as a whole or refused, and what is read names each payout once.

use std::collections::BTreeSet;

use headwater::domain::account::KeyKind;
use headwater::domain::time::Time;
use headwater::pb;
use headwater::rpc::call::change::{Asking, Change};

use crate::draw::{Draw, garbled};

/// See the head of the file.
///
/// # Panics
/// A property does not hold.
pub fn results(input: &[u8]) {
    let mut draw = Draw::new(input);
    let separator = *draw.of(&[",", ";", "\t"]);
    let mut rows = vec![["payout_id", "result", "reference", "reason"].join(separator)];
    for _ in 0..draw.below(4) {
        let id = format!("{}{:032x}", draw.of(&["pay_", ""]), u128::from(draw.byte()));
        let cells = [id.as_str(), *draw.of(&["paid", "failed", ""]), *draw.of(&["TRX 17", "\"a, b; c\"", ""]), ""];
        rows.push(cells.join(separator));
    }
    let whole = rows.join(*draw.of(&["\n", "\r\n"])).into_bytes();
    let file = if draw.happens(200) { garbled(&mut draw, whole) } else { whole };
    let csv = String::from_utf8_lossy(&file).into_owned();
    let asking = Asking::new(Time::from_micros(0), KeyKind::Payout);
    let message = match draw.below(3) {
        0 => pb::ImportPayoutResultsRequest { csv, ..Default::default() },
        1 => pb::ImportPayoutResultsRequest { sepa_status_report: report(&mut draw), ..Default::default() },
        _ => pb::ImportPayoutResultsRequest { ach_returns: returns(&mut draw), ..Default::default() },
    };
    let Ok((rule, _)) = message.read(&asking) else { return };
    let ids: BTreeSet<_> = rule.results.iter().map(|result| result.payout_id).collect();
    assert_eq!(ids.len(), rule.results.len(), "each payout has one row");
    assert!((1..=1_000).contains(&ids.len()));
    for result in &rule.results {
        let texts = [&result.reference, &result.reason];
        assert!(texts.into_iter().all(|text| !text.chars().any(char::is_control) && text.trim() == text), "{result:?}");
    }
}

/// A report of a SEPA bank.
fn report(draw: &mut Draw<'_>) -> String {
    let mut text = "<Document><CstmrPmtStsRpt><OrgnlPmtInfAndSts>".to_owned();
    for _ in 0..draw.below(4) {
        let (id, status) = (u128::from(draw.byte()), *draw.of(&["ACSC", "RJCT", "PDNG", ""]));
        let amount = *draw.of(&["1.00", "0.001", "-1", "99999999999999999999"]);
        text += &format!(
            "<TxInfAndSts><OrgnlEndToEndId>{id:032x}</OrgnlEndToEndId><TxSts>{status}</TxSts>\
             <StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>\
             <OrgnlTxRef><Amt><InstdAmt Ccy=\"EUR\">{amount}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts>"
        );
    }
    text += "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>";
    let whole = text.into_bytes();
    let file = if draw.happens(200) { garbled(draw, whole) } else { whole };
    String::from_utf8_lossy(&file).into_owned()
}

/// A file of ACH.
fn returns(draw: &mut Draw<'_>) -> String {
    let mut text = String::new();
    for _ in 0..draw.below(4) {
        let code = *draw.of(&["99R03", "98C01", "99R61", "05   "]);
        text += &format!("621{:<26}{:010}{:<15}{:<22}  1{:015}\n", "", draw.byte(), "", "BEA", 1);
        text += &format!("7{code}02100002{:07}\n", draw.byte());
    }
    let whole = text.into_bytes();
    let file = if draw.happens(200) { garbled(draw, whole) } else { whole };
    String::from_utf8_lossy(&file).into_owned()
}
