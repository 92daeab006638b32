//! Why a conversion paid what it paid, or nothing, and what would change that. Computed from stored rows by the code that prices, at the time
//! of the question. Knows rows and [`pricing`](super::pricing), and no set and no rule. Nothing here is written.

mod candidate;
mod credit;
mod dossier;
mod ladder;
mod line;
mod reward;
mod sentences;
mod step;
mod threshold;
mod upline;

use std::sync::Arc;

use super::attribution::Candidate;
use super::attribution::CandidateResult;
use super::brackets::Brackets;
use super::calendar::Day;
use super::conversion::{Conversion, ConversionKind, ConversionOutcome, Credit, SaleChannel, SaleLine};
use super::coupon::Coupon;
use super::customer_reward::CustomerReward;
use super::dated_commission::OwnCommission;
use super::fraud::RewardReview;
use super::id::{AffiliateId, ConversionId, CouponId, RewardId};
use super::ladder::{LadderMeasure, LadderMet, LadderMode, LadderStep};
use super::money::{Currency, Money, Rounding, Unrounded};
use super::pricing::{Compare, StepResult};
use super::program::{AttributionModel, Commission, TermsReach};
use super::reward::RewardLine;
use super::reward::{RewardRule, RewardState, RewardUnit};
use super::tally::CapApplied;
use super::text_enum::text_enum;
use super::threshold_bonus::{EarnedBonus, ThresholdBonus};
use super::time::Time;
pub use dossier::Dossier;
pub use sentences::sentences;
pub use upline::UplineExplanation;

text_enum! {
    /// The short answer.
    ExplanationResult {
        /// Somebody earned a reward, and a part of it is left.
        Earned = "earned",
        /// Nobody is credited.
        NotReferred = "not_referred",
        /// The terms have no commission for such an event.
        NoCommission = "no_commission",
        /// A percentage of an event without an amount.
        NoAmount = "no_amount",
        /// A commission of zero, or one that rounds to zero.
        Zero = "zero",
        /// A person denied the reward.
        Denied = "denied",
        /// Nothing is left of the reward, or of the sale.
        TakenBack = "taken_back",
        /// A sign-up that did not bind its customer.
        NotBinding = "not_binding",
        /// A refund that waits for its sale.
        Waiting = "waiting",
        /// A refund or a correction that changed rewards.
        ChangedRewards = "changed_rewards",
        /// A refund or a correction that changed no reward.
        ChangedNothing = "changed_nothing",
        /// A dispute.
        Dispute = "dispute",
        /// A cancellation.
        Cancellation = "cancellation",
        /// A reward should have been recorded.
        NotRecorded = "not_recorded",
        /// A cap of the terms had no room.
        Capped = "capped",
    }
}

text_enum! {
    /// What would change the answer. Each is named after its call.
    ExplanationAction {
        /// Bind the customer by hand.
        AttributeLead = "attribute_lead",
        /// Create the customer's lead, with a referrer.
        CreateLead = "create_lead",
        /// Record the event again, with its customer or referral data.
        RecordAgain = "record_again",
        /// Correct the sale to zero and record it again for another affiliate.
        GiveToAnother = "give_to_another",
        /// Change the terms, for later events.
        UpdateProgram = "update_program",
        /// Accept the agreement, for later events.
        AcceptAgreement = "accept_agreement",
        /// Give a reward by hand.
        CreateReward = "create_reward",
        /// Approve or deny the reward.
        ApproveRewards = "approve_rewards",
        /// Release or deny the reward.
        ReleaseRewards = "release_rewards",
        /// Tell how a dispute ended.
        ResolveDispute = "resolve_dispute",
        /// Record the sale that a refund waits for.
        RecordSale = "record_sale",
    }
}

text_enum! {
    /// Why a newer version of the terms does not apply.
    TermsResult {
        /// It started after the event.
        StartedLater = "started_later",
        /// It reaches only customers who were bound later.
        NewCustomersOnly = "new_customers_only",
        /// It was made after the event was credited.
        MadeLater = "made_later",
        /// It reaches only affiliates who were enrolled later.
        NewAffiliatesOnly = "new_affiliates_only",
        /// It had ended.
        Ended = "ended",
        /// It was withdrawn before it started.
        Withdrawn = "withdrawn",
        /// It started before the version that applies, which had been scheduled.
        StartedEarlier = "started_earlier",
    }
}

