//! Affiliates and their enrollments in programs.

use headwater_client::pb;
use pb::event::Subject;
use pb::{EnrollmentState, EventKind, LinkState};
use tonic::Code;

use super::affiliate::affiliate_image;
use super::faults::flat_currency;
use super::{Ruling, Standing, World, email, missing, refused, taken};
use crate::model::command::stamp;
use crate::model::reply::{Refused, Replayed, Reply};

/// The inputs for an enrollment.
pub(super) struct Wanted<'request> {
    pub(super) ref_id: &'request str,
    pub(super) coupon_code: &'request str,
    pub(super) landing_url: &'request str,
    pub(super) commission: Option<&'request pb::Commission>,
}

/// An enrollment as the feed shows it.
pub(super) fn enrollment_image(row: &pb::Enrollment) -> Subject {
    let (ref_id, landing_url, referral_link) = (String::new(), String::new(), String::new());
    Subject::Enrollment(pb::Enrollment { ref_id, landing_url, referral_link, ..row.clone() })
}

impl World {
    pub(super) fn create_affiliate(&mut self, request: &pb::CreateAffiliateRequest) -> Ruling {
        let address = email(&request.email);
        if let Some(other) = self.affiliates.iter().find(|other| other.email == address) {
            return taken("email", &address, &other.id);
        }
        let external_id = &request.external_id;
        let has_id = |other: &&pb::Affiliate| !external_id.is_empty() && other.external_id == *external_id;
        if let Some(other) = self.affiliates.iter().find(has_id) {
            return taken("external_id", external_id, &other.id);
        }
        let program = self.open_program(&request.program_id)?;
        let wanted = Wanted {
            ref_id: &request.ref_id,
            coupon_code: &request.coupon_code,
            landing_url: &request.landing_url,
            commission: request.commission_override.as_ref(),
        };
        let ref_id = self.free_ref_id(&wanted, &request.first_name, &address)?;
        self.check_commission(program, wanted.commission, "commission_override.flat.currency_code")?;
        self.check_coupon("coupon_code", &wanted.coupon_code.to_uppercase(), "")?;

        let profile = request.profile.clone().unwrap_or_default();
        let affiliate = pb::Affiliate {
            id: self.fresh("aff"),
            external_id: external_id.clone(),
            email: address,
            first_name: request.first_name.clone(),
            last_name: request.last_name.clone(),
            profile: Some(pb::AffiliateProfile {
                address: profile.address.clone().filter(|sent| *sent != pb::PostalAddress::default()),
                ..profile
            }),
            create_time: Some(stamp(self.now)),
            update_time: Some(stamp(self.now)),
            etag: "v1".to_owned(),
            state: pb::AffiliateState::Active.into(),
            state_time: Some(stamp(self.now)),
            ..pb::Affiliate::default()
        };
        let token = self.fresh("token");
        self.affiliates.push(affiliate.clone());
        self.tokens.push(token.clone());
        self.tell(EventKind::AffiliateCreated, affiliate_image(&affiliate));
        let enrollment = self.new_enrollment(&affiliate.id, program, &ref_id, &wanted);
        let coupon = self.promised_coupon(enrollment, &wanted);
        self.effect.clone_from(&affiliate.id);
        Ok(Reply::Affiliate(Box::new(pb::CreateAffiliateResponse {
            affiliate: Some(affiliate),
            enrollment: Some(self.shown(&self.enrollments[enrollment])),
            coupon,
            auth_token: token,
            replayed: false,
        })))
    }

