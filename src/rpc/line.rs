//! Lines of sales and refunds on the wire.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::call::canonical::{self, canonical};
use super::call::parse::{Fields, KEY_LENGTH_MAX};
use super::call::render::money;
use super::call::wire_enum::WireEnum;
use super::sale::quantity;
use crate::domain::commission::Commission;
use crate::domain::conversion::{Conversion, ConversionKind, SaleLine};
use crate::domain::line::{self, COLLECTIONS_MAX, LINES_MAX};
use crate::domain::money::{Currency, Money};
use crate::domain::reward::RewardLine;
use crate::pb::{self, refund_line::Part, reward_line::Rate};

const QUANTITY_MAX: i32 = 1_000_000;

/// Lines of a sale in their canonical form.
pub(super) fn canonical_sale_lines(sent: &[pb::SaleLine]) -> Option<Vec<pb::SaleLine>> {
    let canonical: Vec<_> = sent.iter().map(canonical_sale_line).collect();
    let is_canonical = canonical.iter().all(|line| matches!(line, Cow::Borrowed(_)));
    (!is_canonical).then(|| canonical.into_iter().map(Cow::into_owned).collect())
}

fn canonical_sale_line(line: &pb::SaleLine) -> Cow<'_, pb::SaleLine> {
    canonical!(
        pb::SaleLine,
        line,
        plan: canonical::description(&line.plan),
        collections: canonical::set(&line.collections),
        quantity: canonical::default_number(line.quantity, 1);
        as_sent: line_id, item_sku, amount,
    )
}

/// Reads the lines of a sale of this amount, and makes them add up to it. What does not fit is left out with a warning, so that no sale is
/// lost for it, except for an amount that is missing or in another currency.
pub(super) fn sale_lines(fields: &mut Fields, sent: &[pb::SaleLine], amount: Option<Money>) -> Vec<SaleLine> {
    if sent.is_empty() {
        return Vec::new();
    }
    if sent.len() > LINES_MAX {
        fields.warn("lines", format!("has {} lines; the first {LINES_MAX} were kept", sent.len()));
    }
    let ids = line_ids(fields, sent.get(..LINES_MAX).unwrap_or(sent));
    let read = sent.iter().zip(ids).enumerate().filter_map(|(place, (line, line_id))| {
        fields.within(&format!("lines[{place}]"), |fields| sale_line(fields, line, line_id, amount?.currency))
    });
    let lines: Vec<SaleLine> = read.collect();
    let Some(amount) = amount else { return Vec::new() };
    let sum = line::sum(&lines);
    if sum > i128::from(amount.amount_minor) {
        let amount_minor = amount.amount_minor;
        let explanation =
            format!("add up to {sum} minor units, and the amount is {amount_minor}; they were reduced in proportion");
        fields.warn("lines", explanation);
    }
    line::fitted(lines, amount.amount_minor)
}

/// The id of each line: its own, or a number that no other line has.
fn line_ids(fields: &mut Fields, sent: &[pb::SaleLine]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let own = sent.iter().enumerate().map(|(place, line)| {
        let id = fields.within(&format!("lines[{place}]"), |fields| {
            fields.or_without(|fields| fields.key("line_id", &line.line_id))
        })?;
        if taken.insert(id.clone()) {
            return Some(id);
        }
        fields.warn(&format!("lines[{place}].line_id"), "is that of an earlier line; it was replaced by a number");
        None
    });
    let own: Vec<Option<String>> = own.collect();
    let numbered = own.into_iter().enumerate().map(|(place, own)| {
        own.unwrap_or_else(|| {
            let numbers = std::iter::once(place + 1).chain(LINES_MAX + 1..);
            let free = numbers.map(|number| number.to_string()).find(|number| taken.insert(number.clone()));
            free.unwrap_or_default()
        })
    });
    numbered.collect()
}

fn sale_line(fields: &mut Fields, sent: &pb::SaleLine, line_id: String, currency: Currency) -> Option<SaleLine> {
    let item_sku = fields.or_without(|fields| fields.key("item_sku", &sent.item_sku)).unwrap_or_default();
    let plan = fields.description("plan", &sent.plan, KEY_LENGTH_MAX);
    let collections = fields.told_set("collections", &sent.collections, COLLECTIONS_MAX);
    let quantity = quantity(fields, sent.quantity);
    fields.required("amount", sent.amount.as_ref())?;
    let amount = fields.optional_difference("amount", sent.amount.as_ref())?;
    if amount.currency != currency {
        fields.wrong("amount.currency_code", format!("must be {currency}, as in the amount of the sale"));
    }
    if amount.amount_minor < 0 {
        fields.warn("amount", "is below zero; the line was left out");
        return None;
    }
    let amount_minor = amount.amount_minor;
    Some(SaleLine { line_id, item_sku, plan, collections, quantity, amount_minor, ..SaleLine::default() })
}

