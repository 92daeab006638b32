//! Leads: the people and customers of the merchant, and the affiliate each is bound to.

use std::collections::BTreeMap;

use super::conversion::{ConversionKind, ConversionOutcome, Credit, Credits};
use super::customer_reward::{CustomerReward, CustomerRewards};
use super::id::{AccountId, ConversionId, LeadId, ProgramId};
use super::money::Money;
use super::reward::RewardSummary;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a lead.
    LeadState {
        /// The person left an address.
        Subscribed = "subscribed",
        /// The person signed up.
        SignedUp = "signed_up",
        /// The person has bought.
        Active = "active",
        /// The person has cancelled.
        Cancelled = "cancelled",
    }
}

impl LeadState {
    /// The state of a lead that an event of this kind creates.
    pub const fn of_new(kind: ConversionKind) -> Self {
        if matches!(kind, ConversionKind::Sale) { Self::Active } else { Self::SignedUp }
    }
}

/// The affiliates that a lead is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Binding {
    /// The largest share first. Never empty.
    pub credits: Credits,
    pub bound_at: Time,
    /// When the evidence that won happened: the click, or the use of the coupon or ref_id. Nothing earlier is paid for.
    pub referred_at: Time,
}

impl Binding {
    /// Whether an event is early enough to be earlier than the evidence of the binding, even if clocks differ.
    pub fn is_later_than(&self, occurred_at: Time) -> bool {
        !self.referred_at.may_precede(occurred_at)
    }
}

/// How many entries of the merchant's own data a lead may have.
pub const METADATA_ENTRIES_MAX: usize = 50;

/// How many former identifiers and merged leads a lead may have.
pub const FORMER_IDENTIFIERS_MAX: usize = 100;

/// How many bindings by hand are kept. When there are more, the oldest one is dropped.
const MANUAL_BINDINGS_MAX: usize = 100;

/// A binding that a person decided on. All of them are kept, because events that are told late are judged by the binding of their time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ManualBinding {
    pub binding: Binding,
    pub made_at: Time,
    /// Why, as AttributeLead was told. Empty for other calls.
    pub reason: String,
    /// The lead that was merged into this one and had the binding.
    pub merged_id: Option<LeadId>,
}

impl ManualBinding {
    /// Whether it counts for an event. Of the same moment, the one that was told first comes first.
    pub fn precedes(&self, occurred_at: Time, told_at: Time) -> bool {
        (self.binding.bound_at, self.made_at) <= (occurred_at, told_at)
    }
}

/// What few leads have. It is in one column, because a new lead is written by a sale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LeadDetails {
    pub metadata: BTreeMap<String, String>,
    /// In the order of their times.
    pub manual_bindings: Vec<ManualBinding>,
    /// The leads that were merged into this one. Their rows keep identifiers and histories.
    pub merged_ids: Vec<LeadId>,
    /// The rows that only keep a former identifier of this lead. They never were leads.
    pub former_ids: Vec<LeadId>,
    /// How many sales were credited, for the programs whose commission rules ask for it. In the order of the programs.
    pub sale_counts: Vec<SaleCount>,
    pub customer_rewards: CustomerRewards,
    /// The time of the last event for which a program that pays for new customers only asked whether this is one. A purchase before it that is
    /// told later changes the answer.
    pub asked_for_new_at: Option<Time>,
    /// When the customer cancelled last. A sale of before that is told later makes no customer of it again.
    pub cancelled_at: Option<Time>,
    /// The ISO 3166-1 code of the country that the last sign-up or sale named.
    pub country_code: String,
}

/// The credited sales of a customer in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SaleCount {
    pub program_id: ProgramId,
    /// How many of them count.
    pub count: i32,
    /// The time of the first one that counts.
    pub first_at: Option<Time>,
    /// The time of the last one that has a number. An earlier sale changes numbers.
    pub last_at: Option<Time>,
}

