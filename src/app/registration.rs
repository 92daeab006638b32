//! The registration of accounts by others than operators: the tokens that prove an email address, and the mail that has them. A token
//! is signed and not stored, so that strangers cannot fill the database. It creates no second account, because the address is taken then.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::writer::Upkeep;
use super::{App, SubmitError};
use crate::clock::RandomIds;
use crate::domain::id::{AccountId, MailId};
use crate::domain::mail::Mail;
use crate::domain::rule::{TOKEN_DAYS, registered_already_letter, registration_letter};
use crate::domain::time::Time;
use crate::store;

/// The scope of the signature. No method has this name.
const SCOPE: &str = "registration";

/// How many hexadecimal digits of a token are the end of its validity, in seconds.
const UNTIL_DIGITS: usize = 8;

/// How many hexadecimal digits of a token are its signature: 140 bits.
const SIGNATURE_DIGITS: usize = 35;

/// For how long after a mail to an address no other one is sent, so that nobody floods somebody else.
const MAILED_FOR: Duration = Duration::from_secs(60);

/// How many addresses are remembered.
const MAILED_MAX: u64 = 100_000;

/// The hashes of the addresses to which mail was sent lately.
pub(super) struct Mailed(Cache<[u8; 32], ()>);

impl Mailed {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAILED_MAX).time_to_live(MAILED_FOR).build())
    }

    /// Notes a mail to the address. False if there was one lately.
    fn note(&self, email: &str) -> bool {
        self.0.entry(Self::hash(email)).or_insert(()).is_fresh()
    }

    fn forget(&self, email: &str) {
        self.0.invalidate(&Self::hash(email));
    }

    fn hash(email: &str) -> [u8; 32] {
        Sha256::digest(email.as_bytes()).into()
    }
}

impl App {
    /// Mails a token to the address, or the note that an account has it already. Sends nothing if it has sent one lately.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn mail_registration(&self, email: &str) -> Result<(), SubmitError> {
        if !self.mailed.note(email) {
            return Ok(());
        }
        let posted = self.post_registration(email).await;
        if posted.is_err() {
            self.mailed.forget(email);
        }
        posted
    }

    /// Whether an account, which may be a stranger's, may cause a mail to an address that it wants to have. Notes that it does. Registrations
    /// of the address are not held up by that.
    pub fn may_mail(&self, account_id: AccountId, email: &str) -> bool {
        self.mailed.note(&account_id.to_string()) && self.mailed.note(&format!("wanted {email}"))
    }

    async fn post_registration(&self, email: &str) -> Result<(), SubmitError> {
        let now = self.clock().now();
        let is_taken = store::account::find_by_email(self.store(), email).await?.is_some();
        let letter = if is_taken {
            registered_already_letter(email)
        } else {
            registration_letter(email, &self.registration_token(email, seconds(now.plus_days(TOKEN_DAYS))))
        };
        let mail = Mail::new(MailId::new(&mut RandomIds), AccountId::SERVER, letter, now);
        self.keep_up(Upkeep::PostMail(Arc::new(mail))).await?;
        Ok(())
    }

    /// Whether the token was mailed to this address, and still works.
    pub fn is_registration_token(&self, email: &str, token: &str) -> bool {
        let until = token.get(..UNTIL_DIGITS).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(until) = until else { return false };
        let right = self.registration_token(email, until);
        bool::from(right.as_bytes().ct_eq(token.as_bytes())) && seconds(self.clock().now()) < until
    }

    fn registration_token(&self, email: &str, until: u32) -> String {
        let until = format!("{until:08x}");
        let signature = self.content_hash(SCOPE, format!("{until}{email}").as_bytes());
        let digits = signature.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let signature = digits.take(SIGNATURE_DIGITS).filter_map(|digit| char::from_digit(digit.into(), 16));
        until.chars().chain(signature).collect()
    }
}

/// The time in seconds, which fit until the year 2106.
fn seconds(time: Time) -> u32 {
    u32::try_from(time.micros() / 1_000_000).unwrap_or(u32::MAX)
}
