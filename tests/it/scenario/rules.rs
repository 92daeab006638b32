//! Steps about commission rules: `rule NAME COMMISSION [CURRENCY] [per-unit]` with the options `event`, `kinds`, `coupons`, `items`, `plans`,
//! `from`, `until` (days, which may have a second: `3+5`), `sales` and `months` (of each customer), `bonus` (for a first sale) and `if`. The
//! next `program` or `terms` step takes the rules.
//!
//! `levels LEVEL LEVEL` says what uplines earn under the terms of the next step: `10%` of the commission, or `2%amount`.
//! `cap SCOPE [PERIOD] MAXIMUM [CURRENCY]` is a cap under the terms of the next step.
//! `threshold NAME [PERIOD] MINIMUM BONUS [CURRENCY]` is a threshold bonus under the terms of the next step: from `10` sales or `500.00` on.
//! `ladder MODE [PERIOD] STEP STEP` is the ladder of the terms of the next step: `10:20%` from 10 sales on, `500.00:20%` from 500.00 on.
//!
//! `upline AFFILIATE UPLINE` sets an upline, and `upline AFFILIATE` removes it.
//!
//! A condition is `FIELD COMPARISON VALUE|VALUE` with `FIELD.KEY` for metadata, `all(CONDITION, CONDITION)` or `any(CONDITION, CONDITION)`.

use headwater::domain::conversion::ConversionKind;
use headwater::pb;
use prost_types::{FieldMask, Timestamp};
use tonic::Status;

use super::World;
use super::play::Player;
use super::request::{commission, time};
use super::script::Step;

impl<W: World> Player<'_, W> {
    pub(super) fn rule_step(&mut self, step: &Step) -> String {
        if step.verb == "levels" {
            self.levels = step.words.iter().map(|word| level(word)).collect();
            return "ok".to_owned();
        }
        if step.verb == "cap" {
            self.caps.push(cap(&step.words));
            return "ok".to_owned();
        }
        if step.verb == "threshold" {
            self.thresholds.push(threshold(&step.words));
            return "ok".to_owned();
        }
        if step.verb == "ladder" {
            self.ladder = Some(ladder(&step.words));
            return "ok".to_owned();
        }
        let list = |key| step.option(key).map_or_else(Vec::new, |names| names.split(',').map(str::to_owned).collect());
        let number = |key| step.option(key).map_or(0, |number| number.parse().unwrap());
        let currency = step.words.get(2).filter(|word| *word != "per-unit").map_or("USD", String::as_str);
        let event_kind = step.option("event").map_or(pb::CommissionEvent::Unspecified, |name| {
            let name = format!("COMMISSION_EVENT_{}", name.to_uppercase());
            pb::CommissionEvent::from_str_name(&name).unwrap()
        });
        self.rules.push(pb::CommissionRule {
            name: step.word(0).to_owned(),
            event_kind: event_kind.into(),
            custom_kinds: list("kinds"),
            coupon_codes: list("coupons"),
            item_skus: list("items"),
            plans: list("plans"),
            condition: step.option("if").map(condition),
            start_time: step.option("from").map(moment),
            end_time: step.option("until").map(moment),
            commission: Some(commission(step.word(1), currency)),
            is_per_unit: step.words.iter().any(|word| word == "per-unit"),
            max_customer_sales: number("sales"),
            max_customer_months: number("months"),
            first_sale_bonus: step.option("bonus").map(|bonus| super::request::money(bonus, currency)),
        });
        "ok".to_owned()
    }

    /// `zone NAME`: the time zone of the account from now on.
    pub(super) async fn zone_step(&mut self, step: &Step) -> Result<String, Status> {
        let account = pb::Account { time_zone: step.word(0).to_owned(), ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["time_zone".to_owned()] });
        let request = pb::UpdateAccountRequest { account: Some(account), update_mask, ..Default::default() };
        self.world.change(request).await?;
        Ok("ok".to_owned())
    }

    /// The terms of a step, with the rules of the steps before.
    pub(super) fn terms(&mut self, step: &Step, place: usize, currency: &str) -> pb::Terms {
        let (rules, upline_levels) = (std::mem::take(&mut self.rules), std::mem::take(&mut self.levels));
        let (caps, ladder) = (std::mem::take(&mut self.caps), self.ladder.take());
        let threshold_bonuses = std::mem::take(&mut self.thresholds);
        let (customer_reward, enrollment_bonus) = (self.promise.take(), self.enrollment_bonus.take());
        let terms = super::request::terms(step, place, currency);
        let terms = pb::Terms { rules, upline_levels, caps, ladder, threshold_bonuses, ..terms };
        pb::Terms { customer_reward, enrollment_bonus, ..terms }
    }

    pub(super) async fn upline_step(&mut self, step: &Step) -> Result<String, Status> {
        let affiliate = self.selector(step.word(0));
        let upline = step.words.get(1).and_then(|name| self.selector(name));
        self.world.change(pb::SetUplineRequest { affiliate, upline, ..Default::default() }).await?;
        Ok("ok".to_owned())
    }

    /// `country AFFILIATE [CODE]` sets the country of an affiliate's address, and `group AFFILIATE [NAME]` puts it into a group that is made.
    pub(super) async fn affiliate_fact_step(&mut self, step: &Step) -> Result<String, Status> {
        let fact = step.words.get(1).cloned().unwrap_or_default();
        let (affiliate, path) = if step.verb == "country" {
            let address = Some(pb::PostalAddress { country_code: fact, ..Default::default() });
            let profile = Some(pb::AffiliateProfile { address, ..Default::default() });
            (pb::Affiliate { profile, ..Default::default() }, "profile")
        } else {
            let request = pb::CreateAffiliateGroupRequest { display_name: fact, ..Default::default() };
            let group_id = self.world.change(request).await?.group.unwrap().id;
            (pb::Affiliate { group_id, ..Default::default() }, "group_id")
        };
        let request = pb::UpdateAffiliateRequest {
            selector: self.selector(step.word(0)),
            affiliate: Some(affiliate),
            update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
            ..Default::default()
        };
        self.world.change(request).await?;
        Ok("ok".to_owned())
    }

    /// `by EVENT [kind=KIND]`: by which rules the rewards of an event were priced.
    pub(super) async fn by_step(&mut self, step: &Step) -> String {
        let kind = step.option("kind").map_or(ConversionKind::Sale, |kind| kind.parse().unwrap());
        let priced_by = self.world.recorded(kind, step.word(0)).await.priced_by;
        if priced_by.is_empty() { "nothing".to_owned() } else { priced_by.join(", ") }
    }
}

