//! Payout methods: where an affiliate's payouts go. The details, such as an account number, are sealed before they come here. Nothing here
//! can open them.
//!
//! A change of a method takes effect some time later, so that the affiliate can object to a change that was somebody else's. A removal takes
//! effect at once, and a method that is set after it waits like a change. Otherwise a removal would be a way around the waiting.

use std::sync::Arc;

use super::id::{AccountId, AffiliateId};
use super::payout_provider::PayoutProvider;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The kind of a destination.
    PayoutMethodKind {
        /// A PayPal account, by its email address.
        PayPal = "paypal",
        /// A connected account at Stripe.
        Stripe = "stripe",
        /// A recipient at Wise.
        Wise = "wise",
        /// A bank account with an IBAN.
        Iban = "iban",
        /// A bank account in the United States.
        UnitedStatesBank = "us_bank",
        /// Something else, in words.
        Other = "other",
    }
}

impl PayoutMethodKind {
    /// The provider that pays to destinations of this kind by itself.
    pub const fn provider(self) -> PayoutProvider {
        match self {
            Self::PayPal => PayoutProvider::PayPal,
            Self::Stripe => PayoutProvider::Stripe,
            Self::Wise => PayoutProvider::Wise,
            Self::Iban | Self::UnitedStatesBank | Self::Other => PayoutProvider::Manual,
        }
    }
}

/// Encrypted bytes. Only who has the server's secrets key can open them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed(Arc<[u8]>);

impl Sealed {
    /// Bytes that are sealed already.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The sealed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sealed(_)")
    }
}

/// Where the money of a payout goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutDestination {
    pub kind: PayoutMethodKind,
    /// The destination for people, masked, such as `l…@example.com` or `DE…3000`.
    pub hint: String,
    /// All details.
    pub sealed: Sealed,
}

/// A destination as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct MethodChoice {
    pub destination: PayoutDestination,
    /// A keyed hash of the account that gets the money. The same account has the same one, within an account of the server.
    pub fingerprint: [u8; 32],
    pub set_at: Time,
}

/// A change that takes effect later.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PendingChoice {
    pub choice: MethodChoice,
    pub effective_at: Time,
}

/// The payout method of an affiliate. The row stays when the method is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutMethod {
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    /// `None`: it was removed.
    pub current: Option<MethodChoice>,
    pub pending: Option<PendingChoice>,
    /// Why the current one did not wait. Empty if it waited, or did not have to.
    pub override_reason: String,
    pub created_at: Time,
    pub updated_at: Time,
}

impl PayoutMethod {
    /// Whether the current choice is this account.
    pub fn is_current(&self, fingerprint: [u8; 32]) -> bool {
        self.current.as_ref().is_some_and(|choice| choice.fingerprint == fingerprint)
    }

    /// The method with this fingerprint in place of older ones of the same account, which were made with older keys.
    pub fn with_fingerprint(&self, older: &[[u8; 32]], newest: [u8; 32]) -> Self {
        let mut method = self.clone();
        let choices = [method.current.as_mut(), method.pending.as_mut().map(|pending| &mut pending.choice)];
        for choice in choices.into_iter().flatten().filter(|choice| older.contains(&choice.fingerprint)) {
            choice.fingerprint = newest;
        }
        method
    }

    /// The method as it is at a time: a change that has waited long enough is the current choice.
    pub fn at(&self, now: Time) -> Self {
        let mut method = self.clone();
        if let Some(pending) = method.pending.take_if(|pending| pending.effective_at <= now) {
            method.current = Some(pending.choice);
            method.override_reason.clear();
        }
        method
    }

    /// Where payouts that are created at this time go.
    pub fn destination_at(&self, now: Time) -> Option<&PayoutDestination> {
        let due = self.pending.as_ref().filter(|pending| pending.effective_at <= now).map(|pending| &pending.choice);
        due.or(self.current.as_ref()).map(|choice| &choice.destination)
    }
}

text_enum! {
    /// Why a provider cannot pay an affiliate.
    MethodFault {
        /// The affiliate has no payout method.
        NoMethod = "no_method",
        /// The affiliate's payout method is another provider's.
        OtherMethod = "other_method",
    }
}

