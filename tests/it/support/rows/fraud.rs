//! Samples of fraud rules, and of what they find and remember.

use headwater::domain::fraud::{FraudFlag, FraudRule, FraudRuleKind, FraudRuleMode, RewardReview, Suspicion};
use headwater::domain::fraud_note::{FraudNote, FraudNoteContent, LeadFlag};

use super::{ACCOUNT, enrollment, lead, sale};

/// A rule with every field.
pub(crate) fn fraud_rule() -> FraudRule {
    FraudRule {
        kind: FraudRuleKind::Velocity,
        mode: FraudRuleMode::Shadow,
        minimum_seconds: 10,
        maximum_sales: 20,
        period_minutes: 60,
        values: vec!["KP".to_owned(), "RU".to_owned()],
    }
}

pub(crate) fn fraud_flag() -> FraudFlag {
    FraudFlag {
        kind: FraudRuleKind::QuickSale,
        mode: FraudRuleMode::On,
        found: "3".to_owned(),
        threshold: "10".to_owned(),
    }
}

pub(crate) fn reward_review() -> RewardReview {
    RewardReview { flags: vec![fraud_flag()], release_reason: "A family".to_owned() }
}

pub(crate) fn suspicion() -> Suspicion {
    Suspicion { enrollment_id: enrollment().id, flags: vec![fraud_flag()], is_released: true }
}

/// The note about a lead.
pub(crate) fn fraud_note() -> FraudNote {
    let found = LeadFlag {
        conversion_id: sale(1).id,
        enrollment_id: enrollment().id,
        flag: fraud_flag(),
        masked_email: "b…@gmail.com".to_owned(),
    };
    FraudNote {
        account_id: ACCOUNT,
        name: FraudNote::name_of_lead(lead().id),
        content: FraudNoteContent::Lead(vec![found]),
    }
}
