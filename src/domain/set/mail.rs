//! Mail in the working set. It is only written.

use super::kind::Kind;
use crate::domain::id::{AccountId, MailId};
use crate::domain::mail::Mail;

impl Kind for Mail {
    type Key = (AccountId, MailId);

    const NAME: &'static str = "mail";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}
