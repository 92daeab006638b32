//! Forms of affiliates and their profiles.

use std::collections::BTreeMap;

use super::coupon::CouponForm;
use super::enrollment::EnrollmentWithLandingForm;
use super::field::Text;
use crate::domain::affiliate::{Affiliate, AffiliateOutcome, PostalAddress, Profile};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::time::Time;

form! {
    /// An affiliate, stored without the hash of its token.
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
    }
    left_out {
        token_hash: [0; 32],
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
