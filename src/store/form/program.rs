//! Forms of programs, their terms and commissions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::Text;
use super::fraud::FraudRuleForm;
use super::ladder::LadderForm;
use super::sales_tally::{CountedSinceForm, ThresholdBonusForm};
use super::tally::CapForm;
use crate::domain::attribution::AttributionSource;
use crate::domain::customer_reward::{CustomerRewardEvent, CustomerRewardPromise};
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::money::{Currency, Money, Rounding};
use crate::domain::pricing::{CommissionEvent, CommissionRule, Compare, Comparison, Condition, ConditionField};
use crate::domain::program::{
    Agreement, AttributionModel, Commission, EnrollmentBonus, Invitation, Program, ProgramState, ProgramWithTerms,
    Question, Terms, TermsDraft, TermsReach,
};
use crate::domain::reward::RewardUnit;
use crate::domain::time::Time;
use crate::domain::upline::{UplineBasis, UplineLevel};
use crate::domain::welcome::WelcomeMail;

form! {
    /// A program.
    ProgramForm<'a> of Program {
        id: ProgramId,
        account_id: AccountId,
        display_name: Text<'a>,
        currency: Currency,
        landing_url: Text<'a>,
        is_default: bool,
        state: ProgramState,
        terms_version: i32,
        version: i32,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        archived_at: Option<Time>,
        hosts: Vec<Text<'a>>,
        agreement: Option<AgreementForm<'a>>,
        questions: Vec<QuestionForm<'a>>,
        invitations: Vec<InvitationForm<'a>>,
        welcome_mail: Option<WelcomeMailForm<'a>>,
        metadata: BTreeMap<Text<'a>, Text<'a>>,
        fraud_rules: Vec<FraudRuleForm<'a>>,
    }
    unless_usual {
        is_private: bool = false,
    }
}

form! {
    /// A question that applicants answer.
    QuestionForm<'a> of Question {
        key: Text<'a>,
        label: Text<'a>,
        is_required: bool,
    }
}

form! {
    /// A code that opens a private program.
    InvitationForm<'a> of Invitation {
        code: Text<'a>,
    }
    unless_empty {
        expires_at: Option<Time>,
        max_uses: i32,
        use_count: i32,
    }
}

form! {
    /// The text that affiliates of a program agree to.
    AgreementForm<'a> of Agreement {
        version: i32,
        is_required: bool,
    }
    unless_empty {
        url: Text<'a>,
        text: Text<'a>,
    }
}

form! {
    /// What new affiliates of a program are written.
    WelcomeMailForm<'a> of WelcomeMail {
        is_enabled: bool,
    }
    unless_empty {
        subject: Text<'a>,
        body: Text<'a>,
    }
}

form! {
    /// A version of a program's terms.
    TermsForm<'a> of Terms {
        account_id: AccountId,
        program_id: ProgramId,
        version: i32,
        starts_at: Time,
        rules: TermsDraftForm<'a>,
    }
    unless_empty {
        ends_at: Option<Time>,
        scheduled_at: Option<Time>,
        withdrawn_at: Option<Time>,
        yields_to: Vec<i32>,
    }
}

form! {
    /// The rate of the affiliates on one level above the credited one.
    UplineLevelForm of UplineLevel {
        basis: UplineBasis,
        percent_ppm: i32,
    }
}

form! {
    /// The rules of a version of terms.
    TermsDraftForm<'a> of TermsDraft {
        reach: TermsReach,
        commission: CommissionForm,
        hold_period_days: i32,
        attribution_model: AttributionModel,
        attribution_window_days: i32,
        precedence: [AttributionSource; 3],
        rounding: Rounding,
    }
    unless_empty {
        custom_kinds: Vec<Text<'a>>,
        commission_rules: Vec<CommissionRuleForm<'a>>,
        upline_levels: Vec<UplineLevelForm>,
        caps: Vec<CapForm>,
        ladder: Option<LadderForm>,
        threshold_bonuses: Vec<ThresholdBonusForm>,
        sales_tallies: Vec<CountedSinceForm>,
        customer_reward: Option<CustomerRewardPromiseForm>,
        enrollment_bonus: Option<EnrollmentBonusForm>,
    }
    unless_usual {
        new_customers_only: bool = false,
    }
}

form! {
    /// What an affiliate gets when it becomes active.
    EnrollmentBonusForm of EnrollmentBonus {
        unit: RewardUnit,
        value: Money,
    }
}

form! {
    /// What referred customers get.
    CustomerRewardPromiseForm of CustomerRewardPromise {
        event: CustomerRewardEvent,
        unit: RewardUnit,
        value: Money,
    }
}

form! {
    /// A commission for certain events.
    CommissionRuleForm<'a> of CommissionRule {
        name: Arc<str>,
        event_kind: CommissionEvent,
        commission: CommissionForm,
    }
    unless_empty {
        custom_kinds: Vec<Text<'a>>,
        coupon_codes: Vec<Text<'a>>,
        item_skus: Vec<Text<'a>>,
        plans: Vec<Text<'a>>,
        condition: Option<ConditionForm<'a>>,
        starts_at: Option<Time>,
        ends_at: Option<Time>,
        max_customer_sales: Option<i32>,
        max_customer_months: Option<i32>,
        first_sale_bonus: Option<Money>,
    }
    unless_usual {
        is_per_unit: bool = false,
    }
}

enum_form! {
    /// What an event must be like.
    ConditionForm<'a> of Condition {
        AllOf(conditions: Vec<ConditionForm<'a>>),
        AnyOf(conditions: Vec<ConditionForm<'a>>),
        Compare(compare: CompareForm<'a>),
    }
}

form! {
    /// A comparison of one fact.
    CompareForm<'a> of Compare {
        field: ConditionField,
        comparison: Comparison,
    }
    unless_empty {
        key: Text<'a>,
        numbers: Vec<i64>,
        texts: Vec<Text<'a>>,
    }
}

form! {
    /// A program with one version of its terms.
    ProgramWithTermsForm<'a> of ProgramWithTerms {
        program: Box<ProgramForm<'a>>,
        terms: Box<TermsForm<'a>>,
    }
}

enum_form! {
    /// The commission on a sale.
    CommissionForm of Commission {
        PercentPpm(rate: i32),
        Flat(amount: Money),
    }
}
