//! Why a command was refused: one variant for each rule that can be broken, with the data that explains it. Knows no gRPC codes;
//! `error.rs` maps refusals to them.

mod field;

use super::account::KeyKind;
use super::affiliate_state::AffiliateState;
use super::bounty::{BountyClosed, BountyKind, SubmissionState};
use super::customer_reward::CustomerRewardState;
use super::id::{
    AffiliateGroupId, AffiliateId, ApiKeyId, BountyId, ConversionId, EnrollmentId, ItemId, LeadId, OfferId,
    PayoutExportId, PayoutId, PayoutReconciliationId, PayoutRunId, PayoutScheduleId, ProgramId, RewardId, SubmissionId,
};
use super::money::{Currency, Money, Overflow};
use super::offer::OfferClosed;
use super::payout::{PayoutProvider, PayoutState, UnpayableReward};
use super::payout_export::WrongFileField;
use super::payout_method::MethodFault;
use super::payout_run::PayoutRunState;
use super::program::InvitationFault;
use super::reward::RewardState;
use super::tax_profile::TaxProfileState;
use super::text_enum::text_enum;
pub use field::Field;

text_enum! {
    /// A kind of thing that a request can name.
    Resource {
        /// An account.
        Account = "account",
        /// An API key.
        ApiKey = "api_key",
        /// A program.
        Program = "program",
        /// An affiliate.
        Affiliate = "affiliate",
        /// A group of affiliates.
        AffiliateGroup = "affiliate_group",
        /// An enrollment.
        Enrollment = "enrollment",
        /// A link.
        Link = "link",
        /// A coupon.
        Coupon = "coupon",
        /// An item.
        Item = "item",
        /// An offer.
        Offer = "offer",
        /// A bounty.
        Bounty = "bounty",
        /// A submission to a bounty.
        Submission = "submission",
        /// A lead.
        Lead = "lead",
        /// A conversion.
        Conversion = "conversion",
        /// A reward.
        Reward = "reward",
        /// A payout.
        Payout = "payout",
        /// The tax profile of an affiliate.
        TaxProfile = "tax_profile",
        /// A connection to a payout provider.
        PayoutConnection = "payout_connection",
        /// A file that was made of payouts.
        PayoutExport = "payout_export",
        /// A document of a payout.
        PayoutDocument = "payout_document",
        /// A comparison of payouts with the payments at their provider.
        PayoutReconciliation = "payout_reconciliation",
        /// A payout run.
        PayoutRun = "payout_run",
        /// A schedule of payout runs.
        PayoutSchedule = "payout_schedule",
    }
}

impl Resource {
    /// The field that names a thing of this kind in most requests.
    pub const fn field(self) -> Field {
        match self {
            Self::Account => Field::Account,
            Self::ApiKey => Field::ApiKeyId,
            Self::Program => Field::ProgramId,
            Self::Affiliate => Field::Affiliate,
            Self::AffiliateGroup => Field::GroupId,
            Self::Enrollment => Field::EnrollmentId,
            Self::Link => Field::LinkId,
            Self::Coupon => Field::CouponId,
            Self::Item => Field::Item,
            Self::Offer => Field::OfferId,
            Self::Bounty => Field::BountyId,
            Self::Submission => Field::SubmissionId,
            Self::Lead => Field::Lead,
            Self::Conversion => Field::Conversion,
            Self::Reward => Field::RewardIds,
            Self::Payout => Field::PayoutId,
            Self::TaxProfile => Field::Affiliate,
            Self::PayoutConnection => Field::Provider,
            Self::PayoutExport => Field::PayoutExportId,
            Self::PayoutDocument => Field::PayoutDocumentId,
            Self::PayoutReconciliation => Field::PayoutReconciliationId,
            Self::PayoutRun => Field::PayoutRunId,
            Self::PayoutSchedule => Field::PayoutScheduleId,
        }
    }
}

