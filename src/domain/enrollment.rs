//! Enrollments: an affiliate in a program, with its ref_id, links and own commission.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::affiliate_state::AffiliateState;
use super::coupon::Coupon;
use super::dated_commission::{self, DatedCommission, OwnCommission};
use super::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use super::program::Commission;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of an enrollment.
    EnrollmentState {
        /// The enrollment earns.
        Active = "active",
        /// The enrollment earns nothing new.
        Ended = "ended",
    }
}

text_enum! {
    /// What becomes of the customers who are bound to an enrollment that its affiliate leaves for another program.
    MovedLeads {
        /// They earn in the new program.
        Follow = "follow",
        /// They earn in the old program.
        Stay = "stay",
    }
}

/// Where an affiliate was moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Moved {
    /// The affiliate's enrollment in the new program.
    pub to: EnrollmentId,
    pub leads: MovedLeads,
}

/// An affiliate's acceptance of a version of the program's agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Acceptance {
    pub version: i32,
    pub accepted_at: Time,
    /// Where it was accepted, such as an IP address. Personal data; may be empty.
    pub source: String,
}

/// How many acceptances are kept. When there are more, the oldest one is dropped.
const ACCEPTANCES_MAX: usize = 50;

/// The properties of an enrollment that decide what it earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EnrollmentStanding {
    pub state: EnrollmentState,
    /// The affiliate's own commission. It replaces the program's.
    pub commission_override: Option<Commission>,
    /// The state of the affiliate.
    pub affiliate_state: AffiliateState,
    /// The enrollment that earns in place of this one. Only ended enrollments have it.
    pub moved: Option<Moved>,
    /// Whether the affiliate has yet to accept the agreement that the program requires.
    pub awaits_agreement: bool,
}

/// The standing of an enrollment until a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PastStanding {
    /// The time of the change. The standing applied before it.
    pub ended_at: Time,
    pub standing: EnrollmentStanding,
}

/// How many past standings are kept. When there are more, the oldest one is dropped, and the next one counts for its time too.
const PAST_STANDINGS_MAX: usize = 500;

/// An affiliate in a program. There is one enrollment for each pair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Enrollment {
    pub id: EnrollmentId,
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    /// The code in the referral link, in lower case. It is the code of one of the enrollment's links.
    pub ref_id: String,
    /// The affiliate's own page. Empty: the program's page.
    pub landing_url: String,
    /// The affiliate's own commission. It replaces the program's.
    pub commission_override: Option<Commission>,
    pub state: EnrollmentState,
    /// The affiliate's state. It is kept here too, because a sale reads the enrollment and not the affiliate.
    pub affiliate_state: AffiliateState,
    pub created_at: Time,
    pub updated_at: Time,
    pub ended_at: Option<Time>,
    /// The enrollment that earns in place of this one, because the affiliate was moved to another program. Only ended ones have it.
    pub moved: Option<Moved>,
    /// Whether the affiliate has yet to accept the agreement that the program requires.
    pub awaits_agreement: bool,
    /// Whether the affiliate has ever been active in the program. It gets the bonus of the enrollment when it becomes so. Left out of the answers
    /// that are stored for repeated requests.
    pub was_active: bool,
    /// What the affiliate has accepted, earliest first. Left out of the answers that are stored for repeated requests.
    pub acceptances: Vec<Acceptance>,
    /// The merchant's own texts by key. Left out of the answers that are stored for repeated requests.
    pub metadata: BTreeMap<String, String>,
    /// The commissions for a time, in the order in which they were made. Left out of the answers that are stored for repeated requests.
    pub dated_commissions: Vec<DatedCommission>,
    /// The standings before the present one, earliest first. Events are judged by the standing at their time.
    pub past: Vec<PastStanding>,
}

impl Enrollment {
    /// Whether the affiliate is active in the program and has accepted what it must.
    pub fn is_active(&self) -> bool {
        let is_on = self.state == EnrollmentState::Active && self.affiliate_state == AffiliateState::Active;
        is_on && !self.awaits_agreement
    }

    /// The present standing.
    pub fn standing(&self) -> EnrollmentStanding {
        EnrollmentStanding {
            state: self.state,
            commission_override: self.commission_override,
            affiliate_state: self.affiliate_state,
            moved: self.moved,
            awaits_agreement: self.awaits_agreement,
        }
    }

    /// The newest version of the program's agreement that the affiliate has accepted. 0: none.
    pub fn accepted_version(&self) -> i32 {
        self.acceptances.last().map_or(0, |acceptance| acceptance.version)
    }

    /// Keeps an acceptance. The affiliate need not wait for it any longer.
    pub fn accept(&mut self, acceptance: Acceptance) {
        self.acceptances.push(acceptance);
        if self.acceptances.len() > ACCEPTANCES_MAX {
            self.acceptances.remove(0);
        }
        self.awaits_agreement = false;
    }

    /// The standing at a time for the customers who are bound to the enrollment. If they stay when their affiliate is moved, the
    /// enrollment goes on for them.
    pub fn standing_of_bound_at(&self, time: Time) -> EnrollmentStanding {
        let standing = self.standing_at(time);
        match standing.moved {
            Some(Moved { leads: MovedLeads::Stay, .. }) => {
                EnrollmentStanding { state: EnrollmentState::Active, moved: None, ..standing }
            }
            _ => standing,
        }
    }

