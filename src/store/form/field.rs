//! The types of form fields, and their conversions from and to the domain.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::domain::account::KeyKind;
use crate::domain::affiliate::{AffiliateState, PendingRewards};
use crate::domain::affiliate_group::AffiliateGroupState;
use crate::domain::attribution::{AttributionSource, CandidateResult};
use crate::domain::bounty::{BountyKind, BountyState, SubmissionState};
use crate::domain::calendar::Day;
use crate::domain::click::ClickPayment;
use crate::domain::conversion::{ConversionOutcome, SaleChannel};
use crate::domain::coupon::CouponState;
use crate::domain::customer_reward::{CustomerRewardEvent, CustomerRewardState};
use crate::domain::dispute::{DisputeOutcome, DisputeState};
use crate::domain::enrollment::{EnrollmentState, MovedLeads};
use crate::domain::fraud::{FraudRuleKind, FraudRuleMode};
use crate::domain::id::TypedId;
use crate::domain::item::ItemState;
use crate::domain::ladder::{LadderMeasure, LadderMode};
use crate::domain::lead::LeadState;
use crate::domain::link::LinkState;
use crate::domain::money::{Currency, Money, Rounding};
use crate::domain::offer::OfferState;
use crate::domain::payout::{PayoutProvider, PayoutState, ProblemKind};
use crate::domain::payout_document::{DocumentLineKind, TaxTreatment};
use crate::domain::payout_export::PayoutFileFormat;
use crate::domain::payout_reconciliation::{DifferenceKind, ProviderPaymentState, ReconciliationState};
use crate::domain::payout_run::PayoutRunState;
use crate::domain::payout_schedule::PayoutScheduleState;
use crate::domain::period::Period;
use crate::domain::pricing::{CommissionEvent, Comparison, ConditionField};
use crate::domain::program::{AttributionModel, ProgramState, TermsReach};
use crate::domain::reward::{RewardRule, RewardState, RewardUnit};
use crate::domain::tally::CapScope;
use crate::domain::tax_number::TaxNumberKind;
use crate::domain::tax_profile::{PayeeKind, TaxForm, TaxProfileState};
use crate::domain::time::Time;
use crate::domain::timing::Weekday;
use crate::domain::upline::UplineBasis;

/// The stored form of a domain value. When written, it borrows the value's texts. When read, it owns them.
pub(super) trait FormOf<'value, T>: Sized {
    /// Converts a value to its form.
    fn of(value: &'value T) -> Self;

    /// Converts the form back to the value.
    fn value(self) -> T;
}

/// Text of any length.
pub(super) type Text<'a> = Cow<'a, str>;

impl<'value> FormOf<'value, String> for Text<'value> {
    fn of(value: &'value String) -> Self {
        Cow::Borrowed(value)
    }

    fn value(self) -> String {
        self.into_owned()
    }
}

/// Text that rows share.
impl FormOf<'_, Self> for Arc<str> {
    fn of(value: &Self) -> Self {
        Self::clone(value)
    }

    fn value(self) -> Self {
        self
    }
}

impl<'value, T, F: FormOf<'value, T>> FormOf<'value, Option<T>> for Option<F> {
    fn of(value: &'value Option<T>) -> Self {
        value.as_ref().map(F::of)
    }

    fn value(self) -> Option<T> {
        self.map(F::value)
    }
}

/// Texts by name.
impl<'value> FormOf<'value, BTreeMap<String, String>> for BTreeMap<Text<'value>, Text<'value>> {
    fn of(value: &'value BTreeMap<String, String>) -> Self {
        value.iter().map(|(name, text)| (FormOf::of(name), FormOf::of(text))).collect()
    }

    fn value(self) -> BTreeMap<String, String> {
        self.into_iter().map(|(name, text)| (name.value(), text.value())).collect()
    }
}

/// Texts by name as pairs. They are for a text that is searched for fields by `text_field`: a name of the merchant's own never looks like a
/// field, because no colon follows it.
pub(super) type Entries<'a> = Vec<(Text<'a>, Text<'a>)>;

