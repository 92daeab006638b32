//! The passwords of affiliates: hashes and checks them, a few at a time and on threads of their own, and limits how many wrong ones may be
//! tried. Knows nothing of where the hashes are stored. The numbers are of this server alone, as those of calls per minute are.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};

use super::rate::SinceStart;
use crate::clock;
use crate::domain::affiliate::{AffiliateSelector, PasswordHash};
use crate::domain::id::AccountId;
use crate::error::Error;
use crate::gate::Gate;
use crate::shares::Shares;

/// The cost of a hash, one of those that OWASP recommends for Argon2id: 19 MiB of memory, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash with the same cost that no password has. It is checked in the place of one that does not exist, so that both take as long.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// How many passwords are hashed at once: two for one account, and one more for others. Each takes a processor for some 20 milliseconds,
/// and the memory above.
const AT_ONCE_MAX: u64 = 3;

/// How many calls may hash a password or wait to do so. One account may have two thirds of these.
const CALLS_MAX: u64 = 66;

/// How long the caller should wait when no more may wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many wrong passwords may be tried at once, and then in an hour.
const TRIES_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const TRIES_PER_HOUR: NonZeroU32 = NonZeroU32::MIN.saturating_add(39);

/// For how long tries are counted after the last one: until as many as at the beginning are allowed again.
const COUNTED_FOR: Duration = Duration::from_secs(15 * 60);

/// How many affiliates are counted at a time.
const COUNTED_MAX: u64 = 100_000;

type Tries = RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>;

/// Whose password is tried: an affiliate by its id, or a name that no affiliate has.
pub type Tried = (AccountId, AffiliateSelector);

/// See the head of the file.
pub struct Passwords {
    /// Places for the calls that hash or wait. The accounts share them, so that one that floods keeps nobody else out.
    places: Shares<AccountId>,
    turns: Gate<AccountId>,
    tries: Cache<Tried, Arc<Tries>>,
}

/// Without any tries.
impl Default for Passwords {
    fn default() -> Self {
        let (places, turns) = (Shares::new(CALLS_MAX), Gate::new(AT_ONCE_MAX));
        Self { places, turns, tries: Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(COUNTED_FOR).build() }
    }
}

impl Passwords {
    /// The hash of a new password, for an account.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when too many others wait.
    pub async fn hash(&self, account_id: AccountId, password: SecretString) -> Result<PasswordHash, Error> {
        let salt: [u8; 16] = clock::random_bytes();
        self.compute(account_id, move || hash(&password, &salt)).await?
    }

    /// Whether the password of `tried` is this one. `stored` is its hash, if it has a password. The right one takes back what was counted.
    ///
    /// # Errors
    /// [`Error::PasswordTries`] after too many wrong ones, also for the right one then; [`Error::Overloaded`].
    pub async fn check(
        &self,
        tried: Tried,
        password: SecretString,
        stored: Option<PasswordHash>,
    ) -> Result<bool, Error> {
        // Counted before the check, so that no more are tried at once.
        self.count(&tried)?;
        let has_password = stored.is_some();
        let matches = self.compute(tried.0, move || matches(&password, stored.as_ref())).await?? && has_password;
        if matches {
            self.tries.invalidate(&tried);
        }
        Ok(matches)
    }

    fn count(&self, tried: &Tried) -> Result<(), Error> {
        let quota = Quota::per_hour(TRIES_PER_HOUR).allow_burst(TRIES_AT_ONCE);
        let new = || Arc::new(RateLimiter::direct_with_clock(quota, SinceStart::now()));
        let tries = self.tries.get_with_by_ref(tried, new);
        tries
            .check()
            .map_err(|refused| Error::PasswordTries { retry_after: refused.wait_time_from(tries.clock().now()) })
    }