    /// The enrollments that have ever earned in place of this one.
    pub fn moved_to(&self) -> impl Iterator<Item = EnrollmentId> {
        let past = self.past.iter().map(|past| past.standing.moved);
        past.chain([self.moved]).flatten().map(|moved| moved.to)
    }

    /// The standing at a time. The first one also applies to the time before the enrollment existed.
    pub fn standing_at(&self, time: Time) -> EnrollmentStanding {
        // Most events are later than the last change.
        match self.past.last() {
            Some(last) if time < last.ended_at => {
                let place = self.past.partition_point(|past| past.ended_at <= time);
                self.past.get(place).map_or(self.standing(), |past| past.standing)
            }
            _ => self.standing(),
        }
    }

    /// The affiliate's own commission at a time: of the commissions with dates that apply and of the one without dates, the one that starts last. If two
    /// start at once, the one with dates, and the newest of them.
    pub fn commission_at(&self, time: Time) -> Option<Commission> {
        // Nearly no enrollment has any with dates.
        if self.dated_commissions.is_empty() {
            return self.standing_at(time).commission_override;
        }
        self.own_commission_at(time).commission
    }

    /// The affiliate's own commission at a time, with its number and times.
    pub fn own_commission_at(&self, time: Time) -> OwnCommission {
        let plain = OwnCommission {
            commission: self.standing_at(time).commission_override,
            number: 0,
            starts_at: self.override_since(time),
            ends_at: self.override_until(time),
        };
        dated_commission::own_at(&self.dated_commissions, time, plain)
    }

    /// When the commission without dates began that the enrollment has at a time. `None`: it had no other one before.
    fn override_since(&self, time: Time) -> Option<Time> {
        let at_time = self.standing_at(time).commission_override;
        let earlier = self.past.iter().rev().skip_while(|past| past.ended_at > time);
        let mut others = earlier.filter(|past| past.standing.commission_override != at_time);
        others.next().map(|past| past.ended_at)
    }

    /// When the commission without dates that the enrollment has at a time was changed to another one. `None`: it was not.
    fn override_until(&self, time: Time) -> Option<Time> {
        let at_time = self.standing_at(time).commission_override;
        let place = self.past.partition_point(|past| past.ended_at <= time);
        let later = self.past.get(place..)?;
        let next = later.iter().skip(1).map(|past| past.standing.commission_override).chain([self.commission_override]);
        later.iter().zip(next).find(|(_, next)| *next != at_time).map(|(past, _)| past.ended_at)
    }

    /// Keeps the standing that the enrollment had before a change, if the change is one of its standing.
    pub fn keep_past(&mut self, before: &Self, changed_at: Time) {
        if self.standing() == before.standing() {
            return;
        }
        // The server's clock may have been set back, and the standings must stay in order.
        let ended_at = self.past.last().map_or(changed_at, |last| last.ended_at.max(changed_at));
        self.past.push(PastStanding { ended_at, standing: before.standing() });
        if self.past.len() > PAST_STANDINGS_MAX {
            self.past.remove(0);
        }
    }
}

/// An enrollment with what its program says about it, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EnrollmentWithLanding {
    pub enrollment: Arc<Enrollment>,
    /// The page that the enrollment's links lead to: its own, or else the program's. If the affiliate was moved to another program, it is that
    /// of the enrollment there.
    pub landing_url: String,
    /// Whether the affiliate has not accepted the newest version of the program's agreement. Left out of the answers that are stored for
    /// repeated requests.
    pub lacks_newest_agreement: bool,
}

impl EnrollmentWithLanding {
    /// An enrollment whose links lead to this page, in a program with this version of its agreement, which is 0 if it has none.
    pub fn new(enrollment: Arc<Enrollment>, landing_url: String, agreement_version: i32) -> Self {
        let lacks_newest_agreement = enrollment.accepted_version() < agreement_version;
        Self { enrollment, landing_url, lacks_newest_agreement }
    }

    /// The enrollment as it is kept in answers, see `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        let (ref_id, landing_url) = (String::new(), String::new());
        let (acceptances, metadata, dated_commissions) = (Vec::new(), BTreeMap::new(), Vec::new());
        let kept = self.enrollment.as_ref().clone();
        let kept = Enrollment { acceptances, metadata, dated_commissions, was_active: false, ..kept };
        let enrollment = Enrollment { ref_id, landing_url, ..kept };
        Self { enrollment: Arc::new(enrollment), landing_url: String::new(), lacks_newest_agreement: false }
    }
}

/// The answer of EnrollAffiliate, UpdateEnrollment and EndEnrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EnrollmentOutcome {
    pub enrollment: EnrollmentWithLanding,
    /// The coupon that EnrollAffiliate assigned.
    pub coupon: Option<Arc<Coupon>>,
}

impl EnrollmentOutcome {
    /// See `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        Self {
            enrollment: self.enrollment.without_personal_data(),
            coupon: self.coupon.as_ref().map(|coupon| Arc::new(coupon.without_personal_data())),
        }
    }
}
