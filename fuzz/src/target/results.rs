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
    let message = pb::ImportPayoutResultsRequest { csv, ..Default::default() };
    let Ok((rule, ())) = message.read(&asking) else { return };
    let ids: BTreeSet<_> = rule.results.iter().map(|result| result.payout_id).collect();
    assert_eq!(ids.len(), rule.results.len(), "each payout has one row");
    assert!((1..=1_000).contains(&ids.len()));
    for result in &rule.results {
        let texts = [&result.reference, &result.reason];
        assert!(texts.into_iter().all(|text| !text.chars().any(char::is_control) && text.trim() == text), "{result:?}");
    }
}
