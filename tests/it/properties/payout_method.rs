//! Whatever is set, removed and overridden at whatever time: nobody's money goes to a destination that neither waited nor may do without.

use headwater::clock::RandomIds;
use headwater::domain::affiliate::AffiliateSelector;
use headwater::domain::outcome::Outcome;
use headwater::domain::payout_method::PayoutMethod;
use headwater::domain::rule::{Command, Envelope, RemovePayoutMethod, SetPayoutMethod};
use headwater::domain::set::WorkingSet;
use headwater::domain::time::Time;
use headwater::domain::{Decision, decide};
use proptest::collection::vec;
use proptest::prelude::*;

use super::config;
use crate::support::rows::{self, ACCOUNT, NOW};

const HOURS: i64 = 3_600_000_000;

/// How long a change waits.
const WAIT: i64 = 72 * HOURS;

/// What a caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Set(u8),
    Override(u8),
    Remove,
}

fn acts() -> impl Strategy<Value = Vec<(i64, Act)>> {
    let act = prop_oneof![
        6 => (0..3_u8).prop_map(Act::Set),
        1 => (0..3_u8).prop_map(Act::Override),
        2 => Just(Act::Remove),
    ];
    // The last hour before the end of a wait and the first after it are likely.
    vec((prop_oneof![0..40 * HOURS, WAIT - 1..WAIT + 2], act), 1..12)
}

fn command(act: Act) -> Command {
    let affiliate = AffiliateSelector::Id(rows::affiliate().id);
    let set = |number: u8, override_reason: Option<String>| SetPayoutMethod {
        affiliate: affiliate.clone(),
        destination: rows::destination(),
        fingerprint: [number; 32],
        older_fingerprints: Vec::new(),
        override_reason,
    };
    match act {
        Act::Set(number) => set(number, None).into(),
        Act::Override(number) => set(number, Some("asked".to_owned())).into(),
        Act::Remove => RemovePayoutMethod { affiliate }.into(),
    }
}

fn current(method: &PayoutMethod, time: Time) -> Option<u8> {
    method.at(time).current.map(|choice| choice.fingerprint[0])
}

/// Whether the destination may be in effect: it was the first ever, or was overridden, or was asked for so long ago.
fn is_explained(told: &[(Time, Act)], number: u8, time: Time) -> bool {
    let first = told.iter().position(|(_, act)| *act != Act::Remove);
    told.iter().enumerate().any(|(place, (at, act))| match act {
        Act::Override(other) => *other == number,
        Act::Set(other) => *other == number && (Some(place) == first || at.plus_micros(WAIT) <= time),
        Act::Remove => false,
    })
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_destination_has_waited_or_may_do_without(acts in acts()) {
        let mut set = WorkingSet::complete();
        set.put(rows::account(ACCOUNT));
        set.put(rows::affiliate());
        let mut now = NOW;
        let mut told: Vec<(Time, Act)> = Vec::new();
        let mut method: Option<PayoutMethod> = None;
        for (later, act) in acts {
            let before = now;
            now = now.plus_micros(later);
            // Between two calls, only what waited takes effect.
            if let Some(method) = &method {
                for time in [before, before.plus_micros(later / 2), now.plus_micros(-1).max(before)] {
                    if let Some(number) = current(method, time) {
                        prop_assert!(is_explained(&told, number, time), "{number} is in effect: {told:?}");
                    }
                }
            }
            let envelope = Envelope { account_id: ACCOUNT, fingerprint: None, actor: None, command: command(act) };
            match decide(&mut set, &envelope, now, &mut RandomIds) {
                Ok(Decision { outcome: Outcome::PayoutMethod(row), .. }) => {
                    told.push((now, act));
                    method = Some(row.as_ref().clone());
                }
                Ok(other) => prop_assert!(false, "{other:?}"),
                Err(refusal) => prop_assert!(method.is_none() && act == Act::Remove, "{refusal}"),
            }
            let Some(method) = &method else { continue };
            match act {
                Act::Override(number) => prop_assert_eq!(current(method, now), Some(number)),
                Act::Set(number) => {
                    let after = now.plus_micros(WAIT);
                    prop_assert_eq!(current(method, after), Some(number), "the last wish counts at the end");
                }
                Act::Remove => prop_assert_eq!(current(method, now.plus_micros(2 * WAIT)), None),
            }
        }
    }
}
