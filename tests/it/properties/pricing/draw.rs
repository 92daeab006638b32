//! Random terms and events. The values are few, so that rules often apply and thresholds are often met exactly.

use headwater::domain::conversion::CustomerSale;
use headwater::domain::pricing::OwnRates;
use headwater::domain::program::Commission;
use headwater::pb;
use pb::{CommissionEvent, Comparison, ConditionField};
use prost_types::Timestamp;

use super::model::{Event, MOMENTS};

/// Random numbers from a seed.
pub(super) struct Draw(pub(super) u64);

const AMOUNTS: [i64; 9] = [0, 1, 2, 99, 100, 101, 250, 999_999, 1_000_000_000_000_000];
const SKUS: [&str; 4] = ["", "MUG", "mug", "CUP-X"];
const PLANS: [&str; 4] = ["", "pro", "Pro", "team max"];
const COLLECTIONS: [&str; 4] = ["", "shirts", "Shirts", "summer sale"];
const COUPONS: [&str; 4] = ["", "ann10", "ANN10", "Sommer%"];
const ORDERS: [&str; 3] = ["", "TEST-1", "A-TEST"];
const TIERS: [&str; 8] = ["", "gold", "Gold", "12", "007", "-5", "2026-01-01T00:00:00Z", "2026-01-01T01:00:01+01:00"];
const COUNTRIES: [&str; 4] = ["", "US", "de", "DE"];
const GROUPS: [&str; 3] = ["", "grp_0198c0de000070008000000000000001", "grp_0198c0de000070008000000000000002"];
const KINDS: [&str; 2] = ["demo", "trial"];
const DAY_SECONDS: i64 = 86_400;
/// The day around which times are.
const FROM_SECONDS: i64 = 1_767_225_600;

impl Draw {
    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    fn happens(&mut self, one_of: usize) -> bool {
        self.below(one_of) == 0
    }

    fn own_rate(&mut self) -> Option<Commission> {
        self.happens(6).then(|| Commission::PercentPpm(self.of(&[0, 5_000, 125_000, 1_000_000])))
    }

