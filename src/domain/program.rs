//! Programs and the versions of their terms.
//!
//! A version of the terms never changes. Every change creates the next version, and every conversion keeps the version that
//! priced it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attribution::AttributionSource;
pub use super::commission::Commission;
use super::customer_reward::{CustomerRewardEvent, CustomerRewardPromise};
use super::fraud::FraudRule;
use super::id::{AccountId, ProgramId};
use super::ladder::Ladder;
use super::money::{Currency, Money, Rounding};
use super::page::host_of;
use super::period::Period;
use super::pricing::rule::CommissionRule;
use super::reward_unit::RewardUnit;
use super::sales_tally::CountedSince;
use super::tally::Cap;
use super::text_enum::text_enum;
use super::threshold_bonus::ThresholdBonus;
use super::time::Time;
use super::upline::UplineLevel;
use super::welcome::WelcomeMail;

text_enum! {
    /// The state of a program.
    ProgramState {
        /// The program attributes and pays.
        Active = "active",
        /// The program attributes nothing new.
        Archived = "archived",
    }
}

/// A question that applicants answer in a custom field with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Question {
    pub key: String,
    /// The question as people read it.
    pub label: String,
    /// Whether an application without an answer is refused.
    pub is_required: bool,
}

text_enum! {
    /// Why an invitation code does not open a program.
    InvitationFault {
        /// No invitation of the program has the code.
        Unknown = "unknown",
        /// Its time is over.
        Expired = "expired",
        /// It was used as often as it may be.
        UsedUp = "used_up",
    }
}

/// A code that opens a private program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Invitation {
    /// The code, folded as a coupon's.
    pub code: String,
    pub expires_at: Option<Time>,
    /// How many affiliates can be enrolled with it. 0: without limit.
    pub max_uses: i32,
    /// How many were.
    pub use_count: i32,
}

/// The text that affiliates of a program agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Agreement {
    /// 1, 2, 3 and so on. It grows when the text or the page changes.
    pub version: i32,
    /// Where the text can be read. Empty if the text is here.
    pub url: String,
    pub text: String,
    /// Whether an affiliate who is enrolled from now on earns nothing until it has accepted.
    pub is_required: bool,
}

/// A campaign in which affiliates are enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Program {
    pub id: ProgramId,
    pub account_id: AccountId,
    pub display_name: String,
    /// Flat commissions are in this currency.
    pub currency: Currency,
    /// The page that referral links lead to when the enrollment has no page of its own.
    pub landing_url: String,
    /// The hosts that links may lead to, in order and without repeats. Empty: any host.
    pub hosts: Vec<String>,
    /// Whether requests that name no program use this one. An account has at most one default program.
    pub is_default: bool,
    pub state: ProgramState,
    /// What its affiliates agree to.
    pub agreement: Option<Agreement>,
    /// What applicants are asked. Each key occurs once.
    pub questions: Vec<Question>,
    /// Whether it takes no applications.
    pub is_private: bool,
    /// The codes that open it nevertheless. Each code occurs once.
    pub invitations: Vec<Invitation>,
    /// The mail to its new affiliates.
    pub welcome_mail: Option<WelcomeMail>,
    /// The merchant's own texts by key.
    pub metadata: BTreeMap<String, String>,
    /// The fraud rules, each kind once.
    pub fraud_rules: Vec<FraudRule>,
    /// The newest version of its terms.
    pub terms_version: i32,
    /// Grows with every change. Shown as the etag.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

impl Program {
    /// Whether the program was archived at a time.
    pub fn is_archived_at(&self, time: Time) -> bool {
        self.archived_at.is_some_and(|archived_at| archived_at <= time)
    }

    /// Whether fraud rules are asked about its events.
    pub fn has_fraud_rules(&self) -> bool {
        self.fraud_rules.iter().any(FraudRule::is_asked)
    }

