//! The bonus that an affiliate gets once when it becomes active in a program.

use std::sync::Arc;

use super::context::Context;
use super::terms::applicable_terms;
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::RewardId;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::program::Program;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{ByHand, Reward, RewardState};
use crate::domain::terms_period::Occasion;

/// Notes in an enrollment that its affiliate has become active, and pays the bonus for it. The enrollment is written afterwards. An affiliate that
/// was active before gets nothing, also if there was no bonus then.
pub(super) fn pay(context: &mut Context<'_>, enrollment: &mut Enrollment) -> Result<(), Refusal> {
    if enrollment.was_active || !enrollment.is_active() {
        return Ok(());
    }
    enrollment.was_active = true;
    let program = Arc::clone(context.get::<Program, _>(enrollment.program_id)?);
    let terms = applicable_terms(context.set, &program, &Occasion::of(enrollment, context.now))?;
    let Some(bonus) = terms.rules.enrollment_bonus else { return Ok(()) };
    let bonus_terms_version = terms.version;
    let auto_approve_at = context.now.plus_days(terms.rules.hold_period_days);
    let id = RewardId::new(context.ids);
    let reward = context.put(Reward {
        id,
        account_id: context.account_id,
        conversion_id: None,
        affiliate_id: enrollment.affiliate_id,
        enrollment_id: enrollment.id,
        program_id: enrollment.program_id,
        unit: bonus.unit,
        value: bonus.value,
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Pending,
        calculation: None,
        by_hand: Some(ByHand { bonus_terms_version, ..ByHand::default() }),
        click: None,
        review: None,
        auto_approve_at,
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: None,
        dispute: None,
    });
    let (debit, credit) = (LedgerAccount::CommissionExpense, LedgerAccount::AffiliatePending);
    context.post(Posting::for_reward(&reward, debit, credit, LedgerReason::Earned, context.now));
    context.tell(EventKind::RewardCreated, EventImage::Reward(reward));
    Ok(())
}
