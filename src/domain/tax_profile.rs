//! Tax profiles: who an affiliate is for the tax office, and the state of its tax form. The tax number is sealed before it comes here. Nothing
//! here can open it.
//!
//! | from | may become |
//! |---|---|
//! | missing | received |
//! | received, confirmed, refused | received, confirmed, refused, missing; expired, by the clock |
//! | expired | received, missing |
//!
//! That a form has expired is not stored: whoever reads the profile at a time knows it.

use super::affiliate::PostalAddress;
use super::calendar::Day;
use super::id::{AccountId, AffiliateId, ApiKeyId};
use super::payout_method::Sealed;
use super::tax_number::TaxNumberKind;
use super::text_enum::text_enum;
use super::time::Time;

/// How many whole years a W-8 form is good for after the one in which it was signed.
const FORM_YEARS: i16 = 3;

text_enum! {
    /// Whether a payee is a person.
    PayeeKind {
        /// A natural person.
        Individual = "individual",
        /// A company or another organization.
        Business = "business",
    }
}

text_enum! {
    /// The form by which an affiliate told its tax data.
    TaxForm {
        /// No form.
        None = "none",
        /// Of those who pay taxes in the United States.
        W9 = "w_9",
        /// Of persons who pay taxes elsewhere.
        W8Ben = "w_8ben",
        /// Of businesses that pay taxes elsewhere.
        W8BenE = "w_8ben_e",
        /// A VAT id.
        Vat = "vat",
    }
}

impl TaxForm {
    /// The kinds of numbers that the form may have.
    pub const fn numbers(self) -> &'static [TaxNumberKind] {
        use TaxNumberKind::{Ein, Foreign, Itin, Ssn, Vat};
        match self {
            Self::None => &[Foreign],
            Self::W9 => &[Ssn, Ein, Itin],
            Self::W8Ben => &[Foreign, Ssn, Itin],
            Self::W8BenE => &[Foreign, Ein],
            Self::Vat => &[Vat],
        }
    }

    /// Whether the form is nothing without a number.
    pub const fn needs_number(self) -> bool {
        matches!(self, Self::W9 | Self::Vat)
    }

    /// Whether somebody signs the form.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::W9 | Self::W8Ben | Self::W8BenE)
    }

    /// Why the form does not fit this kind of payee. `None` if it does.
    pub fn fault_of_kind(self, kind: PayeeKind) -> Option<&'static str> {
        match (self, kind) {
            (Self::W8Ben, PayeeKind::Business) => Some("must be INDIVIDUAL for W_8BEN; a business signs W_8BEN_E"),
            (Self::W8BenE, PayeeKind::Individual) => Some("must be BUSINESS for W_8BEN_E; a person signs W_8BEN"),
            _ => None,
        }
    }

    /// Why the form does not fit a payee that pays taxes in this country. `None` if it does.
    pub fn fault_of_residence(self, country: &str) -> Option<&'static str> {
        match (self, country == "US") {
            (Self::W9, false) => Some("must be US for W_9; payees of other countries sign W_8BEN or W_8BEN_E"),
            (Self::W8Ben | Self::W8BenE, true) => {
                Some("must not be US for W_8BEN and W_8BEN_E; payees of the United States sign W_9")
            }
            _ => None,
        }
    }
}

text_enum! {
    /// The state of a tax profile.
    TaxProfileState {
        /// There is none.
        Missing = "missing",
        /// It is complete, and nobody has looked at it.
        Received = "received",
        /// The owner has confirmed it.
        Confirmed = "confirmed",
        /// The owner has refused it.
        Refused = "refused",
        /// Its form is too old.
        Expired = "expired",
    }
}

impl TaxProfileState {
    /// Whether an account that pays nobody without a tax profile pays the affiliate.
    pub const fn may_be_paid(self) -> bool {
        matches!(self, Self::Received | Self::Confirmed)
    }
}

/// A tax number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TaxNumber {
    pub kind: TaxNumberKind,
    /// The number for people, masked.
    pub hint: String,
    /// The number.
    pub sealed: Sealed,
}

/// The owner's word about a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaxReview {
    /// The key that confirmed or refused it. `None` before.
    pub reviewed_by: Option<ApiKeyId>,
    /// When. `None` before.
    pub reviewed_at: Option<Time>,
    /// Why it was refused. Empty if it was not.
    pub refusal_reason: String,
}