/// A rule that a command broke. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The named resource does not exist or belongs to another account. Callers cannot tell which.
    #[error("no {resource} {name}")]
    NotFound {
        /// Its kind.
        resource: Resource,
        /// The name that was sent.
        name: String,
    },
    /// No program was named and the account has no default program.
    #[error("the account has no default program; name a program or create one")]
    NoDefaultProgram,
    /// A unique value is taken.
    #[error("{field} {value} is taken")]
    AlreadyExists {
        /// The field.
        field: Field,
        /// The value that is taken.
        value: String,
        /// The kind of its holder.
        resource: Resource,
        /// The id of its holder; empty when the caller may not know it.
        resource_id: String,
    },
    /// The affiliate is already enrolled in the program.
    #[error("affiliate {affiliate_id} is enrolled in program {program_id}")]
    AlreadyEnrolled {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The program.
        program_id: ProgramId,
        /// The enrollment.
        enrollment_id: EnrollmentId,
    },
    /// The affiliate was never enrolled in the program.
    #[error("affiliate {affiliate_id} is not enrolled in program {program_id}")]
    NotEnrolled {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The program.
        program_id: ProgramId,
    },
    /// The field is well-formed but wrong here.
    #[error("{field}: {problem}")]
    InvalidField {
        /// The field.
        field: Field,
        /// The fault and how to fix it.
        problem: String,
    },
    /// The field of one of several things is well-formed but wrong here.
    #[error("{field} of number {}: {problem}", .place + 1)]
    InvalidPlace {
        /// The field. Its path has `[]` where the place belongs.
        field: Field,
        /// The place in the list, 0 for the first.
        place: usize,
        /// The fault and how to fix it.
        problem: String,
    },
    /// The event_id or request_id was used with other content.
    #[error("{field} {key} was used before with other content")]
    IdempotencyMismatch {
        /// Which of the two it is, the event_id or the request_id.
        field: Field,
        /// The event_id or request_id.
        key: String,
        /// The id of the row that the first call made.
        first_id: String,
    },
    /// The resource has changed since its etag was read.
    #[error("the {resource} changed since the etag was read")]
    EtagMismatch {
        /// Its kind.
        resource: Resource,
        /// Its etag now.
        current_etag: String,
    },
    /// The reward's state does not allow the move.
    #[error("reward {reward_id} is {from} and cannot become {to}")]
    RewardState {
        /// The reward.
        reward_id: RewardId,
        /// The state it is in.
        from: RewardState,
        /// The state it was to take.
        to: RewardState,
    },
    /// The affiliate's state does not allow the move.
    #[error("affiliate {affiliate_id} is {from} and cannot become {to}")]
    AffiliateState {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The state it is in.
        from: AffiliateState,
        /// The state it was to take.
        to: AffiliateState,
    },
    /// Nobody has the identifier of the upline.
    #[error("no affiliate {name}")]
    UplineNotFound {
        /// The identifier.
        name: String,
    },
    /// The application of the upline was rejected.
    #[error("affiliate {affiliate_id} was rejected")]
    UplineRejected {
        /// The upline.
        affiliate_id: AffiliateId,
    },
    /// The upline has the affiliate itself above it.
    #[error("affiliate {affiliate_id} is above its own upline")]
    UplineLoop {
        /// The affiliate.
        affiliate_id: AffiliateId,
    },
    /// There are too many affiliates above the upline.
    #[error("there are {limit} levels of affiliates above the upline, as many as there may be")]
    UplineLevels {
        /// The limit.
        limit: usize,
    },
    /// The affiliate was erased, and stays only for the books.
    #[error("affiliate {affiliate_id} was erased")]
    AffiliateErased {
        /// The affiliate.
        affiliate_id: AffiliateId,
    },
    /// The program is archived.
    #[error("program {program_id} is archived")]
    ProgramArchived {
        /// The program.
        program_id: ProgramId,
    },
    /// The enrollment has ended.
    #[error("enrollment {enrollment_id} has ended")]
    EnrollmentEnded {
        /// The enrollment.
        enrollment_id: EnrollmentId,
    },
    /// The refund is more than is left of the sale.
    #[error("the refund is more than the {left_minor} minor units of {currency} that are left of sale {sale_id}")]
    RefundExceedsSale {
        /// The sale.
        sale_id: ConversionId,
        /// The amount left in minor units.
        left_minor: i64,
        /// Its currency.
        currency: Currency,
    },
    /// The disputed amount is more than the sale.
    #[error("the disputed amount is more than the {sold_minor} minor units of {currency} of sale {sale_id}")]
    DisputeExceedsSale {
        /// The sale.
        sale_id: ConversionId,
        /// The amount of the sale in minor units.
        sold_minor: i64,
        /// Its currency.
        currency: Currency,
    },
    /// The refund is more than is left of a line of the sale.
    #[error(
        "the refund is more than the {left_minor} minor units of {currency} that are left of the line `{line_id}` of sale {sale_id}"
    )]
    RefundExceedsLine {
        /// The sale.
        sale_id: ConversionId,
        /// The line.
        line_id: String,
        /// The amount left in minor units.
        left_minor: i64,
        /// Its currency.
        currency: Currency,
    },
    /// A correction leaves less of a line than was refunded of it.
    #[error(
        "the correction leaves less of the line `{line_id}` of sale {sale_id} than the {refunded_minor} minor units of {currency} that were refunded of it"
    )]
    CorrectionBelowLine {
        /// The sale.
        sale_id: ConversionId,
        /// The line; empty for the rest of the sale.
        line_id: String,
        /// The refunded amount in minor units.
        refunded_minor: i64,
        /// Its currency.
        currency: Currency,
    },
    /// The refund or the correction is not in the sale's currency.
    #[error("sale {sale_id} is in {currency}; send that currency")]
    CurrencyMismatch {
        /// The sale.
        sale_id: ConversionId,
        /// Its currency.
        currency: Currency,
    },
    /// The customer has no sale that the refund fits.
    #[error("the customer has no sale that this refund fits; send sale_event_id")]
    NoSaleToRefund,
    /// The order was told before under another event_id, and the program refuses duplicates.
    #[error("order {order_id} was told with this amount before, as {conversion_id}")]
    DuplicateOrder {
        /// The merchant's id of the order.
        order_id: String,
        /// The earlier sale.
        conversion_id: ConversionId,
    },
    /// The affiliate already has as many active coupons as the account allows.
    #[error("the affiliate has {limit} active coupons, as many as the account allows")]
    CouponLimit {
        /// The account's limit.
        limit: i32,
    },
    /// The lead has as many former identifiers and merged leads as it may have.
    #[error("the lead has {limit} former identifiers and merged leads, as many as a lead may have")]
    LeadIdentifierLimit {
        /// The limit.
        limit: usize,
    },
    /// The program takes no applications.
    #[error("program {program_id} is private")]
    ProgramPrivate {
        /// The program.
        program_id: ProgramId,
    },
    /// The invitation code does not open the program.
    #[error("program {program_id} has no invitation with this code that works now: it is {fault}")]
    InvitationInvalid {
        /// The program.
        program_id: ProgramId,
        /// Why.
        fault: InvitationFault,
    },
    /// The version is not the newest of a program's agreement.
    #[error("the newest version of the agreement of program {program_id} is {current_version}")]
    AgreementVersion {
        /// The program.
        program_id: ProgramId,
        /// Its newest version. 0: the program has no agreement.
        current_version: i32,
    },
    /// The group of affiliates is archived.
    #[error("group {group_id} is archived")]
    AffiliateGroupArchived {
        /// The group.
        group_id: AffiliateGroupId,
    },
    /// The item is archived.
    #[error("item {item_id} is archived")]
    ItemArchived {
        /// The item.
        item_id: ItemId,
    },
    /// The offer cannot be claimed now.
    #[error("offer {offer_id} cannot be claimed: it is {closed}")]
    OfferClosed {
        /// The offer.
        offer_id: OfferId,
        /// Why.
        closed: OfferClosed,
    },
    /// The offer has as many claims as it allows.
    #[error("offer {offer_id} has {limit} claims, as many as it allows")]
    OfferLimit {
        /// The offer.
        offer_id: OfferId,
        /// Its limit.
        limit: i32,
    },
    /// The claimant has as many claims as the offer allows each.
    #[error("the affiliate has {limit} claims of offer {offer_id}, as many as it allows each affiliate")]
    ClaimantLimit {
        /// The offer.
        offer_id: OfferId,
        /// Its limit for one affiliate.
        limit: i32,
    },
    /// The bounty takes no submissions now.
    #[error("bounty {bounty_id} takes no submissions: it is {closed}")]
    BountyClosed {
        /// The bounty.
        bounty_id: BountyId,
        /// Why it is closed.
        closed: BountyClosed,
    },
    /// The bounty has as many submissions as it allows.
    #[error("bounty {bounty_id} has {limit} submissions, as many as it allows")]
    BountyLimit {
        /// The bounty.
        bounty_id: BountyId,
        /// Its limit.
        limit: i32,
    },
    /// The affiliate has as many submissions as the bounty allows each.
    #[error("the affiliate has {limit} submissions to bounty {bounty_id}, as many as it allows each affiliate")]
    SubmitterLimit {
        /// The bounty.
        bounty_id: BountyId,
        /// Its limit.
        limit: i32,
    },
    /// The call is for bounties of the other kind.
    #[error("bounty {bounty_id} is of the kind {kind}")]
    BountyKind {
        /// The bounty.
        bounty_id: BountyId,
        /// Its kind.
        kind: BountyKind,
    },
    /// The winners of the contest are named.
    #[error("the winners of contest {bounty_id} were named")]
    ContestDecided {
        /// The contest.
        bounty_id: BountyId,
    },
    /// The submission was approved or rejected.
    #[error("submission {submission_id} is {from} and cannot become {to}")]
    SubmissionState {
        /// The submission.
        submission_id: SubmissionId,
        /// Its state.
        from: SubmissionState,
        /// The state that was wanted.
        to: SubmissionState,
    },
    /// The affiliate is enrolled and not active.
    #[error("affiliate {affiliate_id} is not active in program {program_id}")]
    AffiliateNotActive {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The program.
        program_id: ProgramId,
    },
    /// The key is the last one that works of those that manage the account's keys.
    #[error("it is the last {kind} key that works; create another one first, or set allow_lockout")]
    LastKey {
        /// The kind of the key.
        kind: KeyKind,
    },
    /// The token does not verify the account's email address.
    #[error("the token is unknown, was used before, or has expired")]
    VerificationTokenInvalid,
    /// The key was revoked.
    #[error("API key {key_id} was revoked")]
    KeyRevoked {
        /// The key.
        key_id: ApiKeyId,
    },
    /// The lead is not bound to an affiliate, so nobody can get a reward through it.
    #[error("lead {lead_id} is not bound to an affiliate")]
    LeadNotBound {
        /// The lead.
        lead_id: LeadId,
    },
    /// The reward is in cash, so a payout pays it.
    #[error("reward {reward_id} is in cash")]
    RewardInCash {
        /// The reward.
        reward_id: RewardId,
    },
    /// Some of the rewards cannot be paid by one payout to the affiliate.
    #[error("{}", unpayable(.rewards))]
    RewardsNotPayable {
        /// Each of them, with its fault.
        rewards: Vec<UnpayableReward>,
    },
    /// Nothing that is due to the affiliate can be paid: there is nothing, or refunds took back more.
    #[error("affiliate {affiliate_id} is due {due}")]
    NothingDue {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The due amount, zero or less.
        due: Money,
    },
    /// The payout would be less than the minimum that was asked for.
    #[error("affiliate {affiliate_id} would get {amount}, which is less than {minimum}")]
    PayoutBelowMinimum {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The sum of the rewards.
        amount: Money,
        /// The minimum.
        minimum: Money,
    },
    /// The affiliate's payout method is not one that the call can use.
    #[error("affiliate {affiliate_id} has {}", match fault { MethodFault::NoMethod => "no payout method", MethodFault::OtherMethod => "a payout method of another provider" })]
    PayoutMethod {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// Why not.
        fault: MethodFault,
    },
    /// The account pays nobody without a tax profile.
    #[error("affiliate {affiliate_id} has {}, and the account pays nobody without one that is received or confirmed", match state { TaxProfileState::Missing => "no tax profile".to_owned(), state => format!("a tax profile that is {state}") })]
    TaxProfileRequired {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The state of its tax profile.
        state: TaxProfileState,
    },
    /// The tax profile is in a state in which it cannot be confirmed or refused.
    #[error("the tax profile of affiliate {affiliate_id} is {state}")]
    TaxProfileState {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// The state.
        state: TaxProfileState,
    },
    /// The payout is in a state from which it cannot go there.
    #[error("payout {payout_id} is {from} and cannot become {to}")]
    PayoutState {
        /// The payout.
        payout_id: PayoutId,
        /// Its state.
        from: PayoutState,
        /// The state that was wanted.
        to: PayoutState,
    },
    /// The payout may have been made at the provider, so that it must not be given up.
    #[error("the provider may have made payout {payout_id}, or will")]
    PayoutMayBeMade {
        /// The payout.
        payout_id: PayoutId,
    },
    /// The provider cannot cancel the payout in its state.
    #[error("payout {payout_id} is {state}, and {provider} cannot cancel it")]
    PayoutNotCancellable {
        /// The payout.
        payout_id: PayoutId,
        /// The provider.
        provider: PayoutProvider,
        /// The payout's state.
        state: PayoutState,
    },
    /// No file can be made of payouts, because of these fields.
    #[error("{}", wrong_fields(.wrong))]
    PayoutFile {
        /// Each of them.
        wrong: Vec<WrongFileField>,
    },
    /// The file of an export was kept long enough.
    #[error("the file of {payout_export_id} is not kept any more")]
    PayoutFileGone {
        /// The export.
        payout_export_id: PayoutExportId,
    },
    /// A reconciliation of the connection is running.
    #[error("{payout_reconciliation_id} is running for this connection")]
    PayoutReconciliationRunning {
        /// The reconciliation.
        payout_reconciliation_id: PayoutReconciliationId,
    },
    /// The payout run is in a state from which it cannot go there.
    #[error("payout run {payout_run_id} is {from} and cannot become {to}")]
    PayoutRunState {
        /// The run.
        payout_run_id: PayoutRunId,
        /// Its state.
        from: PayoutRunState,
        /// The state that was wanted.
        to: PayoutRunState,
    },
    /// The payout schedule is archived.
    #[error("payout schedule {payout_schedule_id} is archived")]
    PayoutScheduleArchived {
        /// The schedule.
        payout_schedule_id: PayoutScheduleId,
    },
    /// The account has as many active payout schedules as it may have.
    #[error("the account has {limit} active payout schedules, as many as an account may have")]
    PayoutScheduleLimit {
        /// The limit.
        limit: usize,
    },
    /// The key that approves the payout created it.
    #[error("payout {payout_id} was created with the same key")]
    PayoutOwnApproval {
        /// The payout.
        payout_id: PayoutId,
    },
    /// The rewards add up to another amount than the one that was paid.
    #[error("{sent} were paid, and the rewards add up to {sum}")]
    PayoutAmount {
        /// The amount that was sent.
        sent: Money,
        /// What the rewards add up to.
        sum: Money,
    },
    /// The affiliate is owed less than the rewards add up to, because refunds took back from rewards that were paid.
    #[error("affiliate {affiliate_id} is owed {owed}, and the rewards add up to {amount}")]
    PayoutAboveOwed {
        /// The affiliate.
        affiliate_id: AffiliateId,
        /// What the rewards add up to.
        amount: Money,
        /// What is owed.
        owed: Money,
    },
    /// The customer has no reward in the program that is granted.
    #[error("lead {lead_id} has no reward in program {program_id} that is granted")]
    CustomerRewardState {
        /// The lead.
        lead_id: LeadId,
        /// The program.
        program_id: ProgramId,
        /// The state of the reward, if there is one.
        state: Option<CustomerRewardState>,
    },
    /// The corrected amount is less than what was refunded of the sale.
    #[error(
        "{refunded_minor} minor units of {currency} were refunded of sale {sale_id}, which is more than the amount"
    )]
    CorrectionBelowRefunds {
        /// The sale.
        sale_id: ConversionId,
        /// The refunded amount in minor units.
        refunded_minor: i64,
        /// Its currency.
        currency: Currency,
    },
    /// An amount does not fit into 64 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// A rule asked for a row that was not loaded. This is a bug of ours, and does not mean that the row does not exist.
    #[error("{0} was not loaded")]
    NotLoaded(&'static str),
}

impl Refusal {
    /// [`Refusal::NotFound`] for a resource that was looked up by this name.
    pub fn not_found(resource: Resource, name: impl ToString) -> Self {
        Self::NotFound { resource, name: name.to_string() }
    }
}

/// The first of the rewards that cannot be paid, in words, and how many others there are.
fn unpayable(rewards: &[UnpayableReward]) -> String {
    let first = rewards.first().map(|first| format!("reward {} {}", first.reward_id, first.fault.describe()));
    let first = first.unwrap_or_default();
    match rewards.len() {
        0 | 1 => first,
        count => format!("{first}; {} other rewards cannot be paid either", count - 1),
    }
}

/// The first of the wrong fields in words, and how many others there are.
fn wrong_fields(wrong: &[WrongFileField]) -> String {
    match wrong {
        [] => "the file is missing".to_owned(),
        [first, others @ ..] => {
            format!("{}: {}, and {} other fields are wrong", first.field, first.problem, others.len())
        }
    }
}
