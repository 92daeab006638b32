//! Affiliates that are erased and leads that are deleted: their rows stay without personal data, and the books stay as they are.

use headwater_client::pb;
use pb::attribution_candidate::Evidence;
use pb::{AffiliateState, CouponState, EnrollmentState, EventKind, LinkState};

use super::enrollment::enrollment_image;
use super::{Ruling, World, missing};
use crate::model::command::stamp;
use crate::model::reply::{Replayed, Reply};

impl World {
    pub(super) fn erase_affiliate(&mut self, request: &pb::EraseAffiliateRequest) -> Ruling {
        let place = self.selected(request.affiliate.as_ref())?;
        self.check_affiliate_etag(place, &request.etag)?;
        let before = self.affiliates[place].clone();
        if before.state() == AffiliateState::Erased {
            return Ok(Reply::ChangedAffiliate(Box::new(self.affiliate_answer(place)), Replayed(false)));
        }
        self.erase_coupons(&before.id);
        self.erase_links(&before.id);
        self.affiliates[place] = pb::Affiliate {
            id: before.id.clone(),
            profile: Some(pb::AffiliateProfile::default()),
            create_time: before.create_time,
            etag: before.etag,
            state: AffiliateState::Erased.into(),
            state_time: Some(stamp(self.now)),
            upline_affiliate_id: before.upline_affiliate_id,
            past_uplines: before.past_uplines,
            ..pb::Affiliate::default()
        };
        self.tokens[place].clear();
        self.erase_enrollments(&before.id);
        let row = self.affiliate_changed(place, EventKind::AffiliateErased);
        Ok(Reply::ChangedAffiliate(Box::new(row), Replayed(false)))
    }

    /// Removes the coupons. Their codes stay, because sales are judged by them.
    fn erase_coupons(&mut self, affiliate_id: &str) {
        for place in 0..self.coupons.len() {
            if self.coupons[place].affiliate_id != affiliate_id {
                continue;
            }
            if self.coupons[place].state() == CouponState::Active {
                self.retire_coupon(place);
            }
            self.coupons[place].note.clear();
        }
    }

    /// Revokes the links and gives them other codes. What led through one of them still does.
    fn erase_links(&mut self, affiliate_id: &str) {
        for place in 0..self.links.len() {
            if self.links[place].affiliate_id != affiliate_id {
                continue;
            }
            let code = self.fresh("code");
            let link = &mut self.links[place];
            let former = std::mem::replace(&mut link.code, code.clone());
            link.destination_url.clear();
            let evidence = Some(Evidence::LinkId(link.id.clone()));
            if link.state() == LinkState::Active {
                self.retire_link(place);
            }
            self.enrollments.iter_mut().filter(|row| row.ref_id == former).for_each(|row| row.ref_id.clone_from(&code));
            let is_led = |row: &pb::Conversion| row.candidates.iter().any(|one| one.evidence == evidence);
            for event in self.conversions.iter_mut().filter(|event| is_led(&event.row)) {
                event.traces.ref_id.clone_from(&code);
            }
        }
    }

    fn erase_enrollments(&mut self, affiliate_id: &str) {
        let now = stamp(self.now);
        for place in 0..self.enrollments.len() {
            let row = &mut self.enrollments[place];
            if row.affiliate_id != affiliate_id {
                continue;
            }
            let was_active = row.state() == EnrollmentState::Active;
            row.landing_url.clear();
            row.set_state(EnrollmentState::Ended);
            row.end_time.get_or_insert(now);
            row.update_time = Some(now);
            let row = row.clone();
            self.keep_standing(&row);
            if was_active {
                self.tell(EventKind::EnrollmentEnded, enrollment_image(&row));
            }
        }
    }

    /// Deletes a lead. What it bought stays its own, and sales that nobody referred are no longer known by its names.
    pub(super) fn delete_lead(&mut self, request: &pb::DeleteLeadRequest) -> Ruling {
        let Some(place) = request.lead.as_ref().and_then(|selector| self.selected_lead(selector)) else {
            return missing("LEAD_NOT_FOUND");
        };
        let before = self.leads[place].clone();
        for sale in self.unreferred(Some(place), &[&before.external_id], &[&before.email]) {
            self.conversions[sale].external_id.clear();
            self.conversions[sale].email.clear();
        }
        let (email, email_as_sent, external_id, first_name, last_name) = Default::default();
        let delete_time = Some(stamp(self.now));
        let lead_id = before.id.clone();
        self.leads[place] =
            pb::Lead { email, email_as_sent, external_id, first_name, last_name, delete_time, ..before };
        self.tell_of_lead(EventKind::LeadDeleted, place);
        self.effect.clone_from(&lead_id);
        Ok(Reply::DeletedLead(pb::DeleteLeadResponse { lead_id, replayed: false }))
    }

    /// The leads that calls return.
    pub(crate) fn living_leads(&self) -> Vec<&pb::Lead> {
        self.leads.iter().filter(|lead| lead.delete_time.is_none()).collect()
    }
}
