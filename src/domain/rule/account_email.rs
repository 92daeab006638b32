//! The verification of an account's email address, by a token that is mailed to it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::context::{Context, Rule};
use crate::domain::account::{Account, Verification};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::AccountId;
use crate::domain::mail::Letter;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// For how many days a token works.
pub const TOKEN_DAYS: i32 = 3;

/// Mails this token to an address, which becomes the account's verified one by it. The caller puts the account.
pub(super) fn ask_to_verify(context: &mut Context<'_>, account: &mut Account, email: &str, token: &str) {
    note_token(context, account, email, token);
    // A stranger who has registered an account may name somebody else's address, and must not write to it.
    let account = if account.email == *email {
        format!("\u{201c}{}\u{201d} has", account.display_name)
    } else {
        format!("{} is to have", account.id)
    };
    let body = format!(
        "Hello,\n\nthe account {account} this email address. To verify it, call VerifyAccountEmail with this \
         token:\n\n{token}\n\nThe token works once, and for {TOKEN_DAYS} days. If you do not know the account, ignore this mail.\n"
    );
    let subject = "Verify your email address".to_owned();
    context.mail(Letter { recipient: email.to_owned(), subject, body });
}

fn note_token(context: &Context<'_>, account: &mut Account, email: &str, token: &str) {
    let (email, token_hash) = (email.to_owned(), hash(token));
    account.verification = Some(Verification { email, token_hash, expires_at: context.now.plus_days(TOKEN_DAYS) });
}

/// An address that an account wants to have.
#[derive(Debug, Clone)]
pub struct WantedEmail {
    /// In lower case.
    pub email: String,
    /// The token to mail to it if it has to be verified. `None`: no mail may be sent to it now.
    pub token: Option<String>,
}

/// Begins the change to another address, or mails another token to one that is not verified. The account has its present address until the
/// other one is verified. Otherwise it could take the address of somebody who has no account yet. If another account has it, the answer is
/// the same, so that nobody learns that. The caller puts the account.
pub(super) fn want(context: &mut Context<'_>, account: &mut Account, wanted: &WantedEmail) -> Result<(), Refusal> {
    let email = wanted.email.as_str();
    let is_own = account.email == *email;
    if is_own && account.email_verified_at.is_some() {
        // Another address is no longer wanted.
        account.verification = None;
        return Ok(());
    }
    let is_taken = !is_own && context.set.account_with_email(email)?.is_some();
    match &wanted.token {
        Some(token) if is_taken => {
            // Nobody gets the token.
            note_token(context, account, email, token);
            context.mail(taken_letter(email));
        }
        Some(token) => ask_to_verify(context, account, email, token),
        // The token of the last mail to the same address goes on working. Any other one is for an address that is no longer wanted.
        None => {
            if account.verification.as_ref().is_none_or(|verification| verification.email != *email) {
                account.verification = None;
            }
        }
    }
    Ok(())
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

/// The letter to the owner of an account whose address another account wants to have.
fn taken_letter(recipient: &str) -> Letter {
    let body = "Hello,\n\nsomebody, probably you, wants to give this email address to another account. An account has it already, so nothing \
                was changed. If this was not you, ignore this mail.\n";
    let subject = "You have an account already".to_owned();
    Letter { recipient: recipient.to_owned(), subject, body: body.to_owned() }
}

/// Refuses an address that another account than `own` has.
pub(super) fn email_is_free(context: &Context<'_>, email: &str, own: Option<AccountId>) -> Result<(), Refusal> {
    match context.set.account_with_email(email)? {
        Some(other) if Some(other) != own => Err(Refusal::AlreadyExists {
            field: Field::Email,
            value: email.to_owned(),
            resource: Resource::Account,
            // Left out, because the caller may not know the other account.
            resource_id: String::new(),
        }),
        _ => Ok(()),
    }
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
        let before = Arc::clone(context.set.account(context.account_id)?);
        let is_right = |verification: &&Verification| {
            verification.token_hash == hash(&self.token) && context.now < verification.expires_at
        };
        let verified = before.verification.as_ref().filter(is_right).ok_or(Refusal::VerificationTokenInvalid)?;
        // The request does not name it.
        context.set.wanted().names.account_emails.insert(verified.email.clone());
        email_is_free(context, &verified.email, Some(before.id))?;
        let account = Account {
            email: verified.email.clone(),
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
