//! Answers to reads.

use std::collections::BTreeMap;

use headwater_client::pb;
use pb::{ConversionKind as Kind, ConversionView as View, LedgerAccount};

use super::{Ruling, World, email, missing};
use crate::model::reply::{Refused, Reply};
use crate::value;

impl World {
    /// The enrollment that earns now in place of one that was moved.
    fn serving_now<'own>(&'own self, mut enrollment: &'own pb::Enrollment) -> &'own pb::Enrollment {
        while let Some(to) = self.enrollment(&enrollment.moved_to_enrollment_id) {
            enrollment = &self.enrollments[to];
        }
        enrollment
    }

    /// The landing page of an enrollment's links: its own, or else the program's.
    fn landing_url(&self, enrollment: &pb::Enrollment) -> String {
        let program = self.program(&enrollment.program_id).map(|place| &self.programs[place].row);
        if enrollment.landing_url.is_empty() {
            return program.map(|program| program.landing_url.clone()).unwrap_or_default();
        }
        enrollment.landing_url.clone()
    }

    /// An enrollment with its referral link. No landing page here has query parameters of its own.
    pub(crate) fn shown(&self, enrollment: &pb::Enrollment) -> pb::Enrollment {
        let referral_link = format!("{}?ref={}", self.landing_url(self.serving_now(enrollment)), enrollment.ref_id);
        pb::Enrollment { referral_link, ..enrollment.clone() }
    }

    /// The page that a link leads to through an enrollment.
    pub(super) fn destination(&self, link: &pb::Link, enrollment: &pb::Enrollment) -> String {
        if !link.destination_url.is_empty() {
            return link.destination_url.clone();
        }
        self.landing_url(enrollment)
    }

    /// A link with its destination.
    pub(crate) fn shown_link(&self, link: &pb::Link) -> pb::Link {
        let enrollment = self.enrollment(&link.enrollment_id).map(|place| self.serving_now(&self.enrollments[place]));
        let destination_url = enrollment.map(|row| self.destination(link, row)).unwrap_or_default();
        let referral_link = format!("{destination_url}?ref={}", link.code);
        pb::Link { destination_url, referral_link, ..link.clone() }
    }

    pub(super) fn selected(&self, selector: Option<&pb::AffiliateSelector>) -> Result<usize, Refused> {
        use pb::affiliate_selector::Selector;
        let place = match selector.and_then(|selector| selector.selector.as_ref()) {
            Some(Selector::Id(id)) => self.affiliates.iter().position(|row| row.id == *id),
            Some(Selector::ExternalId(id)) => self.affiliates.iter().position(|row| row.external_id == *id),
            Some(Selector::Email(text)) => self.affiliates.iter().position(|row| row.email == email(text)),
            Some(Selector::RefId(text)) => {
                let code = text.to_lowercase();
                let enrollment = self.enrollments.iter().find(|row| row.ref_id == code);
                enrollment.and_then(|found| self.affiliates.iter().position(|row| row.id == found.affiliate_id))
            }
            Some(Selector::AuthToken(token)) => self.tokens.iter().position(|other| other == token),
            None => None,
        };
        place.map_or_else(|| missing("AFFILIATE_NOT_FOUND"), Ok)
    }

    pub(super) fn selected_lead(&self, selector: &pb::LeadSelector) -> Option<usize> {
        use pb::lead_selector::Selector;
        match selector.selector.as_ref()? {
            Selector::Id(id) => self.leads.iter().position(|lead| lead.id == *id && lead.delete_time.is_none()),
            Selector::ExternalId(external_id) => self.customer(external_id, ""),
            Selector::Email(text) => self.customer("", &email(text)),
        }
    }

