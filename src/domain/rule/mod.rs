//! The rules: one file for each subject, each with its commands, what they need loaded, and what they do. [`Command`] lists them all.

mod account;
mod affiliate;
mod attribution;
mod click;
mod commission;
mod context;
mod coupon;
pub mod decide;
mod enrollment;
mod lead;
mod link;
mod program;
mod refund;
mod reward;
mod sale;

pub use account::{CreateApiKey, NewApiKey, RegisterAccount, RevokeApiKey, UpdateAccount};
pub use affiliate::CreateAffiliate;
pub use attribution::Referral;
pub use click::RecordClick;
pub use context::Context;
pub use coupon::{AssignCoupon, RemoveCoupon};
pub use enrollment::{EndEnrollment, Enroll, NewEnrollment, UpdateEnrollment};
pub use lead::{RecordCancellation, RecordLead};
pub use link::{CreateLink, RevokeLink};
pub use program::{ArchiveProgram, CreateProgram, UpdateProgram, applicable_terms};
pub use refund::RecordRefund;
pub use reward::{ApproveRewards, DenyRewards};
pub use sale::RecordSale;

use super::id::AccountId;
use super::outcome::{OtherOutcome, Outcome};
use super::refusal::Refusal;
use super::request::Fingerprint;
use super::set::needs::Needs;

/// A write: its fields are valid by themselves; whether they are allowed is for the rule to say.
pub trait Rule: Into<Command> {
    /// The answer, kept for repeated requests.
    type Answer: Into<Outcome> + TryFrom<Outcome, Error = OtherOutcome>;

    /// Whether it makes events or postings, so that the account must be locked while it is carried out.
    const LOCKS_ACCOUNT: bool = true;

    /// Adds the rows that [`Rule::apply`] asks for. A rule that asks for more gets [`Refusal::NotLoaded`].
    fn needs(&self, account: AccountId, needs: &mut Needs);

    /// Carries it out. The set becomes as it was when this is an error.
    ///
    /// # Errors
    /// The rule that the command broke.
    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal>;
}

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

            fn apply(&self, context: &mut Context<'_>) -> Result<Outcome, Refusal> {
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

/// A write with who sends it.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The account that the calling key acts for; [`AccountId::SERVER`] for RegisterAccount.
    pub account_id: AccountId,
    /// How it is recognised when it is sent again; none when the caller gave no key.
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
