//! Forms of fraud rules, of what they have found, and of what they remember.

use super::field::Text;
use crate::domain::fraud::{FraudFlag, FraudRule, FraudRuleKind, FraudRuleMode, RewardReview, Suspicion};
use crate::domain::fraud_note::{FraudNoteContent, LeadFlag};
use crate::domain::id::{ConversionId, EnrollmentId};
use crate::domain::time::Time;

form! {
    /// A fraud rule.
    FraudRuleForm<'a> of FraudRule {
        kind: FraudRuleKind,
        mode: FraudRuleMode,
    }
    unless_empty {
        minimum_seconds: i32,
        maximum_sales: i32,
        period_minutes: i32,
        values: Vec<Text<'a>>,
    }
}

form! {
    /// The finding of a fraud rule.
    FraudFlagForm<'a> of FraudFlag {
        kind: FraudRuleKind,
        mode: FraudRuleMode,
    }
    unless_empty {
        found: Text<'a>,
        threshold: Text<'a>,
    }
}

form! {
    /// What fraud rules have found for a credit.
    SuspicionForm<'a> of Suspicion {
        enrollment_id: EnrollmentId,
    }
    unless_empty {
        flags: Vec<FraudFlagForm<'a>>,
        is_released: bool,
    }
}

form! {
    /// What is said about a reward.
    RewardReviewForm<'a> of RewardReview {}
    unless_empty {
        flags: Vec<FraudFlagForm<'a>>,
        release_reason: Text<'a>,
    }
}

enum_form! {
    /// What a note says.
    FraudNoteContentForm<'a> of FraudNoteContent {
        Order(first: ConversionId),
        Sales(times: Vec<Time>),
        Lead(flags: Vec<LeadFlagForm<'a>>),
    }
}

form! {
    /// What was found in an event of a lead.
    LeadFlagForm<'a> of LeadFlag {
        conversion_id: ConversionId,
        enrollment_id: EnrollmentId,
        flag: FraudFlagForm<'a>,
    }
    unless_empty {
        masked_email: Text<'a>,
    }
}
