//! Terms that have commission rules.

use headwater::domain::pricing::{CommissionEvent, CommissionRule, Compare, Comparison, Condition, ConditionField};
use headwater::domain::program::{Commission, TermsDraft};

use super::{NOW, terms, usd};

/// Terms with rules that have every field.
pub(crate) fn terms_with_rules() -> TermsDraft {
    let texts = |text: &str| vec![text.to_owned()];
    let compare = |field, comparison, numbers, texts| {
        Condition::Compare(Compare { field, comparison, key: String::new(), numbers, texts })
    };
    let large = compare(ConditionField::Amount, Comparison::Between, vec![1_000, 9_000], Vec::new());
    let till = compare(ConditionField::Channel, Comparison::Equal, Vec::new(), texts("point_of_sale"));
    let full = CommissionRule {
        name: "mugs".into(),
        event_kind: CommissionEvent::Sale,
        custom_kinds: Vec::new(),
        coupon_codes: texts("ADA10"),
        item_skus: texts("MUG-1"),
        plans: texts("pro"),
        condition: Some(Condition::AllOf(vec![large, Condition::AnyOf(vec![till])])),
        starts_at: Some(NOW),
        ends_at: Some(NOW.plus_days(7)),
        commission: Commission::Flat(usd(125)),
        is_per_unit: true,
        max_customer_sales: None,
        max_customer_months: None,
        first_sale_bonus: None,
    };
    let short = CommissionRule {
        name: "demos".into(),
        event_kind: CommissionEvent::CustomEvent,
        custom_kinds: texts("demo"),
        coupon_codes: Vec::new(),
        item_skus: Vec::new(),
        plans: Vec::new(),
        condition: None,
        starts_at: None,
        ends_at: None,
        commission: Commission::PercentPpm(0),
        is_per_unit: false,
        max_customer_sales: None,
        max_customer_months: None,
        first_sale_bonus: None,
    };
    TermsDraft { custom_kinds: texts("demo"), commission_rules: vec![full, short], ..terms().rules }
}

/// Terms with a rule that asks for the earlier sales of the customer.
pub(crate) fn terms_with_customer_limits() -> TermsDraft {
    let mut terms = terms_with_rules();
    let renewals = Compare {
        field: ConditionField::CustomerSaleNumber,
        comparison: Comparison::MultipleOf,
        key: String::new(),
        numbers: vec![12],
        texts: Vec::new(),
    };
    terms.commission_rules.truncate(1);
    terms.commission_rules[0].condition = Some(Condition::Compare(renewals));
    terms.commission_rules[0].max_customer_sales = Some(24);
    terms.commission_rules[0].max_customer_months = Some(36);
    terms.commission_rules[0].first_sale_bonus = Some(usd(500));
    terms
}

/// Terms with a rule that asks for the customer's metadata.
pub(crate) fn terms_with_noted() -> TermsDraft {
    let mut terms = terms_with_rules();
    let (field, comparison) = (ConditionField::LeadMetadata, Comparison::Before);
    let (key, numbers) = ("until".to_owned(), vec![NOW.micros()]);
    let compare = Compare { field, comparison, key, numbers, texts: Vec::new() };
    terms.commission_rules.truncate(1);
    terms.commission_rules[0].condition = Some(Condition::Compare(compare));
    terms
}
