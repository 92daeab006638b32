//! The list of all writes, and the envelope that carries one.

use super::context::{Context, Rule};
use crate::domain::audit::Actor;
use crate::domain::id::AccountId;
use crate::domain::outcome::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::request::Fingerprint;
use crate::domain::set::Needs;

/// Generates [`Command`] from one list.
macro_rules! commands {
    ($($module:ident::$command:ident($held:ty),)*) => {
        $(pub use super::$module::$command;)*

        /// All writes. Large, rare commands are boxed, so that they do not make the enum larger than the common commands.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each variant is named after the struct that it holds, which is documented")]
        pub enum Command {
            $($command($held),)*
        }

        $(impl From<$command> for Command {
            fn from(command: $command) -> Self {
                Self::$command(command.into())
            }
        })*

        impl Command {
            /// See [`Rule::needs`].
            pub fn needs(&self, account: AccountId, needs: &mut Needs) {
                match self {
                    $(Self::$command(command) => command.needs(account, needs),)*
                }
            }

            /// See [`Rule::locks_account`].
            pub fn locks_account(&self) -> bool {
                match self {
                    $(Self::$command(command) => command.locks_account(),)*
                }
            }

            /// See [`Rule::is_trial`].
            pub(super) fn is_trial(&self) -> bool {
                match self {
                    $(Self::$command(command) => command.is_trial(),)*
                }
            }

            /// See [`Rule::weight`].
            pub fn weight(&self) -> usize {
                match self {
                    $(Self::$command(command) => command.weight(),)*
                }
            }

            pub(super) fn apply(&self, context: &mut Context<'_>) -> Result<Outcome, Refusal> {
                match self {
                    $(Self::$command(command) => command.apply(context).map(Outcome::from),)*
                }
            }
        }
    };
}