    /// Computes on a thread of its own when it is the account's turn. Its place is taken until it is done, also if the caller leaves.
    async fn compute<T: Send + 'static>(
        &self,
        account_id: AccountId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = self.places.take(account_id, 1).ok_or(Error::Overloaded { retry_after: RETRY_AFTER })?;
        let turn = self.turns.enter(account_id).await;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|error| Error::Internal(format!("a password was not hashed: {error}")))
    }
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|error| Error::Internal(format!("passwords cannot be hashed: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &SecretString, salt: &[u8]) -> Result<PasswordHash, Error> {
    let hash = argon2()?.hash_password_with_salt(password.expose_secret().as_bytes(), salt);
    let hash: phc::PasswordHash =
        hash.map_err(|error| Error::Internal(format!("a password could not be hashed: {error}")))?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Whether the hash is of this password. Without one, it takes as long and is not.
fn matches(password: &SecretString, stored: Option<&PasswordHash>) -> Result<bool, Error> {
    let stored = phc::PasswordHash::new(stored.map_or(NOBODYS, PasswordHash::as_str));
    let stored =
        stored.map_err(|error| Error::Internal(format!("a stored hash of a password is malformed: {error}")))?;
    Ok(argon2()?.verify_password(password.expose_secret().as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tried(number: u128) -> Tried {
        (AccountId::from_uuid(Uuid::from_u128(1)), AffiliateSelector::ExternalId(number.to_string()))
    }

    #[test]
    fn a_hash_is_of_one_password_and_has_a_salt() {
        let password = SecretString::from("correct horse");
        let first = hash(&password, &[1; 16]).unwrap();
        assert!(first.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", first.as_str());
        assert!(matches(&password, Some(&first)).unwrap());
        assert!(!matches(&"correct horse ".into(), Some(&first)).unwrap());
        assert_ne!(first, hash(&password, &[2; 16]).unwrap());
        assert!(!format!("{first:?}").contains("argon2id"), "not in logs");
        // The one of nobody costs the same.
        assert_eq!(NOBODYS.rsplitn(3, '$').last(), first.as_str().rsplitn(3, '$').last());
        assert_eq!(NOBODYS.len(), first.as_str().len());
        assert!(!matches(&password, None).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_are_limited_and_the_right_one_takes_them_back() {
        let passwords = Passwords::default();
        let refused = |number| match passwords.count(&tried(number)) {
            Ok(()) => None,
            Err(Error::PasswordTries { retry_after }) => Some(retry_after.as_secs()),
            Err(other) => panic!("{other:?}"),
        };
        for _ in 0..10 {
            assert_eq!(refused(1), None);
        }
        assert_eq!((refused(1), refused(2)), (Some(90), None));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!((refused(1), refused(1)), (None, Some(90)));
        passwords.tries.invalidate(&tried(1));
        assert_eq!(refused(1), None);
    }

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn no_more_are_hashed_at_once_than_there_are_turns() {
        let passwords = Arc::new(Passwords::default());
        let (running, most) = (Arc::new(std::sync::atomic::AtomicUsize::new(0)), Arc::new(std::sync::Mutex::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..2 * CALLS_MAX {
            let (passwords, running, most) = (Arc::clone(&passwords), Arc::clone(&running), Arc::clone(&most));
            tasks.spawn(async move {
                let work = move || {
                    let now = running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                    let mut most = most.lock().unwrap();
                    *most = now.max(*most);
                    drop(most);
                    std::thread::sleep(Duration::from_millis(5));
                    running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                };
                passwords.compute(account(u128::from(number % 4)), work).await.is_ok()
            });
        }
        let done = tasks.join_all().await.into_iter().filter(|done| *done).count();
        assert!(done >= 32, "{done}");
        assert!(*most.lock().unwrap() <= usize::try_from(AT_ONCE_MAX).unwrap());
        assert_eq!(passwords.places.left(), CALLS_MAX);
    }

    #[tokio::test]
    async fn an_account_that_floods_keeps_no_other_one_out() {
        let passwords = Arc::new(Passwords::default());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..2 * CALLS_MAX {
            let (passwords, held) = (Arc::clone(&passwords), Arc::clone(&held));
            flood.spawn(async move {
                let wait = move || _ = held.lock().unwrap().recv();
                passwords.compute(account(1), wait).await.is_ok()
            });
        }
        // Those beyond its share are refused at once. All of them, so that none takes a place that is given back at the end.
        let share = 2 * CALLS_MAX / 3;
        for _ in share..2 * CALLS_MAX {
            assert!(!flood.join_next().await.unwrap().unwrap());
        }
        assert_eq!(passwords.places.taken(account(1)), share);
        // It is answered although nothing of the first account is done.
        let other = passwords.compute(account(2), || 7);
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), other).await.unwrap().unwrap(), 7);
        drop(release);
        assert_eq!(flood.join_all().await, vec![true; share.try_into().unwrap()]);
    }
}
