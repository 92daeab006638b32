//! The present attempt to send a payout: which step is next and when, and what is known of the steps before. One row per payout, from the
//! time when it is ready.
//!
//! A step is one call to the provider. Its intent is committed before the call, with a lease. The record of its result names the lease, and
//! changes nothing if another server has begun a later step meanwhile. A server that ends during a call leaves the lease behind, and the
//! step after it is always a look-up.

use uuid::Uuid;

use super::id::{AccountId, PayoutId};
use super::money::Money;
use super::payout::{PayoutProblem, PayoutProvider};
use super::text_enum::text_enum;
use super::time::Time;

/// How long a begun step is left alone: longer than all calls of one step may take.
pub const LEASE_MICROS: i64 = 10 * 60 * Time::MICROS_PER_SECOND;

const MINUTE_SECONDS: i64 = 60;
const HOUR_SECONDS: i64 = 60 * MINUTE_SECONDS;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

text_enum! {
    /// The next step of an attempt.
    NextStep {
        /// Ask the provider to pay.
        Submit = "submit",
        /// Ask for the state of the payment.
        LookUp = "look_up",
        /// Ask the provider to take the payment back, because a person wants it.
        Cancel = "cancel",
        /// Ask whether the payment came back after it was paid.
        Watch = "watch",
    }
}

/// How often steps follow each other. The pause doubles with each step that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// After a step whose effect is not known, or that was not carried out.
    Doubt,
    /// While the provider works on it.
    Processing,
    /// While the provider waits for somebody.
    Waiting,
    /// After the payment, because it may come back.
    Watch,
}

impl Rhythm {
    /// The first and the longest pause, in seconds.
    const fn seconds(self) -> (i64, i64) {
        match self {
            Self::Doubt => (5, HOUR_SECONDS),
            Self::Processing => (30, HOUR_SECONDS),
            Self::Waiting => (10 * MINUTE_SECONDS, 6 * HOUR_SECONDS),
            Self::Watch => (DAY_SECONDS, 32 * DAY_SECONDS),
        }
    }

    /// The pause after this many steps in a row that changed nothing, in microseconds. It is up to a quarter longer than its usual length.
    /// The random id of the lease decides by how much, so that many payouts do not ask at the same moment.
    pub fn pause_micros(self, tries: i32, lease_id: Uuid) -> i64 {
        let (first, longest) = self.seconds();
        let doublings = tries.saturating_sub(1).clamp(0, 30);
        let pause_micros = first.saturating_mul(1 << doublings).min(longest).saturating_mul(Time::MICROS_PER_SECOND);
        let [.., high, low] = *lease_id.as_bytes();
        let share = i64::from(u16::from_be_bytes([high, low]));
        pause_micros.saturating_add((pause_micros / 4 / i64::from(u16::MAX)).saturating_mul(share))
    }
}

/// How many looks after the payment see whether it came back: about two months.
pub const WATCHES_MAX: i32 = 6;

/// After how many looks in a row at a payment that is not what was asked for a person must act: about ten minutes.
pub const UNLIKE_LOOKS_MAX: i32 = 8;

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutAttempt {
    pub account_id: AccountId,
    pub payout_id: PayoutId,
    pub provider: PayoutProvider,
    /// One for the first. It grows only after proof that the attempt before made nothing.
    pub number: i32,
    pub next_step: NextStep,
    /// When it was first and last submitted with an effect that is not known. Both or none.
    pub first_try_at: Option<Time>,
    pub last_try_at: Option<Time>,
    /// The provider's name for the payment. Empty until it is known.
    pub provider_payment_id: String,
    /// Whether it was sent to see whether there is money again.
    pub is_probe: bool,
    /// How many steps in a row changed nothing.
    pub tries: i32,
    /// The lease of the last step that was begun.
    pub lease_id: Uuid,
    /// When the next step is due. `None`: it waits for a person, or has ended.
    pub next_at: Option<Time>,
    /// Whether a step was begun and its result is not recorded.
    pub is_under_way: bool,
    /// The last wake of its purse that it has seen, see [`PayoutPurse`](super::payout_purse::PayoutPurse).
    pub seen_wake: i64,
    /// The provider's word for the last answer that left it open what happened. May be empty.
    pub doubt_code: String,
    /// The provider's own name for that call. May be empty.
    pub doubt_debug_id: String,
}

impl PayoutAttempt {
    /// The first attempt of a payout. Its first step is due now.
    pub fn first(account_id: AccountId, payout_id: PayoutId, provider: PayoutProvider, now: Time) -> Self {
        Self {
            account_id,
            payout_id,
            provider,
            number: 1,
            next_step: NextStep::Submit,
            first_try_at: None,
            last_try_at: None,
            provider_payment_id: String::new(),
            is_probe: false,
            tries: 0,
            lease_id: Uuid::nil(),
            next_at: Some(now),
            is_under_way: false,
            seen_wake: 0,
            doubt_code: String::new(),
            doubt_debug_id: String::new(),
        }
    }

    /// Whether it is certain that the attempt has made nothing so far, and none before it has.
    pub fn has_made_nothing(&self) -> bool {
        self.next_step == NextStep::Submit && self.first_try_at.is_none() && self.provider_payment_id.is_empty()
    }