    /// The requested ref_id, or one made from the first name or the email address, if it is free.
    fn free_ref_id(&mut self, wanted: &Wanted<'_>, first_name: &str, email: &str) -> Result<String, Refused> {
        if !wanted.ref_id.is_empty() {
            let code = wanted.ref_id.to_lowercase();
            return match self.links.iter().find(|link| link.code == code) {
                Some(link) => taken("ref_id", &code, &link.id),
                None => Ok(code),
            };
        }
        let stem = |text: &str| -> String {
            let fit = text.chars().filter(char::is_ascii_alphanumeric).take(20);
            fit.map(|character| character.to_ascii_lowercase()).collect()
        };
        let name = Some(stem(first_name)).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| stem(email.split('@').next().unwrap_or_default()));
        let is_taken = name.len() < 2 || self.links.iter().any(|link| link.code == name);
        Ok(if is_taken { self.fresh("code") } else { name })
    }

    fn check_commission(&self, program: usize, own: Option<&pb::Commission>, field: &str) -> Result<(), Refused> {
        match flat_currency(own) {
            Some(currency) if currency != self.programs[program].row.currency_code => {
                Err(Refused::fields([field.to_owned()]))
            }
            _ => Ok(()),
        }
    }

    fn new_enrollment(&mut self, affiliate_id: &str, program: usize, ref_id: &str, wanted: &Wanted<'_>) -> usize {
        let row = pb::Enrollment {
            id: self.fresh("enr"),
            affiliate_id: affiliate_id.to_owned(),
            program_id: self.programs[program].row.id.clone(),
            ref_id: ref_id.to_owned(),
            landing_url: wanted.landing_url.to_owned(),
            commission_override: wanted.commission.cloned(),
            state: EnrollmentState::Active.into(),
            create_time: Some(stamp(self.now)),
            update_time: Some(stamp(self.now)),
            ..pb::Enrollment::default()
        };
        self.tell(EventKind::EnrollmentCreated, enrollment_image(&row));
        self.add_link(&row, ref_id, "");
        self.keep_standing(&row);
        self.enrollments.push(row);
        self.enrollments.len() - 1
    }

    pub(super) fn keep_standing(&mut self, row: &pb::Enrollment) {
        let affiliate = self.affiliates.iter().find(|affiliate| affiliate.id == row.affiliate_id);
        let is_affiliate_active = affiliate.is_some_and(|row| row.state() == pb::AffiliateState::Active);
        let moved = self.moved(row);
        self.standings.push(Standing {
            enrollment_id: row.id.clone(),
            since: self.now,
            is_active: row.state() == EnrollmentState::Active,
            is_affiliate_active,
            commission: row.commission_override.clone(),
            moved,
        });
    }

    fn promised_coupon(&mut self, enrollment: usize, wanted: &Wanted<'_>) -> Option<pb::Coupon> {
        let code = wanted.coupon_code.to_uppercase();
        (!code.is_empty()).then(|| self.add_coupon(enrollment, &code, ""))
    }

    pub(super) fn enroll(&mut self, request: &pb::EnrollAffiliateRequest) -> Ruling {
        let affiliate = self.living(request.affiliate.as_ref())?;
        let program = self.open_program(&request.program_id)?;
        let wanted = Wanted {
            ref_id: &request.ref_id,
            coupon_code: &request.coupon_code,
            landing_url: &request.landing_url,
            commission: request.commission_override.as_ref(),
        };
        let affiliate = self.affiliates[affiliate].clone();
        let enrollment = self.make_or_reopen(&affiliate, program, &wanted)?;
        let coupon = self.promised_coupon(enrollment, &wanted);
        self.effect.clone_from(&self.enrollments[enrollment].id);
        Ok(Reply::Enrollment(self.shown(&self.enrollments[enrollment]), coupon, Replayed(false)))
    }

    /// Enrolls an affiliate in a program in which it is not. An ended enrollment in it is opened again.
    pub(super) fn make_or_reopen(
        &mut self,
        affiliate: &pb::Affiliate,
        program: usize,
        wanted: &Wanted<'_>,
    ) -> Result<usize, Refused> {
        let code = wanted.coupon_code.to_uppercase();
        let field = "commission_override.flat.currency_code";
        match self.enrollment_in(&affiliate.id, program) {
            Some(place) if self.enrollments[place].state() == EnrollmentState::Active => {
                let enrollment = &self.enrollments[place];
                taken("program_id", &enrollment.program_id, &enrollment.id)
            }
            Some(place) => {
                self.check_commission(program, wanted.commission, field)?;
                let is_new = !wanted.ref_id.is_empty() && self.check_ref_id(place, wanted.ref_id, "ref_id")?;
                self.check_coupon("coupon_code", &code, &affiliate.id)?;
                self.reopen(place, wanted, is_new);
                Ok(place)
            }
            None => {
                let ref_id = self.free_ref_id(wanted, &affiliate.first_name, &affiliate.email)?;
                self.check_commission(program, wanted.commission, field)?;
                self.check_coupon("coupon_code", &code, &affiliate.id)?;
                Ok(self.new_enrollment(&affiliate.id, program, &ref_id, wanted))
            }
        }
    }

    pub(super) fn enrollment_in(&self, affiliate_id: &str, program: usize) -> Option<usize> {
        let program_id = &self.programs[program].row.id;
        self.enrollments.iter().position(|row| row.affiliate_id == affiliate_id && row.program_id == *program_id)
    }

    fn reopen(&mut self, place: usize, wanted: &Wanted<'_>, is_new_code: bool) {
        let now = stamp(self.now);
        self.withdraw_dates(place);
        let row = &mut self.enrollments[place];
        row.set_state(EnrollmentState::Active);
        row.end_time = None;
        row.moved_to_enrollment_id.clear();
        row.update_time = Some(now);
        wanted.landing_url.clone_into(&mut row.landing_url);
        row.commission_override = wanted.commission.cloned();
        let row = row.clone();
        self.staying.remove(&row.id);
        self.keep_standing(&row);
        self.tell(EventKind::EnrollmentCreated, enrollment_image(&row));
        if !wanted.ref_id.is_empty() {
            self.set_ref_id(place, wanted.ref_id, is_new_code);
        }
    }

    /// Whether an enrollment may have this ref_id, and whether that needs a new link. It needs none if the enrollment has an
    /// active link with this code and without a destination.
    fn check_ref_id(&self, place: usize, ref_id: &str, field: &str) -> Result<bool, Refused> {
        let (row, code) = (&self.enrollments[place], ref_id.to_lowercase());
        if row.ref_id == code {
            return Ok(false);
        }
        match self.links.iter().find(|link| link.code == code) {
            None => Ok(true),
            Some(link)
                if link.enrollment_id == row.id
                    && link.state() == LinkState::Active
                    && link.destination_url.is_empty() =>
            {
                Ok(false)
            }
            Some(link) => taken(field, &code, &link.id),
        }
    }

    fn set_ref_id(&mut self, place: usize, ref_id: &str, is_new_code: bool) {
        let code = ref_id.to_lowercase();
        if is_new_code {
            let row = self.enrollments[place].clone();
            self.add_link(&row, &code, "");
        }
        self.enrollments[place].ref_id = code;
    }

    /// The enrollment, which must not have ended.
    pub(super) fn open_enrollment(&self, id: &str) -> Result<usize, Refused> {
        let Some(place) = self.enrollment(id) else { return missing("ENROLLMENT_NOT_FOUND") };
        if self.enrollments[place].state() == EnrollmentState::Active {
            return Ok(place);
        }
        refused(Code::FailedPrecondition, "ENROLLMENT_ENDED", &[("enrollment_id", id)])
    }

    pub(super) fn update_enrollment(&mut self, request: &pb::UpdateEnrollmentRequest) -> Ruling {
        let sent = request.enrollment.clone().unwrap_or_default();
        let is_masked =
            |field: &str| request.update_mask.iter().flat_map(|mask| &mask.paths).any(|path| path.as_str() == field);
        let place = self.open_enrollment(&sent.id)?;
        let is_new = is_masked("ref_id") && self.check_ref_id(place, &sent.ref_id, "enrollment.ref_id")?;
        if is_masked("commission_override")
            && let Some(program) = self.program(&self.enrollments[place].program_id)
        {
            let field = "enrollment.commission_override.flat.currency_code";
            self.check_commission(program, sent.commission_override.as_ref(), field)?;
        }
        let dated_commissions = self.changed_dates(place, request)?;
        let row = &mut self.enrollments[place];
        if is_masked("landing_url") {
            row.landing_url = sent.landing_url;
        }
        if is_masked("commission_override") {
            row.commission_override = sent.commission_override;
        }
        row.dated_commissions = dated_commissions;
        self.enrollment_changed(place, EventKind::EnrollmentUpdated);
        if is_masked("ref_id") {
            self.set_ref_id(place, &sent.ref_id, is_new);
        }
        Ok(self.enrollment_answer(place))
    }

    pub(super) fn end_enrollment(&mut self, request: &pb::EndEnrollmentRequest) -> Ruling {
        let Some(place) = self.enrollment(&request.enrollment_id) else { return missing("ENROLLMENT_NOT_FOUND") };
        // One that was moved goes on in the other program, until it is ended itself.
        let row = &self.enrollments[place];
        if row.state() == EnrollmentState::Active || !row.moved_to_enrollment_id.is_empty() {
            self.end(place, "");
        }
        Ok(self.enrollment_answer(place))
    }

    pub(super) fn enrollment_changed(&mut self, place: usize, kind: EventKind) {
        self.enrollments[place].update_time = Some(stamp(self.now));
        let row = self.enrollments[place].clone();
        self.keep_standing(&row);
        let image = enrollment_image(&row);
        self.tell(kind, image);
    }

    fn enrollment_answer(&mut self, place: usize) -> Reply {
        self.effect.clone_from(&self.enrollments[place].id);
        Reply::Enrollment(self.shown(&self.enrollments[place]), None, Replayed(false))
    }
}
