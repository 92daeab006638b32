//! Commands of an account's owner.

use headwater_client::pb;
use pb::affiliate_selector::Selector;
use prost_types::FieldMask;

use super::{Generator, MICROS_PER_MINUTE, pick, some_id};
use crate::model::command::{Command, stamp};
use crate::model::world::World;

pub(super) const PAGES: [&str; 3] = ["https://shop.example/", "https://shop.example/spring", "https://other.example/"];

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

impl Generator {
    pub(super) fn owners(&mut self, world: &World, elapsed: i64, label: u32) -> Command {
        match self.rng.u32(0..129) {
            0..3 => Command::UpdateAccount(self.update_account(label)),
            3..6 => Command::CreateProgram(self.create_program(world, label)),
            6..16 => Command::UpdateProgram(self.update_program(world, label)),
            16..18 => Command::ArchiveProgram(self.archive_program(world, label)),
            18..26 => Command::CreateAffiliate(Box::new(self.create_affiliate(world, label))),
            26..36 => Command::EnrollAffiliate(self.enroll(world, label)),
            36..43 => Command::UpdateEnrollment(self.update_enrollment(world, elapsed, label)),
            43..50 => self.end_enrollment(world, label),
            50..56 => Command::CreateLink(self.create_link(world, label)),
            56..59 => self.revoke_link(world, label),
            59..69 => Command::AssignCoupon(self.assign_coupon(world, label)),
            69..75 => self.remove_coupon(world, label),
            75..90 => self.approve(world, label),
            90..100 => self.deny(world, label),
            100..104 => self.deactivate_affiliate(world, label),
            104..110 => self.approve_affiliate(world, label),
            110..114 => self.release(world, label),
            114..118 => self.set_upline(world, label),
            118..120 => self.erase_affiliate(world, label),
            120..123 => self.delete_lead(world, label),
            _ => self.move_enrollment(world, label),
        }
    }

    fn currency(&mut self) -> String {
        pick(&mut self.rng, &["USD", "USD", "USD", "EUR", "JPY"]).to_owned()
    }

    pub(super) fn commission(&mut self, currency: &str) -> pb::Commission {
        use pb::commission::Rate::{Flat, PercentPpm};
        let rng = &mut self.rng;
        let rate = match rng.u32(0..10) {
            0..7 => PercentPpm(pick(rng, &[100_000, 125_000, 333_333, 200_000, 5, 999_999, 1_000_000, 0])),
            7 => PercentPpm(rng.i32(0..=1_000_000)),
            _ => {
                let amount_minor = pick(rng, &[1, 7, 500, 12_345, 0]);
                let is_other = rng.u32(0..20) == 0;
                let currency_code = if is_other { "KWD".to_owned() } else { currency.to_owned() };
                Flat(pb::Money { amount_minor, currency_code })
            }
        };
        let rate = if rng.u32(0..100) == 0 { PercentPpm(1_000_001) } else { rate };
        pb::Commission { rate: Some(rate) }
    }

    /// A valid commission override.
    pub(super) fn own_commission(&mut self, currency: &str) -> Option<pb::Commission> {
        use pb::commission::Rate::PercentPpm;
        self.maybe(25, |generator| generator.commission(currency)).filter(|own| own.rate != Some(PercentPpm(1_000_001)))
    }

    fn update_account(&mut self, label: u32) -> pb::UpdateAccountRequest {
        let limit = pick(&mut self.rng, &[1, 2, 3, 5, 100, 0]);
        pb::UpdateAccountRequest {
            request_id: self.request_id(label),
            account: Some(pb::Account { max_active_coupons_per_affiliate: limit, ..Default::default() }),
            update_mask: mask(&["max_active_coupons_per_affiliate"]),
        }
    }

    pub(super) fn create_program(&mut self, world: &World, label: u32) -> pb::CreateProgramRequest {
        let currency_code = self.currency();
        let terms = Some(self.terms(&currency_code));
        pb::CreateProgramRequest {
            request_id: self.request_id(label),
            display_name: format!("Program {label}"),
            currency_code,
            landing_url: pick(&mut self.rng, &PAGES).to_owned(),
            terms,
            is_default: world.programs.is_empty() || self.rng.u32(0..3) == 0,
            ..Default::default()
        }
    }

