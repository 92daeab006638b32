//! Forms of leads, and of the answers of RecordLead and RecordCancellation.

use std::collections::BTreeMap;

use super::conversion::CreditForm;
use super::field::{FormOf, Text};
use super::reward::RewardSummaryForm;
use crate::domain::conversion::ConversionOutcome;
use crate::domain::customer_reward::{CustomerReward, CustomerRewardState, CustomerRewards};
use crate::domain::id::{AccountId, ConversionId, LeadId, ProgramId};
use crate::domain::lead::{
    Binding, CancellationOutcome, Lead, LeadDetails, LeadOutcome, LeadState, ManualBinding, SaleCount,
};
use crate::domain::money::Money;
use crate::domain::reward::RewardUnit;
use crate::domain::time::Time;

form! {
    /// The answer of RecordLead.
    LeadOutcomeForm of LeadOutcome {
        lead_id: LeadId,
    }
    unless_empty {
        credits: Vec<CreditForm>,
        conversion_id: Option<ConversionId>,
        rewards: Vec<RewardSummaryForm>,
        customer_reward: Option<CustomerRewardForm>,
    }
}

form! {
    /// The answer of RecordCancellation.
    CancellationOutcomeForm of CancellationOutcome {
        lead_id: LeadId,
        outcome: ConversionOutcome,
        conversion_id: ConversionId,
    }
}

form! {
    /// A lead in an answer. It has no personal data, so that none is left when the lead is deleted.
    LeadForm<'a> of Lead {
        id: LeadId,
        account_id: AccountId,
        state: LeadState,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        binding: Option<BindingForm>,
        plan: Text<'a>,
        mrr: Option<Money>,
        first_sale_at: Option<Time>,
        merged_into: Option<LeadId>,
        deleted_at: Option<Time>,
    }
    left_out {
        email: None,
        email_as_sent: String::new(),
        external_id: None,
        first_name: String::new(),
        last_name: String::new(),
        details: LeadDetails::default(),
    }
}

form! {
    /// The affiliates that a lead is bound to.
    BindingForm of Binding {
        credits: Vec<CreditForm>,
        bound_at: Time,
        referred_at: Time,
    }
}

form! {
    /// What few leads have.
    LeadDetailsForm<'a> of LeadDetails {}
    unless_empty {
        metadata: BTreeMap<Text<'a>, Text<'a>>,
        manual_bindings: Vec<ManualBindingForm<'a>>,
        merged_ids: Vec<LeadId>,
        former_ids: Vec<LeadId>,
        sale_counts: Vec<SaleCountForm>,
        customer_rewards: Vec<CustomerRewardForm>,
        country_code: Text<'a>,
        asked_for_new_at: Option<Time>,
        cancelled_at: Option<Time>,
    }
}

form! {
    /// What a program granted the customer.
    CustomerRewardForm of CustomerReward {
        program_id: ProgramId,
        unit: RewardUnit,
        value: Money,
        state: CustomerRewardState,
        conversion_id: ConversionId,
        terms_version: i32,
        granted_at: Time,
        updated_at: Time,
    }
}

impl<'value> FormOf<'value, CustomerRewards> for Vec<CustomerRewardForm> {
    fn of(value: &'value CustomerRewards) -> Self {
        value.all().iter().map(FormOf::of).collect()
    }

    fn value(self) -> CustomerRewards {
        let rewards: Vec<CustomerReward> = self.into_iter().map(FormOf::value).collect();
        rewards.into()
    }
}

form! {
    /// The credited sales of a customer in a program.
    SaleCountForm of SaleCount {
        program_id: ProgramId,
    }
    unless_empty {
        count: i32,
        first_at: Option<Time>,
        last_at: Option<Time>,
    }
}

form! {
    /// A binding that a person decided on.
    ManualBindingForm<'a> of ManualBinding {
        binding: BindingForm,
        made_at: Time,
    }
    unless_empty {
        reason: Text<'a>,
        merged_id: Option<LeadId>,
    }
}
