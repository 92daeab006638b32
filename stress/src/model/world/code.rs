//! Links and coupons: the codes of an enrollment.

use headwater_client::pb;
use pb::event::Subject;
use pb::{CouponState, EventKind, LinkState};
use tonic::Code;

use super::{Ruling, World, missing, refused, taken};
use crate::model::command::stamp;
use crate::model::reply::{Refused, Replayed, Reply};

fn coupon_image(coupon: &pb::Coupon) -> Subject {
    Subject::Coupon(pb::Coupon { code: String::new(), note: String::new(), ..coupon.clone() })
}

impl World {
    pub(super) fn add_link(&mut self, enrollment: &pb::Enrollment, code: &str, destination_url: &str) -> pb::Link {
        let link = pb::Link {
            id: self.fresh("lnk"),
            enrollment_id: enrollment.id.clone(),
            affiliate_id: enrollment.affiliate_id.clone(),
            code: code.to_owned(),
            destination_url: destination_url.to_owned(),
            state: LinkState::Active.into(),
            create_time: Some(stamp(self.now)),
            revoke_time: None,
            claimed_url: String::new(),
            referral_link: String::new(),
        };
        self.links.push(link.clone());
        self.tell_of_link(EventKind::LinkCreated, &link);
        link
    }

    /// Whether the affiliate may have this code. A new affiliate has no other codes.
    pub(super) fn check_coupon(&self, field: &str, code: &str, affiliate_id: &str) -> Result<(), Refused> {
        if code.is_empty() {
            return Ok(());
        }
        let mut active = self.coupons.iter().filter(|coupon| coupon.state() == CouponState::Active);
        if let Some(other) = active.clone().find(|coupon| coupon.code == code) {
            return taken(field, code, &other.id);
        }
        let limit = self.account.max_active_coupons_per_affiliate;
        let count = active.by_ref().filter(|coupon| coupon.affiliate_id == affiliate_id).count();
        if count >= usize::try_from(limit).unwrap_or_default() {
            let limit = limit.to_string();
            return refused(Code::FailedPrecondition, "COUPON_LIMIT", &[("limit", &limit)]);
        }
        Ok(())
    }

    pub(super) fn add_coupon(&mut self, enrollment: usize, code: &str, note: &str) -> pb::Coupon {
        let enrollment = self.enrollments[enrollment].clone();
        let coupon = pb::Coupon {
            id: self.fresh("cpn"),
            enrollment_id: enrollment.id,
            affiliate_id: enrollment.affiliate_id,
            code: code.to_owned(),
            note: note.to_owned(),
            state: CouponState::Active.into(),
            create_time: Some(stamp(self.now)),
            ..Default::default()
        };
        self.tell(EventKind::CouponAssigned, coupon_image(&coupon));
        self.coupons.push(coupon.clone());
        coupon
    }

    pub(super) fn create_link(&mut self, request: &pb::CreateLinkRequest) -> Ruling {
        let place = self.open_enrollment(&request.enrollment_id)?;
        let code = if request.code.is_empty() { self.fresh("code") } else { request.code.to_lowercase() };
        if let Some(other) = self.links.iter().find(|link| link.code == code) {
            return taken("code", &code, &other.id);
        }
        let row = self.enrollments[place].clone();
        let link = self.add_link(&row, &code, &request.destination_url);
        Ok(self.link_answer(&link))
    }

    pub(super) fn revoke_link(&mut self, request: &pb::RevokeLinkRequest) -> Ruling {
        let Some(place) = self.links.iter().position(|link| link.id == request.link_id) else {
            return missing("LINK_NOT_FOUND");
        };
        if self.links[place].state() == LinkState::Revoked {
            let link = self.links[place].clone();
            return Ok(self.link_answer(&link));
        }
        self.retire_link(place);
        let link = self.links[place].clone();
        Ok(self.link_answer(&link))
    }

    pub(super) fn retire_link(&mut self, place: usize) {
        self.links[place].set_state(LinkState::Revoked);
        self.links[place].revoke_time = Some(stamp(self.now));
        let link = self.links[place].clone();
        self.tell_of_link(EventKind::LinkRevoked, &link);
    }

    fn tell_of_link(&mut self, kind: EventKind, link: &pb::Link) {
        let image = pb::Link { code: String::new(), destination_url: String::new(), ..link.clone() };
        self.tell(kind, Subject::Link(image));
    }

    fn link_answer(&mut self, link: &pb::Link) -> Reply {
        self.effect.clone_from(&link.id);
        Reply::Link(self.shown_link(link), Replayed(false))
    }

    pub(super) fn assign_coupon(&mut self, request: &pb::AssignCouponRequest) -> Ruling {
        let affiliate = self.living(request.affiliate.as_ref())?;
        let affiliate_id = self.affiliates[affiliate].id.clone();
        let program = self.open_program(&request.program_id)?;
        let Some(enrollment) = self.enrollment_in(&affiliate_id, program) else {
            return missing("ENROLLMENT_NOT_FOUND");
        };
        let enrollment_id = self.enrollments[enrollment].id.clone();
        self.open_enrollment(&enrollment_id)?;
        let code = request.code.to_uppercase();
        self.check_coupon("code", &code, &affiliate_id)?;
        let coupon = self.add_coupon(enrollment, &code, &request.note);
        self.effect.clone_from(&coupon.id);
        Ok(Reply::Coupon(coupon, Replayed(false)))
    }

    pub(super) fn remove_coupon(&mut self, request: &pb::RemoveCouponRequest) -> Ruling {
        let Some(place) = self.coupons.iter().position(|coupon| coupon.id == request.coupon_id) else {
            return missing("COUPON_NOT_FOUND");
        };
        self.effect.clone_from(&request.coupon_id);
        if self.coupons[place].state() == CouponState::Active {
            self.retire_coupon(place);
        }
        Ok(Reply::Coupon(self.coupons[place].clone(), Replayed(false)))
    }

    pub(super) fn retire_coupon(&mut self, place: usize) {
        self.coupons[place].set_state(CouponState::Removed);
        self.coupons[place].remove_time = Some(stamp(self.now));
        let coupon = self.coupons[place].clone();
        self.tell(EventKind::CouponRemoved, coupon_image(&coupon));
    }
}
