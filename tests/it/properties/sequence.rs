//! Random steps against the rules without a store.

use std::hash::{DefaultHasher, Hasher};

use headwater::domain::Decision;
use headwater::domain::refusal::Refusal;
use headwater::domain::request::REQUEST_ID_KEPT_DAYS;
use headwater::domain::rule::Envelope;
use headwater::domain::set::WorkingSet;
use headwater::domain::time::Time;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::audit::Audit;
use super::config;
use super::rules::Rules;
use super::step::moments;

/// A hash over the whole set, which prints in a fixed order.
fn digest(set: &WorkingSet) -> u64 {
    struct Sink(DefaultHasher);
    impl std::fmt::Write for Sink {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut sink = Sink(DefaultHasher::new());
    std::fmt::write(&mut sink, format_args!("{set:?}")).unwrap();
    sink.0.finish()
}

/// A command that was carried out under a key.
struct Done {
    envelope: Envelope,
    decision: Decision,
    at: Time,
}

/// Sends an earlier command again, unchanged and with other content. Neither may change anything.
fn repeat(rules: &mut Rules, done: &Done) -> Result<(), TestCaseError> {
    let fingerprint = done.envelope.fingerprint.as_ref().unwrap();
    if !fingerprint.is_kept_for_ever && done.at.plus_days(REQUEST_ID_KEPT_DAYS) <= rules.now {
        return Ok(());
    }
    // What is not kept is shown as it is at the time of the repeat, for example a code that was changed since.
    let kept = |decision: &Decision| Decision { outcome: decision.outcome.to_keep(), ..decision.clone() };
    let again = rules.decide(&done.envelope).map(|again| kept(&again));
    prop_assert_eq!(again, Ok(Decision { replayed: true, ..kept(&done.decision) }));
    let mut other = done.envelope.clone();
    other.fingerprint.as_mut().unwrap().content_hash[0] ^= 1;
    let refused = rules.decide(&other);
    let is_told = match &refused {
        Err(Refusal::IdempotencyMismatch { field, key, first_id }) => {
            *field == fingerprint.key_field()
                && *key == fingerprint.key
                && *first_id == done.decision.outcome.effect_id()
        }
        _ => false,
    };
    prop_assert!(is_told, "{:?}", refused);
    Ok(())
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn invariants_hold_after_each_step(moments in moments(20..=60, 1)) {
        let mut rules = Rules::new();
        let mut audit = Audit::default();
        let mut done: Vec<Done> = Vec::new();
        for (number, moment) in moments.iter().enumerate() {
            rules.wait(moment.hours_later);
            for call in &moment.calls {
                let Some(envelope) = rules.envelope(call) else { continue };
                let before = digest(&rules.set);
                let result = rules.decide(&envelope);
                let after = digest(&rules.set);
                match result {
                    Ok(decision) => {
                        prop_assert!(!decision.replayed || before == after, "a replay changed something");
                        rules.book.learn(call, &decision.outcome);
                        if envelope.fingerprint.is_some() {
                            done.push(Done { envelope, decision, at: rules.now });
                        }
                    }
                    Err(refusal) => {
                        prop_assert!(before == after, "a refused command changed something: {refusal:?}");
                        prop_assert!(!matches!(refusal, Refusal::NotLoaded(_)), "{refusal:?}");
                    }
                }
                // The command to repeat is sometimes an old one, sometimes a recent one.
                if let Some(earlier) = done.get(number * 31 % done.len().max(1)) {
                    repeat(&mut rules, earlier)?;
                    prop_assert_eq!(digest(&rules.set), after, "a repeated command changed something");
                }
                let account_id = rules.account_id;
                audit.check(&rules.set, account_id)?;
            }
        }
        let before = digest(&rules.set);
        let (changed, _) = rules.simulated_differences();
        prop_assert!(changed.is_empty(), "the terms in force change something: {changed:#?}");
        prop_assert_eq!(digest(&rules.set), before, "a simulation changed something");
        // Sales were refunded, approved and credited to others since.
        for earlier in &done {
            repeat(&mut rules, earlier)?;
        }
    }
}
