//! Conditions of commission rules: comparisons of one fact each, joined by "all of" and "any of".
//!
//! The tables of which comparison fits which field, and which field which event, are [`Comparison::fits`] and
//! [`ConditionField::is_fact_of`].

use super::facts::{CommissionEvent, Facts};
use super::moment;
use crate::domain::customer_sale::CustomerSale;
use crate::domain::text_enum::text_enum;
use crate::domain::time::Time;

text_enum! {
    /// A fact of an event.
    ConditionField {
        /// The amount, in minor units of the program's currency.
        Amount = "amount",
        /// How many were bought.
        Quantity = "quantity",
        /// The SKU of the item.
        ItemSku = "item_sku",
        /// The plan.
        Plan = "plan",
        /// The collections that the item is in.
        Collection = "collection",
        /// The channel.
        Channel = "channel",
        /// The coupon code, folded.
        CouponCode = "coupon_code",
        /// The kind of a custom event, in lower case.
        CustomKind = "custom_kind",
        /// The merchant's id of the order.
        OrderId = "order_id",
        /// The number of the sale among those of its customer: 1 for the first.
        CustomerSaleNumber = "customer_sale_number",
        /// The days since the first sale of the customer.
        CustomerAgeDays = "customer_age_days",
        /// The whole months since the first sale of the customer.
        CustomerAgeMonths = "customer_age_months",
        /// The amount of the line. A sale without lines is one line.
        LineAmount = "line_amount",
        /// One of the merchant's own texts about the event.
        EventMetadata = "event_metadata",
        /// One of the merchant's own texts about the customer.
        LeadMetadata = "lead_metadata",
        /// The country of the customer.
        CustomerCountry = "customer_country",
        /// The country of the credited affiliate.
        AffiliateCountry = "affiliate_country",
        /// The id of the group of the credited affiliate.
        AffiliateGroup = "affiliate_group",
        /// How many sales the credited affiliate had before.
        AffiliateSaleCount = "affiliate_sale_count",
        /// What was left of the amounts of these sales.
        AffiliateSalesAmount = "affiliate_sales_amount",
        /// When the event happened.
        OccurTime = "occur_time",
    }
}

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Whole numbers of zero or more.
    Number,
    /// Texts.
    Text,
    /// Values of a closed set. Every event has one.
    OneOfSet,
    /// Codes and ids, which are compared as a whole.
    Code,
    /// Times. Every event has one.
    Time,
    /// Texts that may be numbers or times. The comparison decides as what they are compared.
    Any,
}

impl ConditionField {
    /// The type of the field's values.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::Amount
            | Self::LineAmount
            | Self::Quantity
            | Self::CustomerSaleNumber
            | Self::CustomerAgeDays
            | Self::CustomerAgeMonths
            | Self::AffiliateSaleCount
            | Self::AffiliateSalesAmount => ValueType::Number,
            Self::ItemSku | Self::Plan | Self::Collection | Self::CouponCode | Self::CustomKind | Self::OrderId => {
                ValueType::Text
            }
            Self::Channel => ValueType::OneOfSet,
            Self::CustomerCountry | Self::AffiliateCountry | Self::AffiliateGroup => ValueType::Code,
            Self::OccurTime => ValueType::Time,
            Self::EventMetadata | Self::LeadMetadata => ValueType::Any,
        }
    }

    /// Whether events of this kind may have the fact.
    pub const fn is_fact_of(self, event: CommissionEvent) -> bool {
        match self {
            Self::Amount => event.may_have_amount(),
            Self::Quantity
            | Self::LineAmount
            | Self::ItemSku
            | Self::Plan
            | Self::Collection
            | Self::Channel
            | Self::OrderId
            | Self::CustomerSaleNumber
            | Self::CustomerAgeDays
            | Self::CustomerAgeMonths => matches!(event, CommissionEvent::Sale),
            Self::CustomKind => matches!(event, CommissionEvent::CustomEvent),
            Self::CouponCode
            | Self::EventMetadata
            | Self::LeadMetadata
            | Self::CustomerCountry
            | Self::AffiliateSaleCount
            | Self::AffiliateSalesAmount => !matches!(event, CommissionEvent::Click),
            Self::AffiliateCountry | Self::AffiliateGroup | Self::OccurTime => true,
        }
    }

    /// Whether the fact is an amount, which is compared only in the currency of the program.
    pub const fn is_amount(self) -> bool {
        matches!(self, Self::Amount | Self::LineAmount)
    }

    /// The name under which an event keeps the value of the field, with the key if it has one.
    pub fn noted_as(self, key: &str) -> String {
        if self.has_key() { format!("{self}.{key}") } else { self.to_string() }
    }

    /// Whether the fact has a key.
    pub const fn has_key(self) -> bool {
        matches!(self, Self::EventMetadata | Self::LeadMetadata)
    }

    /// Whether the fact is one of the affiliate or of the customer, which is noted when the event is credited.
    pub const fn is_noted(self) -> bool {
        matches!(self, Self::LeadMetadata | Self::CustomerCountry | Self::AffiliateCountry | Self::AffiliateGroup)
            || self.is_of_sales()
    }

    /// Whether the fact is a figure of what the affiliate has sold.
    pub const fn is_of_sales(self) -> bool {
        matches!(self, Self::AffiliateSaleCount | Self::AffiliateSalesAmount)
    }

    /// Whether the fact is about the earlier sales of the customer.
    pub const fn is_of_customer(self) -> bool {
        matches!(self, Self::CustomerSaleNumber | Self::CustomerAgeDays | Self::CustomerAgeMonths)
    }
}

