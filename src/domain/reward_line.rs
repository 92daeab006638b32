//! The part of a reward that comes from one line of its sale.

use std::sync::Arc;

use super::commission::Commission;
use super::line::SaleLine;
use super::reward::{RewardRule, RuleTaken};

/// How one line of a sale was priced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardLine {
    /// Empty for the part of the sale that is of no line.
    pub line_id: Arc<str>,
    /// Empty if none was sent.
    pub item_sku: Arc<str>,
    /// Empty if the line has the plan of the sale.
    pub plan: Arc<str>,
    pub quantity: i32,
    /// The amount of the line, in the currency of the sale.
    pub base_minor: i64,
    pub rule: RewardRule,
    pub commission: Commission,
    /// With the line's part of the bonus of a first sale.
    pub rule_taken: Option<RuleTaken>,
    /// The commission on the line with its part of the bonus, before it is shared, in the currency of the reward.
    pub commission_minor: i64,
    /// The part of the reward.
    pub value_minor: i64,
}

impl RewardLine {
    /// The line of the sale that was priced, without what was refunded of it.
    pub fn sale_line(&self) -> SaleLine {
        SaleLine {
            line_id: self.line_id.as_ref().to_owned(),
            item_sku: self.item_sku.as_ref().to_owned(),
            plan: self.plan.as_ref().to_owned(),
            quantity: self.quantity,
            amount_minor: self.base_minor,
            refunded_minor: 0,
            refunded_quantity: 0,
        }
    }

    /// Whether these lines of a calculation are the present lines of a sale.
    pub fn are_of(lines: &[Self], of_sale: &[SaleLine]) -> bool {
        let is_of = |(line, of_sale): (&Self, &SaleLine)| {
            *line.line_id == of_sale.line_id
                && line.base_minor == of_sale.amount_minor
                && *line.item_sku == of_sale.item_sku
                && *line.plan == of_sale.plan
                && line.quantity == of_sale.quantity
        };
        lines.len() == of_sale.len() && lines.iter().zip(of_sale).all(is_of)
    }

    /// What lines add up to.
    pub fn value_of(lines: &[Self]) -> i128 {
        lines.iter().map(|line| i128::from(line.value_minor)).sum()
    }
}