    pub(super) fn get_conversion(&self, request: &pb::GetConversionRequest) -> Ruling {
        use pb::conversion_selector::Selector;
        let is_meant = |row: &pb::Conversion| match request.conversion.as_ref().and_then(|one| one.selector.as_ref()) {
            Some(Selector::Id(id)) => row.id == *id,
            Some(Selector::RecordedEvent(event)) => row.kind == event.kind && row.event_id == event.event_id,
            None => false,
        };
        match self.conversions.iter().position(|conversion| is_meant(&conversion.row)) {
            Some(place) => {
                let view = match request.view() {
                    View::Unspecified => View::Full,
                    view => view,
                };
                Ok(Reply::FoundConversion(pb::GetConversionResponse { conversion: Some(self.viewed(place, view)) }))
            }
            None => missing("CONVERSION_NOT_FOUND"),
        }
    }

    pub(super) fn get_lead(&self, request: &pb::GetLeadRequest) -> Ruling {
        let Some(place) = request.lead.as_ref().and_then(|selector| self.selected_lead(selector)) else {
            return missing("LEAD_NOT_FOUND");
        };
        let lead = self.leads[place].clone();
        let places = lead.credits.iter().filter_map(|credit| self.enrollment(&credit.enrollment_id));
        let enrollments = places.map(|place| self.shown(&self.enrollments[place])).collect();
        let of_credit = |credit: &pb::Credit| self.affiliates.iter().find(|row| row.id == credit.affiliate_id);
        let affiliates = lead.credits.iter().filter_map(of_credit).cloned().collect();
        Ok(Reply::FoundLead(pb::GetLeadResponse { lead: Some(lead), enrollments, affiliates, ..Default::default() }))
    }

    pub(super) fn get_balance(&self, request: &pb::GetBalanceRequest) -> Ruling {
        let affiliate = &self.affiliates[self.selected(request.affiliate.as_ref())?];
        let balances = self.balances(&affiliate.id);
        Ok(Reply::FoundBalance(pb::GetBalanceResponse { affiliate_id: affiliate.id.clone(), balances }))
    }

    pub(super) fn get_affiliate(&self, request: &pb::GetAffiliateRequest) -> Ruling {
        let affiliate = self.affiliates[self.selected(request.affiliate.as_ref())?].clone();
        let enrollments = self.enrollments_of(&affiliate.id);
        let is_shown =
            |coupon: &&pb::Coupon| coupon.affiliate_id == affiliate.id && coupon.state() == pb::CouponState::Active;
        let coupons = self.coupons.iter().filter(is_shown).cloned().collect();
        let balances = self.balances(&affiliate.id);
        let affiliate = Some(affiliate);
        Ok(Reply::FoundAffiliate(pb::GetAffiliateResponse { affiliate, enrollments, coupons, balances }))
    }

    /// A program, or the default one, with its newest terms or the requested version.
    pub(super) fn get_program(&self, request: &pb::GetProgramRequest) -> Ruling {
        let is_meant = |row: &pb::Program| match request.program_id.as_str() {
            "" => row.is_default,
            id => row.id == id,
        };
        let Some(program) = self.programs.iter().find(|program| is_meant(&program.row)) else {
            return missing("PROGRAM_NOT_FOUND");
        };
        let mut row = program.row.clone();
        if request.terms_version != 0 {
            let Some(terms) = program.versions.iter().find(|terms| terms.version == request.terms_version) else {
                return missing("PROGRAM_NOT_FOUND");
            };
            row.terms = Some(terms.clone());
        }
        let mrr_by_currency = self.mrr_by_currency(&row.id);
        let newest_terms_version = program.versions.last().map_or(0, |terms| terms.version);
        let found =
            pb::GetProgramResponse { program: Some(row), mrr_by_currency, newest_terms_version, ..Default::default() };
        Ok(Reply::FoundProgram(found))
    }