    /// Whether an affiliate earns nothing in the program until it has accepted the agreement.
    pub fn requires_agreement(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| agreement.is_required)
    }

    /// Why an invitation code does not open the program now, if so.
    pub fn fault_of_invitation(&self, code: &str, now: Time) -> Option<InvitationFault> {
        let Some(invitation) = self.invitations.iter().find(|invitation| invitation.code == code) else {
            return Some(InvitationFault::Unknown);
        };
        if invitation.expires_at.is_some_and(|expires_at| expires_at <= now) {
            Some(InvitationFault::Expired)
        } else if invitation.max_uses > 0 && invitation.use_count >= invitation.max_uses {
            Some(InvitationFault::UsedUp)
        } else {
            None
        }
    }

    /// Replaces the invitations. A code that stays keeps its number of uses.
    pub fn set_invitations(&mut self, wanted: &[Invitation]) {
        let count_of = |code: &str| {
            let before = self.invitations.iter().find(|invitation| invitation.code == code);
            before.map_or(0, |invitation| invitation.use_count)
        };
        let kept = |new: &Invitation| Invitation { use_count: count_of(&new.code), ..new.clone() };
        self.invitations = wanted.iter().map(kept).collect();
    }

    /// The version of the agreement. 0: there is none.
    pub fn agreement_version(&self) -> i32 {
        self.agreement.as_ref().map_or(0, |agreement| agreement.version)
    }

    /// Replaces the agreement. Its version grows if there is something else to agree to.
    pub fn set_agreement(&mut self, wanted: &Agreement) {
        let version = match &self.agreement {
            Some(before) if (&before.url, &before.text) == (&wanted.url, &wanted.text) => before.version,
            Some(before) => before.version.saturating_add(1),
            None => 1,
        };
        self.agreement = Some(Agreement { version, ..wanted.clone() });
    }

    /// Whether something of the program existed at a time, such as a link or a coupon. What was made first counts for all time
    /// before the program, so that earlier sales can be imported. Clocks may differ by
    /// [`Time::CLOCK_DIFFERENCE_MICROS_MAX`].
    pub fn has_begun(&self, created_at: Time, time: Time) -> bool {
        created_at.may_precede(time) || time < self.created_at
    }

    /// Whether a host is one of the program's: that of its landing page, one that it names, or a subdomain of these.
    pub fn has_host(&self, host: &str) -> bool {
        let is_below = |own: &str| host == own || host.strip_suffix(own).is_some_and(|rest| rest.ends_with('.'));
        is_below(host_of(&self.landing_url)) || self.hosts.iter().any(|own| is_below(own))
    }

    /// Whether links may lead to a page.
    pub fn may_lead_to(&self, url: &str) -> bool {
        self.hosts.is_empty() || self.has_host(host_of(url))
    }

    /// The etag. It is different after every change of the program.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

text_enum! {
    /// Which of a visitor's clicks is credited.
    AttributionModel {
        /// The earliest click inside the window.
        FirstClick = "first_click",
        /// The latest click inside the window.
        LastClick = "last_click",
        /// Every enrollment that was clicked inside the window, in equal shares.
        Linear = "linear",
        /// Every enrollment that was clicked inside the window: the first and the last one with two fifths each, the others with what is left.
        Position = "position",
    }
}

text_enum! {
    /// The sales to which a version of the terms applies.
    TermsReach {
        /// Every sale from the version's start on.
        NewSales = "new_sales",
        /// Sales to leads bound from the version's start on, and sales without a lead.
        NewCustomers = "new_customers",
        /// Sales of affiliates who were enrolled in the program from the version's start on.
        NewAffiliates = "new_affiliates",
    }
}