impl<'value> FormOf<'value, BTreeMap<String, String>> for Entries<'value> {
    fn of(value: &'value BTreeMap<String, String>) -> Self {
        value.iter().map(|(name, text)| (FormOf::of(name), FormOf::of(text))).collect()
    }

    fn value(self) -> BTreeMap<String, String> {
        self.into_iter().map(|(name, text)| (name.value(), text.value())).collect()
    }
}

impl<'value, T, F: FormOf<'value, T>> FormOf<'value, Vec<T>> for Vec<F> {
    fn of(value: &'value Vec<T>) -> Self {
        value.iter().map(F::of).collect()
    }

    fn value(self) -> Vec<T> {
        self.into_iter().map(F::value).collect()
    }
}

/// Lists that are short as a rule.
impl<'value, T, F: FormOf<'value, T>> FormOf<'value, SmallVec<[T; 1]>> for Vec<F> {
    fn of(value: &'value SmallVec<[T; 1]>) -> Self {
        value.iter().map(F::of).collect()
    }

    fn value(self) -> SmallVec<[T; 1]> {
        self.into_iter().map(F::value).collect()
    }
}

/// Boxed, so that a form is not as large as all the forms inside it.
impl<'value, T, F: FormOf<'value, T>> FormOf<'value, Arc<T>> for Box<F> {
    fn of(value: &'value Arc<T>) -> Self {
        Self::new(F::of(value))
    }

    fn value(self) -> Arc<T> {
        Arc::new(F::value(*self))
    }
}

/// Values whose own text is stored. That text is frozen.
macro_rules! as_they_are {
    ($($type:ty),* $(,)?) => {$(
        impl FormOf<'_, $type> for $type {
            fn of(value: &Self) -> Self {
                *value
            }

            fn value(self) -> Self {
                self
            }
        }
    )*};
}

as_they_are!(bool, i32, i64, Time, Day, Currency, Money, IpNet);
as_they_are!(
    AffiliateState,
    AttributionModel,
    AttributionSource,
    [AttributionSource; 3],
    ClickPayment,
    DisputeOutcome,
    DisputeState,
    CandidateResult,
    CapScope,
    LadderMeasure,
    LadderMode,
    CommissionEvent,
    Comparison,
    ConditionField,
    ConversionOutcome,
    CouponState,
    ItemState,
    AffiliateGroupState,
    OfferState,
    BountyKind,
    BountyState,
    SubmissionState,
    EnrollmentState,
    MovedLeads,
    KeyKind,
    LeadState,
    LinkState,
    PayoutProvider,
    PayoutState,
    ProblemKind,
    PayoutFileFormat,
    DocumentLineKind,
    TaxTreatment,
    DifferenceKind,
    ProviderPaymentState,
    ReconciliationState,
    PayoutRunState,
    PayoutScheduleState,
    PayeeKind,
    TaxForm,
    TaxNumberKind,
    TaxProfileState,
    FraudRuleKind,
    FraudRuleMode,
    PendingRewards,
    Period,
    ProgramState,
    RewardRule,
    RewardState,
    RewardUnit,
    CustomerRewardEvent,
    CustomerRewardState,
    Rounding,
    SaleChannel,
    TermsReach,
    UplineBasis,
    Weekday,
);

/// Ids.
impl<I: TypedId + Copy> FormOf<'_, I> for I {
    fn of(value: &Self) -> Self {
        *value
    }

    fn value(self) -> Self {
        self
    }
}

/// A field that is left out of the text when it is empty.
pub(super) trait UnlessEmpty: Default {
    /// Whether it is empty.
    fn is_empty(&self) -> bool;
}

impl UnlessEmpty for Text<'_> {
    fn is_empty(&self) -> bool {
        str::is_empty(self)
    }
}

impl UnlessEmpty for Arc<str> {
    fn is_empty(&self) -> bool {
        str::is_empty(self)
    }
}

impl<T> UnlessEmpty for Option<T> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T> UnlessEmpty for Vec<T> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl UnlessEmpty for BTreeMap<Text<'_>, Text<'_>> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl UnlessEmpty for bool {
    fn is_empty(&self) -> bool {
        !*self
    }
}

impl UnlessEmpty for i32 {
    fn is_empty(&self) -> bool {
        *self == 0
    }
}

impl UnlessEmpty for Day {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

impl UnlessEmpty for i64 {
    fn is_empty(&self) -> bool {
        *self == 0
    }
}
