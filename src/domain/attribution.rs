//! The sources by which a conversion can be traced to an affiliate, and the result of each. `rule/attribution.rs` decides.

use super::id::{AffiliateId, ClickId, EnrollmentId, LeadId, LinkId};
use super::text_enum::text_enum;

text_enum! {
    /// A source by which a conversion can be traced to an affiliate.
    AttributionSource {
        /// The lead was bound to the affiliate earlier.
        LeadBinding = "lead_binding",
        /// A coupon was used.
        Coupon = "coupon",
        /// A click through a link, or a ref_id that was sent.
        Click = "click",
        /// A person bound the lead. Only in the credits of leads.
        Manual = "manual",
    }
}

text_enum! {
    /// Why a candidate for the credit won or lost.
    CandidateResult {
        /// The conversion is credited to this candidate.
        Won = "won",
        /// A source of higher precedence won.
        LowerPrecedence = "lower_precedence",
        /// Another click won under the program's model.
        OtherClick = "other_click",
        /// The click is older than the window.
        OutsideWindow = "outside_window",
        /// The click is later than the conversion, or the lead was bound by evidence that is later.
        AfterConversion = "after_conversion",
        /// The enrollment had ended when the conversion happened.
        EnrollmentEnded = "enrollment_ended",
        /// The program was archived then.
        ProgramArchived = "program_archived",
        /// The link was revoked then.
        LinkRevoked = "link_revoked",
        /// The coupon was removed then.
        CouponRemoved = "coupon_removed",
        /// The coupon was assigned, or the link made, after the conversion.
        NotYetMade = "not_yet_made",
        /// The affiliate was not active then.
        AffiliateNotActive = "affiliate_not_active",
        /// The coupon is for another item than the sale's.
        CouponOfOtherItem = "coupon_of_other_item",
        /// The window of the coupon's offer had ended.
        OfferOver = "offer_over",
        /// The program does not declare the kind of the custom event.
        KindNotDeclared = "kind_not_declared",
        /// The affiliate had not accepted the agreement that the program requires.
        AgreementNotAccepted = "agreement_not_accepted",
        /// The coupon was not yet valid then.
        CouponNotYetValid = "coupon_not_yet_valid",
        /// The coupon was no longer valid then.
        CouponExpired = "coupon_expired",
        /// The coupon is for sales of another channel.
        CouponOfOtherChannel = "coupon_of_other_channel",
        /// The coupon had been used as often as it may be.
        CouponExhausted = "coupon_exhausted",
        /// The customer had used the coupon as often as one may.
        CouponUsedByCustomer = "coupon_used_by_customer",
        /// The program pays for new customers only, and the customer had bought before.
        NotANewCustomer = "not_a_new_customer",
        /// The account has no such coupon, click or link.
        Unknown = "unknown",
    }
}

/// One piece of evidence of where a conversion came from, as sent or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The lead, which is bound to the affiliate.
    Lead(LeadId),
    /// A coupon code, folded.
    Coupon(String),
    /// A click of the visitor.
    Click(ClickId),
    /// A ref_id or link code that was sent and that no link has, in lower case.
    RefId(String),
    /// A link whose code was sent. The code itself is not kept here, because it may be made from a person's name and must be erasable.
    Link(LinkId),
    /// A tracking id that no click has.
    Tid(String),
}

impl Evidence {
    /// The source that it is evidence of.
    pub const fn source(&self) -> AttributionSource {
        match self {
            Self::Lead(_) => AttributionSource::LeadBinding,
            Self::Coupon(_) => AttributionSource::Coupon,
            Self::Click(_) | Self::RefId(_) | Self::Link(_) | Self::Tid(_) => AttributionSource::Click,
        }
    }
}

/// One possible way to trace the conversion to an affiliate, and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Candidate {
    pub evidence: Evidence,
    pub affiliate_id: Option<AffiliateId>,
    pub enrollment_id: Option<EnrollmentId>,
    pub result: CandidateResult,
    /// The sub-id of the click; may be empty.
    pub sub_id: String,
}

impl Candidate {
    /// The affiliate of a coupon that could credit the event, whether it did or not.
    pub fn coupon_owner(&self) -> Option<AffiliateId> {
        let is_good = matches!(self.evidence, Evidence::Coupon(_))
            && matches!(self.result, CandidateResult::Won | CandidateResult::LowerPrecedence);
        self.affiliate_id.filter(|_| is_good)
    }
}
