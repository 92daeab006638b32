//! Mail that waits to be sent. A rule writes it in the transaction of its effect, and a worker sends it afterwards. Knows nothing of
//! how mail is sent.

use super::id::{AccountId, AffiliateId, MailId};
use super::time::Time;

/// For how many days a mail is tried again.
const TRIED_DAYS: i32 = 3;

/// The time between the first two tries. It doubles with each further one.
const FIRST_PAUSE_SECONDS: i64 = 60;

/// The longest time between two tries: 4 hours.
const PAUSE_SECONDS_MAX: i64 = 4 * 3_600;

/// What a rule wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Letter {
    /// The email address.
    pub recipient: String,
    pub subject: String,
    /// Plain text with line feeds.
    pub body: String,
}

/// A letter that was not sent yet. The row is deleted once it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Mail {
    pub id: MailId,
    pub account_id: AccountId,
    pub letter: Letter,
    /// The affiliate that gets it, if one does. When its data is erased, the mail is deleted.
    pub affiliate_id: Option<AffiliateId>,
    pub created_at: Time,
    /// When to try next.
    pub due_at: Time,
    /// How many tries have begun.
    pub tries: i32,
}

impl Mail {
    /// A mail to send at once.
    pub fn new(id: MailId, account_id: AccountId, letter: Letter, now: Time) -> Self {
        Self { id, account_id, letter, affiliate_id: None, created_at: now, due_at: now, tries: 0 }
    }

    /// When to try again if the try that begins now fails, or if its server ends meanwhile.
    pub fn next_try_after(&self, now: Time) -> Time {
        let doublings = self.tries.clamp(0, 20);
        let pause_seconds = FIRST_PAUSE_SECONDS.saturating_mul(1 << doublings).min(PAUSE_SECONDS_MAX);
        Time::from_micros(now.micros().saturating_add(pause_seconds * 1_000_000))
    }

    /// Whether the try that fails now was the last one.
    pub fn is_given_up(&self, now: Time) -> bool {
        self.created_at.plus_days(TRIED_DAYS) <= now
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_mail_is_tried_less_and_less_often_and_for_three_days() {
        let letter = Letter { recipient: "ann@shop.example".to_owned(), subject: String::new(), body: String::new() };
        let (id, account_id) = (MailId::from_uuid(Uuid::from_u128(1)), AccountId::from_uuid(Uuid::from_u128(2)));
        let start = Time::from_micros(0);
        let mut mail = Mail::new(id, account_id, letter, start);
        let mut pauses = Vec::new();
        while !mail.is_given_up(mail.due_at) {
            let next = mail.next_try_after(mail.due_at);
            pauses.push((next.micros() - mail.due_at.micros()) / 60_000_000);
            (mail.due_at, mail.tries) = (next, mail.tries + 1);
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
        assert_eq!(pauses.len(), 25);
        mail.tries = i32::MAX;
        assert!(mail.next_try_after(start) > start);
    }
}
