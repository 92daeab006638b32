//! The list of all writes, and the envelope of a write.

use super::account::{CreateApiKey, RegisterAccount, RevokeApiKey, UpdateAccount};
use super::affiliate::CreateAffiliate;
use super::click::RecordClick;
use super::context::{Context, Rule};
use super::coupon::{AssignCoupon, RemoveCoupon};
use super::enrollment::{EndEnrollment, Enroll, UpdateEnrollment};
use super::lead::{RecordCancellation, RecordLead};
use super::link::{CreateLink, RevokeLink};
use super::program::{ArchiveProgram, CreateProgram, UpdateProgram};
use super::refund::RecordRefund;
use super::reward::{ApproveRewards, DenyRewards};
use super::sale::RecordSale;
use crate::domain::id::AccountId;
use crate::domain::outcome::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::request::Fingerprint;
use crate::domain::set::Needs;

/// Makes [`Command`] of one list.
macro_rules! commands {
    ($($command:ident($held:ty),)*) => {
        /// Every write there is. Large, rare variants are boxed, so that the enum is no larger than the common ones.
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

            /// See [`Rule::LOCKS_ACCOUNT`].
            pub fn locks_account(&self) -> bool {
                match self {
                    $(Self::$command(_) => $command::LOCKS_ACCOUNT,)*
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
    RegisterAccount(RegisterAccount),
    UpdateAccount(UpdateAccount),
    CreateApiKey(CreateApiKey),
    RevokeApiKey(RevokeApiKey),
    CreateProgram(Box<CreateProgram>),
    UpdateProgram(Box<UpdateProgram>),
    ArchiveProgram(ArchiveProgram),
    CreateAffiliate(Box<CreateAffiliate>),
    Enroll(Enroll),
    UpdateEnrollment(UpdateEnrollment),
    EndEnrollment(EndEnrollment),
    CreateLink(CreateLink),
    RevokeLink(RevokeLink),
    AssignCoupon(AssignCoupon),
    RemoveCoupon(RemoveCoupon),
    RecordClick(RecordClick),
    RecordLead(RecordLead),
    RecordSale(RecordSale),
    RecordRefund(RecordRefund),
    RecordCancellation(RecordCancellation),
    ApproveRewards(ApproveRewards),
    DenyRewards(DenyRewards),
}

/// A write with its sender.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The account that the calling key acts for; [`AccountId::SERVER`] for RegisterAccount.
    pub account_id: AccountId,
    /// Recognises it when it is sent again; none when the caller gave no key.
    pub fingerprint: Option<Fingerprint>,
    /// The write.
    pub command: Command,
}

impl Envelope {
    /// The request_id or event_id that the caller gave; empty for none.
    pub fn cause_id(&self) -> String {
        self.fingerprint.as_ref().map(|fingerprint| fingerprint.key.clone()).unwrap_or_default()
    }
}