    /// Currencies with 0, 2, 3 and 4 decimals.
    pub(super) fn currency(&mut self) -> &'static str {
        self.of(&["JPY", "USD", "KWD", "CLF"])
    }

    pub(super) fn amount(&mut self, currency: &str) -> pb::Money {
        pb::Money { amount_minor: self.of(&AMOUNTS[..8]), currency_code: currency.to_owned() }
    }

    pub(super) fn sku(&mut self) -> &'static str {
        self.of(&SKUS)
    }

    pub(super) fn plan(&mut self) -> &'static str {
        self.of(&PLANS)
    }

    pub(super) fn collections(&mut self) -> Vec<String> {
        self.texts(&COLLECTIONS, 2)
    }

    fn moment(&mut self) -> i64 {
        FROM_SECONDS + DAY_SECONDS * self.of(&[-2, -1, 0, 1]) + self.of(&[-1, 0, 0, 1])
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.happens(4).then(|| Timestamp { seconds: self.moment(), nanos: 0 })
    }

    fn texts(&mut self, values: &[&str], one_of: usize) -> Vec<String> {
        if !self.happens(one_of) {
            return Vec::new();
        }
        (0..=self.below(2)).map(|_| self.of(&values[1..]).to_owned()).collect()
    }

    pub(super) fn event(&mut self, currency: &str) -> Event {
        let kinds = [
            CommissionEvent::Sale,
            CommissionEvent::Sale,
            CommissionEvent::Lead,
            CommissionEvent::Appointment,
            CommissionEvent::CustomEvent,
        ];
        let kind = self.of(&kinds);
        let has_amount = match kind {
            CommissionEvent::Sale => true,
            CommissionEvent::CustomEvent => !self.happens(3),
            _ => false,
        };
        let code = if self.happens(6) { "EUR" } else { currency };
        let amount = has_amount.then(|| pb::Money { amount_minor: self.of(&AMOUNTS), currency_code: code.to_owned() });
        let sale = pb::RecordSaleRequest {
            email: "bob@shop.example".to_owned(),
            coupon_code: self.of(&COUPONS).to_owned(),
            amount: Some(amount.clone().unwrap_or_else(|| self.amount(currency))),
            metadata: [("tier".to_owned(), self.of(&TIERS).to_owned())].into(),
            country_code: self.of(&COUNTRIES).to_owned(),
            ..Default::default()
        };
        let sale = if kind == CommissionEvent::Sale {
            pb::RecordSaleRequest {
                item_sku: self.of(&SKUS).to_owned(),
                plan: self.of(&PLANS).to_owned(),
                order_id: self.of(&ORDERS).to_owned(),
                quantity: self.of(&[0, 1, 2, 3, 4, 12]),
                channel: self.of(&[0, 1, 2]),
                collections: self.collections(),
                ..sale
            }
        } else {
            sale
        };
        let custom_kind = if kind == CommissionEvent::CustomEvent { self.of(&KINDS) } else { "" };
        let number = self.of(&[0, 1, 2, 3, 12, 13]);
        let is_counted = kind == CommissionEvent::Sale && number > 0;
        let (age_days, age_months) = (self.of(&[0, 1, 40, 400]), self.of(&[0, 1, 2, 11, 12]));
        let customer_sale = is_counted.then_some(CustomerSale { number, age_days, age_months, void_at: None });
        Event {
            kind,
            sale,
            amount,
            line_minor: None,
            custom_kind: custom_kind.to_owned(),
            seconds: self.moment(),
            customer_sale,
            noted: vec![
                (ConditionField::LeadMetadata, self.of(&TIERS).to_owned()),
                (ConditionField::CustomerCountry, self.of(&["", "US", "DE"]).to_owned()),
                (ConditionField::AffiliateCountry, self.of(&["", "US", "DE"]).to_owned()),
                (ConditionField::AffiliateGroup, self.of(&GROUPS).to_owned()),
            ],
            own: OwnRates { enrollment: self.own_rate(), coupon: self.own_rate() },
        }
    }

    pub(super) fn terms(&mut self, currency: &str) -> pb::Terms {
        let commission = Some(self.commission(currency, true, false));
        let rules = (0..self.below(7)).map(|number| self.rule(number, currency)).collect();
        let custom_kinds = KINDS.map(str::to_owned).to_vec();
        pb::Terms { commission, rules, custom_kinds, ..Default::default() }
    }

    fn commission(&mut self, currency: &str, may_be_percent: bool, is_per_unit: bool) -> pb::Commission {
        let rate = if may_be_percent && !is_per_unit && !self.happens(3) {
            pb::commission::Rate::PercentPpm(self.of(&[0, 1, 5_000, 125_000, 333_333, 500_000, 1_000_000]))
        } else {
            let amounts = if is_per_unit { &AMOUNTS[..8] } else { &AMOUNTS[..] };
            let (amount_minor, currency_code) = (self.of(amounts), currency.to_owned());
            pb::commission::Rate::Flat(pb::Money { amount_minor, currency_code })
        };
        pb::Commission { rate: Some(rate) }
    }

    fn rule(&mut self, number: usize, currency: &str) -> pb::CommissionRule {
        let events = [
            CommissionEvent::Unspecified,
            CommissionEvent::Sale,
            CommissionEvent::Sale,
            CommissionEvent::Lead,
            CommissionEvent::Appointment,
            CommissionEvent::CustomEvent,
        ];
        let event_kind = self.of(&events);
        let is_sale = matches!(event_kind, CommissionEvent::Unspecified | CommissionEvent::Sale);
        let is_custom = event_kind == CommissionEvent::CustomEvent;
        let is_per_unit = is_sale && self.happens(4);
        let (start_time, mut end_time) = (self.time(), self.time());
        if let (Some(start), Some(end)) = (&start_time, &mut end_time) {
            end.seconds = end.seconds.max(start.seconds + 1);
        }
        pb::CommissionRule {
            name: format!("rule {number}"),
            event_kind: event_kind.into(),
            custom_kinds: if is_custom && self.happens(3) { vec![self.of(&KINDS).to_owned()] } else { Vec::new() },
            coupon_codes: self.texts(&COUPONS, 4),
            item_skus: if is_sale { self.texts(&SKUS, 4) } else { Vec::new() },
            plans: if is_sale { self.texts(&PLANS, 4) } else { Vec::new() },
            condition: self.happens(2).then(|| self.condition(is_sale, is_custom, 3)),
            start_time,
            end_time,
            commission: Some(self.commission(currency, is_sale || is_custom, is_per_unit)),
            is_per_unit,
            max_customer_sales: if is_sale && self.happens(5) { self.of(&[1, 2, 12]) } else { 0 },
            max_customer_months: if is_sale && self.happens(5) { self.of(&[1, 2, 12]) } else { 0 },
            first_sale_bonus: (is_sale && self.happens(5))
                .then(|| pb::Money { amount_minor: self.of(&[1, 500]), currency_code: currency.to_owned() }),
        }
    }

    fn condition(&mut self, is_sale: bool, is_custom: bool, depth: usize) -> pb::Condition {
        if depth > 0 && self.happens(2) {
            let list: Vec<_> = (0..=self.below(3)).map(|_| self.condition(is_sale, is_custom, depth - 1)).collect();
            let (all_of, any_of) = if self.happens(2) { (list, Vec::new()) } else { (Vec::new(), list) };
            return pb::Condition { all_of, any_of, ..Default::default() };
        }
        if self.happens(3) {
            return self.condition_on_any_event();
        }
        let fields: &[ConditionField] = if is_sale {
            &[
                ConditionField::Amount,
                ConditionField::LineAmount,
                ConditionField::Quantity,
                ConditionField::ItemSku,
                ConditionField::Plan,
                ConditionField::Collection,
                ConditionField::Channel,
                ConditionField::CouponCode,
                ConditionField::OrderId,
                ConditionField::CustomerSaleNumber,
                ConditionField::CustomerAgeDays,
                ConditionField::CustomerAgeMonths,
            ]
        } else if is_custom {
            &[ConditionField::Amount, ConditionField::CouponCode, ConditionField::CustomKind]
        } else {
            &[ConditionField::CouponCode]
        };
        let field = self.of(fields);
        let comparison = self.comparison(field);
        let values = self.values(field, comparison);
        pb::Condition { field: field.into(), comparison: comparison.into(), values, ..Default::default() }
    }

    /// A comparison of a fact that every event may have.
    fn condition_on_any_event(&mut self) -> pb::Condition {
        use Comparison::{
            After, Before, Between, Contains, Equal, Exists, Less, LessOrEqual, More, MoreOrEqual, MultipleOf, NoneOf,
            NotEqual, NotExists, OneOf, StartsWith,
        };
        let field = self.of(&[
            ConditionField::EventMetadata,
            ConditionField::LeadMetadata,
            ConditionField::CustomerCountry,
            ConditionField::AffiliateCountry,
            ConditionField::AffiliateGroup,
            ConditionField::OccurTime,
        ]);
        let whole = [Equal, NotEqual, OneOf, NoneOf, Exists, NotExists];
        let of_texts = [StartsWith, Contains, Less, LessOrEqual, More, MoreOrEqual, Between, MultipleOf, Before, After];
        let comparison = match field {
            ConditionField::OccurTime => self.of(&[Before, After, Between]),
            ConditionField::EventMetadata | ConditionField::LeadMetadata if !self.happens(3) => self.of(&of_texts),
            _ => self.of(&whole),
        };
        let count = match comparison {
            Exists | NotExists => 0,
            Between => 2,
            OneOf | NoneOf => 1 + self.below(3),
            _ => 1,
        };
        let moments = MOMENTS.map(|(text, _)| text);
        let values = match (field, comparison) {
            (ConditionField::OccurTime, _) | (_, Before | After) => &moments[..],
            (_, Less | LessOrEqual | More | MoreOrEqual | Between | MultipleOf) => &["1", "7", "12", "13"][..],
            (ConditionField::EventMetadata | ConditionField::LeadMetadata, _) => &TIERS[1..],
            (ConditionField::AffiliateGroup, _) => &GROUPS[1..],
            _ => &COUNTRIES[1..],
        };
        let mut places: Vec<usize> = (0..count).map(|_| self.below(values.len())).collect();
        places.sort_unstable();
        let values = places.into_iter().map(|place| values[place].to_owned()).collect();
        let has_key = [ConditionField::EventMetadata, ConditionField::LeadMetadata].contains(&field);
        let key = if has_key { self.of(&["tier", "tier", "tier", "other"]) } else { "" }.to_owned();
        pb::Condition { field: field.into(), comparison: comparison.into(), values, key, ..Default::default() }
    }

    fn comparison(&mut self, field: ConditionField) -> Comparison {
        use Comparison::{
            Between, Contains, Equal, Exists, Less, LessOrEqual, More, MoreOrEqual, MultipleOf, NoneOf, NotEqual,
            NotExists, OneOf, StartsWith,
        };
        match field {
            ConditionField::Amount
            | ConditionField::LineAmount
            | ConditionField::Quantity
            | ConditionField::CustomerSaleNumber
            | ConditionField::CustomerAgeDays
            | ConditionField::CustomerAgeMonths => self.of(&[
                Equal,
                NotEqual,
                Less,
                LessOrEqual,
                More,
                MoreOrEqual,
                Between,
                OneOf,
                NoneOf,
                Exists,
                NotExists,
                MultipleOf,
            ]),
            ConditionField::Channel => self.of(&[Equal, NotEqual, OneOf, NoneOf]),
            _ => self.of(&[Equal, NotEqual, OneOf, NoneOf, StartsWith, Contains, Exists, NotExists]),
        }
    }

    fn values(&mut self, field: ConditionField, comparison: Comparison) -> Vec<String> {
        let count = match comparison {
            Comparison::Exists | Comparison::NotExists => 0,
            Comparison::Between => 2,
            Comparison::OneOf | Comparison::NoneOf => 1 + self.below(3),
            _ => 1,
        };
        if matches!(
            field,
            ConditionField::Amount
                | ConditionField::LineAmount
                | ConditionField::Quantity
                | ConditionField::CustomerSaleNumber
                | ConditionField::CustomerAgeDays
                | ConditionField::CustomerAgeMonths
        ) {
            let is_amount = [ConditionField::Amount, ConditionField::LineAmount].contains(&field);
            let numbers: &[i64] = if is_amount { &AMOUNTS } else { &[0, 1, 2, 3, 4, 12] };
            let mut values: Vec<i64> = (0..count).map(|_| self.of(numbers)).collect();
            values.sort_unstable();
            let least = i64::from(comparison == Comparison::MultipleOf);
            return values.into_iter().map(|value| value.max(least).to_string()).collect();
        }
        let texts: &[&str] = match field {
            ConditionField::ItemSku => &["MUG", "mug", "CUP-X", "M", "-"],
            ConditionField::Plan => &["pro", "team max", "p", "a"],
            ConditionField::Collection => &["shirts", "Shirts", "summer sale", "sh", "s"],
            ConditionField::OrderId => &["TEST-1", "TEST", "-"],
            ConditionField::CouponCode => &["ann10", "sommer%", "AN", "0"],
            ConditionField::CustomKind => &["demo", "Trial", "d", "A"],
            _ => &["SALE_CHANNEL_ONLINE", "SALE_CHANNEL_POINT_OF_SALE"],
        };
        (0..count).map(|_| self.of(texts).to_owned()).collect()
    }
}
