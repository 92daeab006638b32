//! The commands that the database refused although no rule did, and their accounts. They are remembered for a while, and run apart
//! from the commands of other accounts, because such a command makes every transaction that contains it fail. Knows no database.

use std::hash::Hash;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::domain::id::AccountId;
use crate::domain::rule::Envelope;

/// How long a command and its account are remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// How many commands and how many accounts are remembered. The oldest ones are forgotten for new ones.
const REMEMBERED_MAX: usize = 1_024;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    accounts: HashMap<AccountId, Instant>,
    /// By account and hash of the content. A repeat of the command has the same ones.
    commands: HashMap<(AccountId, [u8; 32]), Instant>,
}

impl Suspects {
    /// Remembers a command that the database refused.
    pub(super) fn note(&mut self, envelope: &Envelope, now: Instant) {
        remember(&mut self.accounts, envelope.account_id, now);
        if let Some(key) = key(envelope) {
            remember(&mut self.commands, key, now);
        }
    }

    /// Whether a command of this account was refused a short while ago.
    pub(super) fn has_account(&self, account_id: AccountId, now: Instant) -> bool {
        is_remembered(&self.accounts, &account_id, now)
    }

    /// Whether this command, or an earlier one with the same content, was refused a short while ago.
    pub(super) fn has_command(&self, envelope: &Envelope, now: Instant) -> bool {
        key(envelope).is_some_and(|key| is_remembered(&self.commands, &key, now))
    }
}

fn key(envelope: &Envelope) -> Option<(AccountId, [u8; 32])> {
    envelope.fingerprint.as_ref().map(|fingerprint| (envelope.account_id, fingerprint.content_hash))
}

fn is_remembered<K: Eq + Hash>(times: &HashMap<K, Instant>, key: &K, now: Instant) -> bool {
    // Most of the time nothing is remembered, and then no key is hashed.
    !times.is_empty() && times.get(key).is_some_and(|noted_at| now.duration_since(*noted_at) < REMEMBERED_FOR)
}

fn remember<K: Copy + Eq + Hash>(times: &mut HashMap<K, Instant>, key: K, now: Instant) {
    times.retain(|_, noted_at| now.duration_since(*noted_at) < REMEMBERED_FOR);
    if times.len() >= REMEMBERED_MAX
        && let Some(oldest) = times.iter().min_by_key(|(_, noted_at)| **noted_at).map(|(key, _)| *key)
    {
        times.remove(&oldest);
    }
    times.insert(key, now);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock;
    use crate::domain::request::Fingerprint;
    use crate::domain::rule::ApproveRewards;

    fn envelope(account: u128, content: Option<u8>) -> Envelope {
        let fingerprint = content.map(|content| Fingerprint {
            scope: "test".to_owned(),
            key: "key".to_owned(),
            content_hash: [content; 32],
            is_kept_for_ever: false,
        });
        let command = ApproveRewards { ids: Vec::new(), skip_others: false }.into();
        Envelope { account_id: AccountId::from_uuid(Uuid::from_u128(account)), fingerprint, actor: None, command }
    }

    #[test]
    fn a_command_and_its_account_are_remembered_for_a_while() {
        let now = clock::monotonic_now();
        let mut suspects = Suspects::default();
        let (broken, unnamed) = (envelope(1, Some(7)), envelope(2, None));
        suspects.note(&broken, now);
        suspects.note(&unnamed, now);
        assert!(suspects.has_command(&broken, now) && suspects.has_account(broken.account_id, now));
        assert!(!suspects.has_command(&envelope(1, Some(8)), now), "other content");
        assert!(!suspects.has_command(&envelope(3, Some(7)), now), "another account");
        assert!(!suspects.has_command(&unnamed, now) && suspects.has_account(unnamed.account_id, now));
        let later = now + REMEMBERED_FOR;
        assert!(!suspects.has_command(&broken, later) && !suspects.has_account(broken.account_id, later));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let now = clock::monotonic_now();
        let mut suspects = Suspects::default();
        for number in 0..2 * REMEMBERED_MAX as u64 {
            suspects.note(&envelope(number.into(), Some(1)), now + Duration::from_millis(number));
        }
        assert_eq!((suspects.accounts.len(), suspects.commands.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        let now = now + Duration::from_secs(2);
        assert!(!suspects.has_account(envelope(0, None).account_id, now), "the oldest is still there");
        assert!(suspects.has_account(envelope(2 * REMEMBERED_MAX as u128 - 1, None).account_id, now));
    }
}