impl SaleCount {
    /// No sales yet.
    pub const fn none(program_id: ProgramId) -> Self {
        Self { program_id, count: 0, first_at: None, last_at: None }
    }
}

impl LeadDetails {
    /// Keeps the time of an event for which it mattered whether the customer is new.
    pub fn keep_asked_for_new(&mut self, occurred_at: Option<Time>) {
        self.asked_for_new_at = self.asked_for_new_at.max(occurred_at);
    }

    /// Keeps a binding by hand, in its place.
    pub fn keep_manual_binding(&mut self, manual: ManualBinding) {
        let at = |other: &ManualBinding| (other.binding.bound_at, other.made_at);
        let place = self.manual_bindings.partition_point(|other| at(other) <= at(&manual));
        self.manual_bindings.insert(place, manual);
        if self.manual_bindings.len() > MANUAL_BINDINGS_MAX {
            self.manual_bindings.remove(0);
        }
    }

    /// The number of the credited sales in a program, if it is kept.
    pub fn sale_count(&self, program_id: ProgramId) -> Option<&SaleCount> {
        self.sale_counts.iter().find(|count| count.program_id == program_id)
    }

    /// Keeps the number of the credited sales in a program.
    pub fn keep_sale_count(&mut self, count: SaleCount) {
        let place = self.sale_counts.partition_point(|other| other.program_id < count.program_id);
        match self.sale_counts.get_mut(place) {
            Some(other) if other.program_id == count.program_id => *other = count,
            _ => self.sale_counts.insert(place, count),
        }
    }

    /// The rows whose identifiers find this lead too.
    pub fn alias_ids(&self) -> impl Iterator<Item = LeadId> {
        self.merged_ids.iter().chain(&self.former_ids).copied()
    }
}

/// A person or customer of the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Lead {
    pub id: LeadId,
    pub account_id: AccountId,
    /// The email address, normalized, unique in the account.
    pub email: Option<String>,
    /// The email address as it was written, for display; empty if it was normalized.
    pub email_as_sent: String,
    /// The merchant's own id, unique in the account.
    pub external_id: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub state: LeadState,
    pub binding: Option<Binding>,
    /// The plan of the last sale that named one.
    pub plan: String,
    /// The monthly recurring revenue.
    pub mrr: Option<Money>,
    /// When the lead first bought.
    pub first_sale_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
    /// The lead that this one was merged into, or whose former identifier this row keeps. The identifiers of this row find that lead.
    pub merged_into: Option<LeadId>,
    /// When the lead was deleted. The row has no personal data then. It stays, because conversions have its id.
    pub deleted_at: Option<Time>,
    pub details: LeadDetails,
}

/// The identifiers of a customer in a request: the merchant's own id, the email address, or both. The external_id takes
/// precedence, because an email address may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customer {
    /// The merchant's own id.
    pub external_id: Option<String>,
    /// The email address, normalized.
    pub email: Option<String>,
    /// The email address as it was written, for display; empty if it was normalized. It identifies nobody.
    pub email_as_sent: String,
    /// The ISO 3166-1 code of the country; empty if it was not sent. It identifies nobody.
    pub country_code: String,
}

/// The identifiers by which a lead may be named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeadSelector {
    /// Headwater's id.
    Id(LeadId),
    /// The merchant's own id.
    ExternalId(String),
    /// The email address, normalized.
    Email(String),
}

impl std::fmt::Display for LeadSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::ExternalId(text) | Self::Email(text) => formatter.write_str(text),
        }
    }
}

/// A sale, appointment or custom event that nobody referred, kept so that it can be credited if its customer is bound later by earlier
/// evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UnmatchedSale {
    pub account_id: AccountId,
    /// The sale.
    pub conversion_id: ConversionId,
    /// The customer's email address, normalized.
    pub email: Option<String>,
    /// The merchant's own id for the customer.
    pub external_id: Option<String>,
    pub occurred_at: Time,
}

