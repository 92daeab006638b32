//! Lines of sales and refunds in steps. The option `lines=` of `sale` and `correct` has one word for each line: its id, how many of which SKU,
//! its amount, and perhaps its plan and its collections, as in `a:2xMUG:60.00,b:1x:40.00:pro,c:1x:5.00::shirts|sale`. That of `refund` has an amount or units: `a:30.00,b:1x`.
//!
//! `lines SALE` shows the lines of a sale: `a 60.00 refunded 30.00, rest 5.00`.

use headwater::domain::conversion::ConversionKind;
use headwater::pb;

use super::World;
use super::play::Player;
use super::request::money;
use super::script::{Step, amount};

/// A line of a sale: its id, its amount, and what was refunded of it.
pub(super) type LineFacts = (String, i64, i64);

pub(super) fn sale_lines(step: &Step, currency: &str) -> Vec<pb::SaleLine> {
    words(step).map(|word| sale_line(word, currency)).collect()
}

pub(super) fn refund_lines(step: &Step, currency: &str) -> Vec<pb::RefundLine> {
    words(step).map(|word| refund_line(word, currency)).collect()
}

fn words(step: &Step) -> impl Iterator<Item = &str> {
    step.option("lines").into_iter().flat_map(|text| text.split(','))
}

fn sale_line(word: &str, currency: &str) -> pb::SaleLine {
    let parts: Vec<&str> = word.split(':').collect();
    let (quantity, sku) = parts[1].split_once('x').unwrap();
    pb::SaleLine {
        line_id: parts[0].to_owned(),
        item_sku: sku.to_owned(),
        quantity: quantity.parse().unwrap(),
        amount: Some(money(parts[2], currency)),
        plan: parts.get(3).copied().unwrap_or_default().to_owned(),
        collections: parts.get(4).map_or_else(Vec::new, |names| names.split('|').map(str::to_owned).collect()),
    }
}

fn refund_line(word: &str, currency: &str) -> pb::RefundLine {
    let (line_id, part) = word.split_once(':').unwrap();
    let part = match part.strip_suffix('x') {
        Some(units) => pb::refund_line::Part::Quantity(units.parse().unwrap()),
        None => pb::refund_line::Part::Amount(money(part, currency)),
    };
    pb::RefundLine { line_id: line_id.to_owned(), part: Some(part) }
}

impl<W: World> Player<'_, W> {
    pub(super) async fn lines_step(&mut self, step: &Step) -> String {
        let facts = self.world.recorded(ConversionKind::Sale, step.word(0)).await;
        let currency = step.words.get(1).map_or("USD", String::as_str).parse().unwrap();
        let lines = facts.lines.iter().map(|(id, minor, refunded)| {
            let name = if id.is_empty() { "rest" } else { id };
            let line = format!("{name} {}", amount(*minor, currency));
            if *refunded == 0 { line } else { format!("{line} refunded {}", amount(*refunded, currency)) }
        });
        lines.collect::<Vec<_>>().join(", ")
    }
}
