//! Every write there is, as one closed set, and every answer to one.

use uuid::Uuid;

use super::account::{Account, ApiKey, CreateApiKey, RegisterAccount, RevokeApiKey, UpdateAccount};
use super::affiliate::{Affiliate, CreateAffiliate};
use super::click::{ClickOutcome, RecordClick};
use super::conversion::{RecordRefund, RecordSale, RefundOutcome, SaleOutcome};
use super::coupon::{AssignCoupon, Coupon, RemoveCoupon};
use super::enrollment::{EndEnrollment, Enroll, EnrollmentWithLanding, UpdateEnrollment};
use super::id::AccountId;
use super::lead::{CancellationOutcome, LeadOutcome, RecordCancellation, RecordLead};
use super::link::{CreateLink, LinkWithDestination, RevokeLink};
use super::program::{ArchiveProgram, CreateProgram, ProgramWithTerms, UpdateProgram};
use super::request::Fingerprint;
use super::reward::{ApproveRewards, DenyRewards, Reward};

/// A write. Fields are valid by themselves; whether they are allowed is for the rules to say. What is large and seldom lies in a box,
/// so that what is frequent is moved at its own size.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is named after the struct that it holds, which is documented")]
pub enum Command {
    RegisterAccount(RegisterAccount),
    UpdateAccount(UpdateAccount),
    CreateApiKey(CreateApiKey),
    RevokeApiKey(RevokeApiKey),
    CreateProgram(Box<CreateProgram>),
    UpdateProgram(Box<UpdateProgram>),
    ArchiveProgram(ArchiveProgram),
    CreateAffiliate(Box<CreateAffiliate>),
    Enroll(Enroll),
    UpdateEnrollment(UpdateEnrollment),
    EndEnrollment(EndEnrollment),
    CreateLink(CreateLink),
    RevokeLink(RevokeLink),
    AssignCoupon(AssignCoupon),
    RemoveCoupon(RemoveCoupon),
    RecordClick(RecordClick),
    RecordLead(RecordLead),
    RecordSale(RecordSale),
    RecordRefund(RecordRefund),
    RecordCancellation(RecordCancellation),
    ApproveRewards(ApproveRewards),
    DenyRewards(DenyRewards),
}

/// A write with who sends it.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The account that the calling key acts for; [`AccountId::SERVER`] for RegisterAccount.
    pub account_id: AccountId,
    /// How it is recognised when it is sent again; none when the caller gave no key.
    pub fingerprint: Option<Fingerprint>,
    /// The write.
    pub command: Command,
}

impl Envelope {
    /// The request_id or event_id that the caller gave; empty for none.
    pub fn cause_id(&self) -> String {
        self.fingerprint.as_ref().map(|fingerprint| fingerprint.key.clone()).unwrap_or_default()
    }
}

/// The answer to a write, as it is kept for repeated requests. Boxes as in [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// RegisterAccount: the account and its first key.
    Registered {
        /// The account.
        account: Box<Account>,
        /// Its first admin key.
        key: Box<ApiKey>,
    },
    /// UpdateAccount.
    Account(Box<Account>),
    /// CreateApiKey, RevokeApiKey.
    ApiKey(Box<ApiKey>),
    /// CreateProgram, UpdateProgram, ArchiveProgram.
    Program(Box<ProgramWithTerms>),
    /// CreateAffiliate.
    Affiliate {
        /// The affiliate.
        affiliate: Box<Affiliate>,
        /// Its enrollment.
        enrollment: Box<EnrollmentWithLanding>,
        /// Its coupon.
        coupon: Option<Box<Coupon>>,
    },
    /// Enroll, UpdateEnrollment, EndEnrollment.
    Enrollment {
        /// The enrollment.
        enrollment: Box<EnrollmentWithLanding>,
        /// The coupon that Enroll assigned.
        coupon: Option<Box<Coupon>>,
    },
    /// CreateLink, RevokeLink.
    Link(Box<LinkWithDestination>),
    /// AssignCoupon, RemoveCoupon.
    Coupon(Box<Coupon>),
    /// RecordClick.
    Click(ClickOutcome),
    /// RecordLead.
    Lead(LeadOutcome),
    /// RecordSale.
    Sale(SaleOutcome),
    /// RecordRefund.
    Refund(RefundOutcome),
    /// RecordCancellation.
    Cancellation(CancellationOutcome),
    /// ApproveRewards, DenyRewards: the rewards in the order asked.
    Rewards(Vec<Reward>),
}

impl Outcome {
    /// The UUID of what the write made or changed: names the first effect to whoever reuses its key.
    pub fn effect(&self) -> Uuid {
        match self {
            Self::Registered { account, .. } | Self::Account(account) => account.id.uuid(),
            Self::ApiKey(key) => key.id.uuid(),
            Self::Program(program) => program.program.id.uuid(),
            Self::Affiliate { affiliate, .. } => affiliate.id.uuid(),
            Self::Enrollment { enrollment, .. } => enrollment.enrollment.id.uuid(),
            Self::Link(link) => link.link.id.uuid(),
            Self::Coupon(coupon) => coupon.id.uuid(),
            Self::Click(click) => click.click_id.uuid(),
            Self::Lead(lead) => lead.conversion_id.map_or(lead.lead_id.uuid(), super::id::ConversionId::uuid),
            Self::Sale(sale) => sale.conversion_id.uuid(),
            Self::Refund(refund) => refund.conversion_id.uuid(),
            Self::Cancellation(cancellation) => cancellation.conversion_id.uuid(),
            Self::Rewards(rewards) => rewards.first().map_or(Uuid::nil(), |reward| reward.id.uuid()),
        }
    }

    /// The id that [`Outcome::effect`] is, as text.
    pub fn effect_id(&self) -> String {
        match self {
            Self::Registered { account, .. } | Self::Account(account) => account.id.to_string(),
            Self::ApiKey(key) => key.id.to_string(),
            Self::Program(program) => program.program.id.to_string(),
            Self::Affiliate { affiliate, .. } => affiliate.id.to_string(),
            Self::Enrollment { enrollment, .. } => enrollment.enrollment.id.to_string(),
            Self::Link(link) => link.link.id.to_string(),
            Self::Coupon(coupon) => coupon.id.to_string(),
            Self::Click(click) => click.click_id.to_string(),
            Self::Lead(lead) => lead.conversion_id.map_or_else(|| lead.lead_id.to_string(), |id| id.to_string()),
            Self::Sale(sale) => sale.conversion_id.to_string(),
            Self::Refund(refund) => refund.conversion_id.to_string(),
            Self::Cancellation(cancellation) => cancellation.conversion_id.to_string(),
            Self::Rewards(rewards) => rewards.first().map(|reward| reward.id.to_string()).unwrap_or_default(),
        }
    }
}
