//! The profile of an affiliate on the wire.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::affiliate::{CustomField, PostalAddress, Profile};
use crate::pb;
use crate::rpc::call::canonical::{self as form, canonical};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};
use crate::rpc::invoice_tax;
use crate::rpc::postal_address;

/// The maximum number of social networks in a profile.
const SOCIAL_PROFILES_MAX: usize = 20;
const NETWORK_LENGTH_MAX: usize = 40;

/// The maximum number of the merchant's own fields.
pub(in crate::rpc) const CUSTOM_FIELDS_MAX: usize = 50;
pub(in crate::rpc) const CUSTOM_KEY_LENGTH_MAX: usize = 40;

/// Reads a profile. The metadata is left empty.
pub(super) fn read(fields: &mut Fields, sent: &pb::AffiliateProfile) -> Profile {
    let address = sent.address.as_ref();
    Profile {
        company: fields.line("company", &sent.company, NAME_LENGTH_MAX),
        address: address.map(|sent| fields.within("address", |fields| read_address(fields, sent))).unwrap_or_default(),
        phone: fields.line("phone", &sent.phone, NAME_LENGTH_MAX),
        website_url: fields.optional_url("website_url", &sent.website_url),
        avatar_url: fields.optional_url("avatar_url", &sent.avatar_url),
        about: fields.paragraph("about", &sent.about),
        social_profiles: social_profiles(fields, &sent.social_profiles),
        paypal_email: fields.optional_email("paypal_email", &sent.paypal_email).unwrap_or_default(),
        custom_fields: custom_fields(fields, &sent.custom_fields),
        invoice_tax: invoice_tax::read(fields, sent.invoice_tax.as_ref()),
        metadata: BTreeMap::new(),
    }
}

/// A profile in the form that it is compared in.
pub(super) fn canonical(sent: &pb::AffiliateProfile) -> Cow<'_, pb::AffiliateProfile> {
    canonical!(
        pb::AffiliateProfile,
        sent,
        company: form::trimmed(&sent.company),
        address: form::inside(sent.address.as_ref(), postal_address::canonical),
        phone: form::trimmed(&sent.phone),
        website_url: form::url(&sent.website_url),
        avatar_url: form::url(&sent.avatar_url),
        about: form::trimmed(&sent.about),
        social_profiles: form::trimmed_values(&sent.social_profiles),
        paypal_email: form::email(&sent.paypal_email),
        custom_fields: canonical_fields(&sent.custom_fields),
        invoice_tax: invoice_tax::canonical(sent.invoice_tax.as_ref());
        as_sent:
    )
}

fn read_address(fields: &mut Fields, sent: &pb::PostalAddress) -> PostalAddress {
    let mut line = |field: &str, text: &str| fields.line(field, text, NAME_LENGTH_MAX);
    PostalAddress {
        street: line("street", &sent.street),
        city: line("city", &sent.city),
        region: line("region", &sent.region),
        postal_code: line("postal_code", &sent.postal_code),
        country_code: country_code(fields, &sent.country_code),
    }
}

/// Reads pages or user names in social networks. Entries without text are left out.
fn social_profiles(fields: &mut Fields, sent: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    if sent.len() > SOCIAL_PROFILES_MAX {
        fields.wrong("social_profiles", format!("has {} entries; at most {SOCIAL_PROFILES_MAX} are taken", sent.len()));
    }
    let sorted: BTreeMap<&String, &String> = sent.iter().take(SOCIAL_PROFILES_MAX).collect();
    let mut profiles = BTreeMap::new();
    for (network, text) in sorted {
        if !is_name(network, NETWORK_LENGTH_MAX) {
            let name: String =
                network.chars().filter(|character| !character.is_control()).take(NETWORK_LENGTH_MAX).collect();
            let fault = format!(
                "has the network `{name}`; name it by 1 to {NETWORK_LENGTH_MAX} small letters, digits, `-` or `_`"
            );
            fields.wrong("social_profiles", fault);
            continue;
        }
        let text = fields.line(&format!("social_profiles[{network}]"), text, NAME_LENGTH_MAX);
        if !text.is_empty() {
            profiles.insert(network.clone(), text);
        }
    }
    profiles
}

fn country_code(fields: &mut Fields, text: &str) -> String {
    let code = text.trim().to_ascii_uppercase();
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if !code.is_empty() && !is_code {
        fields.wrong("country_code", "must be an ISO 3166-1 code of two letters, such as US");
    }
    code
}

/// Whether a text is a name for programs: lower-case letters, digits, `-` and `_`.
pub(in crate::rpc) fn is_name(text: &str, length_max: usize) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=length_max).contains(&text.len()) && text.bytes().all(is_fit)
}

/// Reads the merchant's own fields.
fn custom_fields(fields: &mut Fields, sent: &[pb::CustomField]) -> Vec<CustomField> {
    if sent.len() > CUSTOM_FIELDS_MAX {
        fields.wrong("custom_fields", format!("has {} fields; at most {CUSTOM_FIELDS_MAX} are taken", sent.len()));
    }
    let mut keys = BTreeSet::new();
    let mut custom_fields = Vec::new();
    for (index, sent) in sent.iter().take(CUSTOM_FIELDS_MAX).enumerate() {
        fields.within(&format!("custom_fields[{index}]"), |fields| {
            if !is_name(&sent.key, CUSTOM_KEY_LENGTH_MAX) {
                let length = CUSTOM_KEY_LENGTH_MAX;
                fields.wrong("key", format!("must be 1 to {length} lower-case letters, digits, `-` or `_`"));
            } else if !keys.insert(&sent.key) {
                fields.wrong("key", "is the key of another field; send each key once");
            }
            custom_fields.push(CustomField {
                key: sent.key.clone(),
                label: fields.line("label", &sent.label, NAME_LENGTH_MAX),
                value: fields.paragraph("value", &sent.value),
            });
        });
    }
    custom_fields
}

fn canonical_fields(sent: &[pb::CustomField]) -> Option<Vec<pb::CustomField>> {
    let canonical = |sent: &pb::CustomField| {
        let sent: Cow<'_, pb::CustomField> = canonical!(
            pb::CustomField,
            sent,
            label: form::trimmed(&sent.label),
            value: form::trimmed(&sent.value);
            as_sent: key,
        );
        sent.into_owned()
    };
    let fields: Vec<pb::CustomField> = sent.iter().map(canonical).collect();
    (fields != sent).then_some(fields)
}

/// A profile as a message.
pub(super) fn render(profile: &Profile) -> pb::AffiliateProfile {
    let custom_field = |field: &CustomField| pb::CustomField {
        key: field.key.clone(),
        label: field.label.clone(),
        value: field.value.clone(),
    };
    pb::AffiliateProfile {
        company: profile.company.clone(),
        address: (profile.address != PostalAddress::default()).then(|| postal_address::render(&profile.address)),
        phone: profile.phone.clone(),
        website_url: profile.website_url.clone(),
        avatar_url: profile.avatar_url.clone(),
        about: profile.about.clone(),
        social_profiles: profile.social_profiles.clone(),
        paypal_email: profile.paypal_email.clone(),
        custom_fields: profile.custom_fields.iter().map(custom_field).collect(),
        invoice_tax: profile.invoice_tax.as_ref().map(invoice_tax::render),
    }
}