/// How a reward was priced: the origin of its rate, or the rule with its number.
pub(super) fn priced_by(calculation: &pb::RewardCalculation) -> String {
    let mut text = match calculation.rule_number {
        0 => super::play::short(calculation.rule().as_str_name(), "REWARD_RULE_"),
        number => format!("{number}:{}", calculation.rule_name),
    };
    if calculation.quantity > 0 {
        text += &format!(" x{}", calculation.quantity);
    }
    if let Some(bonus) = &calculation.first_sale_bonus {
        text += &format!(" bonus {}.{:02}", bonus.amount_minor / 100, bonus.amount_minor % 100);
    }
    if calculation.amount_not_compared {
        text += " amount_not_compared";
    }
    if let Some(met) = &calculation.ladder {
        text += &format!(" step {}", met.step);
    }
    for line in &calculation.lines {
        let id = if line.line_id.is_empty() { "rest" } else { &line.line_id };
        let rule = match line.rule_number {
            0 => super::play::short(line.rule().as_str_name(), "REWARD_RULE_"),
            number => number.to_string(),
        };
        text += &format!(" {id}:{rule}:{}", line.value_amount.as_ref().map_or(0, |value| value.amount_minor));
    }
    text
}

/// Texts by key, such as `tier:gold`.
pub(super) fn metadata(step: &Step) -> std::collections::BTreeMap<String, String> {
    let entries = step.option("meta").into_iter().flat_map(|text| text.split(','));
    let entries = entries.filter_map(|entry| entry.split_once(':'));
    entries.map(|(key, text)| (key.to_owned(), text.to_owned())).collect()
}

