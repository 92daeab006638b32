//! Whatever is paid, cancelled, reopened and paid again, and whenever invoices are wanted: the numbers of each year are 1, 2, 3 ..., and every
//! payout that was paid while they were wanted has exactly one final invoice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater::clock::RandomIds;
use headwater::domain::account::Account;
use headwater::domain::affiliate::AffiliateSelector;
use headwater::domain::calendar::ZoneSince;
use headwater::domain::id::{PayoutId, RewardId};
use headwater::domain::ledger::{LedgerAccount, LedgerReason, LedgerSubject, Posting};
use headwater::domain::money::Money;
use headwater::domain::outcome::Outcome;
use headwater::domain::payout::{PayoutPolicy, PayoutState};
use headwater::domain::payout_document::{PayoutDocument, PayoutDocumentState};
use headwater::domain::reward::{Reward, RewardState, RewardUnit};
use headwater::domain::rule::{CancelPayout, Command, ConfirmPayouts, CreatePayout, Envelope, MarkPaid, ReopenPayout};
use headwater::domain::set::WorkingSet;
use headwater::domain::time::Time;
use headwater::domain::{Decision, decide};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::config;
use crate::support::rows::{self, ACCOUNT};

/// 2026-12-31 13:00 in UTC: two hours before New Year in Tokyo.
const START: Time = Time::from_micros(1_798_722_000_000_000);

const HOUR: i64 = 3_600_000_000;

/// What happens. The number chooses the payout.
#[derive(Debug, Clone, Copy)]
enum Act {
    Mark,
    Create,
    Confirm(usize),
    Cancel(usize),
    Reopen(usize),
    Want(bool),
}

fn acts() -> impl Strategy<Value = Vec<(i64, Act)>> {
    let act = prop_oneof![
        2 => Just(Act::Mark),
        4 => Just(Act::Create),
        6 => (0..20_usize).prop_map(Act::Confirm),
        2 => (0..20_usize).prop_map(Act::Cancel),
        3 => (0..20_usize).prop_map(Act::Reopen),
        1 => any::<bool>().prop_map(Act::Want),
    ];
    vec((0..HOUR, act), 1..40)
}

fn account(wanted: bool) -> Account {
    let zone = ZoneSince { name: "Asia/Tokyo".to_owned(), since: Time::from_micros(0) };
    let policy = PayoutPolicy { self_billing_invoices: wanted, ..PayoutPolicy::default() };
    Account { payout_policy: Some(policy), time_zones: vec![zone], ..rows::account(ACCOUNT) }
}

/// The entry by which a reward is owed.
fn owed(reward: &Reward) -> Posting {
    Posting {
        account_id: ACCOUNT,
        debit: LedgerAccount::CommissionExpense,
        credit: LedgerAccount::AffiliatePayable,
        unit: reward.unit,
        currency: reward.value.currency,
        amount_minor: reward.value.amount_minor,
        affiliate_id: reward.affiliate_id,
        subject: LedgerSubject::reward(reward.id),
        reason: LedgerReason::Earned,
        posted_at: START,
    }
}

/// The payouts that the model knows, and whether each has a final invoice.
type Model = BTreeMap<PayoutId, (PayoutState, bool)>;

