//! Affiliates that are moved to another program: which enrollment earns in place of which, and when.

use headwater_client::pb;
use pb::{EnrollmentState, EventKind, MovedLeads};
use prost_types::Timestamp;

use super::enrollment::Wanted;
use super::{Ruling, World};
use crate::model::command::stamp;
use crate::model::reply::{Replayed, Reply};

/// The enrollment that earns in place of another one.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    to: String,
    /// Whether the customers who are bound stay with the enrollment that was left.
    leads_stay: bool,
}

impl World {
    /// The enrollment that earns in place of this one at a time, for customers who are bound to it or for others.
    pub(super) fn serving(&self, enrollment: usize, at: i64, is_bound: bool) -> usize {
        let mut serving = enrollment;
        while let Some(to) = self
            .standing(serving, at)
            .and_then(|standing| standing.moved.as_ref())
            .filter(|moved| !(is_bound && moved.leads_stay))
            .and_then(|moved| self.enrollment(&moved.to))
        {
            serving = to;
        }
        serving
    }

    /// Where an enrollment is moved to now.
    pub(super) fn moved(&self, row: &pb::Enrollment) -> Option<Moved> {
        let to = row.moved_to_enrollment_id.clone();
        (!to.is_empty()).then(|| Moved { to, leads_stay: self.staying.contains(&row.id) })
    }

    pub(super) fn move_enrollment(&mut self, request: &pb::MoveEnrollmentRequest) -> Ruling {
        let place = self.open_enrollment(&request.enrollment_id)?;
        let id = self.enrollments[place].affiliate_id.clone();
        let affiliate = self.affiliates.iter().find(|row| row.id == id).cloned().unwrap_or_default();
        let program = self.open_program(&request.program_id)?;
        let wanted = Wanted {
            ref_id: &request.ref_id,
            coupon_code: "",
            landing_url: &request.landing_url,
            commission: request.commission_override.as_ref(),
        };
        let to = self.make_or_reopen(&affiliate, program, &wanted)?;
        if request.leads() == MovedLeads::Stay {
            self.staying.insert(request.enrollment_id.clone());
        }
        let to_id = self.enrollments[to].id.clone();
        self.end(place, &to_id);
        self.effect = to_id;
        Ok(Reply::Enrollment(self.shown(&self.enrollments[to]), None, Replayed(false)))
    }

    /// Ends an enrollment. Another one earns in its place if its affiliate is moved.
    pub(super) fn end(&mut self, place: usize, moved_to: &str) {
        let end_time: Option<Timestamp> = Some(stamp(self.now));
        let row = &mut self.enrollments[place];
        if moved_to.is_empty() {
            self.staying.remove(&row.id);
        }
        row.set_state(EnrollmentState::Ended);
        row.end_time = end_time;
        moved_to.clone_into(&mut row.moved_to_enrollment_id);
        self.enrollment_changed(place, EventKind::EnrollmentEnded);
    }
}
