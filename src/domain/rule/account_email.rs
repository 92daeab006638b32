//! The verification of an account's email address, by a token that is mailed to it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::context::{Context, Rule};
use crate::domain::account::{Account, Verification};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::AccountId;
use crate::domain::mail::Letter;
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;

/// For how many days a token works.
pub const TOKEN_DAYS: i32 = 3;

/// Makes the account's address one that is not verified, and mails this token to it. The caller puts the account.
pub(super) fn ask_to_verify(context: &mut Context<'_>, account: &mut Account, token: &str) {
    account.email_verified_at = None;
    account.verification =
        Some(Verification { token_hash: hash(token), expires_at: context.now.plus_days(TOKEN_DAYS) });
    let name = &account.display_name;
    let body = format!(
        "Hello,\n\nthe account \u{201c}{name}\u{201d} has this email address. To verify it, call VerifyAccountEmail with this \
         token:\n\n{token}\n\nThe token works once, and for {TOKEN_DAYS} days. If you do not know the account, ignore this mail.\n"
    );
    let subject = "Verify your email address".to_owned();
    context.mail(Letter { recipient: account.email.clone(), subject, body });
}

/// The letter to somebody who wants to register an account with this address, with the token that proves it. It has no text of the
/// caller, who may be anybody and may have named somebody else's address.
pub fn registration_letter(recipient: &str, token: &str) -> Letter {
    let body = format!(
        "Hello,\n\nsomebody, probably you, wants to register an account with this email address. To go on, repeat the call of \
         RegisterAccount with this email_token:\n\n{token}\n\nThe token works for {TOKEN_DAYS} days. If this was not you, ignore this \
         mail: without the token, nothing is registered.\n"
    );
    let subject = "Verify your email address".to_owned();
    Letter { recipient: recipient.to_owned(), subject, body }
}

/// The letter to the owner of an account whose address somebody wants to register again.
pub fn registered_already_letter(recipient: &str) -> Letter {
    let body = "Hello,\n\nsomebody, probably you, wants to register an account with this email address, which an account has already. \
                If you have lost its keys, ask the operator of the server for another one. If this was not you, ignore this mail.\n";
    let subject = "You have an account already".to_owned();
    Letter { recipient: recipient.to_owned(), subject, body: body.to_owned() }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Verify the email address of the account.
#[derive(Debug, Clone)]
pub struct VerifyAccountEmail {
    /// The token of the mail.
    pub token: String,
}

impl Rule for VerifyAccountEmail {
    type Answer = Arc<Account>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.set.account(context.account_id)?;
        let is_right = |verification: &Verification| {
            verification.token_hash == hash(&self.token) && context.now < verification.expires_at
        };
        if !before.verification.as_ref().is_some_and(is_right) {
            return Err(Refusal::VerificationTokenInvalid);
        }
        let account = Account {
            email_verified_at: Some(context.now),
            verification: None,
            updated_at: context.now,
            ..before.as_ref().clone()
        };
        let account = context.put(account);
        context.tell(EventKind::AccountEmailVerified, EventImage::Account(Arc::clone(&account)));
        Ok(account)
    }
}