fn command(set: &mut WorkingSet, act: Act, model: &Model, number: u128) -> Option<Command> {
    let affiliate = AffiliateSelector::Id(rows::affiliate().id);
    let payout = |place: usize| model.keys().nth(place % model.len().max(1)).copied();
    match act {
        Act::Mark | Act::Create => {
            let reward = Reward {
                id: RewardId::from_uuid(Uuid::from_u128(0x1000 + number)),
                state: RewardState::Approved,
                approved_at: Some(START),
                payout_id: None,
                conversion_id: None,
                reversed_minor: 0,
                unit: RewardUnit::Cash,
                value: Money::new(100, "USD".parse().unwrap()),
                ..rows::reward_by_hand(1)
            };
            let reward_ids = vec![reward.id];
            let currency = reward.value.currency;
            set.postings.push(owed(&reward));
            set.put(reward);
            Some(match act {
                Act::Mark => MarkPaid {
                    affiliate,
                    reward_ids,
                    amount: None,
                    reference: String::new(),
                    note: String::new(),
                    message: String::new(),
                    paid_at: None,
                }
                .into(),
                _ => CreatePayout {
                    affiliate,
                    currency,
                    reward_ids,
                    minimum: None,
                    provider: None,
                    note: String::new(),
                    message: String::new(),
                }
                .into(),
            })
        }
        Act::Confirm(place) => Some(
            ConfirmPayouts { ids: vec![payout(place)?], etags: Vec::new(), reference: String::new(), paid_at: None }
                .into(),
        ),
        Act::Cancel(place) => Some(CancelPayout { id: payout(place)?, etag: None }.into()),
        Act::Reopen(place) => {
            Some(ReopenPayout { id: payout(place)?, etag: None, reason: "sent back".to_owned() }.into())
        }
        Act::Want(wanted) => {
            set.put(account(wanted));
            None
        }
    }
}

fn check(set: &WorkingSet, model: &Model) -> Result<(), TestCaseError> {
    let documents: Vec<&Arc<PayoutDocument>> = set.payout_documents.iter().collect();
    let mut sequences: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    for document in &documents {
        let has_number = document.state != PayoutDocumentState::Draft;
        prop_assert_eq!(document.number.is_some(), has_number);
        prop_assert_eq!(document.content.is_some(), has_number);
        let Some(number) = &document.number else { continue };
        prop_assert!(sequences.entry(number.year).or_default().insert(number.sequence), "{number} is given twice");
        // New Year in Tokyo is at 15:00 in UTC.
        let is_new_year = document.finalized_at.unwrap() >= START.plus_micros(2 * HOUR);
        prop_assert_eq!(number.year, if is_new_year { 2027 } else { 2026 });
    }
    for (year, sequences) in &sequences {
        let count = i64::try_from(sequences.len()).unwrap();
        prop_assert_eq!(sequences.last(), Some(&count), "a gap in {}", year);
        let kept = set.payout_document_counts.get(&(ACCOUNT, *year)).map(|kept| kept.last_sequence);
        prop_assert_eq!(kept, Some(count));
    }
    for (id, (state, has_invoice)) in model {
        let of_payout = |state| documents.iter().filter(|row| row.payout_id == *id && row.state == state).count();
        prop_assert_eq!(of_payout(PayoutDocumentState::Finalized), usize::from(*has_invoice), "{} is {}", id, state);
        prop_assert!(of_payout(PayoutDocumentState::Draft) <= usize::from(state.is_open()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn numbers_of_invoices_have_no_gap(acts in acts()) {
        let mut set = WorkingSet::complete();
        let mut is_wanted = true;
        set.put(account(is_wanted));
        set.put(rows::affiliate());
        let (mut now, mut model) = (START, Model::new());
        for (place, (later, act)) in acts.into_iter().enumerate() {
            now = now.plus_micros(later);
            if let Act::Want(wanted) = act {
                is_wanted = wanted;
            }
            let Some(command) = command(&mut set, act, &model, place as u128) else { continue };
            let envelope = Envelope { account_id: ACCOUNT, fingerprint: None, actor: None, command };
            let changed = match decide(&mut set, &envelope, now, &mut RandomIds) {
                Ok(Decision { outcome: Outcome::Payout(payout), .. }) => vec![payout],
                Ok(Decision { outcome: Outcome::Payouts(payouts), .. }) => payouts,
                Ok(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
                Err(_) => Vec::new(),
            };
            for payout in changed {
                model.insert(payout.id, (payout.state, payout.state == PayoutState::Paid && is_wanted));
            }
            check(&set, &model)?;
        }
    }
}