/// The provider of a payout to this destination: the one that is wanted, or else the destination's if the account is connected to it. A payout
/// is always possible by hand.
///
/// # Errors
/// [`MethodFault`] if the wanted provider does not pay to the destination.
pub fn provider_for(
    wanted: Option<PayoutProvider>,
    destination: Option<&PayoutDestination>,
    is_connected: impl Fn(PayoutProvider) -> bool,
) -> Result<PayoutProvider, MethodFault> {
    let own = destination.map(|destination| destination.kind.provider());
    match (wanted, own) {
        (Some(PayoutProvider::Manual), _) => Ok(PayoutProvider::Manual),
        (Some(wanted), Some(own)) if wanted == own => Ok(wanted),
        (Some(_), Some(_)) => Err(MethodFault::OtherMethod),
        (Some(_), None) => Err(MethodFault::NoMethod),
        (None, own) => Ok(own.filter(|own| is_connected(*own)).unwrap_or(PayoutProvider::Manual)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_not_shown() {
        let sealed = Sealed::new(*b"DE89370400440532013000");
        assert_eq!(format!("{sealed:?}"), "Sealed(_)");
    }

    fn destination(kind: PayoutMethodKind) -> PayoutDestination {
        PayoutDestination { kind, hint: String::new(), sealed: Sealed::new(*b"x") }
    }

    fn choice(digit: u8, set_at: Time) -> MethodChoice {
        MethodChoice { destination: destination(PayoutMethodKind::Iban), fingerprint: [digit; 32], set_at }
    }

    #[test]
    fn a_change_is_in_effect_once_it_has_waited() {
        use uuid::Uuid;
        let (set_at, effective_at) = (Time::from_micros(1_000), Time::from_micros(2_000));
        let method = PayoutMethod {
            account_id: AccountId::from_uuid(Uuid::from_u128(1)),
            affiliate_id: AffiliateId::from_uuid(Uuid::from_u128(1)),
            current: Some(choice(1, set_at)),
            pending: Some(PendingChoice { choice: choice(2, set_at), effective_at }),
            override_reason: "asked by phone".to_owned(),
            created_at: set_at,
            updated_at: set_at,
        };
        let before = method.at(Time::from_micros(1_999));
        assert_eq!(before, method);
        let after = method.at(effective_at);
        assert_eq!((after.current, after.pending), (Some(choice(2, set_at)), None));
        assert_eq!(after.override_reason, "", "the reason was another choice's");
        let mut other = method.clone();
        other.pending.as_mut().unwrap().choice.destination = destination(PayoutMethodKind::PayPal);
        let kind_at = |micros| other.destination_at(Time::from_micros(micros)).map(|destination| destination.kind);
        assert_eq!(kind_at(1_999), Some(PayoutMethodKind::Iban));
        assert_eq!(kind_at(2_000), Some(PayoutMethodKind::PayPal));
    }

    #[test]
    fn an_account_is_recognised_by_the_fingerprint_of_an_older_key() {
        use uuid::Uuid;
        let at = Time::from_micros(1_000);
        let method = PayoutMethod {
            account_id: AccountId::from_uuid(Uuid::from_u128(1)),
            affiliate_id: AffiliateId::from_uuid(Uuid::from_u128(1)),
            current: Some(choice(1, at)),
            pending: Some(PendingChoice { choice: choice(2, at), effective_at: at }),
            override_reason: String::new(),
            created_at: at,
            updated_at: at,
        };
        let prints = |method: &PayoutMethod| {
            let current = method.current.as_ref().map(|choice| choice.fingerprint[0]);
            (current, method.pending.as_ref().map(|pending| pending.choice.fingerprint[0]))
        };
        assert_eq!(prints(&method.with_fingerprint(&[[1; 32]], [9; 32])), (Some(9), Some(2)));
        assert_eq!(prints(&method.with_fingerprint(&[[3; 32], [2; 32]], [9; 32])), (Some(1), Some(9)));
        assert_eq!(method.with_fingerprint(&[], [9; 32]), method);
    }

    #[test]
    fn a_provider_pays_to_its_own_destinations_alone() {
        use PayoutProvider::{Manual, PayPal, Stripe};
        let paypal = destination(PayoutMethodKind::PayPal);
        let iban = destination(PayoutMethodKind::Iban);
        let route = |wanted, destination: Option<&PayoutDestination>, connected: &[PayoutProvider]| {
            provider_for(wanted, destination, |provider| connected.contains(&provider))
        };
        assert_eq!(route(None, Some(&paypal), &[PayPal]), Ok(PayPal));
        assert_eq!(route(None, Some(&paypal), &[Stripe]), Ok(Manual), "the account is not connected");
        assert_eq!(route(None, Some(&iban), &[PayPal]), Ok(Manual));
        assert_eq!(route(None, None, &[PayPal]), Ok(Manual));
        assert_eq!(route(Some(Manual), Some(&paypal), &[PayPal]), Ok(Manual));
        assert_eq!(route(Some(PayPal), Some(&paypal), &[PayPal]), Ok(PayPal));
        assert_eq!(route(Some(PayPal), Some(&iban), &[PayPal]), Err(MethodFault::OtherMethod));
        assert_eq!(route(Some(PayPal), None, &[PayPal]), Err(MethodFault::NoMethod));
    }
}
