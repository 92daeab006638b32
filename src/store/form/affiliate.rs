//! Forms of affiliates and their profiles.

use std::collections::BTreeMap;

use super::coupon::CouponForm;
use super::enrollment::EnrollmentWithLandingForm;
use super::field::Text;
use super::payout_document::InvoiceTaxForm;
use crate::domain::affiliate::{
    Affiliate, AffiliateOutcome, AffiliateState, CustomField, PastUpline, PendingRewards, PostalAddress, Profile,
};
use crate::domain::id::{AccountId, AffiliateGroupId, AffiliateId};
use crate::domain::time::Time;

form! {
    /// An affiliate, stored without the hashes of its token and its password.
    AffiliateForm<'a> of Affiliate {
        id: AffiliateId,
        account_id: AccountId,
        email: Text<'a>,
        profile: ProfileForm<'a>,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        external_id: Option<Text<'a>>,
        first_name: Text<'a>,
        last_name: Text<'a>,
        state_reason: Text<'a>,
        state_changed_at: Option<Time>,
        pending_rewards: Option<PendingRewards>,
        upline_id: Option<AffiliateId>,
        group_id: Option<AffiliateGroupId>,
    }
    unless_usual {
        state: AffiliateState = AffiliateState::Active,
        email_verified: bool = false,
        version: i32 = 1,
    }
    left_out {
        token_hash: [0; 32],
        password: None,
        former_email: None,
        past_uplines: Vec::new(),
        awaits_welcome: false,
    }
}

form! {
    /// The upline of an affiliate until a change.
    PastUplineForm of PastUpline {
        ended_at: Time,
    }
    unless_empty {
        affiliate_id: Option<AffiliateId>,
    }
}

form! {
    /// Contact details and online profiles of an affiliate.
    ProfileForm<'a> of Profile {
        address: PostalAddressForm<'a>,
    }
    unless_empty {
        company: Text<'a>,
        phone: Text<'a>,
        website_url: Text<'a>,
        avatar_url: Text<'a>,
        about: Text<'a>,
        social_profiles: BTreeMap<Text<'a>, Text<'a>>,
        paypal_email: Text<'a>,
        custom_fields: Vec<CustomFieldForm<'a>>,
        invoice_tax: Option<InvoiceTaxForm<'a>>,
        metadata: BTreeMap<Text<'a>, Text<'a>>,
    }
}

form! {
    /// A field of the merchant's own.
    CustomFieldForm<'a> of CustomField {
        key: Text<'a>,
    }
    unless_empty {
        label: Text<'a>,
        value: Text<'a>,
    }
}

form! {
    /// A postal address.
    PostalAddressForm<'a> of PostalAddress {}
    unless_empty {
        street: Text<'a>,
        city: Text<'a>,
        region: Text<'a>,
        postal_code: Text<'a>,
        country_code: Text<'a>,
    }
}

form! {
    /// A new affiliate with its enrollment and its coupon.
    AffiliateOutcomeForm<'a> of AffiliateOutcome {
        affiliate: Box<AffiliateForm<'a>>,
        enrollment: EnrollmentWithLandingForm<'a>,
    }
    unless_empty {
        coupon: Option<Box<CouponForm<'a>>>,
    }
}
