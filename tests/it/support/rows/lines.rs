//! A line of a sale, and how it was priced.

use headwater::domain::commission::Commission;
use headwater::domain::conversion::SaleLine;
use headwater::domain::reward::{RewardLine, RewardRule, RuleTaken};

/// A line of a sale of which a part is refunded.
pub(crate) fn sale_line() -> SaleLine {
    SaleLine {
        line_id: "line-1".to_owned(),
        item_sku: "MUG-1".to_owned(),
        plan: "pro".to_owned(),
        collections: Vec::new(),
        quantity: 3,
        amount_minor: 6_000,
        refunded_minor: 2_000,
        refunded_quantity: 1,
    }
}

/// How that line was priced.
pub(crate) fn reward_line() -> RewardLine {
    RewardLine {
        line_id: "line-1".into(),
        item_sku: "MUG-1".into(),
        plan: "pro".into(),
        collections: Vec::new(),
        quantity: 3,
        base_minor: 6_000,
        rule: RewardRule::TermsRule,
        commission: Commission::PercentPpm(200_000),
        rule_taken: Some(RuleTaken { name: "mugs".into(), number: 2, quantity: 0, first_sale_bonus: None }),
        commission_minor: 1_200,
        value_minor: 600,
    }
}