    fn program_id(&mut self, world: &World) -> String {
        some_id(&mut self.rng, "prg", world.programs.iter().map(|program| &program.row.id))
    }

    /// A program, or the default one.
    pub(super) fn any_program_id(&mut self, world: &World) -> String {
        self.seldom(70, |generator| generator.program_id(world))
    }

    pub(super) fn currency_of(&self, world: &World, program_id: &str) -> String {
        let named = world.programs.iter().find(|program| program.row.id == program_id);
        let program = named.or_else(|| world.programs.iter().find(|program| program.row.is_default));
        program.map_or_else(|| "USD".to_owned(), |program| program.row.currency_code.clone())
    }

    /// The etag of a program, sometimes a stale one; usually none.
    fn etag(&mut self, world: &World, program_id: &str) -> String {
        let program = world.programs.iter().find(|program| program.row.id == program_id);
        let current = program.map(|program| program.row.etag.clone()).unwrap_or_default();
        let other = self.rng.u32(0..8) == 0;
        self.seldom(20, |_| if other { "another".to_owned() } else { current })
    }

    fn update_program(&mut self, world: &World, label: u32) -> pb::UpdateProgramRequest {
        let id = self.program_id(world);
        let currency = self.currency_of(world, &id);
        let mut program = pb::Program { etag: self.etag(world, &id), id, ..Default::default() };
        let mut paths = Vec::new();
        if self.rng.u32(0..5) > 0 {
            program.terms = Some(self.terms(&currency));
            paths.push("terms");
        }
        if self.rng.u32(0..4) == 0 {
            program.is_default = true;
            paths.push("is_default");
        }
        if paths.is_empty() || self.rng.u32(0..4) == 0 {
            pick(&mut self.rng, &PAGES).clone_into(&mut program.landing_url);
            paths.push("landing_url");
        }
        pb::UpdateProgramRequest {
            request_id: self.request_id(label),
            program: Some(program),
            update_mask: mask(&paths),
            ..Default::default()
        }
    }

    /// Leaves at least two programs active, because later commands would otherwise have nothing to use.
    fn archive_program(&mut self, world: &World, label: u32) -> pb::ArchiveProgramRequest {
        let active = world.programs.iter().filter(|program| program.row.state() == pb::ProgramState::Active).count();
        let program_id = if active > 2 { self.program_id(world) } else { format!("prg{}", super::NOBODYS) };
        let etag = self.etag(world, &program_id);
        pb::ArchiveProgramRequest { request_id: self.request_id(label), program_id, etag }
    }

    pub(super) fn code(&mut self) -> String {
        let code = format!("code-{}", self.rng.u32(0..30));
        if self.rng.u32(0..10) == 0 { code.to_uppercase() } else { code }
    }

    pub(super) fn coupon_code(&mut self) -> String {
        let code = format!("SAVE{}", self.rng.u32(0..12));
        if self.rng.u32(0..10) == 0 { code.to_lowercase() } else { code }
    }

    /// An enrollment, often one that has ended.
    fn enroll(&mut self, world: &World, label: u32) -> pb::EnrollAffiliateRequest {
        let ended: Vec<_> = world.enrollments.iter().filter(|row| row.state() == pb::EnrollmentState::Ended).collect();
        let (affiliate, program_id) = if self.rng.bool() && !ended.is_empty() {
            let row = pick(&mut self.rng, &ended);
            let affiliate = pb::AffiliateSelector { selector: Some(Selector::Id(row.affiliate_id.clone())) };
            (affiliate, row.program_id.clone())
        } else {
            let program_id = self.any_program_id(world);
            (self.affiliate(world), program_id)
        };
        let currency = self.currency_of(world, &program_id);
        pb::EnrollAffiliateRequest {
            request_id: self.request_id(label),
            affiliate: Some(affiliate),
            ref_id: self.seldom(50, Self::code),
            coupon_code: self.seldom(40, Self::coupon_code),
            landing_url: self.seldom(15, |_| PAGES[2].to_owned()),
            commission_override: self.own_commission(&currency),
            program_id,
            ..Default::default()
        }
    }

