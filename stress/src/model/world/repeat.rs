//! Answers to repeated requests: the first answer, but with the personal data, the links, the pages and the dated commissions
//! of now.

use headwater_client::pb;
use tonic::Code;

use super::World;
use crate::model::command::{Command, Key};
use crate::model::reply::{Refused, Reply};

impl World {
    pub(super) fn answered_before(&self, key: &Key, command: &Command) -> Option<Reply> {
        let before = self.answered.get(key)?;
        if before.expires.is_some_and(|expires| expires <= self.now) {
            return None;
        }
        if before.command == *command {
            return Some(self.present(before.reply.again()));
        }
        let metadata = [("first_id", before.first_id.as_str())];
        Some(Reply::Refused(Refused::new(Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH", &metadata)))
    }

    /// A repeated answer shows the link and the dated commissions of its enrollment, the page of its click, and the data of its affiliate, as
    /// they are now.
    fn present(&self, mut reply: Reply) -> Reply {
        match &mut reply {
            Reply::ChangedAffiliate(row, _) => self.with_present_data(row),
            Reply::Affiliate(answer) => {
                answer.affiliate.iter_mut().for_each(|row| self.with_present_data(row));
                answer.coupon.iter_mut().for_each(|row| self.with_present_note(row));
            }
            Reply::Enrollment(_, coupon, _) => coupon.iter_mut().for_each(|row| self.with_present_note(row)),
            Reply::Coupon(coupon, _) => self.with_present_note(coupon),
            Reply::Link(link, _) => {
                if let Some(now) = self.links.iter().find(|other| other.id == link.id) {
                    let now = self.shown_link(now);
                    *link = pb::Link {
                        code: now.code,
                        destination_url: now.destination_url,
                        referral_link: now.referral_link,
                        ..link.clone()
                    };
                }
            }
            _ => {}
        }
        if let Reply::Click(answer) = &mut reply
            && let Some(click) = self.clicks.iter().find(|click| click.id == answer.click_id)
            && let Some(link) = self.links.iter().find(|link| link.id == click.link_id)
        {
            answer.destination_url = self.shown_link(link).destination_url;
        }
        let enrollment = match &mut reply {
            Reply::Enrollment(enrollment, ..) => Some(enrollment),
            Reply::Affiliate(answer) => answer.enrollment.as_mut(),
            _ => None,
        };
        if let Some(enrollment) = enrollment
            && let Some(place) = self.enrollment(&enrollment.id)
        {
            let present = self.shown(&self.enrollments[place]);
            enrollment.ref_id = present.ref_id;
            enrollment.landing_url = present.landing_url;
            enrollment.referral_link = present.referral_link;
            enrollment.dated_commissions = present.dated_commissions;
        }
        reply
    }

    fn with_present_note(&self, coupon: &mut pb::Coupon) {
        if let Some(now) = self.coupons.iter().find(|other| other.id == coupon.id) {
            coupon.note.clone_from(&now.note);
        }
    }
}