/// The content of a tax profile.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TaxDetails {
    pub payee_kind: PayeeKind,
    pub legal_name: String,
    pub address: PostalAddress,
    /// The country in which the affiliate pays taxes, a code of two letters.
    pub residence_country: String,
    pub form: TaxForm,
    /// `None` for a form that nobody signs.
    pub signed_on: Option<Day>,
    pub number: Option<TaxNumber>,
    /// Received, confirmed or refused.
    pub state: TaxProfileState,
    pub review: TaxReview,
}

impl TaxDetails {
    /// The first moment at which the form is too old, in UTC. `None` if it does not expire.
    pub fn expires_at(&self) -> Option<Time> {
        match self.form {
            TaxForm::W8Ben | TaxForm::W8BenE => form_expires_at(self.signed_on?),
            TaxForm::None | TaxForm::W9 | TaxForm::Vat => None,
        }
    }

    /// The state at a time.
    pub fn state_at(&self, now: Time) -> TaxProfileState {
        if self.expires_at().is_some_and(|expires_at| expires_at <= now) {
            TaxProfileState::Expired
        } else {
            self.state
        }
    }
}

/// When a W-8 form that was signed on this day expires: at the end of the third year after.
pub fn form_expires_at(signed_on: Day) -> Option<Time> {
    let year = signed_on.date()?.year().checked_add(FORM_YEARS + 1)?;
    Some(Time::from_micros(0).plus_days(Day::first_of(year)?.0))
}

/// The tax profile of an affiliate. The row stays when the profile is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TaxProfile {
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    /// `None`: it was removed. Left out of the answers that are stored for repeated requests.
    pub details: Option<TaxDetails>,
    /// 1 for a new profile, and one more after each change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl TaxProfile {
    /// The state at a time.
    pub fn state_at(&self, now: Time) -> TaxProfileState {
        self.details.as_ref().map_or(TaxProfileState::Missing, |details| details.state_at(now))
    }

    /// The etag. It is different after every change of the profile.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(form: TaxForm, signed_on: &str) -> TaxDetails {
        TaxDetails {
            payee_kind: PayeeKind::Individual,
            legal_name: "Ann Ample".to_owned(),
            address: PostalAddress::default(),
            residence_country: "DE".to_owned(),
            form,
            signed_on: Some(signed_on.parse().unwrap()),
            number: None,
            state: TaxProfileState::Confirmed,
            review: TaxReview::default(),
        }
    }

    fn midnight(day: &str) -> Time {
        Time::from_micros(0).plus_days(day.parse::<Day>().unwrap().0)
    }

    #[test]
    fn a_w_8_expires_at_the_end_of_the_third_year_after() {
        for signed_on in ["2026-01-01", "2026-11-27", "2026-12-31"] {
            for form in [TaxForm::W8Ben, TaxForm::W8BenE] {
                let details = details(form, signed_on);
                let end = midnight("2030-01-01");
                assert_eq!(details.expires_at(), Some(end), "{signed_on}");
                assert_eq!(details.state_at(end.plus_micros(-1)), TaxProfileState::Confirmed);
                assert_eq!(details.state_at(end), TaxProfileState::Expired);
            }
        }
        assert_eq!(details(TaxForm::W9, "2001-01-01").expires_at(), None);
        assert_eq!(form_expires_at("9999-12-31".parse().unwrap()), None, "no later year can be written");
    }

    #[test]
    fn who_is_not_refused_and_not_expired_may_be_paid() {
        let paid: Vec<_> = TaxProfileState::ALL.iter().filter(|state| state.may_be_paid()).collect();
        assert_eq!(paid, [&TaxProfileState::Received, &TaxProfileState::Confirmed]);
    }

    #[test]
    fn a_form_that_needs_a_number_says_of_which_kind() {
        for form in TaxForm::ALL {
            assert!(!form.numbers().is_empty(), "{form}");
        }
        assert!(TaxForm::W9.fault_of_residence("DE").is_some() && TaxForm::W9.fault_of_residence("US").is_none());
        assert!(TaxForm::W8Ben.fault_of_residence("US").is_some() && TaxForm::Vat.fault_of_residence("US").is_none());
        assert!(TaxForm::W8Ben.fault_of_kind(PayeeKind::Business).is_some());
        assert!(TaxForm::W8BenE.fault_of_kind(PayeeKind::Individual).is_some());
        assert!(TaxForm::W9.fault_of_kind(PayeeKind::Business).is_none());
    }
}