text_enum! {
    /// How a fact is compared. A fact that is missing is equal to nothing.
    Comparison {
        /// Equal to the value.
        Equal = "equal",
        /// Not equal to the value.
        NotEqual = "not_equal",
        /// Less than the value.
        Less = "less",
        /// Less than the value, or equal.
        LessOrEqual = "less_or_equal",
        /// More than the value.
        More = "more",
        /// More than the value, or equal.
        MoreOrEqual = "more_or_equal",
        /// From the first value to the second, both included.
        Between = "between",
        /// Equal to one of the values.
        OneOf = "one_of",
        /// Equal to none of the values.
        NoneOf = "none_of",
        /// Begins with the value.
        StartsWith = "starts_with",
        /// Contains the value.
        Contains = "contains",
        /// The event has the fact.
        Exists = "exists",
        /// The event does not have the fact.
        NotExists = "not_exists",
        /// A multiple of the value.
        MultipleOf = "multiple_of",
        /// Earlier than the value.
        Before = "before",
        /// Later than the value.
        After = "after",
    }
}

impl Comparison {
    /// Whether values of this type can be compared in this way.
    pub const fn fits(self, values: ValueType) -> bool {
        match self {
            Self::Equal | Self::NotEqual | Self::OneOf | Self::NoneOf => !matches!(values, ValueType::Time),
            Self::Exists | Self::NotExists => !matches!(values, ValueType::OneOfSet | ValueType::Time),
            Self::Between => matches!(values, ValueType::Number | ValueType::Time | ValueType::Any),
            Self::Less | Self::LessOrEqual | Self::More | Self::MoreOrEqual | Self::MultipleOf => {
                matches!(values, ValueType::Number | ValueType::Any)
            }
            Self::StartsWith | Self::Contains => matches!(values, ValueType::Text | ValueType::Any),
            Self::Before | Self::After => matches!(values, ValueType::Time | ValueType::Any),
        }
    }

    /// As what texts are compared in this way that may be numbers or times.
    const fn reads_as(self) -> ValueType {
        match self {
            Self::Less | Self::LessOrEqual | Self::More | Self::MoreOrEqual | Self::Between | Self::MultipleOf => {
                ValueType::Number
            }
            Self::Before | Self::After => ValueType::Time,
            _ => ValueType::Text,
        }
    }

    /// How many values the comparison has, at least and at most.
    pub const fn value_count(self) -> (usize, usize) {
        match self {
            Self::Exists | Self::NotExists => (0, 0),
            Self::Between => (2, 2),
            Self::OneOf | Self::NoneOf => (1, 100),
            _ => (1, 1),
        }
    }
}