/// The rules of a program, as its owner sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TermsDraft {
    pub reach: TermsReach,
    pub commission: Commission,
    /// How many days a reward stays pending.
    pub hold_period_days: i32,
    pub attribution_model: AttributionModel,
    /// How many days after a click a lead or sale can be credited to it.
    pub attribution_window_days: i32,
    /// Whether a referral of a customer who had bought before it credits nobody.
    pub new_customers_only: bool,
    /// The order of precedence of the sources, the strongest first. Each source occurs once.
    pub precedence: [AttributionSource; 3],
    pub rounding: Rounding,
    /// The names of the kinds of custom events that are credited, in order and without repeats.
    pub custom_kinds: Vec<String>,
    /// Commissions for certain events. See [`pricing`](super::pricing) for which one is taken.
    pub commission_rules: Vec<CommissionRule>,
    /// The rates of the affiliates above the credited one, the nearest first.
    pub upline_levels: Vec<UplineLevel>,
    /// The most that is earned, in the order in which the caps are applied. Each scope with a period occurs once.
    pub caps: Vec<Cap>,
    /// How the commission of the terms rises with what an affiliate sells.
    pub ladder: Option<Ladder>,
    /// What affiliates get once in a period for what they have sold. Each name occurs once.
    pub threshold_bonuses: Vec<ThresholdBonus>,
    /// The periods whose sales must be known, in order and without repeats. The server finds them.
    pub sales_tallies: Vec<CountedSince>,
    /// What referred customers get.
    pub customer_reward: Option<CustomerRewardPromise>,
    /// What an affiliate gets when it becomes active in the program.
    pub enrollment_bonus: Option<EnrollmentBonus>,
}

/// What an affiliate gets once when it becomes active in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EnrollmentBonus {
    pub unit: RewardUnit,
    pub value: Money,
}

impl TermsDraft {
    /// Whether they have a ladder that pays for its tally.
    pub fn pays_for_tally(&self) -> bool {
        self.ladder.as_ref().is_some_and(|ladder| ladder.mode.pays_for_tally())
    }

    /// The flat commissions that are not in the currency of the program: the place of the rule, or `None` for the commission of the terms,
    /// and the fault.
    pub fn currency_faults(&self, currency: Currency) -> impl Iterator<Item = (Option<usize>, String)> {
        let of_rules = self.commission_rules.iter().map(|rule| rule.commission).enumerate();
        let of_rules = of_rules.map(|(place, commission)| (Some(place), commission));
        let all = std::iter::once((None, self.commission)).chain(of_rules);
        all.filter_map(move |(place, commission)| Some((place, commission.problem_in(currency)?)))
    }

    /// The bonuses for first sales that are not in the currency of the program: the place of the rule, and the fault.
    pub fn bonus_faults(&self, currency: Currency) -> impl Iterator<Item = (usize, String)> {
        let bonuses = self.commission_rules.iter().map(|rule| rule.first_sale_bonus.map(Commission::Flat)).enumerate();
        bonuses.filter_map(move |(place, bonus)| Some((place, bonus?.problem_in(currency)?)))
    }

    /// The caps that are not in the currency of the program: the place, and the fault.
    pub fn cap_faults(&self, currency: Currency) -> impl Iterator<Item = (usize, String)> {
        let caps = self.caps.iter().map(|cap| Commission::Flat(cap.maximum)).enumerate();
        caps.filter_map(move |(place, cap)| Some((place, cap.problem_in(currency)?)))
    }

    /// The version since which the tallies of the ladder go on, if these rules go on with those of the rules before. What is paid for a tally must
    /// be one function of it, so it begins anew with other commissions if it pays.
    pub fn tallies_since(&self, before: &Self) -> Option<i32> {
        let (ladder, of_before) = (self.ladder.as_ref()?, before.ladder.as_ref()?);
        let pays_alike =
            (self.commission, self.rounding, &ladder.steps) == (before.commission, before.rounding, &of_before.steps);
        let goes_on = ladder.counts_as(of_before) && (pays_alike || !ladder.mode.pays_for_tally());
        goes_on.then_some(of_before.since_version)
    }

    /// Whether the program credits custom events of this kind.
    pub fn declares(&self, custom_kind: &str) -> bool {
        self.custom_kinds.iter().any(|declared| declared == custom_kind)
    }