text_enum! {
    /// How recorded rewards differ from those that the terms give.
    ExplanationDifference {
        /// Another rule, rate or value.
        OtherCalculation = "other_calculation",
        /// Another rest after refunds and corrections.
        OtherRest = "other_rest",
        /// No reward.
        NoReward = "no_reward",
    }
}

text_enum! {
    /// How a reward becomes owed.
    RewardApproval {
        /// After its hold period.
        ByItself = "by_itself",
        /// By a person.
        ByRelease = "by_release",
        /// After the dispute of its sale.
        ByDispute = "by_dispute",
        /// With the reward that it changes.
        WithAnother = "with_another",
        /// It is.
        Done = "done",
        /// It never does.
        Never = "never",
    }
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Explanation {
    pub result: ExplanationResult,
    /// In the order of the conversion's candidates.
    pub candidates: Vec<CandidateExplanation>,
    pub credits: Vec<CreditExplanation>,
    /// In the order of the conversion's rewards.
    pub rewards: Vec<RewardExplanation>,
    pub actions: Vec<ExplanationAction>,
    /// For a refund or a correction: the short answer for its sale.
    pub sale_result: Option<ExplanationResult>,
    /// What the event granted its customer.
    pub customer_reward: Option<CustomerReward>,
}

/// Why a candidate won or lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CandidateExplanation {
    pub candidate: Candidate,
    pub evidence_at: Option<Time>,
    pub window_ends_at: Option<Time>,
    pub bound_at: Option<Time>,
    pub is_bound_by_hand: bool,
    /// The time that decided, see the result.
    pub cause_at: Option<Time>,
    /// The coupons that had the code, the oldest first.
    pub holders: Vec<CouponHolder>,
    pub coupon_item_sku: String,
    pub coupon_channel: Option<SaleChannel>,
    /// The limit that was reached.
    pub coupon_max_uses: i32,
    /// The model by which another click won.
    pub attribution_model: Option<AttributionModel>,
    pub actions: Vec<ExplanationAction>,
}

/// A coupon with a code, while it had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponHolder {
    pub coupon_id: CouponId,
    pub affiliate_id: AffiliateId,
    pub assigned_at: Time,
    pub removed_at: Option<Time>,
}

impl From<&Coupon> for CouponHolder {
    fn from(coupon: &Coupon) -> Self {
        let Coupon { id, affiliate_id, created_at, removed_at, .. } = *coupon;
        Self { coupon_id: id, affiliate_id, assigned_at: created_at, removed_at }
    }
}

/// A version of the terms that is newer than the one that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LaterTerms {
    pub version: i32,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    pub reach: TermsReach,
    pub result: TermsResult,
}

/// A comparison of a rule's condition, with the value of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Compared {
    pub compare: Compare,
    /// Empty if the event has none.
    pub actual: String,
    pub holds: bool,
    pub is_other_currency: bool,
}

/// A commission that the event could have earned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CommissionStep {
    pub source: RewardRule,
    /// Empty for a commission that is of no rule.
    pub rule_name: String,
    /// 0 for a commission that is of no rule.
    pub rule_number: i32,
    pub commission: Option<Commission>,
    pub result: StepResult,
    /// The value of the event that does not fit.
    pub actual: String,
    /// The start or the end of the rule that does not fit.
    pub cause_at: Option<Time>,
    pub comparisons: Vec<Compared>,
    /// Which commission of the enrollment's or the coupon's own it is, with its times. `None` for commissions of the terms, and if there is none.
    pub version: Option<OwnCommission>,
}

/// How a reward is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Computation {
    pub base_amount: Money,
    pub commission: Commission,
    /// 0 if the commission is not per unit.
    pub quantity: i32,
    /// Without the bonus.
    pub commission_unrounded: Unrounded,
    /// Added because the sale is the first of its customer.
    pub first_sale_bonus: Option<Money>,
    /// With the bonus.
    pub commission_amount: Money,
    pub share_ppm: i32,
    pub value_unrounded: Unrounded,
    /// The caps that the event met. The value is no more than any of them had room for.
    pub caps: Vec<CapApplied>,
    pub value_before_caps: Money,
    pub value: Money,
}

impl Computation {
    /// Whether a cap left less than the affiliate's share of the commission.
    pub fn is_capped(&self) -> bool {
        self.value != self.value_before_caps
    }
}

/// How a line of a sale was priced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LineExplanation {
    pub line: SaleLine,
    pub priced: RewardLine,
    /// In the order of precedence. Of a sale with many lines only the one that was taken.
    pub steps: Vec<CommissionStep>,
    /// Without the line's part of what is paid once for the sale.
    pub commission_unrounded: Unrounded,
    pub sale_currency: Currency,
    /// What refunds leave of the line's part of the reward.
    pub rest: Money,
}

