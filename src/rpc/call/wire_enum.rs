//! The values of the closed sets by their wire names. A value that only one side has is a compile error.

use crate::domain::account::{AccountState, KeyKind};
use crate::domain::affiliate::{AffiliateState, PendingRewards};
use crate::domain::affiliate_group::AffiliateGroupState;
use crate::domain::attribution::{AttributionSource, CandidateResult};
use crate::domain::bank::BankAccountKind;
use crate::domain::bounty::{BountyKind, BountyState, SubmissionState};
use crate::domain::click::ClickPayment;
use crate::domain::conversion::{ConversionKind, ConversionOutcome, SaleChannel};
use crate::domain::coupon::CouponState;
use crate::domain::customer_reward::{CustomerRewardEvent, CustomerRewardState};
use crate::domain::dispute::{DisputeOutcome, DisputeState};
use crate::domain::enrollment::{EnrollmentState, MovedLeads};
use crate::domain::event::EventKind;
use crate::domain::explanation::{
    ExplanationAction, ExplanationDifference, ExplanationResult, RewardApproval, TermsResult,
};
use crate::domain::fraud::{FraudRuleKind, FraudRuleMode};
use crate::domain::item::ItemState;
use crate::domain::ladder::LadderMode;
use crate::domain::lead::LeadState;
use crate::domain::ledger::{LedgerAccount, LedgerReason};
use crate::domain::link::LinkState;
use crate::domain::money::Rounding;
use crate::domain::offer::OfferState;
use crate::domain::payout::{PayoutProvider, PayoutState, WhoMustAct};
use crate::domain::payout_document::{DocumentLineKind, PayoutDocumentFormat, PayoutDocumentState, TaxTreatment};
use crate::domain::payout_export::PayoutFileFormat;
use crate::domain::payout_method::PayoutMethodKind;
use crate::domain::payout_reconciliation::{DifferenceKind, ProviderPaymentState, ReconciliationState};
use crate::domain::payout_run::{PayoutRunState, PayoutRunVerdict};
use crate::domain::payout_schedule::PayoutScheduleState;
use crate::domain::period::Period;
use crate::domain::pricing::{CommissionEvent, Comparison, ConditionField, StepResult};
use crate::domain::program::{AttributionModel, ProgramState, TermsReach};
use crate::domain::reward::{RewardRule, RewardState, RewardUnit};
use crate::domain::tally::CapScope;
use crate::domain::tax_number::TaxNumberKind;
use crate::domain::tax_profile::{PayeeKind, TaxForm, TaxProfileState};
use crate::domain::timing::Weekday;
use crate::domain::upline::UplineBasis;
use crate::domain::upline_standing::UplineResult;
use crate::pb;
use crate::rpc::conversion::View;
use crate::rpc::feed::event::FeedPosition;
use crate::rpc::reward::RewardView;
use crate::rpc::server_info::ServerFeature;
use crate::rpc::statistic::Group;
use crate::store::list::ListOrder;
use crate::store::reward::RewardOrigin;

/// A closed set whose values occur in messages.
pub(in crate::rpc) trait WireEnum: Copy + PartialEq + 'static {
    /// Every value.
    const VALUES: &'static [Self];

    /// The name of the set in the proto file.
    const NAME: &'static str;

    /// The value's number on the wire.
    fn number(self) -> i32;

    /// The value's name in the proto file.
    fn wire_name(self) -> &'static str;

    /// The value with this number. `None` for 0 and for an unknown number.
    fn from_number(number: i32) -> Option<Self>;
}

/// A value by its wire name, which is the domain's unless another one is given.
macro_rules! wire_value {
    ($wire:ident $value:ident) => {
        pb::$wire::$value
    };
    ($wire:ident $value:ident $sent:ident) => {
        pb::$wire::$sent
    };
}

