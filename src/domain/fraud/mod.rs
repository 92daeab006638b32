//! Fraud rules: what each of them compares, and the flags that they raise. Reads nothing, so the same judgement is made when an event is told
//! and when history is replayed.

pub mod facts;
pub mod history;
pub mod mail;

use super::id::{ConversionId, EnrollmentId};
use super::page::host_of;
use super::text_enum::text_enum;

text_enum! {
    /// The kind of a fraud rule: the facts that it looks at.
    FraudRuleKind {
        /// The customer has the affiliate's email address.
        SelfReferral = "self_referral",
        /// The customer's address has the host of the affiliate's.
        OwnDomain = "own_domain",
        /// The customer's address is one to throw away.
        DisposableMail = "disposable_mail",
        /// The event came too soon after the click.
        QuickSale = "quick_sale",
        /// Too many sales of the affiliate in a short time.
        Velocity = "velocity",
        /// The customer is in a country of the list.
        BannedCountry = "banned_country",
        /// The visitor came from a page of the list.
        BannedReferrer = "banned_referrer",
        /// The order was told before under another event_id.
        DuplicateOrder = "duplicate_order",
    }
}

text_enum! {
    /// The effect of a rule on an event that it flags.
    FraudRuleMode {
        /// The rule is not asked.
        Off = "off",
        /// The flag is recorded.
        Shadow = "shadow",
        /// The rewards are held.
        On = "on",
        /// The event is refused.
        Refuse = "refuse",
    }
}

impl FraudRuleMode {
    /// Whether a flag keeps rewards from approval. What could not be refused any more is held.
    pub const fn holds(self) -> bool {
        matches!(self, Self::On | Self::Refuse)
    }
}

impl FraudRuleKind {
    /// Whether a rule of this kind compares the customer's email address.
    pub const fn compares_mail(self) -> bool {
        matches!(self, Self::SelfReferral | Self::OwnDomain | Self::DisposableMail)
    }
}

/// The most sales that a rule of velocity may allow, and the most times that are kept of an affiliate besides the one that is one too many.
pub const VELOCITY_SALES_MAX: usize = 100;

/// A fraud rule of a program. Fields that its kind does not have are zero or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FraudRule {
    pub kind: FraudRuleKind,
    pub mode: FraudRuleMode,
    /// The fewest seconds between click and event.
    pub minimum_seconds: i32,
    /// The most sales in the period.
    pub maximum_sales: i32,
    pub period_minutes: i32,
    /// Codes of countries, or hosts of referrers.
    pub values: Vec<String>,
}

/// The finding of a rule. It has no personal data, because conversions and rewards keep it for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FraudFlag {
    pub kind: FraudRuleKind,
    pub mode: FraudRuleMode,
    /// The value of the event that was compared. Empty for email addresses.
    pub found: String,
    /// The value that it was compared with. Empty if there is none.
    pub threshold: String,
}

/// What the rules found for one credit of an event. A credit that was judged has one, also without flags, so that it is judged once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Suspicion {
    pub enrollment_id: EnrollmentId,
    pub flags: Vec<FraudFlag>,
    /// Whether a person has released a reward of the credit.
    pub is_released: bool,
}

impl Suspicion {
    /// Whether what the event earns for the credit is held.
    pub fn holds(&self) -> bool {
        !self.is_released && self.flags.iter().any(|flag| flag.mode.holds())
    }
}

/// What a person and the fraud rules have said about a reward.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardReview {
    pub flags: Vec<FraudFlag>,
    /// Why the reward was released. Empty if it was not, or for no reason.
    pub release_reason: String,
}

impl RewardReview {
    /// Whether a rule has held the reward, and nobody has released it.
    pub fn holds(&self) -> bool {
        self.release_reason.is_empty() && self.flags.iter().any(|flag| flag.mode.holds())
    }
}

/// What is known of an event and a credit of it.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FraudFacts<'fact> {
    /// The customer's email address. Empty if it is unknown.
    pub customer_email: &'fact str,
    pub affiliate_email: &'fact str,
    /// Where the affiliate's payouts by PayPal go. May be empty.
    pub paypal_email: &'fact str,
    pub country_code: &'fact str,
    /// The page that the visitor came from. May be empty.
    pub referrer_url: &'fact str,
    /// `None` if no click led to the affiliate.
    pub seconds_since_click: Option<i64>,
    /// The affiliate's sales in the period of the rule, with this one. `None` if it is no sale.
    pub sale_count: Option<usize>,
    /// An earlier sale with the same order and amount.
    pub same_order: Option<ConversionId>,
}

impl FraudRule {
    /// Whether the rule is asked.
    pub const fn is_asked(&self) -> bool {
        !matches!(self.mode, FraudRuleMode::Off)
    }

    /// What the rule finds in an event. `None` if it has no objection.
    pub fn flag(&self, facts: &FraudFacts<'_>) -> Option<FraudFlag> {
        let (found, threshold) = self.found(facts)?;
        Some(FraudFlag { kind: self.kind, mode: self.mode, found, threshold })
    }