    /// Begins another attempt, after proof that this one made nothing.
    pub fn begin_anew(&mut self) {
        self.number = self.number.saturating_add(1);
        self.next_step = NextStep::Submit;
        (self.first_try_at, self.last_try_at) = (None, None);
        self.provider_payment_id.clear();
        self.is_probe = false;
        self.tries = 0;
        self.doubt_code.clear();
        self.doubt_debug_id.clear();
    }

    /// The pause before the next step, at least `after_micros` long.
    pub fn pause_micros(&self, rhythm: Rhythm, after_micros: Option<i64>) -> i64 {
        rhythm.pause_micros(self.tries, self.lease_id).max(after_micros.unwrap_or_default())
    }
}

/// The result of a step, in the words of the rules. Each case says what is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// The provider has it under this name and works on it.
    Accepted {
        /// The provider's name for the payment.
        provider_payment_id: String,
    },
    /// The payment is made, and a person must pay for it in the provider's own pages.
    Drafted {
        /// The provider's name for the payment.
        provider_payment_id: String,
    },
    /// The payment of this attempt.
    Found(FoundPayment),
    /// Nothing was made, because the money does not suffice.
    Short {
        /// The amount with the fees.
        needed: Money,
        /// The balance, if the provider tells it.
        available: Option<Money>,
    },
    /// Nothing was made and nothing will be.
    Refused(PayoutProblem),
    /// Nothing was made by the tries so far.
    Absent,
    /// The step was certainly not carried out.
    Later {
        /// How long the provider wants to be left alone.
        after_micros: Option<i64>,
    },
    /// What happened is not known.
    Unknown {
        /// How long the provider wants to be left alone.
        after_micros: Option<i64>,
        /// The provider's word. May be empty.
        code: String,
        /// The provider's own name for the call. May be empty.
        debug_id: String,
    },
    /// The payment under the key has another amount, currency or receiver.
    OtherPayment {
        /// The provider's name for that payment. May be empty.
        provider_payment_id: String,
    },
    /// No call was made, because there is no connection to the provider or no receiver.
    NotConnected,
    /// The provider was asked to take the payment back. A look-up tells what became of it.
    CancelAsked {
        /// Whether it certainly will not.
        is_refused: bool,
    },
}

/// A payment at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FoundPayment {
    pub provider_payment_id: String,
    pub state: FoundState,
    /// The provider's fee, if it tells it.
    pub fee: Option<Money>,
    /// The part of the amount that came back, if the provider tells it.
    pub returned: Option<Money>,
}

/// Where the money of a payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundState {
    /// Made, and not paid for yet.
    Unfunded,
    /// On its way.
    Processing,
    /// The receiver has no account yet.
    Unclaimed,
    /// The provider keeps it until something is done or checked.
    OnHold,
    /// The receiver has it.
    Paid,
    /// It ended without payment.
    Failed(PayoutProblem),
    /// It was cancelled.
    Cancelled,
    /// It is on its way back.
    Returning,
    /// It came back, before or after the receiver had it.
    Returned,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RHYTHMS: [Rhythm; 4] = [Rhythm::Doubt, Rhythm::Processing, Rhythm::Waiting, Rhythm::Watch];

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |rhythm: Rhythm, tries| rhythm.pause_micros(tries, Uuid::nil()) / Time::MICROS_PER_SECOND;
        let doubts: Vec<_> = (0..14).map(|tries| seconds(Rhythm::Doubt, tries)).collect();
        assert_eq!(doubts, [5, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600]);
        let watches: Vec<_> = (1..=WATCHES_MAX).map(|tries| seconds(Rhythm::Watch, tries) / DAY_SECONDS).collect();
        assert_eq!(watches, [1, 2, 4, 8, 16, 32]);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_its_usual_length_and_at_most_a_quarter_longer(
            tries in any::<i32>(), lease in any::<u128>(), rhythm in prop::sample::select(RHYTHMS.to_vec()),
        ) {
            let usual = rhythm.pause_micros(tries, Uuid::nil());
            let pause = rhythm.pause_micros(tries, Uuid::from_u128(lease));
            prop_assert!(usual > 0 && pause >= usual && pause <= usual + usual / 4);
        }
    }

    #[test]
    fn another_attempt_has_forgotten_the_one_before() {
        let nil = Uuid::nil();
        let now = Time::from_micros(7);
        let first =
            PayoutAttempt::first(AccountId::from_uuid(nil), PayoutId::from_uuid(nil), PayoutProvider::PayPal, now);
        assert!(first.has_made_nothing());
        let mut attempt = PayoutAttempt {
            next_step: NextStep::LookUp,
            first_try_at: Some(now),
            last_try_at: Some(now),
            provider_payment_id: "B1".to_owned(),
            is_probe: true,
            tries: 3,
            doubt_code: "INTERNAL_ERROR".to_owned(),
            ..first.clone()
        };
        assert!(!attempt.has_made_nothing());
        attempt.begin_anew();
        assert_eq!(attempt, PayoutAttempt { number: 2, ..first });
    }
}