/// How a credit was priced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CreditExplanation {
    pub credit: Credit,
    pub terms_start_at: Time,
    pub terms_end_at: Option<Time>,
    pub terms_reach: TermsReach,
    /// The oldest first.
    pub later_terms: Vec<LaterTerms>,
    pub rounding: Rounding,
    pub hold_period_days: i32,
    /// In the order of precedence.
    pub steps: Vec<CommissionStep>,
    pub computation: Option<Computation>,
    /// How each line of a sale with lines is priced. There are no steps and no computation then.
    pub lines: Vec<LineExplanation>,
    /// The step of the ladder that the sale has met, if the ladder prices it or some of its lines.
    pub ladder: Option<LadderExplanation>,
    pub expected_rest: Option<Money>,
    pub recorded_rest: Option<Money>,
    pub difference: Option<ExplanationDifference>,
    /// The levels above the credited affiliate, the nearest first.
    pub uplines: Vec<UplineExplanation>,
    /// The threshold bonuses that the sale counts for, in the order of the terms.
    pub threshold_bonuses: Vec<ThresholdExplanation>,
}

/// A threshold bonus that a sale counts for, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ThresholdExplanation {
    pub bonus: ThresholdBonus,
    /// The first day of the period.
    pub starts_on: Day,
    pub sale_count: i64,
    pub amount: Money,
    /// The bonus that the affiliate has for the period.
    pub earned: Option<EarnedBonus>,
}

/// The step of a ladder that a sale has met, and what was missing to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LadderExplanation {
    pub mode: LadderMode,
    pub measure: LadderMeasure,
    pub met: LadderMet,
    /// `None` on the last step.
    pub next: Option<LadderStep>,
    /// What was missing to the next step before the sale.
    pub missing: i64,
    /// What the sale has changed for other sales, by rewards of its own. `None` if the mode changes nothing.
    pub changed: Option<Money>,
    pub brackets: Option<Brackets>,
}

impl CreditExplanation {
    /// The commission that was taken.
    pub fn taken(&self) -> Option<&CommissionStep> {
        self.steps.iter().find(|step| step.result == StepResult::Taken)
    }
}

/// What one event took from a reward or added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardChange {
    pub reward_id: RewardId,
    pub conversion_id: ConversionId,
    pub kind: ConversionKind,
    pub event_id: String,
    pub value: Money,
    pub occurred_at: Time,
}

/// What became of a reward.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardExplanation {
    pub reward_id: RewardId,
    pub affiliate_id: AffiliateId,
    /// The reward that it changes.
    pub reverses: Option<RewardId>,
    pub state: RewardState,
    /// Whether it is the change of a tally.
    pub is_tally_change: bool,
    /// The step that was reached then, if it is the tally of a ladder.
    pub ladder: Option<LadderMet>,
    pub unit: RewardUnit,
    pub value: Money,
    pub rest: Money,
    pub approval: RewardApproval,
    pub auto_approve_at: Time,
    pub deny_reason: String,
    /// The findings of fraud rules, and why a person has released it.
    pub review: Option<Arc<RewardReview>>,
    /// The open dispute that froze it.
    pub dispute_id: Option<ConversionId>,
    /// The oldest first.
    pub changes: Vec<RewardChange>,
}

/// Explains a conversion.
pub fn explain(dossier: &Dossier) -> Explanation {
    let event = dossier.image.conversion.as_ref();
    let is_priced = event.kind.is_attributed();
    let credits = if is_priced { credit::explained(dossier) } else { Vec::new() };
    let rewards = reward::explained(dossier);
    let result = if is_priced { result_of(event, &credits, &rewards) } else { result_of_other(dossier, &rewards) };
    let actions = actions(dossier, result, &rewards);
    Explanation {
        result,
        candidates: candidate::explained(dossier),
        credits,
        rewards,
        actions,
        sale_result: dossier.sale.as_deref().map(|sale| explain(sale).result),
        customer_reward: dossier.customer_reward(),
    }
}