macro_rules! wire_enums {
    ($($domain:ident = $wire:ident { $($value:ident $(as $sent:ident)?),* $(,)? })*) => {$(
        impl WireEnum for $domain {
            const VALUES: &'static [Self] = Self::ALL;

            const NAME: &'static str = stringify!($wire);

            fn number(self) -> i32 {
                match self { $(Self::$value => wire_value!($wire $value $($sent)?),)* }.into()
            }

            fn wire_name(self) -> &'static str {
                match self { $(Self::$value => wire_value!($wire $value $($sent)?),)* }.as_str_name()
            }

            fn from_number(number: i32) -> Option<Self> {
                match pb::$wire::try_from(number).ok()? {
                    pb::$wire::Unspecified => None,
                    $(wire_value!($wire $value $($sent)?) => Some(Self::$value),)*
                }
            }
        }
    )*};
}

wire_enums! {
    KeyKind = ApiKeyKind { ServerOperator, Admin, Tracking, Read, Payout, Publishable, Invitation }
    AccountState = AccountState { Active, Suspended }
    AttributionModel = AttributionModel { FirstClick, LastClick, Linear, Position }
    AttributionSource = AttributionSource { LeadBinding, Coupon, Click, Manual }
    Rounding = Rounding { HalfEven, HalfUp, Down }
    TermsReach = TermsReach { NewSales, NewCustomers, NewAffiliates }
    UplineBasis = UplineBasis { Commission, SaleAmount }
    LadderMode = LadderMode { LevelUp, Retroactive, Marginal }
    FraudRuleKind = FraudRuleKind {
        SelfReferral, OwnDomain, DisposableMail, QuickSale, Velocity, BannedCountry, BannedReferrer, DuplicateOrder,
    }
    FraudRuleMode = FraudRuleMode { Off, Shadow, On, Refuse }
    CapScope = CapScope { SingleEvent, Customer, Affiliate, Program }
    Period = Period { Day, Week, Month, Quarter, Year, AllTime }
    CommissionEvent = CommissionEvent { Sale, Lead, Appointment, CustomEvent, Click }
    ClickPayment = ClickPayment { NoRule, Earned, AlreadyCounted, Capped, BeforeEnrollment }
    ConditionField = ConditionField {
        Amount, Quantity, ItemSku, Plan, Channel, CouponCode, CustomKind, OrderId, CustomerSaleNumber, CustomerAgeDays,
        CustomerAgeMonths,
        LineAmount,
        EventMetadata, LeadMetadata, CustomerCountry, AffiliateCountry, AffiliateGroup, OccurTime, Collection, AffiliateSaleCount,
        AffiliateSalesAmount,
    }
    Comparison = Comparison {
        Equal, NotEqual, Less, LessOrEqual, More, MoreOrEqual, Between, OneOf, NoneOf, StartsWith, Contains, Exists, NotExists,
        MultipleOf, Before, After,
    }
    StepResult = CommissionStepResult {
        Taken, Outranked, NotSet, OtherEventKind, NotStarted, Over, OtherCustomKind, OtherCouponCode, OtherItem, OtherPlan,
        ConditionNotMet, CustomerSalesOver, CustomerMonthsOver,
    }
    ExplanationResult = ExplanationResult {
        Earned, NotReferred, NoCommission, NoAmount, Zero, Denied, TakenBack, NotBinding, Waiting, ChangedRewards,
        ChangedNothing, Cancellation, NotRecorded, Capped, Dispute,
    }
    ExplanationAction = ExplanationAction {
        AttributeLead, CreateLead, RecordAgain, GiveToAnother, UpdateProgram, AcceptAgreement, CreateReward,
        ApproveRewards, ReleaseRewards, ResolveDispute, RecordSale,
    }
    ExplanationDifference = ExplanationDifference { OtherCalculation, OtherRest, NoReward }
    TermsResult = TermsResult {
        StartedLater,
        NewCustomersOnly,
        MadeLater,
        NewAffiliatesOnly,
        Ended,
        Withdrawn,
        StartedEarlier,
    }
    UplineResult = UplineResult {
        Earns,
        NoRate,
        NoUpline,
        NotEnrolled,
        EnrolledLater,
        Moved,
        NotActive,
        EnrollmentEnded,
        AgreementNotAccepted,
        ProgramArchived,
        NothingBelow,
        Zero,
    }
    RewardApproval = RewardApproval { ByItself, ByRelease, ByDispute, WithAnother, Done, Never }
    ProgramState = ProgramState { Active, Archived }
    AffiliateState = AffiliateState { Applied, Active, Inactive, Rejected, Erased }
    PendingRewards = PendingRewards { Keep, Deny, Hold }
    EnrollmentState = EnrollmentState { Active, Ended }
    MovedLeads = MovedLeads { Follow, Stay }
    LinkState = LinkState { Active, Revoked }
    AffiliateGroupState = AffiliateGroupState { Active, Archived }
    ItemState = ItemState { Active, Archived }
    OfferState = OfferState { Active, Archived }
    BountyKind = BountyKind { Submission, Contest }
    BountyState = BountyState { Active, Archived }
    SubmissionState = SubmissionState { Submitted, Approved, Rejected }
    CouponState = CouponState { Active, Removed }
    RewardState = RewardState { Pending, Approved, Denied, InPayout, Paid, Reversed, Held, Frozen }
    PayoutProvider = PayoutProvider { Manual, PayPal as Paypal, Stripe, Wise }
    PayoutMethodKind = PayoutMethodKind { PayPal as Paypal, Stripe, Wise, Iban, UnitedStatesBank, Other }
    PayeeKind = PayeeKind { Individual, Business }
    TaxForm = TaxForm { NoForm, W9, W8Ben as W8ben, W8BenE as W8benE, Vat }
    TaxNumberKind = TaxNumberKind { Ssn, Ein, Itin, Foreign, Vat }
    TaxProfileState = TaxProfileState { Missing, Received, Confirmed, Refused, Expired }
    BankAccountKind = BankAccountKind { Checking, Savings }
    PayoutState = PayoutState {
        NeedsApproval, Ready, Exported, Paid, Cancelled, Sending, AwaitingFunds, Processing, Unclaimed, OnHold, NeedsAttention, Failed, Returned,
    }
    WhoMustAct = WhoMustAct { Affiliate, Owner, Review }
    PayoutFileFormat = PayoutFileFormat { Sepa, Nacha, PaypalCsv, WiseCsv, PlainCsv }
    PayoutRunState = PayoutRunState { Creating, Created, Cancelling, Cancelled }
    PayoutScheduleState = PayoutScheduleState { Active, Archived }
    Weekday = Weekday { Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday }
    PayoutRunVerdict = PayoutRunVerdict { Pays, NothingDue, Negative, BelowMinimum, NoMethod, OtherMethod, NoTaxProfile, AboveMaximumTotal, NotActive, Erased }
    CustomerRewardEvent = CustomerRewardEvent { SignUp, FirstSale }
    CustomerRewardState = CustomerRewardState { Granted, Frozen, Fulfilled, Revoked }
    RewardUnit = RewardUnit { Cash, Points, Credits, FreeMonths, DiscountPercent, DiscountMoney }
    RewardRule = RewardRule { Program, Enrollment, Reversal, Correction, Adjustment, TermsRule, TallyChange, Coupon }
    LedgerAccount = LedgerAccount {
        CommissionExpense, AffiliatePending, AffiliatePayable, AffiliateFrozen, PayoutInFlight, Fulfilled, ProviderCash, ProviderFee,
    }
    LedgerReason = LedgerReason {
        Earned, Approved, Denied, Refunded, Reattributed, Fulfilled, Corrected, Adjusted, Frozen, Restored, ChargedBack, Reserved, Returned, Reopened, Paid, Fee,
    }
    ConversionKind = ConversionKind {
        Lead, Sale, Refund, RefundUndo, Cancellation, Correction, Dispute, DisputeResolution, Appointment, CustomEvent,
    }
    DisputeState = DisputeState { Opened, Won, Lost }
    DisputeOutcome = DisputeOutcome { Won, Lost }
    ConversionOutcome = ConversionOutcome { Attributed, NotReferred, Waiting }
    SaleChannel = SaleChannel { Online, PointOfSale }
    LeadState = LeadState { Subscribed, SignedUp, Active, Cancelled }
    CandidateResult = CandidateResult {
        Won, LowerPrecedence, OtherClick, OutsideWindow, EnrollmentEnded, ProgramArchived, LinkRevoked, CouponRemoved,
        Unknown, AfterConversion, NotYetMade, AffiliateNotActive, CouponOfOtherItem, OfferOver, KindNotDeclared,
        AgreementNotAccepted, CouponNotYetValid, CouponExpired, CouponOfOtherChannel,
        CouponExhausted, CouponUsedByCustomer, NotANewCustomer,
    }
    EventKind = EventKind {
        LeadRecorded, SaleRecorded, SaleAttributed, SaleRefunded, RefundRecorded, RefundExceededSale, RefundWaiting, RefundUndone, SaleRestored, CancellationRecorded,
        ConversionUpdated, LeadCreated, LeadUpdated, RewardApproved, RewardDenied, RewardReversed, ProgramCreated,
        ProgramUpdated, ProgramArchived, AffiliateCreated, EnrollmentCreated, EnrollmentUpdated, EnrollmentEnded,
        LinkCreated, LinkRevoked, CouponAssigned, CouponRemoved, ApiKeyCreated, ApiKeyRevoked, AccountRegistered,
        AccountUpdated, RewardCreated, RewardFulfilled, CorrectionRecorded, SaleCorrected, LeadAttributed, LeadMerged,
        LeadDeleted, AffiliateUpdated, AffiliateApproved, AffiliateRejected, AffiliateDeactivated, AffiliateTokenRotated,
        ItemCreated, ItemUpdated, ItemArchived, CouponUpdated, OfferCreated, OfferUpdated, OfferClaimed,
        OfferArchived, AppointmentRecorded, CustomEventRecorded, LinkUpdated,
        ApiKeyUpdated, AccountSuspended, AccountResumed, AccountEmailVerified,
        AffiliateErased, RewardHeld, RewardReleased, RewardFrozen, RewardRestored, DisputeOpened, DisputeResolved,
        PayoutDocumentFinalized, PayoutDocumentVoided, PayoutExported, PayoutReopened, PayoutRunCreated, PayoutRunFinished, PayoutRunCancelled,
        PayoutScheduleCreated, PayoutScheduleUpdated, PayoutScheduleArchived,
        PayoutMethodSet, PayoutMethodRemoved, TaxProfileSet, TaxProfileReviewed, TaxProfileRemoved, BillingProfileSet,
        PayoutConnectionSet, PayoutConnectionRemoved, PayoutDifferencesFound,
        RewardReserved, RewardReturned, RewardPaid, PayoutCreated, PayoutApproved, PayoutSent, PayoutAwaitingFunds, PayoutResumed, PayoutUpdated, PayoutNeedsAttention,
        PayoutFailed, PayoutReturned, PayoutCancelled, PayoutPaid,
        AffiliateUplineChanged, AffiliateGroupCreated, AffiliateGroupUpdated, AffiliateGroupArchived,
        BountyCreated, BountyUpdated, BountyArchived, ContestDecided, SubmissionCreated, SubmissionApproved,
        SubmissionRejected,
    }
    ReconciliationState = PayoutReconciliationState { Running, Completed, Failed }
    ProviderPaymentState = ProviderPaymentState {
        Absent, Unfunded, Processing, Unclaimed, OnHold, Paid, Failed, Cancelled, Returning, Returned,
    }
    DifferenceKind = PayoutDifferenceKind {
        PaidThere, PaidHere, ReturnedThere, Amount, Currency, Fee, SecondPayment, UnknownPayment,
    }
    PayoutDocumentState = PayoutDocumentState { Draft, Finalized, Voided }
    PayoutDocumentFormat = PayoutDocumentFormat { Data, Pdf }
    TaxTreatment = TaxTreatment { Untaxed, ReverseCharge, Rate }
    DocumentLineKind = DocumentLineKind { Commission, Downline, TakenBack, Correction, Click, Bonus, Submission, ByHand }
    ListOrder = ListOrder { OldestFirst, NewestFirst }
    FeedPosition = FeedPosition { Beginning, Latest }
    View = ConversionView { Basic, Full }
    RewardView = RewardView { Basic, Full }
    RewardOrigin = RewardOrigin { Conversion, ByHand, Click }
    Group = StatisticGroup { Day, Program, Affiliate, Link, SubId }
    ServerFeature = ServerFeature { SeveralServers, GzipRequests, Callbacks }
}