/// Reads the lines of a refund in the form of one that waits for its sale, and what they add up to. `None`: their worth depends on the sale.
pub(super) fn refund_lines(
    fields: &mut Fields,
    sent: &[pb::RefundLine],
    currency: Option<Currency>,
) -> (Vec<SaleLine>, Option<Money>) {
    if sent.len() > LINES_MAX {
        fields.wrong("lines", format!("has {} lines; send up to {LINES_MAX}", sent.len()));
        return (Vec::new(), None);
    }
    let mut currency = currency;
    let mut ids = BTreeSet::new();
    let read = sent.iter().enumerate().filter_map(|(place, line)| {
        fields.within(&format!("lines[{place}]"), |fields| refund_line(fields, line, &mut currency, &mut ids))
    });
    let lines: Vec<SaleLine> = read.collect();
    let has_units = lines.iter().any(|line| line.quantity > 0);
    let sum = i64::try_from(-line::sum(&lines)).ok();
    let amount = currency.zip(sum).filter(|_| !has_units && !lines.is_empty());
    let amount = amount.map(|(currency, sum)| Money::new(sum, currency));
    (lines, amount)
}

fn refund_line<'sent>(
    fields: &mut Fields,
    sent: &'sent pb::RefundLine,
    currency: &mut Option<Currency>,
    ids: &mut BTreeSet<&'sent str>,
) -> Option<SaleLine> {
    let line_id = fields.required_key("line_id", &sent.line_id);
    if !ids.insert(&sent.line_id) && !sent.line_id.is_empty() {
        fields.wrong("line_id", "is that of an earlier line; send each line once");
    }
    match &sent.part {
        None => {
            fields.wrong("amount", "is required, or quantity in its place");
            None
        }
        Some(Part::Amount(amount)) => {
            let amount = fields.optional_money("amount", Some(amount))?;
            let expected = *currency.get_or_insert(amount.currency);
            if amount.currency != expected {
                fields.wrong("amount.currency_code", format!("must be {expected}, as in the other amounts"));
            }
            Some(SaleLine { line_id, amount_minor: amount.amount_minor.saturating_neg(), ..SaleLine::default() })
        }
        Some(Part::Quantity(units)) => {
            let quantity = fields.number("quantity", *units, 1..=QUANTITY_MAX);
            Some(SaleLine { line_id, quantity, ..SaleLine::default() })
        }
    }
}

/// The lines of a sale or of a refund as messages.
pub(super) fn render(conversion: &Conversion) -> Vec<pb::ConversionLine> {
    let Some(Money { currency, .. }) = conversion.amount else { return Vec::new() };
    let is_sale = conversion.kind == ConversionKind::Sale;
    conversion.order.lines.iter().map(|line| render_line(line, currency, is_sale)).collect()
}

/// A line of a sale or of a refund as a message.
pub(super) fn render_line(line: &SaleLine, currency: Currency, is_sale: bool) -> pb::ConversionLine {
    let refunded = is_sale.then(|| money(Money::new(line.refunded_minor, currency)));
    pb::ConversionLine {
        line_id: line.line_id.clone(),
        item_sku: line.item_sku.clone(),
        plan: line.plan.clone(),
        collections: line.collections.clone(),
        quantity: line.quantity,
        amount: Some(money(Money::new(line.amount_minor, currency))),
        refunded_amount: refunded,
        refunded_quantity: line.refunded_quantity,
    }
}

/// How a line was priced, as a message. The amounts are those of a sale and of a reward in these currencies.
pub(super) fn render_reward_line(line: &RewardLine, of_sale: Currency, of_reward: Currency) -> pb::RewardLine {
    let taken = line.rule_taken.as_ref();
    pb::RewardLine {
        line_id: line.line_id.as_ref().to_owned(),
        item_sku: line.item_sku.as_ref().to_owned(),
        plan: line.plan.as_ref().to_owned(),
        collections: line.collections.iter().map(|collection| collection.as_ref().to_owned()).collect(),
        line_quantity: line.quantity,
        base_amount: Some(money(Money::new(line.base_minor, of_sale))),
        rule: line.rule.number(),
        rate: Some(match line.commission {
            Commission::PercentPpm(ppm) => Rate::PercentPpm(ppm),
            Commission::Flat(flat) => Rate::Flat(money(flat)),
        }),
        rule_name: taken.map(|rule| rule.name.to_string()).unwrap_or_default(),
        rule_number: taken.map_or(0, |rule| rule.number),
        quantity: taken.map_or(0, |rule| rule.quantity),
        first_sale_bonus: taken.and_then(|rule| rule.first_sale_bonus).map(money),
        commission_amount: Some(money(Money::new(line.commission_minor, of_reward))),
        value_amount: Some(money(Money::new(line.value_minor, of_reward))),
    }
}
