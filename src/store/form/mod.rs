//! The forms: the types in which values are stored as text. They are separate from the domain's types, because the domain may
//! change its types from release to release, but a stored text stays readable for ever. Knows no tables and no SQL.
//!
//! A stored text is a JSON list of two: a version number, and the form in that version, such as `[1,{"plan":"pro"}]`. The list in
//! `kept!` below has every text with its versions. A form mirrors a domain type field by field (`form!`, `enum_form!`). It
//! borrows from the value that is written, and is converted into the value when it is read. Forms contain ids, times, currencies,
//! money and closed sets (`text_enum!`) unchanged, so the texts of these are frozen too.
//!
//! # A new field, or a new version
//!
//! **A new field** needs no new version if a text without the field means the same as a text with its empty or usual value. The
//! field is then listed in `unless_empty` or `unless_usual`. The usual value never changes, because texts omit it. Readers ignore fields that they do not know, so servers of two releases can share a database.
//! But an older server drops the field when it changes a row, because it writes all of the row's text. `request.outcome` and
//! `terms.rules` are in rows that never change. In other rows, a field that must not be dropped is filled only once every server
//! has the release that knows it.
//!
//! **A new variant** of an enum or a new value of a closed set needs no new version either. An older server cannot read a text
//! that has it, so it is written only once every server knows it. A value of a closed set is never renamed.
//!
//! **A new version** is needed for everything else: a field that is removed, renamed, or means something else, and a field that
//! has no fitting empty value. A form inside other forms is part of their texts, so each of these texts gets a new version.
//!
//! 1. Keep the present form under a name with its version (`TermsDraftFormV1`). Texts of that version lack the fields that were
//!    added later. Give the values of these fields in `left_out` of the kept form. Where that does not suffice, write the
//!    conversion by hand.
//! 2. Make the new form a struct of its own. One release **reads** it, the next one **writes** it. A server that reads an unknown
//!    version fails with an error that names the row, and changes nothing.
//! 3. Texts of the old version stay until their row changes, and are read for ever. No migration rewrites them.
//!
//! `tests/it/golden/stored` has, for each form and version, one text with all fields and one with as few as possible. They are
//! never changed. A new field gets a golden text of its own (`<form>.v1.with_<field>.json`); a value without it is still written
//! as the old text.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::domain::affiliate::{PastUpline, Profile};
use crate::domain::attribution::Candidate;
use crate::domain::bounty::BountyReward;
use crate::domain::calendar::ZoneSince;
use crate::domain::conversion::{AsRecorded, OrderDetails};
use crate::domain::coupon::CouponDetails;
use crate::domain::dated_commission::DatedCommission;
use crate::domain::enrollment::{Acceptance, Moved, PastStanding};
use crate::domain::fraud::{FraudRule, RewardReview};
use crate::domain::fraud_note::FraudNoteContent;
use crate::domain::lead::LeadDetails;
use crate::domain::outcome::Outcome;
use crate::domain::payout::{PayoutPolicy, Reopening, Sending};
use crate::domain::payout_document::DocumentContent;
use crate::domain::payout_purse::FundsWait;
use crate::domain::payout_reconciliation::PayoutDifference;
use crate::domain::program::{Agreement, Commission, Invitation, Question, TermsDraft};
use crate::domain::reward::{ByHand, Calculation, RewardClick, RewardDispute};
use crate::domain::tally::Counted;
use crate::domain::tax_profile::TaxDetails;
use crate::domain::threshold_bonus::EarnedBonus;
use crate::domain::timing::Timing;
use crate::domain::welcome::WelcomeMail;

#[macro_use]
mod macros;

mod account;
mod affiliate;
mod affiliate_group;
mod attribution;
mod bounty;
mod click;
mod conversion;
mod coupon;
mod enrollment;
mod field;
mod fraud;
mod item;
mod ladder;
#[cfg(test)]
mod later;
mod lead;
mod link;
mod offer;
mod outcome;
mod payout;
mod payout_document;
mod payout_export;
mod payout_method;
mod payout_reconciliation;
mod payout_run;
mod payout_schedule;
mod program;
mod reward;
mod sales_tally;
mod tally;
mod tax_profile;
#[cfg(test)]
mod tests;

use account::ZoneSinceForm;
use affiliate::{PastUplineForm, ProfileForm};
use attribution::CandidateForm;
use bounty::BountyRewardForm;
use conversion::{AsRecordedForm, OrderDetailsForm};
use coupon::CouponDetailsForm;
use enrollment::{AcceptanceForm, DatedCommissionForm, MovedForm, PastStandingForm};
use field::Text;
use fraud::{FraudNoteContentForm, FraudRuleForm, RewardReviewForm};
use lead::LeadDetailsForm;
use outcome::OutcomeForm;
use payout::{FundsWaitForm, PayoutPolicyForm, ReopeningForm, SendingForm};
use payout_document::DocumentContentForm;
use payout_reconciliation::PayoutDifferenceForm;
use payout_schedule::TimingForm;
use program::{AgreementForm, CommissionForm, InvitationForm, QuestionForm, TermsDraftForm, WelcomeMailForm};
use reward::{ByHandForm, CalculationForm, RewardClickForm, RewardDisputeForm};
use sales_tally::EarnedBonusForm;
use tally::CountedForm;
use tax_profile::TaxDetailsForm;

/// A domain type that rows store as text.
pub trait Kept: Sized {
    /// The text that is stored.
    ///
    /// # Errors
    /// None that is known: JSON can hold every form.
    fn to_text(&self) -> serde_json::Result<String>;