fn cap(words: &[String]) -> pb::Cap {
    let [scope, words @ ..] = words else { panic!("a cap without a scope") };
    let period = words.first().and_then(|word| pb::Period::from_str_name(&format!("PERIOD_{}", word.to_uppercase())));
    let [maximum, currency @ ..] = &words[usize::from(period.is_some())..] else { panic!("a cap without a maximum") };
    let scope = pb::CapScope::from_str_name(&format!("CAP_SCOPE_{}", scope.to_uppercase())).unwrap();
    let currency = currency.first().map_or("USD", String::as_str);
    pb::Cap {
        scope: scope.into(),
        period: period.unwrap_or_default().into(),
        maximum: Some(super::request::money(maximum, currency)),
    }
}

fn threshold(words: &[String]) -> pb::ThresholdBonus {
    let [name, words @ ..] = words else { panic!("a bonus without a name") };
    let period = words.first().and_then(|word| pb::Period::from_str_name(&format!("PERIOD_{}", word.to_uppercase())));
    let [minimum, bonus, currency @ ..] = &words[usize::from(period.is_some())..] else {
        panic!("no minimum or bonus")
    };
    let currency = currency.first().map_or("USD", String::as_str);
    let is_amount = minimum.contains('.');
    let cash = pb::reward_value::Amount::Cash(super::request::money(bonus, currency));
    pb::ThresholdBonus {
        name: name.clone(),
        period: period.unwrap_or_default().into(),
        min_sale_count: if is_amount { 0 } else { minimum.parse().unwrap() },
        min_amount: is_amount.then(|| super::request::money(minimum, currency)),
        bonus: Some(pb::RewardValue { amount: Some(cash) }),
    }
}

fn ladder(words: &[String]) -> pb::Ladder {
    let [mode, words @ ..] = words else { panic!("a ladder without a mode") };
    let mode = pb::LadderMode::from_str_name(&format!("LADDER_MODE_{}", mode.to_uppercase())).unwrap();
    let period = words.first().and_then(|word| pb::Period::from_str_name(&format!("PERIOD_{}", word.to_uppercase())));
    let steps = words[usize::from(period.is_some())..].iter().map(|word| {
        let (minimum, rate) = word.split_once(':').unwrap();
        let is_amount = minimum.contains('.');
        pb::LadderStep {
            min_sale_count: if is_amount { 0 } else { minimum.parse().unwrap() },
            min_amount: is_amount.then(|| super::request::money(minimum, "USD")),
            commission: Some(commission(rate, "USD")),
        }
    });
    pb::Ladder { mode: mode.into(), period: period.unwrap_or_default().into(), steps: steps.collect() }
}

fn level(text: &str) -> pb::UplineLevel {
    let (rate, basis) = match text.strip_suffix("amount") {
        Some(rate) => (rate, pb::UplineBasis::SaleAmount),
        None => (text, pb::UplineBasis::Unspecified),
    };
    let Some(pb::commission::Rate::PercentPpm(percent_ppm)) = commission(rate, "USD").rate else { panic!("{text}") };
    pb::UplineLevel { basis: basis.into(), percent_ppm }
}

fn moment(text: &str) -> Timestamp {
    let (day, second) = text.split_once('+').map_or((text, None), |(day, second)| (day, Some(second)));
    let micros = time(day, second).micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

fn condition(text: &str) -> pb::Condition {
    let text = text.trim();
    let inside = |name: &str| text.strip_prefix(name)?.strip_suffix(')').map(split);
    if let Some(all_of) = inside("all(") {
        return pb::Condition { all_of, ..Default::default() };
    }
    if let Some(any_of) = inside("any(") {
        return pb::Condition { any_of, ..Default::default() };
    }
    let mut words = text.splitn(3, ' ');
    let field = words.next().unwrap_or_default();
    let (field, key) = field.split_once('.').unwrap_or((field, ""));
    let field = pb::ConditionField::from_str_name(&format!("CONDITION_FIELD_{}", field.to_uppercase())).unwrap();
    let mut word = || words.next().unwrap_or_default().to_uppercase();
    let comparison = pb::Comparison::from_str_name(&format!("COMPARISON_{}", word())).unwrap();
    let values = words.next().map_or_else(Vec::new, |values| values.split('|').map(str::to_owned).collect());
    let key = key.to_owned();
    pb::Condition { field: field.into(), comparison: comparison.into(), values, key, ..Default::default() }
}

/// Conditions at the commas that are inside no other brackets.
fn split(text: &str) -> Vec<pb::Condition> {
    let mut depth = 0;
    let parts = text.split(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        character == ',' && depth == 0
    });
    parts.map(condition).collect()
}
