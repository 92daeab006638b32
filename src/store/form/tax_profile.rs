//! Forms of tax profiles and billing profiles. An answer has no personal data of an affiliate, because a repeated request gets the profile that
//! is there. No form has a tax number.

use super::affiliate::PostalAddressForm;
use super::field::Text;
use crate::domain::billing_profile::BillingProfile;
use crate::domain::calendar::Day;
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId};
use crate::domain::payout_method::Sealed;
use crate::domain::tax_number::TaxNumberKind;
use crate::domain::tax_profile::{PayeeKind, TaxDetails, TaxForm, TaxNumber, TaxProfile, TaxProfileState, TaxReview};
use crate::domain::time::Time;

form! {
    /// A tax profile.
    TaxProfileForm of TaxProfile {
        account_id: AccountId,
        affiliate_id: AffiliateId,
        version: i32,
        created_at: Time,
        updated_at: Time,
    }
    left_out {
        details: None,
    }
}

form! {
    /// The content of a tax profile.
    TaxDetailsForm<'a> of TaxDetails {
        payee_kind: PayeeKind,
        legal_name: Text<'a>,
        address: PostalAddressForm<'a>,
        residence_country: Text<'a>,
        form: TaxForm,
        state: TaxProfileState,
        review: TaxReviewForm<'a>,
    }
    unless_empty {
        signed_on: Option<Day>,
        number: Option<TaxNumberForm<'a>>,
    }
}

form! {
    /// A tax number, which has a column of its own.
    TaxNumberForm<'a> of TaxNumber {
        kind: TaxNumberKind,
        hint: Text<'a>,
    }
    left_out {
        sealed: Sealed::new([]),
    }
}

form! {
    /// The owner's word about a tax profile.
    TaxReviewForm<'a> of TaxReview {}
    unless_empty {
        reviewed_by: Option<ApiKeyId>,
        reviewed_at: Option<Time>,
        refusal_reason: Text<'a>,
    }
}

form! {
    /// A billing profile.
    BillingProfileForm<'a> of BillingProfile {
        account_id: AccountId,
        legal_name: Text<'a>,
        address: PostalAddressForm<'a>,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        vat_id: Text<'a>,
        tax_number: Text<'a>,
        invoice_prefix: Text<'a>,
        payment_terms: Text<'a>,
    }
}