    /// The revenue of the customers who are bound in a program.
    fn mrr_by_currency(&self, program_id: &str) -> Vec<pb::ProgramMrr> {
        let mut sums: BTreeMap<&str, pb::ProgramMrr> = BTreeMap::new();
        for lead in self.living_leads() {
            let is_bound = lead.credits.iter().any(|credit| credit.program_id == program_id);
            let Some(mrr) = lead.mrr.as_ref().filter(|mrr| is_bound && mrr.amount_minor > 0) else { continue };
            let sum = sums.entry(&mrr.currency_code).or_default();
            let before = sum.mrr.as_ref().map_or(0, |sum| sum.amount_minor);
            sum.mrr = Some(pb::Money { amount_minor: before + mrr.amount_minor, ..mrr.clone() });
            sum.customer_count += 1;
        }
        sums.into_values().collect()
    }

    pub(super) fn get_reward(&self, request: &pb::GetRewardRequest) -> Ruling {
        match self.rewards.iter().find(|reward| reward.id == request.reward_id).cloned() {
            Some(reward) => Ok(Reply::FoundReward(Box::new(pb::GetRewardResponse { reward: Some(reward) }))),
            None => missing("REWARD_NOT_FOUND"),
        }
    }

    fn enrollments_of(&self, affiliate_id: &str) -> Vec<pb::Enrollment> {
        self.enrollments.iter().filter(|row| row.affiliate_id == affiliate_id).map(|row| self.shown(row)).collect()
    }

    /// The image of a conversion in a view.
    pub(crate) fn viewed(&self, place: usize, view: View) -> pb::Conversion {
        let mut image = self.image(place);
        if view != View::Full {
            image.candidates.clear();
        }
        image
    }

    /// The images of all conversions that nobody referred, or of all others.
    pub(crate) fn images(&self, is_not_referred: bool) -> Vec<pb::Conversion> {
        let wanted = |place: &usize| {
            let outcome = self.conversions[*place].row.outcome();
            (outcome == pb::ConversionOutcome::NotReferred) == is_not_referred
        };
        (0..self.conversions.len()).filter(wanted).map(|place| self.image(place)).collect()
    }

    /// The ids of recorded events. Events that were refused or never sent must not be found.
    pub(crate) fn event_ids(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &pb::Conversion> {
        self.conversions.iter().map(|conversion| &conversion.row).filter(move |row| row.kind() == kind)
    }

    /// The expected audit: no differences, and these sums.
    pub(crate) fn audit(&self) -> pb::VerifyLedgerResponse {
        let mut totals: Vec<pb::LedgerTotal> = Vec::new();
        for entry in &self.entries {
            let value = entry.value.as_ref().map(value::cash).unwrap_or_default();
            for (account, amount_minor) in [(entry.debit(), -value.amount_minor), (entry.credit(), value.amount_minor)]
            {
                add(&mut totals, account, pb::Money { amount_minor, ..value.clone() });
            }
        }
        pb::VerifyLedgerResponse {
            ok: true,
            entry_count: self.entries.len() as i64,
            reward_count: self.rewards.len() as i64,
            event_count: self.events.len() as i64,
            totals: sorted(totals),
            differences: Vec::new(),
        }
    }
}

fn add(totals: &mut Vec<pb::LedgerTotal>, account: LedgerAccount, more: pb::Money) {
    let sum = totals.iter_mut().filter(|total| total.ledger_account() == account).find_map(|total| {
        let mut cash = value::cash(total.value.as_ref()?);
        (cash.currency_code == more.currency_code).then(|| {
            cash.amount_minor += more.amount_minor;
            total.value = Some(value::of_cash(cash));
        })
    });
    if sum.is_none() {
        totals.push(pb::LedgerTotal { ledger_account: account.into(), value: Some(value::of_cash(more)) });
    }
}

/// Sums in a fixed order, because the answer promises none.
pub(crate) fn sorted(mut totals: Vec<pb::LedgerTotal>) -> Vec<pb::LedgerTotal> {
    let currency = |total: &pb::LedgerTotal| total.value.as_ref().map(|value| value::cash(value).currency_code);
    totals.sort_by_key(|total| (total.ledger_account, currency(total)));
    totals
}