    /// Whether what a sale earns or grants depends on the earlier sales of its customer.
    pub fn looks_at_customer(&self) -> bool {
        let promised = self.customer_reward.is_some_and(|promise| promise.event == CustomerRewardEvent::FirstSale);
        promised || self.commission_rules.iter().any(CommissionRule::looks_at_customer)
    }

    /// Whether clicks may earn.
    pub fn pays_for_clicks(&self) -> bool {
        self.commission_rules.iter().any(CommissionRule::is_for_clicks)
    }

    /// Whether what an event earns depends on facts of the affiliate or of the customer that are noted.
    pub fn looks_at_noted(&self) -> bool {
        self.commission_rules.iter().any(CommissionRule::looks_at_noted)
    }

    /// The threshold bonuses that are not in the currency of the program: the place, whether it is the threshold, and the fault.
    pub fn threshold_faults(&self, currency: Currency) -> impl Iterator<Item = (usize, bool, String)> {
        let bonuses = self.threshold_bonuses.iter().enumerate();
        bonuses.filter_map(move |(place, bonus)| {
            let (is_threshold, fault) = bonus.currency_fault(currency)?;
            Some((place, is_threshold, fault))
        })
    }

    /// Finds the periods whose sales must be known. Tallies that the version before has too go on, others begin with this version.
    pub fn count_sales(&mut self, version: i32, before: Option<&Self>) {
        let of_bonuses = self.threshold_bonuses.iter().map(|bonus| bonus.period);
        let has_figures = self.commission_rules.iter().any(CommissionRule::looks_at_sales);
        let periods: BTreeSet<Period> = of_bonuses.chain(has_figures.then_some(Period::AllTime)).collect();
        let goes_on = |period| before?.sales_tallies.iter().find(|counted| counted.period == period);
        let since = |period| goes_on(period).map_or(version, |counted| counted.since_version);
        self.sales_tallies =
            periods.into_iter().map(|period| CountedSince { period, since_version: since(period) }).collect();
    }

    /// Why the bonus of enrollments does not fit a program in this currency.
    pub fn enrollment_bonus_fault(&self, currency: Currency) -> Option<(RewardUnit, String)> {
        let is_money = |bonus: &EnrollmentBonus| matches!(bonus.unit, RewardUnit::Cash | RewardUnit::DiscountMoney);
        let bonus = self.enrollment_bonus.filter(is_money)?;
        Some((bonus.unit, Commission::Flat(bonus.value).problem_in(currency)?))
    }

    /// Why the reward that customers are promised does not fit a program in this currency.
    pub fn customer_reward_fault(&self, currency: Currency) -> Option<String> {
        let promise = self.customer_reward.filter(|promise| promise.unit == RewardUnit::DiscountMoney)?;
        Commission::Flat(promise.value).problem_in(currency)
    }
}

/// A version of a program's rules. It never changes, except that it can be withdrawn before it starts. See
/// [`terms_period`](super::terms_period) for which version applies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Terms {
    pub account_id: AccountId,
    pub program_id: ProgramId,
    /// 1, 2, 3 and so on.
    pub version: i32,
    /// The rules apply from this time on.
    pub starts_at: Time,
    /// From this time on the earlier versions apply again.
    pub ends_at: Option<Time>,
    /// When the version was made, if it starts later than that.
    pub scheduled_at: Option<Time>,
    /// When the version was withdrawn. It has never applied then.
    pub withdrawn_at: Option<Time>,
    /// The earlier versions that had been scheduled for a later time than this one's start when this one was made, in order.
    pub yields_to: Vec<i32>,
    pub rules: TermsDraft,
}

/// The monthly recurring revenue in one currency of the customers who are bound in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ProgramMrr {
    pub mrr: Money,
    pub customer_count: i64,
}

/// A program with one version of its terms, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ProgramWithTerms {
    pub program: Arc<Program>,
    pub terms: Arc<Terms>,
}