    fn enrollment_id(&mut self, world: &World) -> String {
        some_id(&mut self.rng, "enr", world.enrollments.iter().map(|row| &row.id))
    }

    fn update_enrollment(&mut self, world: &World, elapsed: i64, label: u32) -> pb::UpdateEnrollmentRequest {
        let id = self.enrollment_id(world);
        let program = world.enrollments.iter().find(|row| row.id == id).map(|row| row.program_id.clone());
        let currency = self.currency_of(world, &program.unwrap_or_default());
        let mut enrollment = pb::Enrollment { id, ..Default::default() };
        let mut paths = Vec::new();
        let dated_commission = self.maybe(40, |generator| generator.dated_commission(&currency, elapsed));
        let withdraw_dated_commission = self.maybe(15, |generator| generator.rng.i32(1..=4)).unwrap_or_default();
        let is_dated = dated_commission.is_some() || withdraw_dated_commission > 0;
        if !is_dated && self.rng.bool() {
            enrollment.ref_id = self.code();
            paths.push("ref_id");
        }
        if self.rng.u32(0..4) == 0 {
            enrollment.landing_url = self.seldom(60, |_| PAGES[2].to_owned());
            paths.push("landing_url");
        }
        if (paths.is_empty() && !is_dated) || self.rng.u32(0..3) == 0 {
            enrollment.commission_override = self.own_commission(&currency);
            paths.push("commission_override");
        }
        let request_id = self.request_id(label);
        let (enrollment, update_mask) = (Some(enrollment), mask(&paths));
        pb::UpdateEnrollmentRequest { request_id, enrollment, update_mask, dated_commission, withdraw_dated_commission }
    }

    /// A commission for a time, which may start a little in the past.
    fn dated_commission(&mut self, currency: &str, elapsed: i64) -> pb::DatedCommission {
        let starts = [0, 1, 60, 3 * 1_440, -9, -11, -1_440, 1_440];
        let start = self.maybe(70, |generator| elapsed + pick(&mut generator.rng, &starts) * MICROS_PER_MINUTE);
        let lengths = [1, 1_440, 7 * 1_440, 40 * 1_440];
        let end = self
            .maybe(70, |generator| start.unwrap_or(elapsed) + pick(&mut generator.rng, &lengths) * MICROS_PER_MINUTE);
        pb::DatedCommission {
            commission: self.own_commission(currency),
            start_time: start.map(stamp),
            end_time: end.map(stamp),
            ..Default::default()
        }
    }

    fn end_enrollment(&mut self, world: &World, label: u32) -> Command {
        // Customers are bound to it, so that the next referrer takes them over.
        let bound: Vec<_> = world.leads.iter().flat_map(|lead| &lead.credits).map(|one| &one.enrollment_id).collect();
        let enrollment_id = match self.rng.bool() && !bound.is_empty() {
            true => pick(&mut self.rng, &bound).clone(),
            false => self.enrollment_id(world),
        };
        Command::EndEnrollment(pb::EndEnrollmentRequest { request_id: self.request_id(label), enrollment_id })
    }

    fn move_enrollment(&mut self, world: &World, label: u32) -> Command {
        let program_id = self.program_id(world);
        let currency = self.currency_of(world, &program_id);
        Command::MoveEnrollment(pb::MoveEnrollmentRequest {
            request_id: self.request_id(label),
            enrollment_id: self.enrollment_id(world),
            program_id,
            ref_id: self.seldom(30, Self::code),
            landing_url: self.seldom(15, |_| PAGES[2].to_owned()),
            commission_override: self.own_commission(&currency),
            leads: self.rng.i32(0..=2),
        })
    }

    fn create_link(&mut self, world: &World, label: u32) -> pb::CreateLinkRequest {
        pb::CreateLinkRequest {
            request_id: self.request_id(label),
            enrollment_id: self.enrollment_id(world),
            code: self.seldom(80, Self::code),
            destination_url: self.seldom(50, |_| PAGES[1].to_owned()),
            claimed_url: String::new(),
        }
    }

