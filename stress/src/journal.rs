//! The clients' record of the sales that they sent: the answers, the calls without one, and the errors. Sellers fill it, and the
//! audit compares it with the server. Knows no server.

use std::collections::BTreeMap;

use headwater_client::pb;
use tonic::{Code, Status};

use crate::value;

/// A sale to send. The same event_id always comes with the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The merchant's id for the sale.
    pub(crate) event_id: String,
    /// The customer, who is bound to the affiliate; may be empty.
    pub(crate) email: String,
    /// A code of the affiliate; may be empty.
    pub(crate) coupon_code: String,
    /// The amount paid: a multiple of five, so that 20 % of it needs no rounding.
    pub(crate) amount_minor: i64,
    /// The affiliate, by index in the shop.
    pub(crate) affiliate: usize,
}

impl Order {
    /// The affiliate's commission.
    pub(crate) fn reward_minor(&self) -> i64 {
        self.amount_minor / 5
    }

    pub(crate) fn request(&self) -> pb::RecordSaleRequest {
        pb::RecordSaleRequest {
            event_id: self.event_id.clone(),
            email: self.email.clone(),
            coupon_code: self.coupon_code.clone(),
            amount: Some(pb::Money { amount_minor: self.amount_minor, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        }
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The conversion made from the sale.
    pub(crate) conversion_id: String,
    /// Its rewards, each with its amount.
    pub(crate) rewards: Vec<(String, i64)>,
    /// Whether the server says that this is a replay.
    pub(crate) replayed: bool,
}

/// A call that was refused or not answered.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Whether the server sent the error. Otherwise the client library reports a broken connection.
    pub(crate) is_the_servers: bool,
}

impl Failure {
    /// Whether a client should send the same request again.
    pub(crate) fn may_be_repeated(&self) -> bool {
        let says_so =
            matches!(self.code, Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::ResourceExhausted);
        says_so || !self.is_the_servers
    }
}

impl From<pb::RecordSaleResponse> for Answer {
    fn from(sale: pb::RecordSaleResponse) -> Self {
        let reward = |reward: pb::RewardSummary| {
            let amount_minor = value::minor(reward.value.as_ref());
            (reward.reward_id, amount_minor)
        };
        Self {
            conversion_id: sale.conversion_id,
            rewards: sale.rewards.into_iter().map(reward).collect(),
            replayed: sale.replayed,
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            // Every error of the server carries details.
            is_the_servers: !status.details().is_empty(),
        }
    }
}

/// A sale that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) order: Order,
    /// The answer. `None` when every call for it failed. The sale may then be recorded or not.
    pub(crate) answer: Option<Answer>,
}

/// The sales of one client, or of several together.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// By event_id.
    pub(crate) entries: BTreeMap<String, Entry>,
    /// How many calls failed, by code.
    pub(crate) failures: BTreeMap<String, usize>,
    /// Results that must never occur: refusals of valid calls, different answers to the same sale.
    pub(crate) surprises: Vec<String>,
}

impl Journal {
    /// Records a sale before the first call for it.
    pub(crate) fn sent(&mut self, order: &Order) {
        self.entries.entry(order.event_id.clone()).or_insert_with(|| Entry { order: order.clone(), answer: None });
    }

    /// Records an answer. A sale that was already acknowledged must get the same answer.
    pub(crate) fn answered(&mut self, event_id: &str, answer: Answer) {
        let Some(entry) = self.entries.get_mut(event_id) else {
            self.surprises.push(format!("{event_id} was answered and never sent"));
            return;
        };
        match &entry.answer {
            None => entry.answer = Some(answer),
            Some(first) => {
                let same = Answer { replayed: first.replayed, ..answer.clone() };
                if *first != same {
                    self.surprises.push(format!("{event_id} was answered {first:?} and then {answer:?}"));
                }
            }
        }
    }

    /// Records a failed call.
    pub(crate) fn failed(&mut self, event_id: &str, failure: &Failure) {
        *self.failures.entry(format!("{:?}", failure.code)).or_default() += 1;
        if !failure.may_be_repeated() {
            self.surprises.push(format!("{event_id} was refused: {:?}: {}", failure.code, failure.message));
        }
    }

    /// Adds another client's entries.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.entries.extend(other.entries);
        for (code, count) in other.failures {
            *self.failures.entry(code).or_default() += count;
        }
        self.surprises.extend(other.surprises);
    }

    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&Order, &Answer)> {
        self.entries.values().filter_map(|entry| entry.answer.as_ref().map(|answer| (&entry.order, answer)))
    }

    /// The sales that were never answered.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &Order> {
        self.entries.values().filter(|entry| entry.answer.is_none()).map(|entry| &entry.order)
    }

    /// The failures in words: `Unavailable 12, Unknown 3`.
    pub(crate) fn failures_text(&self) -> String {
        let parts: Vec<String> = self.failures.iter().map(|(code, count)| format!("{code} {count}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    }
}
