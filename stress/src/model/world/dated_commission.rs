//! The affiliate's own commission at a time: the commissions for a time, and the one without dates, of which the one with the latest start counts.

use headwater_client::pb;

use super::faults::flat_currency;
use super::{CLOCK_DIFFERENCE_MAX, World, missing};
use crate::model::command::{micros, stamp};
use crate::model::reply::Refused;

/// How many may run or wait.
const OPEN_MAX: usize = 20;

fn is_over(dated: &pb::DatedCommission, at: i64) -> bool {
    [&dated.end_time, &dated.withdraw_time].into_iter().flatten().any(|time| micros(time) <= at)
}

fn start(dated: &pb::DatedCommission) -> i64 {
    dated.start_time.as_ref().map(micros).unwrap_or_default()
}

impl World {
    /// What the enrollment had of its own when an event occurred.
    pub(super) fn own_commission(&self, enrollment: usize, at: i64) -> Option<pb::Commission> {
        let row = &self.enrollments[enrollment];
        let changes: Vec<_> = self.standings.iter().filter(|standing| standing.enrollment_id == row.id).collect();
        let present = changes.iter().rposition(|standing| standing.since <= at).unwrap_or_default();
        let plain = changes.get(present)?.commission.clone();
        let mut first = present;
        while first > 0 && changes[first - 1].commission == plain {
            first -= 1;
        }
        // What the enrollment began with counts for all time before.
        let since = if first == 0 { i64::MIN } else { changes[first].since };
        let mut best: Option<&pb::DatedCommission> = None;
        for dated in row.dated_commissions.iter().filter(|dated| start(dated) <= at && !is_over(dated, at)) {
            // Later ones have higher numbers.
            if best.is_none_or(|best| start(best) <= start(dated)) {
                best = Some(dated);
            }
        }
        match best {
            Some(dated) if start(dated) >= since => dated.commission.clone(),
            _ => plain,
        }
    }

    /// The commissions of an enrollment after a request that changes them.
    pub(super) fn changed_dates(
        &self,
        place: usize,
        request: &pb::UpdateEnrollmentRequest,
    ) -> Result<Vec<pb::DatedCommission>, Refused> {
        let wrong = |field: &str| Err(Refused::fields([field.to_owned()]));
        let mut all = self.enrollments[place].dated_commissions.clone();
        if request.withdraw_dated_commission > 0 {
            let found = all.iter_mut().find(|dated| dated.number == request.withdraw_dated_commission);
            let Some(dated) = found else { return missing("ENROLLMENT_NOT_FOUND") };
            if is_over(dated, self.now) {
                return wrong("withdraw_dated_commission");
            }
            dated.withdraw_time = Some(stamp(self.now));
        }
        let Some(sent) = &request.dated_commission else { return Ok(all) };
        if let Some(program) = self.program(&self.enrollments[place].program_id) {
            let currency = flat_currency(sent.commission.as_ref());
            if currency.is_some_and(|currency| currency != self.programs[program].row.currency_code) {
                return wrong("dated_commission.commission.flat.currency_code");
            }
        }
        let start = sent.start_time.as_ref().map_or(self.now, micros);
        if start < self.now - CLOCK_DIFFERENCE_MAX {
            return wrong("dated_commission.start_time");
        }
        let start = start.max(self.now);
        if sent.end_time.as_ref().is_some_and(|end| micros(end) <= start) {
            return wrong("dated_commission.end_time");
        }
        if all.iter().filter(|dated| !is_over(dated, self.now)).count() >= OPEN_MAX {
            return wrong("dated_commission");
        }
        all.push(pb::DatedCommission {
            number: all.last().map_or(1, |last| last.number + 1),
            commission: sent.commission.clone(),
            start_time: Some(stamp(start)),
            end_time: sent.end_time,
            create_time: Some(stamp(self.now)),
            withdraw_time: None,
        });
        Ok(all)
    }

    /// Who is enrolled again has none that runs or waits.
    pub(super) fn withdraw_dates(&mut self, place: usize) {
        let now = self.now;
        let open = self.enrollments[place].dated_commissions.iter_mut().filter(|dated| !is_over(dated, now));
        open.for_each(|dated| dated.withdraw_time = Some(stamp(now)));
    }
}