    /// The value of a stored text.
    ///
    /// # Errors
    /// The text has an unknown version, or is malformed for its version.
    fn from_text(text: &str) -> serde_json::Result<Self>;
}

kept! {
    // request.outcome
    Outcome: writes 1 OutcomeForm<'_>;
    // terms.rules
    TermsDraft: writes 1 TermsDraftForm<'_>;
    // enrollment.commission_override
    Commission: writes 1 CommissionForm;
    // program.agreement
    Agreement: writes 1 AgreementForm<'_>;
    // program.welcome_mail
    WelcomeMail: writes 1 WelcomeMailForm<'_>;
    // program.questions
    Vec<Question>: writes 1 Vec<QuestionForm<'_>>;
    // program.fraud_rules
    Vec<FraudRule>: writes 1 Vec<FraudRuleForm<'_>>;
    // reward.review
    RewardReview: writes 1 RewardReviewForm<'_>;
    // fraud_note.content
    FraudNoteContent: writes 1 FraudNoteContentForm<'_>;
    // program.invitations
    Vec<Invitation>: writes 1 Vec<InvitationForm<'_>>;
    // enrollment.acceptances
    Vec<Acceptance>: writes 1 Vec<AcceptanceForm<'_>>;
    // enrollment.metadata and program.metadata
    BTreeMap<String, String>: writes 1 BTreeMap<Text<'_>, Text<'_>>;
    // enrollment.moved
    Moved: writes 1 MovedForm;
    // enrollment.dated_commissions
    Vec<DatedCommission>: writes 1 Vec<DatedCommissionForm>;
    // enrollment.past
    Vec<PastStanding>: writes 1 Vec<PastStandingForm>;
    // affiliate.profile
    Profile: writes 1 ProfileForm<'_>;
    // account.time_zones
    Vec<ZoneSince>: writes 1 Vec<ZoneSinceForm<'_>>;
    // ladder_tally.step_values
    Vec<i64>: writes 1 Vec<i64>;
    // payout.sending
    Sending: writes 1 SendingForm<'_>;
    // payout_purse.waits
    Vec<FundsWait>: writes 1 Vec<FundsWaitForm>;
    // payout_reconciliation.differences
    Vec<PayoutDifference>: writes 1 Vec<PayoutDifferenceForm<'_>>;
    // payout_schedule.timing
    Timing: writes 1 TimingForm;
    // payout.reopenings
    Vec<Reopening>: writes 1 Vec<ReopeningForm<'_>>;
    // payout_document.content
    DocumentContent: writes 1 DocumentContentForm<'_>;
    // account.payout_policy
    PayoutPolicy: writes 1 PayoutPolicyForm;
    // tax_profile.details
    TaxDetails: writes 1 TaxDetailsForm<'_>;
    // affiliate.past_uplines
    Vec<PastUpline>: writes 1 Vec<PastUplineForm>;
    // coupon.details
    CouponDetails: writes 1 CouponDetailsForm<'_>;
    // bounty.rewards
    Vec<BountyReward>: writes 1 Vec<BountyRewardForm>;
    // lead.details
    LeadDetails: writes 1 LeadDetailsForm<'_>;
    // conversion.order_details
    OrderDetails: writes 1 OrderDetailsForm<'_>;
    // conversion.candidates
    Vec<Candidate>: writes 1 Vec<CandidateForm<'_>>;
    // conversion.as_recorded
    AsRecorded: writes 1 AsRecordedForm;
    // reward.calculation
    Calculation: writes 1 CalculationForm;
    // reward.by_hand
    ByHand: writes 1 ByHandForm<'_>;
    // reward.click
    RewardClick: writes 1 RewardClickForm;
    // reward.dispute
    RewardDispute: writes 1 RewardDisputeForm;
    // counted_click.counted
    Counted: writes 1 CountedForm;
    // sales_tally.bonuses
    Vec<EarnedBonus>: writes 1 Vec<EarnedBonusForm>;
}

/// A text field as every form has it, to search for in stored texts. No other part of a form looks like it, because the quotes in a
/// value are escaped.
pub(super) fn text_field(name: &str, value: &str) -> String {
    format!("{}:{}", serde_json::Value::from(name), serde_json::Value::from(value))
}

/// A text by key as `conversion.order_details` has it, to search for in stored texts, see `field::Entries`.
pub(super) fn entry(key: &str, text: &str) -> String {
    serde_json::Value::from(vec![key, text]).to_string()
}

/// A kept type whose texts are read by version.
trait Versioned: Sized {
    /// Reads the next item of the list as a form of this version. None at the end of the list.
    fn read_version<'de, L: SeqAccess<'de>>(version: u16, list: &mut L) -> Result<Option<Self>, L::Error>;
}

fn read<T: Versioned>(text: &str) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = json.deserialize_seq(VersionThenForm(PhantomData))?;
    json.end()?;
    Ok(value)
}

/// Reads the version first, so that the form is read once and with the right type.
struct VersionThenForm<T>(PhantomData<T>);

impl<'de, T: Versioned> Visitor<'de> for VersionThenForm<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a version and a form")
    }

    fn visit_seq<L: SeqAccess<'de>>(self, mut list: L) -> Result<T, L::Error> {
        let version = list.next_element()?.ok_or_else(|| L::Error::invalid_length(0, &self))?;
        T::read_version(version, &mut list)?.ok_or_else(|| L::Error::invalid_length(1, &self))
    }
}
