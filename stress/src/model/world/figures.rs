//! The figures of QueryStats, counted over all rows. The account's days are those of UTC.

use std::collections::BTreeMap;

use headwater_client::pb;
use pb::{ConversionKind as Kind, RewardState};

use super::World;
use super::reward::minor;
use crate::model::command::{micros, stamp};
use crate::value;

/// What figures are asked for. Days are written like `2026-11-27`.
pub(crate) struct Asked {
    pub(crate) first_day: String,
    pub(crate) last_day: String,
    pub(crate) by_day: bool,
    pub(crate) by_program: bool,
    pub(crate) by_affiliate: bool,
    pub(crate) program_id: Option<String>,
    pub(crate) affiliate_id: Option<String>,
}

/// What a row is about: a day, a program and an affiliate. Each is empty if the figures are not divided by it.
type Group = (String, String, String);

/// A row with its sums by currency.
#[derive(Default)]
struct Sums {
    row: pb::StatisticRow,
    sold: BTreeMap<String, i64>,
    refunded: BTreeMap<String, i64>,
    earned: BTreeMap<String, i64>,
}

/// The day of a time.
pub(crate) fn day(at: i64) -> String {
    stamp(at).to_string().chars().take("2026-11-27".len()).collect()
}

fn add(sums: &mut BTreeMap<String, i64>, money: Option<&pb::Money>, sign: i64) {
    let currency_code = money.map(|money| money.currency_code.clone()).unwrap_or_default();
    *sums.entry(currency_code).or_default() += sign * minor(money);
}

/// The sums by currency, without those of nothing.
fn amounts(sums: BTreeMap<String, i64>) -> impl Iterator<Item = pb::Money> {
    let amount = |(currency_code, amount_minor)| pb::Money { amount_minor, currency_code };
    sums.into_iter().filter(|(_, amount_minor)| *amount_minor != 0).map(amount)
}

impl Asked {
    fn group(&self, at: i64, program_id: &str, affiliate_id: &str) -> Option<Group> {
        let day = day(at);
        let is_wanted = (&self.first_day..=&self.last_day).contains(&&day)
            && self.program_id.as_ref().is_none_or(|id| id == program_id)
            && self.affiliate_id.as_ref().is_none_or(|id| id == affiliate_id);
        let named = |is_divided: bool, name: &str| if is_divided { name.to_owned() } else { String::new() };
        is_wanted.then(|| {
            (named(self.by_day, &day), named(self.by_program, program_id), named(self.by_affiliate, affiliate_id))
        })
    }
}

impl Sums {
    fn count(&mut self, row: &pb::Conversion) {
        let count = match row.kind() {
            Kind::Lead => &mut self.row.lead_count,
            Kind::Sale => &mut self.row.sale_count,
            Kind::Refund => &mut self.row.refund_count,
            // It is one refund less.
            Kind::RefundUndo => {
                self.row.refund_count -= 1;
                add(&mut self.refunded, row.amount.as_ref(), -1);
                return;
            }
            Kind::Cancellation => &mut self.row.cancellation_count,
            Kind::Appointment => &mut self.row.appointment_count,
            Kind::CustomEvent => &mut self.row.custom_event_count,
            Kind::Correction | Kind::Dispute | Kind::DisputeResolution | Kind::Unspecified => return,
        };
        *count += 1;
        match row.kind() {
            Kind::Sale => add(&mut self.sold, row.amount.as_ref(), 1),
            Kind::Refund => add(&mut self.refunded, row.amount.as_ref(), -1),
            _ => {}
        }
    }

    fn row(self, group: &Group) -> pb::StatisticRow {
        let (day, program_id, affiliate_id) = group.clone();
        pb::StatisticRow {
            day,
            program_id,
            affiliate_id,
            sale_amounts: amounts(self.sold).collect(),
            refund_amounts: amounts(self.refunded).collect(),
            rewards: amounts(self.earned).map(value::of_cash).collect(),
            ..self.row
        }
    }
}

impl World {
    /// The rows of the figures, in the order of their groups.
    pub(crate) fn figures(&self, asked: &Asked) -> Vec<pb::StatisticRow> {
        let mut sums: BTreeMap<Group, Sums> = BTreeMap::new();
        for click in &self.clicks {
            let row = &self.enrollments[click.enrollment];
            if let Some(group) = asked.group(click.occurred, &row.program_id, &row.affiliate_id) {
                sums.entry(group).or_default().row.click_count += 1;
            }
        }
        for conversion in &self.conversions {
            let (row, occurred) = (&conversion.row, conversion.occurred);
            let of_credit = |credit: &pb::Credit| asked.group(occurred, &credit.program_id, &credit.affiliate_id);
            if let Some(group) = row.credits.first().and_then(of_credit) {
                sums.entry(group).or_default().count(row);
            }
        }
        for reward in self.rewards.iter().filter(|reward| reward.state() != RewardState::Denied) {
            let conversion = self.conversions.iter().find(|conversion| conversion.row.id == reward.conversion_id);
            let made = reward.create_time.as_ref().map(micros).unwrap_or_default();
            let at = conversion.map_or(made, |conversion| conversion.occurred);
            if let Some(group) = asked.group(at, &reward.program_id, &reward.affiliate_id) {
                let cash = reward.value.as_ref().map(value::cash);
                add(&mut sums.entry(group).or_default().earned, cash.as_ref(), 1);
            }
        }
        let nothing = Group::default();
        if !(asked.by_day || asked.by_program || asked.by_affiliate) {
            sums.entry(nothing.clone()).or_default();
        }
        let rows = sums.into_iter().map(|(group, sums)| (sums.row(&group), group));
        // Groups without figures have no row.
        let is_shown = |(row, group): &(pb::StatisticRow, Group)| {
            let empty = Sums::default().row(group);
            *group == nothing || *row != empty
        };
        rows.filter(is_shown).map(|(row, _)| row).collect()
    }
}