    /// The value that it objects to, and what it was compared with.
    fn found(&self, facts: &FraudFacts<'_>) -> Option<(String, String)> {
        let nothing = || (String::new(), String::new());
        match self.kind {
            FraudRuleKind::SelfReferral => {
                let is_of_affiliate = mail::are_same(facts.customer_email, facts.affiliate_email)
                    || mail::are_same(facts.customer_email, facts.paypal_email);
                is_of_affiliate.then(nothing)
            }
            FraudRuleKind::OwnDomain => {
                let host = mail::host(facts.customer_email)?;
                let is_own = mail::host(facts.affiliate_email) == Some(host) && !mail::is_free(host);
                is_own.then(nothing)
            }
            FraudRuleKind::DisposableMail => {
                let host = mail::disposable_host(facts.customer_email)?;
                Some((host.to_owned(), String::new()))
            }
            FraudRuleKind::QuickSale => {
                let seconds = facts.seconds_since_click?;
                (seconds < i64::from(self.minimum_seconds))
                    .then(|| (seconds.to_string(), self.minimum_seconds.to_string()))
            }
            FraudRuleKind::Velocity => {
                let count = facts.sale_count?;
                let is_above = i64::try_from(count).is_ok_and(|count| count > i64::from(self.maximum_sales));
                is_above.then(|| (count.to_string(), self.maximum_sales.to_string()))
            }
            FraudRuleKind::BannedCountry => {
                let is_banned = self.values.iter().any(|code| code == facts.country_code);
                is_banned.then(|| (facts.country_code.to_owned(), String::new()))
            }
            FraudRuleKind::BannedReferrer => {
                let host = host_of(facts.referrer_url).to_lowercase();
                let banned = self.values.iter().find(|pattern| is_host_of(&host, pattern))?;
                Some((host, banned.clone()))
            }
            FraudRuleKind::DuplicateOrder => Some((facts.same_order?.to_string(), String::new())),
        }
    }
}

/// Whether a host is the one of a list's entry, or below it if that begins with `*.`.
fn is_host_of(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            host == parent || host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
        }
        None => host == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: FraudRuleKind) -> FraudRule {
        FraudRule {
            kind,
            mode: FraudRuleMode::On,
            minimum_seconds: 10,
            maximum_sales: 3,
            period_minutes: 5,
            values: vec!["*.coupons.example".to_owned(), "ads.example".to_owned()],
        }
    }

    fn found(kind: FraudRuleKind, facts: FraudFacts<'_>) -> Option<(String, String)> {
        rule(kind).flag(&facts).map(|flag| (flag.found, flag.threshold))
    }

    #[test]
    fn limits_are_not_flagged_and_the_next_value_is() {
        let quick = |seconds| {
            found(FraudRuleKind::QuickSale, FraudFacts { seconds_since_click: Some(seconds), ..Default::default() })
        };
        assert_eq!(quick(10), None);
        assert_eq!(quick(9), Some(("9".to_owned(), "10".to_owned())));
        let fast = |count| found(FraudRuleKind::Velocity, FraudFacts { sale_count: Some(count), ..Default::default() });
        assert_eq!(fast(3), None);
        assert_eq!(fast(4), Some(("4".to_owned(), "3".to_owned())));
    }

    #[test]
    fn unknown_facts_flag_nothing() {
        for kind in FraudRuleKind::ALL {
            assert_eq!(found(*kind, FraudFacts::default()), None, "{kind}");
        }
    }

    #[test]
    fn a_wildcard_takes_the_host_and_those_below_it() {
        let came_from = |url| {
            let facts = FraudFacts { referrer_url: url, ..Default::default() };
            found(FraudRuleKind::BannedReferrer, facts).map(|(_, threshold)| threshold)
        };
        let wildcard = Some("*.coupons.example".to_owned());
        assert_eq!(came_from("https://coupons.example/a"), wildcard);
        assert_eq!(came_from("https://www.Coupons.example:8443/a?b"), wildcard);
        assert_eq!(came_from("https://mycoupons.example/"), None);
        assert_eq!(came_from("https://ads.example"), Some("ads.example".to_owned()));
        assert_eq!(came_from("https://www.ads.example"), None);
        assert_eq!(came_from(""), None);
    }

    #[test]
    fn an_own_domain_is_no_host_of_free_mail() {
        let own = |customer_email, affiliate_email| {
            found(FraudRuleKind::OwnDomain, FraudFacts { customer_email, affiliate_email, ..Default::default() })
        };
        assert!(own("bob@acme.example", "ann@acme.example").is_some());
        assert!(own("bob@acme.example", "ann@other.example").is_none());
        assert!(own("bob@gmail.com", "ann@gmail.com").is_none());
    }

    #[test]
    fn payouts_to_the_customer_are_a_self_referral() {
        let facts = FraudFacts {
            customer_email: "an.n+shop@googlemail.com",
            affiliate_email: "ann@acme.example",
            paypal_email: "ann@gmail.com",
            ..Default::default()
        };
        assert!(found(FraudRuleKind::SelfReferral, facts).is_some());
        assert!(found(FraudRuleKind::SelfReferral, FraudFacts { paypal_email: "", ..facts }).is_none());
    }
}