    fn revoke_link(&mut self, world: &World, label: u32) -> Command {
        let link_id = some_id(&mut self.rng, "lnk", world.links.iter().map(|row| &row.id));
        Command::RevokeLink(pb::RevokeLinkRequest { request_id: self.request_id(label), link_id })
    }

    fn assign_coupon(&mut self, world: &World, label: u32) -> pb::AssignCouponRequest {
        pb::AssignCouponRequest {
            request_id: self.request_id(label),
            affiliate: Some(self.affiliate(world)),
            program_id: self.any_program_id(world),
            code: self.free_coupon_code(world),
            note: self.seldom(10, |_| "for the newsletter".to_owned()),
            ..Default::default()
        }
    }

    /// A code, often one that another affiliate had.
    fn free_coupon_code(&mut self, world: &World) -> String {
        let removed: Vec<_> = world.coupons.iter().filter(|row| row.state() == pb::CouponState::Removed).collect();
        let is_again = self.rng.bool() && !removed.is_empty();
        if is_again { pick(&mut self.rng, &removed).code.clone() } else { self.coupon_code() }
    }

    fn remove_coupon(&mut self, world: &World, label: u32) -> Command {
        let active = world.coupons.iter().filter(|row| row.state() == pb::CouponState::Active);
        let active: Vec<&String> = active.map(|row| &row.id).collect();
        let coupon_id = match self.rng.u32(0..3) > 0 && !active.is_empty() {
            true => pick(&mut self.rng, &active).clone(),
            false => some_id(&mut self.rng, "cpn", world.coupons.iter().map(|row| &row.id)),
        };
        Command::RemoveCoupon(pb::RemoveCouponRequest { request_id: self.request_id(label), coupon_id })
    }

    /// Usually rewards in these states, sometimes others, sometimes a duplicate or none.
    fn reward_ids(&mut self, world: &World, states: &[pb::RewardState]) -> Vec<String> {
        let is_open = |reward: &&pb::Reward| states.contains(&reward.state()) && reward.reverses_reward_id.is_empty();
        let open: Vec<&String> = world.rewards.iter().filter(is_open).map(|reward| &reward.id).collect();
        let count = self.rng.usize(1..=3);
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = if open.is_empty() || self.rng.u32(0..12) == 0 {
                some_id(&mut self.rng, "rwd", world.rewards.iter().map(|reward| &reward.id))
            } else {
                pick(&mut self.rng, &open).clone()
            };
            if !ids.contains(&id) || self.rng.u32(0..6) == 0 {
                ids.push(id);
            }
        }
        if self.rng.u32(0..60) == 0 {
            ids.clear();
        }
        ids
    }

    fn approve(&mut self, world: &World, label: u32) -> Command {
        let reward_ids = self.reward_ids(world, &[pb::RewardState::Pending]);
        Command::Approve(pb::ApproveRewardsRequest { request_id: self.request_id(label), reward_ids })
    }

    fn deny(&mut self, world: &World, label: u32) -> Command {
        let reward_ids = self.reward_ids(world, &[pb::RewardState::Pending, pb::RewardState::Held]);
        let reason = self.seldom(95, |generator| match generator.rng.u32(0..40) {
            0 => "d".repeat(501),
            1 => "d".repeat(500),
            _ => "doubtful".to_owned(),
        });
        Command::Deny(pb::DenyRewardsRequest { request_id: self.request_id(label), reward_ids, reason })
    }

    /// Releases rewards if any are held.
    fn release(&mut self, world: &World, label: u32) -> Command {
        if !world.rewards.iter().any(|reward| reward.state() == pb::RewardState::Held) {
            return self.deactivate_affiliate(world, label);
        }
        let reward_ids = self.reward_ids(world, &[pb::RewardState::Held]);
        Command::Release(pb::ReleaseRewardsRequest {
            request_id: self.request_id(label),
            reward_ids,
            reason: String::new(),
        })
    }
}