commands! {
    account::RegisterAccount(RegisterAccount),
    account::UpdateAccount(UpdateAccount),
    account_email::VerifyAccountEmail(VerifyAccountEmail),
    account::SuspendAccount(SuspendAccount),
    account::ResumeAccount(ResumeAccount),
    account::SetAccountCallLimit(SetAccountCallLimit),
    account::CreateApiKey(CreateApiKey),
    account::UpdateApiKey(Box<UpdateApiKey>),
    account::RevokeApiKey(RevokeApiKey),
    program::CreateProgram(Box<CreateProgram>),
    program::UpdateProgram(Box<UpdateProgram>),
    program::ArchiveProgram(ArchiveProgram),
    affiliate::CreateAffiliate(Box<CreateAffiliate>),
    affiliate::UpdateAffiliate(Box<UpdateAffiliate>),
    affiliate::ChangeAffiliateState(ChangeAffiliateState),
    affiliate::RotateAffiliateToken(RotateAffiliateToken),
    affiliate::EraseAffiliate(EraseAffiliate),
    affiliate::SetUpline(SetUpline),
    enrollment::EnrollAffiliate(EnrollAffiliate),
    enrollment::UpdateEnrollment(UpdateEnrollment),
    enrollment::EndEnrollment(EndEnrollment),
    enrollment::MoveEnrollment(MoveEnrollment),
    enrollment::AcceptAgreement(AcceptAgreement),
    link::CreateLink(CreateLink),
    link::UpdateLink(UpdateLink),
    link::RevokeLink(RevokeLink),
    coupon::AssignCoupon(AssignCoupon),
    coupon::UpdateCoupon(UpdateCoupon),
    coupon::RemoveCoupon(RemoveCoupon),
    offer::CreateOffer(Box<CreateOffer>),
    offer::UpdateOffer(Box<UpdateOffer>),
    offer::ClaimOffer(Box<ClaimOffer>),
    offer::ArchiveOffer(ArchiveOffer),
    bounty::CreateBounty(Box<CreateBounty>),
    bounty::UpdateBounty(Box<UpdateBounty>),
    bounty::ArchiveBounty(ArchiveBounty),
    bounty::NameContestWinners(NameContestWinners),
    submission::SubmitToBounty(Box<SubmitToBounty>),
    submission::ApproveSubmission(ApproveSubmission),
    submission::RejectSubmission(RejectSubmission),
    payout_method::SetPayoutMethod(Box<SetPayoutMethod>),
    payout_method::RemovePayoutMethod(RemovePayoutMethod),
    tax_profile::SetTaxProfile(Box<SetTaxProfile>),
    tax_profile::ConfirmTaxProfile(ConfirmTaxProfile),
    tax_profile::RefuseTaxProfile(RefuseTaxProfile),
    tax_profile::RemoveTaxProfile(RemoveTaxProfile),
    billing_profile::SetBillingProfile(Box<SetBillingProfile>),
    payout_connection::SetPayoutConnection(Box<SetPayoutConnection>),
    payout_connection::RemovePayoutConnection(RemovePayoutConnection),
    affiliate_group::CreateAffiliateGroup(CreateAffiliateGroup),
    affiliate_group::UpdateAffiliateGroup(UpdateAffiliateGroup),
    affiliate_group::ArchiveAffiliateGroup(ArchiveAffiliateGroup),
    item::CreateItem(CreateItem),
    item::UpdateItem(UpdateItem),
    item::ArchiveItem(ArchiveItem),
    click::RecordClick(RecordClick),
    lead::RecordLead(RecordLead),
    sale::RecordSale(RecordSale),
    refund::RecordRefund(RecordRefund),
    refund_undo::UndoRefund(UndoRefund),
    lead::RecordCancellation(RecordCancellation),
    correction::CorrectSale(Box<CorrectSale>),
    dispute::OpenDispute(Box<OpenDispute>),
    dispute::ResolveDispute(Box<ResolveDispute>),
    lead::CreateLead(Box<CreateLead>),
    lead::UpdateLead(Box<UpdateLead>),
    lead::DeleteLead(DeleteLead),
    lead::MergeLeads(MergeLeads),
    lead::AttributeLead(Box<AttributeLead>),
    customer_reward::FulfillCustomerReward(FulfillCustomerReward),
    reward::ApproveRewards(ApproveRewards),
    reward::DenyRewards(DenyRewards),
    reward::HoldRewards(HoldRewards),
    reward::ReleaseRewards(ReleaseRewards),
    reward::CreateReward(Box<CreateReward>),
    reward::FulfillReward(FulfillReward),
    payout::CreatePayout(CreatePayout),
    payout_reconciliation::ReconcilePayouts(ReconcilePayouts),
    payout_reconciliation::ReconcileDaily(ReconcileDaily),
    payout_reconciliation::BeginReconciliation(BeginReconciliation),
    payout_reconciliation::RecordReconciliation(Box<RecordReconciliation>),
    payout_run::CreatePayoutRun(CreatePayoutRun),
    payout_run::ContinuePayoutRun(ContinuePayoutRun),
    payout_schedule::CreatePayoutSchedule(Box<CreatePayoutSchedule>),
    payout_schedule::UpdatePayoutSchedule(Box<UpdatePayoutSchedule>),
    payout_schedule::ArchivePayoutSchedule(ArchivePayoutSchedule),
    payout_schedule::RunPayoutSchedule(RunPayoutSchedule),
    payout::BeginPayoutStep(BeginPayoutStep),
    payout::RecordPayoutStep(Box<RecordPayoutStep>),
    payout::WakePayouts(WakePayouts),
    payout::RetryPayout(RetryPayout),
    payout_run::CancelPayoutRun(CancelPayoutRun),
    payout_run::CancelPayoutsOfRun(CancelPayoutsOfRun),
    payout::ApprovePayouts(ApprovePayouts),
    payout::ConfirmPayouts(ConfirmPayouts),
    payout::CancelPayout(CancelPayout),
    payout::ExportPayouts(Box<ExportPayouts>),
    payout::ReopenPayout(ReopenPayout),
    payout::ImportPayoutResults(ImportPayoutResults),
    payout::MarkPaid(Box<MarkPaid>),
}

/// A write with its sender.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The account that the calling key acts for; [`AccountId::SERVER`] for RegisterAccount.
    pub account_id: AccountId,
    /// Identifies a repeat of the write; none when the caller gave no key.
    pub fingerprint: Option<Fingerprint>,
    /// Who asks for it, for the audit log. `None` for a write that has no entry there: an event that was told, or work of the server.
    pub actor: Option<Box<Actor>>,
    /// The write.
    pub command: Command,
}

impl Envelope {
    /// See [`Rule::weight`].
    pub fn weight(&self) -> usize {
        self.command.weight()
    }

    /// The request_id or event_id that the caller gave; empty if there was none.
    pub fn cause_id(&self) -> String {
        self.fingerprint.as_ref().map(|fingerprint| fingerprint.key.clone()).unwrap_or_default()
    }
}