/// The answer of RecordLead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LeadOutcome {
    pub lead_id: LeadId,
    /// The credits of the lead's binding. Empty when nobody referred the lead.
    pub credits: Credits,
    /// The stored sign-up, referred or not. `None` for a lead that was bound before.
    pub conversion_id: Option<ConversionId>,
    pub rewards: Vec<RewardSummary>,
    /// What the sign-up granted the customer.
    pub customer_reward: Option<CustomerReward>,
}

/// The answer of RecordCancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CancellationOutcome {
    pub lead_id: LeadId,
    /// Whether the lead is bound to an affiliate.
    pub outcome: ConversionOutcome,
    /// The stored cancellation, referred or not.
    pub conversion_id: ConversionId,
}

impl Customer {
    /// Whether the request has no identifier of a customer.
    pub fn is_unnamed(&self) -> bool {
        self.external_id.is_none() && self.email.is_none()
    }

    /// The identifiers to look the customer up by: the external_id first, then the email address.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        selectors(self.external_id.as_ref(), self.email.as_ref())
    }
}

fn selectors(external_id: Option<&String>, email: Option<&String>) -> Vec<LeadSelector> {
    let external_id = external_id.cloned().map(LeadSelector::ExternalId);
    let email = email.cloned().map(LeadSelector::Email);
    external_id.into_iter().chain(email).collect()
}

impl UnmatchedSale {
    /// The customer's external_id and email address, if they are set.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        selectors(self.external_id.as_ref(), self.email.as_ref())
    }
}

impl Lead {
    /// The lead with what another version of it has and is in no answer and no event: the numbers of sales, and, if the affiliate is the
    /// same, the way by which the customer came.
    pub fn with_unshown_of(&self, other: &Self) -> Self {
        let mut lead = self.clone();
        lead.details.sale_counts.clone_from(&other.details.sale_counts);
        if let (Some(binding), Some(other)) = (&mut lead.binding, &other.binding)
            && Credit::are_alike(&binding.credits, &other.credits)
        {
            binding.credits.clone_from(&other.credits);
        }
        lead
    }

    /// The credits of the lead's binding. Empty when the lead is not bound.
    pub fn credits(&self) -> &[Credit] {
        self.binding.as_ref().map_or(&[], |binding| &binding.credits)
    }

    /// The lead's external_id and email address, if they are set.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        selectors(self.external_id.as_ref(), self.email.as_ref())
    }

    /// The ids that the events of this lead have: its own, and those of the leads that were merged into it.
    pub fn own_and_merged_ids(&self) -> impl Iterator<Item = LeadId> {
        [self.id].into_iter().chain(self.details.merged_ids.iter().copied())
    }

    /// The monthly recurring revenue that counts for programs: that of a customer who is bound in one. It counts once for each
    /// program of the binding.
    pub fn mrr_by_program(&self) -> impl Iterator<Item = (ProgramId, Money)> {
        let is_counted = self.merged_into.is_none() && self.deleted_at.is_none();
        let mrr = self.mrr.filter(|mrr| is_counted && mrr.amount_minor > 0);
        let credits = self.credits();
        let is_first = |place: usize, id: ProgramId| credits[..place].iter().all(|credit| credit.program_id != id);
        let programs = credits.iter().map(|credit| credit.program_id).enumerate();
        programs.filter(move |(place, id)| is_first(*place, *id)).filter_map(move |(_, id)| Some((id, mrr?)))
    }

    /// The lead without identifiers, names and texts that people wrote about it.
    pub fn without_personal_data(&self) -> Self {
        let mut lead = Self {
            email: None,
            email_as_sent: String::new(),
            external_id: None,
            first_name: String::new(),
            last_name: String::new(),
            ..self.clone()
        };
        lead.details.metadata.clear();
        lead.details.country_code.clear();
        lead.details.manual_bindings.iter_mut().for_each(|manual| manual.reason.clear());
        lead
    }
}
