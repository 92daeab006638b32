//! Invalid fields of a request; only the kinds of faults that are drawn.

use headwater_client::pb;
use prost_types::Timestamp;

use crate::model::command::{Command, MICROS_PER_SECOND, micros};

const AHEAD_MAX: i64 = 600 * MICROS_PER_SECOND;
const REASON_MAX: usize = 500;
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
const CURRENCIES: [&str; 4] = ["USD", "EUR", "JPY", "KWD"];

/// The names of the wrong fields.
pub(super) fn of(command: &Command, now: i64) -> Vec<String> {
    let mut faults = Faults { now, fields: Vec::new() };
    match command {
        Command::UpdateAccount(request) => {
            let limit = request.account.as_ref().map(|account| account.max_active_coupons_per_affiliate);
            faults.unless(
                limit.is_some_and(|limit| (1..=10_000).contains(&limit)),
                "account.max_active_coupons_per_affiliate",
            );
        }
        Command::CreateProgram(request) => {
            faults.terms("terms", request.terms.as_ref());
            if let Some(currency) = flat_currency(request.terms.as_ref().and_then(|terms| terms.commission.as_ref())) {
                faults.unless(currency == request.currency_code, "terms.commission.flat.currency_code");
            }
        }
        Command::UpdateProgram(request) => {
            let is_masked = request.update_mask.iter().flat_map(|mask| &mask.paths).any(|path| path == "terms");
            if let Some(program) = request.program.as_ref().filter(|_| is_masked) {
                faults.terms("program.terms", program.terms.as_ref());
            }
        }
        Command::UpdateEnrollment(request) => {
            if let Some(dated) = &request.dated_commission {
                let has_dates = dated.start_time.is_some() || dated.end_time.is_some();
                faults.unless(has_dates, "dated_commission.end_time");
                let times = dated.start_time.as_ref().map(micros).zip(dated.end_time.as_ref().map(micros));
                faults.unless(times.is_none_or(|(start, end)| start < end), "dated_commission.end_time");
            }
        }
        Command::CreateAffiliate(request) => faults.unless(request.email.contains('@'), "email"),
        Command::DeactivateAffiliate(request) => {
            let pending_rewards = request.pending_rewards();
            faults.unless(pending_rewards != pb::PendingRewards::Unspecified, "pending_rewards");
            let is_required = pending_rewards == pb::PendingRewards::Deny;
            faults.unless(!(is_required && request.reason.is_empty()), "reason");
        }
        Command::Click(request) => {
            faults.unless(!request.ref_id.is_empty(), "ref_id");
            faults.time(request.occur_time.as_ref());
        }
        Command::Lead(request) => {
            faults.unless(!request.event_id.is_empty(), "event_id");
            faults.unless(!(request.email.is_empty() && request.external_id.is_empty()), "email");
            faults.time(request.occur_time.as_ref());
        }
        Command::Sale(request) => {
            faults.unless(!request.event_id.is_empty(), "event_id");
            let names = [&request.email, &request.external_id, &request.tid, &request.ref_id, &request.coupon_code];
            faults.unless(names.iter().any(|name| !name.is_empty()), "email");
            faults.amount("amount", request.amount.as_ref());
            faults.time(request.occur_time.as_ref());
        }
        Command::Appointment(request) => {
            faults.unless(!request.event_id.is_empty(), "event_id");
            let names = [&request.email, &request.external_id, &request.tid, &request.ref_id, &request.coupon_code];
            faults.unless(names.iter().any(|name| !name.is_empty()), "email");
            faults.time(request.occur_time.as_ref());
        }
        Command::CustomEvent(request) => {
            faults.unless(!request.event_id.is_empty(), "event_id");
            let names = [&request.email, &request.external_id, &request.tid, &request.ref_id, &request.coupon_code];
            faults.unless(names.iter().any(|name| !name.is_empty()), "email");
            if request.amount.is_some() {
                faults.amount("amount", request.amount.as_ref());
            }
            faults.time(request.occur_time.as_ref());
        }
        Command::Refund(request) => {
            faults.unless(!request.event_id.is_empty(), "event_id");
            let names = [&request.sale_event_id, &request.email, &request.external_id];
            faults.unless(names.iter().any(|name| !name.is_empty()), "sale_event_id");
            faults.amount("amount", request.amount.as_ref());
            faults.time(request.occur_time.as_ref());
        }
        Command::Cancellation(request) => {
            faults.unless(!request.event_id.is_empty(), "event_id");
            faults.unless(!(request.email.is_empty() && request.external_id.is_empty()), "email");
            faults.time(request.occur_time.as_ref());
        }
        Command::Approve(request) => faults.ids(&request.reward_ids),
        Command::Release(request) => faults.ids(&request.reward_ids),
        Command::Deny(request) => {
            faults.ids(&request.reward_ids);
            faults.unless((1..=REASON_MAX).contains(&request.reason.len()), "reason");
        }
        _ => {}
    }
    faults.fields
}

pub(super) fn flat_currency(commission: Option<&pb::Commission>) -> Option<&str> {
    match commission?.rate.as_ref()? {
        pb::commission::Rate::Flat(flat) => Some(&flat.currency_code),
        pb::commission::Rate::PercentPpm(_) => None,
    }
}

/// Whether an amount that only describes is taken. A wrong one is left out.
pub(super) fn is_amount(amount: &pb::Money) -> bool {
    let mut faults = Faults { now: 0, fields: Vec::new() };
    faults.amount("amount", Some(amount));
    faults.fields.is_empty()
}

struct Faults {
    now: i64,
    fields: Vec<String>,
}

impl Faults {
    fn unless(&mut self, is_right: bool, field: &str) {
        if !is_right {
            self.fields.push(field.to_owned());
        }
    }

    fn time(&mut self, time: Option<&Timestamp>) {
        self.unless(time.is_none_or(|time| micros(time) <= self.now + AHEAD_MAX), "occur_time");
    }

    fn amount(&mut self, field: &str, amount: Option<&pb::Money>) {
        let Some(amount) = amount else { return self.unless(false, field) };
        self.unless((0..=AMOUNT_MAX).contains(&amount.amount_minor), &format!("{field}.amount_minor"));
        self.unless(CURRENCIES.contains(&amount.currency_code.as_str()), &format!("{field}.currency_code"));
    }

    fn terms(&mut self, field: &str, terms: Option<&pb::Terms>) {
        let rate = terms.and_then(|terms| terms.commission.as_ref()).and_then(|commission| commission.rate.as_ref());
        match rate {
            None => self.unless(false, &format!("{field}.commission")),
            Some(pb::commission::Rate::PercentPpm(ppm)) => {
                self.unless((0..=1_000_000).contains(ppm), &format!("{field}.commission.percent_ppm"));
            }
            Some(pb::commission::Rate::Flat(_)) => {}
        }
    }

    fn ids(&mut self, ids: &[String]) {
        self.unless(!ids.is_empty(), "reward_ids");
        for (place, id) in ids.iter().enumerate() {
            self.unless(!ids[..place].contains(id), &format!("reward_ids[{place}]"));
        }
    }
}
