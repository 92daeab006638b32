//! The rules: one file for each subject, each with its commands, the rows they need, and their effects. [`Command`] lists them all.

mod account;
mod affiliate;
mod attribution;
mod click;
mod command;
mod commission;
mod context;
mod coupon;
mod customer;
mod decide;
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
pub use command::{Command, Envelope};
pub use context::{Context, Rule};
pub use coupon::{AssignCoupon, RemoveCoupon};
pub use decide::{Decision, add_needs, decide};
pub use enrollment::{EndEnrollment, Enroll, NewEnrollment, UpdateEnrollment};
pub use lead::{RecordCancellation, RecordLead};
pub use link::{CreateLink, RevokeLink};
pub use program::{ArchiveProgram, CreateProgram, UpdateProgram, applicable_terms};
pub use refund::RecordRefund;
pub use reward::{ApproveRewards, DenyRewards};
pub use sale::RecordSale;