/// The short answer for an event that may earn.
fn result_of(event: &Conversion, credits: &[CreditExplanation], rewards: &[RewardExplanation]) -> ExplanationResult {
    let is_own = |reward: &&RewardExplanation| {
        reward.reverses.is_none() && event.credits.iter().any(|credit| credit.affiliate_id == reward.affiliate_id)
    };
    let own: Vec<_> = rewards.iter().filter(is_own).collect();
    // A sale of which nothing is left may have taken something from the affiliate, by the change of a tally.
    let has_rest = |reward: &RewardExplanation| match reward.rest.amount_minor {
        rest_minor if reward.is_tally_change => rest_minor > 0,
        rest_minor => rest_minor != 0,
    };
    let is_left = |reward: &&RewardExplanation| reward.state != RewardState::Denied && has_rest(reward);
    let is_refunded = event.refund_count > 0 && event.left().is_some_and(|left| left.amount_minor == 0);
    let is_zero = |credit: &CreditExplanation| match &credit.computation {
        Some(computation) => computation.value.amount_minor == 0,
        None => credit.lines.iter().all(|line| line.priced.value_minor == 0),
    };
    if event.credits.is_empty() {
        ExplanationResult::NotReferred
    } else if own.iter().any(is_left) {
        ExplanationResult::Earned
    } else if own.iter().any(|reward| reward.state == RewardState::Denied) {
        ExplanationResult::Denied
    } else if !own.is_empty() {
        ExplanationResult::TakenBack
    } else if credits.iter().all(|credit| credit.taken().is_none() && credit.lines.is_empty()) {
        ExplanationResult::NoCommission
    } else if credits.iter().all(|credit| credit.computation.is_none() && credit.lines.is_empty()) {
        ExplanationResult::NoAmount
    } else if credits.iter().all(is_zero) {
        let is_capped = credits.iter().filter_map(|credit| credit.computation.as_ref()).any(Computation::is_capped);
        if is_capped { ExplanationResult::Capped } else { ExplanationResult::Zero }
    } else if is_refunded {
        ExplanationResult::TakenBack
    } else if event.kind == ConversionKind::Lead {
        ExplanationResult::NotBinding
    } else {
        ExplanationResult::NotRecorded
    }
}

/// The short answer for an event that earns nothing of its own.
fn result_of_other(dossier: &Dossier, rewards: &[RewardExplanation]) -> ExplanationResult {
    let event = dossier.image.conversion.as_ref();
    if event.kind == ConversionKind::Cancellation {
        ExplanationResult::Cancellation
    } else if event.kind == ConversionKind::Dispute {
        ExplanationResult::Dispute
    } else if event.outcome == ConversionOutcome::Waiting {
        ExplanationResult::Waiting
    } else if rewards.is_empty() && !dossier.is_earned_anew() {
        ExplanationResult::ChangedNothing
    } else {
        ExplanationResult::ChangedRewards
    }
}

/// What would credit an event that nobody is credited with. A sign-up stays as it is, but the customer's later events are credited.
fn action_to_credit(dossier: &Dossier) -> ExplanationAction {
    if dossier.has_lead {
        ExplanationAction::AttributeLead
    } else if dossier.is_customer_named {
        ExplanationAction::CreateLead
    } else {
        ExplanationAction::RecordAgain
    }
}

fn actions(dossier: &Dossier, result: ExplanationResult, rewards: &[RewardExplanation]) -> Vec<ExplanationAction> {
    use ExplanationResult as Result;
    let has = |approval| rewards.iter().any(|reward| reward.approval == approval);
    let mut actions = match result {
        Result::NotReferred => {
            let undeclared = |candidate: &Candidate| candidate.result == CandidateResult::KindNotDeclared;
            let by_terms = dossier.image.conversion.candidates.iter().any(undeclared);
            let credit = if by_terms { ExplanationAction::UpdateProgram } else { action_to_credit(dossier) };
            vec![credit]
        }
        Result::NoCommission | Result::NoAmount | Result::Zero | Result::Capped => {
            vec![ExplanationAction::UpdateProgram, ExplanationAction::CreateReward]
        }
        Result::Denied | Result::NotBinding | Result::NotRecorded => vec![ExplanationAction::CreateReward],
        Result::Waiting => vec![ExplanationAction::RecordSale],
        Result::Dispute if dossier.image.conversion.is_open_dispute() => vec![ExplanationAction::ResolveDispute],
        Result::Earned
        | Result::TakenBack
        | Result::ChangedRewards
        | Result::ChangedNothing
        | Result::Dispute
        | Result::Cancellation => Vec::new(),
    };
    if has(RewardApproval::ByItself) {
        actions.push(ExplanationAction::ApproveRewards);
    }
    if has(RewardApproval::ByDispute) {
        actions.push(ExplanationAction::ResolveDispute);
    }
    if has(RewardApproval::ByRelease) {
        actions.push(ExplanationAction::ReleaseRewards);
    }
    actions
}
