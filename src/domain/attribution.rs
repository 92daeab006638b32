//! Attribution: which affiliate a conversion is credited to, and why the others were not.

use serde::{Deserialize, Serialize};

use super::id::{AffiliateId, ClickId, EnrollmentId};
use super::text_enum::text_enum;

text_enum! {
    /// A way by which a conversion can be traced to an affiliate.
    AttributionSource {
        /// The lead was bound to the affiliate earlier.
        LeadBinding = "lead_binding",
        /// A coupon was used.
        Coupon = "coupon",
        /// A click through a link, or a ref_id that was sent.
        Click = "click",
    }
}

text_enum! {
    /// How a candidate for the credit fared.
    CandidateResult {
        /// The conversion is credited to it.
        Won = "won",
        /// A source of higher precedence won.
        LowerPrecedence = "lower_precedence",
        /// Another click won under the program's model.
        OtherClick = "other_click",
        /// The click is older than the window.
        OutsideWindow = "outside_window",
        /// The click is later than the conversion.
        AfterConversion = "after_conversion",
        /// The enrollment has ended.
        EnrollmentEnded = "enrollment_ended",
        /// The program is archived.
        ProgramArchived = "program_archived",
        /// The link is revoked.
        LinkRevoked = "link_revoked",
        /// The coupon is removed.
        CouponRemoved = "coupon_removed",
        /// There is no such thing in the account.
        Unknown = "unknown",
    }
}

/// One way by which the conversion could have been traced to an affiliate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The way.
    pub source: AttributionSource,
    /// What was sent or found: the lead's id, the coupon code, the tid, or the ref_id.
    pub reference: String,
    /// The affiliate it leads to.
    pub affiliate_id: Option<AffiliateId>,
    /// The enrollment it leads to.
    pub enrollment_id: Option<EnrollmentId>,
    /// How it fared.
    pub result: CandidateResult,
}

/// What a request says of where a conversion came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Referral {
    /// The visitor's tracking id; `Err` keeps the text of one that is no tid of ours, for the explanation.
    pub tid: Option<Result<ClickId, String>>,
    /// A ref_id in lower case: a click that happens now.
    pub ref_id: Option<String>,
    /// A coupon code in capitals.
    pub coupon_code: Option<String>,
}