/// A comparison of one fact. Of the two lists of values, the one that does not fit the field is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Compare {
    pub field: ConditionField,
    pub comparison: Comparison,
    /// The key of a text of the merchant's own. Empty for other fields.
    pub key: String,
    /// Numbers, and times in microseconds.
    pub numbers: Vec<i64>,
    /// Texts as facts have them, and values of closed sets as they are stored.
    pub texts: Vec<String>,
}

/// What an event must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of these hold.
    AllOf(Vec<Condition>),
    /// One of these holds.
    AnyOf(Vec<Condition>),
    /// The comparison holds.
    Compare(Compare),
}

impl Condition {
    /// Whether an event is like this.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.evaluate(&|compare| compare.holds(facts))
    }

    /// Whether an event would be like this if comparisons of amounts held.
    pub fn may_hold(&self, facts: &Facts<'_>) -> bool {
        self.evaluate(&|compare| compare.field.is_amount() || compare.holds(facts))
    }

    /// Whether it compares a fact about the earlier sales of the customer.
    pub fn looks_at_customer(&self) -> bool {
        match self {
            Self::AllOf(conditions) | Self::AnyOf(conditions) => conditions.iter().any(Self::looks_at_customer),
            Self::Compare(compare) => compare.field.is_of_customer(),
        }
    }

    /// Whether it compares a fact of the affiliate or of the customer that is noted.
    pub fn looks_at_noted(&self) -> bool {
        match self {
            Self::AllOf(conditions) | Self::AnyOf(conditions) => conditions.iter().any(Self::looks_at_noted),
            Self::Compare(compare) => compare.field.is_noted(),
        }
    }

    /// Whether it compares a fact that makes a line other than the others: its item, the collections of that, or its amount.
    pub fn looks_at_line(&self) -> bool {
        match self {
            Self::AllOf(conditions) | Self::AnyOf(conditions) => conditions.iter().any(Self::looks_at_line),
            Self::Compare(compare) => {
                use ConditionField::{Collection, ItemSku, LineAmount};
                matches!(compare.field, ItemSku | Collection | LineAmount)
            }
        }
    }

    /// Adds the comparisons, in their order.
    pub fn comparisons<'own>(&'own self, found: &mut Vec<&'own Compare>) {
        match self {
            Self::AllOf(conditions) | Self::AnyOf(conditions) => {
                conditions.iter().for_each(|condition| condition.comparisons(found));
            }
            Self::Compare(compare) => found.push(compare),
        }
    }

    fn evaluate(&self, holds: &impl Fn(&Compare) -> bool) -> bool {
        match self {
            Self::AllOf(conditions) => conditions.iter().all(|condition| condition.evaluate(holds)),
            Self::AnyOf(conditions) => conditions.iter().any(|condition| condition.evaluate(holds)),
            Self::Compare(compare) => holds(compare),
        }
    }
}

/// The value of a field, as an event has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact<'event> {
    /// A number. `None`: the event has none.
    Number(Option<i64>),
    /// A text. An empty one is missing.
    Text(&'event str),
    /// Any number of texts.
    Texts(&'event [String]),
    /// A time.
    Time(Time),
    /// An amount in another currency than the program's. No comparison of it holds.
    OtherCurrency,
}

impl Compare {
    /// As what the values are compared.
    pub const fn compares(&self) -> ValueType {
        match self.field.value_type() {
            ValueType::Any => self.comparison.reads_as(),
            values => values,
        }
    }

    /// The value that an event has.
    pub fn fact_of<'event>(&self, facts: &Facts<'event>) -> Fact<'event> {
        match self.field {
            ConditionField::EventMetadata => Fact::Text(facts.metadata.get(&self.key).map_or("", String::as_str)),
            ConditionField::CustomerCountry if !facts.country_code.is_empty() => Fact::Text(facts.country_code),
            field if field.is_noted() => {
                Fact::Text(facts.noted.and_then(|noted| noted.get(&field.noted_as(&self.key))).unwrap_or_default())
            }
            field => field.fact_of(facts),
        }
    }
}

