//! Steps of payout schedules.
//!
//! `schedule NAME CURRENCY` with `month=1,15`, `weekdays=monday,friday` or `cycle=14 from=2026-01-05`, and `at=09:00` creates one. Further options
//! are `net=15` or `month-before=yes`, `minimum=`, `maximum=`, `approval=yes` and `only=ann,bob`. `reschedule NAME` changes the options that it
//! has. Both answer with the next time. `run-due NAME` creates the runs that are due, and answers with the payouts of the newest one.

use headwater::pb;
use pb::payout_timing::Recurrence;
use tonic::Status;

use super::World;
use super::play::Player;
use super::request::{money, timestamp};
use super::script::{Step, amount};

impl<W: World> Player<'_, W> {
    pub(super) async fn schedule_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0);
        match step.verb.as_str() {
            "schedule" => {
                let currency_code = step.word(1).to_owned();
                let wanted = self.wanted(step, &currency_code);
                let request = pb::CreatePayoutScheduleRequest {
                    display_name: name.to_owned(),
                    timing: wanted.timing,
                    all_affiliates: wanted.affiliate_ids.is_empty(),
                    affiliate_ids: wanted.affiliate_ids,
                    minimum: wanted.minimum,
                    maximum_total: wanted.maximum_total,
                    net_days: wanted.net_days,
                    until_previous_month: wanted.until_previous_month,
                    needs_approval: wanted.needs_approval,
                    currency_code,
                    ..Default::default()
                };
                let made = self.world.change(request).await?.payout_schedule.unwrap();
                self.schedules.insert(name.to_owned(), made.id.clone());
                Ok(next(made.next_run_time.as_ref()))
            }
            "reschedule" => {
                let id = self.schedules[name].clone();
                let wanted = self.wanted(step, "USD");
                let paths = [
                    ("timing", ["month", "weekdays", "cycle"].iter().any(|option| step.option(option).is_some())),
                    ("affiliate_ids", step.option("only").is_some()),
                    ("minimum", step.option("minimum").is_some()),
                    ("maximum_total", step.option("maximum").is_some()),
                    ("net_days", step.option("net").is_some() || step.option("month-before").is_some()),
                    ("needs_approval", step.option("approval").is_some()),
                ];
                let paths = paths.iter().filter(|(_, is_named)| *is_named).map(|(path, _)| (*path).to_owned());
                let update_mask = Some(prost_types::FieldMask { paths: paths.collect() });
                let payout_schedule = Some(pb::PayoutSchedule { id, ..wanted });
                let request = pb::UpdatePayoutScheduleRequest { payout_schedule, update_mask, ..Default::default() };
                Ok(next(self.world.change(request).await?.payout_schedule.unwrap().next_run_time.as_ref()))
            }
            "archive-schedule" => {
                let payout_schedule_id = self.schedules[name].clone();
                let request = pb::ArchivePayoutScheduleRequest { payout_schedule_id, ..Default::default() };
                Ok(next(self.world.change(request).await?.payout_schedule.unwrap().next_run_time.as_ref()))
            }
            _ => Ok(self.run_due_step(name).await),
        }
    }

    async fn run_due_step(&mut self, name: &str) -> String {
        let id = self.schedules[name].clone();
        let before = self.world.schedule(&id).await.last_run_id;
        self.world.run_schedules().await;
        let schedule = self.world.schedule(&id).await;
        let next_run_time = schedule.next_run_at.and_then(|time| timestamp(time.micros()));
        let next = next(next_run_time.as_ref());
        if schedule.last_run_id == before {
            return format!("no run, {next}");
        }
        let payouts = self.world.payouts_of_run(&schedule.last_run_id).await;
        let describe = |(affiliate_id, minor, state): (String, i64, String)| {
            format!("{} {} {state}", self.name_of(&affiliate_id), amount(minor, schedule.currency))
        };
        let payouts: Vec<String> = payouts.into_iter().map(describe).collect();
        let payouts = if payouts.is_empty() { "nobody".to_owned() } else { payouts.join(", ") };
        format!("paid {payouts}, {next}")
    }

    /// The options of a step.
    fn wanted(&self, step: &Step, currency_code: &str) -> pb::PayoutSchedule {
        let affiliate_ids =
            step.option("only").into_iter().flat_map(|names| names.split(',')).map(|name| self.affiliate_id(name));
        pb::PayoutSchedule {
            timing: Some(pb::PayoutTiming { recurrence: recurrence(step), time_of_day_minutes: minutes(step) }),
            affiliate_ids: affiliate_ids.collect(),
            minimum: step.option("minimum").map(|text| money(text, currency_code)),
            maximum_total: step.option("maximum").map(|text| money(text, currency_code)),
            net_days: step.option("net").map(|days| days.parse().unwrap()),
            until_previous_month: step.option("month-before").is_some(),
            needs_approval: step.option("approval") == Some("yes"),
            ..Default::default()
        }
    }
}

fn recurrence(step: &Step) -> Option<Recurrence> {
    if let Some(days) = step.option("month") {
        let days = days.split(',').map(|day| day.parse().unwrap()).collect();
        return Some(Recurrence::MonthDays(pb::PayoutMonthDays { days }));
    }
    if let Some(days) = step.option("weekdays") {
        let number = |day: &str| {
            let name = format!("WEEKDAY_{}", day.to_uppercase());
            pb::Weekday::from_str_name(&name).unwrap_or_else(|| panic!("no weekday {day}")).into()
        };
        return Some(Recurrence::Weekdays(pb::PayoutWeekdays { days: days.split(',').map(number).collect() }));
    }
    let interval_days = step.option("cycle")?.parse().unwrap();
    Some(Recurrence::Cycle(pb::PayoutCycle { interval_days, first_day: step.option("from").unwrap().to_owned() }))
}

/// The minutes of a time of the day such as 09:30.
fn minutes(step: &Step) -> i32 {
    step.option("at").map_or(0, |text| {
        let (hour, minute) = text.split_once(':').unwrap();
        hour.parse::<i32>().unwrap() * 60 + minute.parse::<i32>().unwrap()
    })
}

/// The next time of a schedule. Only an archived one has none.
fn next(next_run_time: Option<&prost_types::Timestamp>) -> String {
    next_run_time
        .map_or_else(|| "archived".to_owned(), |time| format!("next {}", time.to_string().trim_end_matches(":00Z")))
}
