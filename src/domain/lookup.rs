//! Reading the working set: every question a rule can ask, with "does not exist" told from "was not loaded".

use uuid::Uuid;

use super::affiliate::{Affiliate, AffiliateSelector};
use super::click::Click;
use super::conversion::{Conversion, ConversionImage};
use super::coupon::Coupon;
use super::enrollment::{Enrollment, EnrollmentState};
use super::id::{
    AccountId, AffiliateId, ClickId, ConversionId, CouponId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId,
};
use super::index::{Index, Lists};
use super::lead::{Lead, LeadSelector};
use super::link::Link;
use super::program::{Program, ProgramState, Terms};
use super::refusal::{Refusal, Resource};
use super::request::{Request, RequestKey};
use super::reward::Reward;
use super::working_set::WorkingSet;

impl WorkingSet {
    fn present<'set, T>(
        &self,
        row: Option<&'set T>,
        account_id: AccountId,
        id: Uuid,
        what: &'static str,
    ) -> Result<Option<&'set T>, Refusal> {
        if row.is_none() && !self.is_complete && !self.looked_for.ids.contains(&(account_id, id)) {
            return Err(Refusal::NotLoaded(what));
        }
        Ok(row)
    }

    fn found<K: Eq + std::hash::Hash, V: Clone>(
        &self,
        index: &Index<K, V>,
        key: &K,
        what: &'static str,
    ) -> Result<Option<V>, Refusal> {
        match index.get(key) {
            Some(value) => Ok(value),
            None if self.is_complete => Ok(None),
            None => Err(Refusal::NotLoaded(what)),
        }
    }

    fn listed<K: Eq + std::hash::Hash, V: Clone + PartialEq>(
        &self,
        lists: &Lists<K, V>,
        key: &K,
        what: &'static str,
    ) -> Result<Vec<V>, Refusal> {
        match lists.get(key) {
            Some(values) => Ok(values),
            None if self.is_complete => Ok(lists.met(key)),
            None => Err(Refusal::NotLoaded(what)),
        }
    }

    /// The request that was answered under this key.
    pub fn request(&self, key: &RequestKey) -> Result<Option<&Request>, Refusal> {
        let row = self.requests.get(key);
        if row.is_none() && !self.is_complete && !self.looked_for.requests.contains(key) {
            return Err(Refusal::NotLoaded("request"));
        }
        Ok(row)
    }

    /// The account that has this email address.
    pub fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, Refusal> {
        self.found(&self.looked_for.account_emails, &email.to_owned(), "account by email")
    }

    /// The account, which must exist: its key made the call.
    pub fn account(&self, id: AccountId) -> Result<&super::account::Account, Refusal> {
        self.present(self.accounts.get(&id), id, id.uuid(), "account")?
            .ok_or_else(|| Refusal::not_found(Resource::Account, id))
    }

    /// An API key.
    pub fn api_key(&self, account_id: AccountId, id: super::id::ApiKeyId) -> Result<&super::account::ApiKey, Refusal> {
        self.present(self.api_keys.get(&(account_id, id)), account_id, id.uuid(), "API key")?
            .ok_or_else(|| Refusal::not_found(Resource::ApiKey, id))
    }

    /// A program.
    pub fn program(&self, account_id: AccountId, id: ProgramId) -> Result<&Program, Refusal> {
        self.present(self.programs.get(&(account_id, id)), account_id, id.uuid(), "program")?
            .ok_or_else(|| Refusal::not_found(Resource::Program, id))
    }

    /// The account's default program, if it has one.
    pub fn default_program(&self, account_id: AccountId) -> Result<Option<&Program>, Refusal> {
        let id = self.found(&self.looked_for.default_programs, &account_id, "default program")?;
        id.map(|id| self.program(account_id, id)).transpose()
    }

    /// The program with this id, or the account's default program; it must be active.
    pub fn active_program(&self, account_id: AccountId, id: Option<ProgramId>) -> Result<&Program, Refusal> {
        let program = match id {
            Some(id) => self.program(account_id, id)?,
            None => self.default_program(account_id)?.ok_or(Refusal::NoDefaultProgram)?,
        };
        match program.state {
            ProgramState::Active => Ok(program),
            ProgramState::Archived => Err(Refusal::ProgramArchived { program_id: program.id }),
        }
    }

    /// One version of a program's terms.
    pub fn terms(&self, program: &Program, version: i32) -> Result<&Terms, Refusal> {
        self.terms.get(&(program.account_id, program.id, version)).ok_or(Refusal::NotLoaded("terms"))
    }

    /// The affiliate with this name, if there is one.
    pub fn find_affiliate(
        &self,
        account_id: AccountId,
        selector: &AffiliateSelector,
    ) -> Result<Option<&Affiliate>, Refusal> {
        let key = (account_id, selector.clone());
        let id: Option<AffiliateId> = self.found(&self.looked_for.affiliates, &key, "affiliate by name")?;
        let Some(id) = id else { return Ok(None) };
        let row = self.affiliates.get(&(account_id, id)).ok_or(Refusal::NotLoaded("affiliate"))?;
        Ok(Some(row))
    }

    /// The affiliate with this name.
    pub fn affiliate(&self, account_id: AccountId, selector: &AffiliateSelector) -> Result<&Affiliate, Refusal> {
        self.find_affiliate(account_id, selector)?.ok_or_else(|| Refusal::not_found(Resource::Affiliate, selector))
    }

    /// An enrollment.
    pub fn enrollment(&self, account_id: AccountId, id: EnrollmentId) -> Result<&Enrollment, Refusal> {
        self.present(self.enrollments.get(&(account_id, id)), account_id, id.uuid(), "enrollment")?
            .ok_or_else(|| Refusal::not_found(Resource::Enrollment, id))
    }

    /// An enrollment that has not ended.
    pub fn active_enrollment(&self, account_id: AccountId, id: EnrollmentId) -> Result<&Enrollment, Refusal> {
        let enrollment = self.enrollment(account_id, id)?;
        match enrollment.state {
            EnrollmentState::Active => Ok(enrollment),
            EnrollmentState::Ended => Err(Refusal::EnrollmentEnded { enrollment_id: id }),
        }
    }

    /// The affiliate's enrollment in a program, ended or not.
    pub fn enrollment_in(
        &self,
        account_id: AccountId,
        affiliate_id: AffiliateId,
        program_id: ProgramId,
    ) -> Result<Option<&Enrollment>, Refusal> {
        let ids = self.listed(&self.looked_for.enrollments, &(account_id, affiliate_id), "enrollments")?;
        Ok(ids
            .into_iter()
            .filter_map(|id| self.enrollments.get(&(account_id, id)))
            .find(|enrollment| enrollment.program_id == program_id))
    }

    /// A link.
    pub fn link(&self, account_id: AccountId, id: LinkId) -> Result<&Link, Refusal> {
        self.present(self.links.get(&(account_id, id)), account_id, id.uuid(), "link")?
            .ok_or_else(|| Refusal::not_found(Resource::Link, id))
    }

    /// The link with this code, revoked or not.
    pub fn link_with_code(&self, account_id: AccountId, code: &str) -> Result<Option<&Link>, Refusal> {
        let id = self.found(&self.looked_for.link_codes, &(account_id, code.to_owned()), "link by code")?;
        id.map(|id| self.link(account_id, id)).transpose()
    }

    /// A coupon.
    pub fn coupon(&self, account_id: AccountId, id: CouponId) -> Result<&Coupon, Refusal> {
        self.present(self.coupons.get(&(account_id, id)), account_id, id.uuid(), "coupon")?
            .ok_or_else(|| Refusal::not_found(Resource::Coupon, id))
    }

    /// The active coupon with this code, or else one that was removed.
    pub fn coupon_with_code(&self, account_id: AccountId, code: &str) -> Result<Option<&Coupon>, Refusal> {
        let id = self.found(&self.looked_for.coupon_codes, &(account_id, code.to_owned()), "coupon by code")?;
        id.map(|id| self.coupon(account_id, id)).transpose()
    }

    /// How many active coupons the affiliate has.
    pub fn active_coupon_count(&self, account_id: AccountId, affiliate_id: AffiliateId) -> Result<i64, Refusal> {
        let count = self.found(&self.looked_for.coupon_counts, &(account_id, affiliate_id), "coupon count")?;
        Ok(count.unwrap_or(0))
    }

    /// The visitor's clicks, earliest first.
    pub fn clicks_of(&self, account_id: AccountId, tid: ClickId) -> Result<Vec<&Click>, Refusal> {
        let ids = self.listed(&self.looked_for.tids, &(account_id, tid), "clicks")?;
        let mut clicks: Vec<_> = ids.into_iter().filter_map(|id| self.clicks.get(&(account_id, id))).collect();
        clicks.sort_by_key(|click| (click.occurred_at, click.id));
        Ok(clicks)
    }

    /// The lead with this name.
    pub fn find_lead(&self, account_id: AccountId, selector: &LeadSelector) -> Result<Option<&Lead>, Refusal> {
        let id: Option<LeadId> = self.found(&self.looked_for.leads, &(account_id, selector.clone()), "lead by name")?;
        let Some(id) = id else { return Ok(None) };
        let row = self.leads.get(&(account_id, id)).ok_or(Refusal::NotLoaded("lead"))?;
        Ok(Some(row))
    }

    /// A conversion that another row points to, so that it must exist.
    pub fn conversion(&self, account_id: AccountId, id: ConversionId) -> Result<&Conversion, Refusal> {
        self.conversions.get(&(account_id, id)).ok_or(Refusal::NotLoaded("conversion"))
    }

    fn conversions_in<K: Eq + std::hash::Hash>(
        &self,
        account_id: AccountId,
        lists: &Lists<K, ConversionId>,
        key: &K,
        what: &'static str,
    ) -> Result<Vec<&Conversion>, Refusal> {
        let ids = self.listed(lists, key, what)?;
        let mut rows = ids.into_iter().map(|id| self.conversion(account_id, id)).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|row| (row.occurred_at, row.id));
        Ok(rows)
    }

    /// The sales of a customer that nobody referred, earliest first.
    pub fn unmatched_sales_of(
        &self,
        account_id: AccountId,
        selector: &LeadSelector,
    ) -> Result<Vec<&Conversion>, Refusal> {
        let key = (account_id, selector.clone());
        self.conversions_in(account_id, &self.looked_for.unmatched_sales, &key, "unmatched sales")
    }

    /// The latest sales of a lead, earliest first.
    pub fn latest_sales_of(&self, account_id: AccountId, lead_id: LeadId) -> Result<Vec<&Conversion>, Refusal> {
        self.conversions_in(account_id, &self.looked_for.latest_sales, &(account_id, lead_id), "latest sales")
    }

    /// The refunds that wait for the sale with this event_id, earliest first.
    pub fn refunds_waiting_for(&self, account_id: AccountId, sale_event_id: &str) -> Result<Vec<&Conversion>, Refusal> {
        let key = (account_id, sale_event_id.to_owned());
        self.conversions_in(account_id, &self.looked_for.waiting_refunds, &key, "waiting refunds")
    }

    /// A reward.
    pub fn reward(&self, account_id: AccountId, id: RewardId) -> Result<&Reward, Refusal> {
        self.present(self.rewards.get(&(account_id, id)), account_id, id.uuid(), "reward")?
            .ok_or_else(|| Refusal::not_found(Resource::Reward, id))
    }

    /// The rewards of a conversion in the order of their ids.
    pub fn rewards_of(&self, account_id: AccountId, conversion_id: ConversionId) -> Result<Vec<&Reward>, Refusal> {
        let key = (account_id, conversion_id);
        let mut ids = self.listed(&self.looked_for.rewards_by_conversion, &key, "rewards of a conversion")?;
        ids.sort();
        ids.into_iter().map(|id| self.reward(account_id, id)).collect()
    }

    /// What refunds took back from a reward, in the order of their ids. Loaded with the reward.
    pub fn reversals_of(&self, account_id: AccountId, id: RewardId) -> impl Iterator<Item = &Reward> {
        let ids = self.looked_for.reversals.get(&(account_id, id));
        ids.into_iter().flatten().filter_map(move |id| self.rewards.get(&(account_id, *id)))
    }

    /// A conversion with its rewards as the set has them.
    pub fn image(&self, account_id: AccountId, id: ConversionId) -> Result<ConversionImage, Refusal> {
        let conversion = self.conversion(account_id, id)?.clone();
        let rewards = self.rewards_of(account_id, id)?.into_iter().cloned().collect();
        Ok(ConversionImage { conversion, rewards })
    }
}