impl ConditionField {
    /// The value that an event has, for a field without a key that is not noted.
    fn fact_of<'event>(self, facts: &Facts<'event>) -> Fact<'event> {
        let of_customer =
            |fact: fn(&CustomerSale) -> i32| Fact::Number(facts.customer_sale.as_ref().map(|sale| fact(sale).into()));
        match self {
            Self::OccurTime => Fact::Time(facts.occurred_at),
            Self::EventMetadata
            | Self::LeadMetadata
            | Self::CustomerCountry
            | Self::AffiliateCountry
            | Self::AffiliateGroup
            | Self::AffiliateSaleCount
            | Self::AffiliateSalesAmount => Fact::Text(""),
            Self::Amount | Self::LineAmount if facts.has_other_currency() => Fact::OtherCurrency,
            Self::Amount => Fact::Number(facts.amount.map(|amount| amount.amount_minor)),
            Self::LineAmount => Fact::Number(facts.line_amount.or(facts.amount).map(|amount| amount.amount_minor)),
            Self::Quantity => Fact::Number(Some(facts.quantity.max(1).into())),
            Self::ItemSku => Fact::Text(facts.item_sku),
            Self::Plan => Fact::Text(facts.plan),
            Self::Collection => Fact::Texts(facts.collections),
            Self::Channel => Fact::Text(facts.channel),
            Self::CouponCode => Fact::Text(facts.coupon_code),
            Self::CustomKind => Fact::Text(facts.custom_kind),
            Self::OrderId => Fact::Text(facts.order_id),
            Self::CustomerSaleNumber => of_customer(|sale| sale.number),
            Self::CustomerAgeDays => of_customer(|sale| sale.age_days),
            Self::CustomerAgeMonths => of_customer(|sale| sale.age_months),
        }
    }
}

impl Compare {
    /// Whether the comparison holds for an event.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        match self.fact_of(facts) {
            Fact::Number(fact) => self.holds_for_number(fact),
            Fact::Time(time) => self.holds_for_number(Some(time.micros())),
            Fact::Text(fact) => match self.compares() {
                ValueType::Number => self.holds_for_number(fact.parse().ok()),
                ValueType::Time => self.holds_for_number(moment::read(fact).map(Time::micros)),
                _ => self.holds_for_text(fact),
            },
            Fact::Texts(facts) => self.holds_for_texts(facts),
            Fact::OtherCurrency => false,
        }
    }

    fn holds_for_number(&self, fact: Option<i64>) -> bool {
        let values = self.numbers.as_slice();
        let Some(fact) = fact else {
            return matches!(self.comparison, Comparison::NotEqual | Comparison::NoneOf | Comparison::NotExists);
        };
        match (self.comparison, values) {
            (Comparison::Equal | Comparison::OneOf, _) => values.contains(&fact),
            (Comparison::NotEqual | Comparison::NoneOf, _) => !values.contains(&fact),
            (Comparison::Less | Comparison::Before, [value]) => fact < *value,
            (Comparison::LessOrEqual, [value]) => fact <= *value,
            (Comparison::More | Comparison::After, [value]) => fact > *value,
            (Comparison::MoreOrEqual, [value]) => fact >= *value,
            (Comparison::Between, [first, last]) => (*first..=*last).contains(&fact),
            (Comparison::MultipleOf, [value]) => fact.checked_rem(*value) == Some(0),
            (Comparison::Exists, _) => true,
            _ => false,
        }
    }

    /// Holds if it holds for one of the texts. What says that something is not so must hold for each, and for none at all.
    fn holds_for_texts(&self, facts: &[String]) -> bool {
        match self.comparison {
            Comparison::NotEqual | Comparison::NoneOf | Comparison::NotExists => {
                facts.iter().all(|fact| self.holds_for_text(fact))
            }
            _ => facts.iter().any(|fact| self.holds_for_text(fact)),
        }
    }

    /// An empty text is missing.
    fn holds_for_text(&self, fact: &str) -> bool {
        let is_one_of = self.texts.iter().any(|text| text == fact);
        let first = self.texts.first().map_or("", String::as_str);
        match self.comparison {
            Comparison::Equal | Comparison::OneOf => is_one_of,
            Comparison::NotEqual | Comparison::NoneOf => !is_one_of,
            Comparison::Exists => !fact.is_empty(),
            Comparison::NotExists => fact.is_empty(),
            Comparison::StartsWith => fact.starts_with(first),
            Comparison::Contains => fact.contains(first),
            _ => false,
        }
    }
}
