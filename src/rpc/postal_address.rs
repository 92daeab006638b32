//! Postal addresses on the wire.

use std::borrow::Cow;

use super::call::canonical::{self as form, canonical};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use crate::domain::affiliate::PostalAddress;
use crate::pb;

/// An address in the form that all spellings of it have.
pub(super) fn canonical(sent: &pb::PostalAddress) -> Cow<'_, pb::PostalAddress> {
    canonical!(
        pb::PostalAddress,
        sent,
        street: form::trimmed(&sent.street),
        city: form::trimmed(&sent.city),
        region: form::trimmed(&sent.region),
        postal_code: form::trimmed(&sent.postal_code),
        country_code: form::country_code(&sent.country_code);
        as_sent:
    )
}

/// Reads an address to which a letter can be sent.
pub(super) fn read_required(
    fields: &mut Fields,
    field: &str,
    sent: Option<&pb::PostalAddress>,
) -> Option<PostalAddress> {
    let sent = fields.required(field, sent)?;
    fields.within(field, |fields| {
        let street = fields.required_line("street", &sent.street, NAME_LENGTH_MAX);
        let city = fields.required_line("city", &sent.city, NAME_LENGTH_MAX);
        let region = fields.line("region", &sent.region, NAME_LENGTH_MAX);
        let postal_code = fields.line("postal_code", &sent.postal_code, NAME_LENGTH_MAX);
        let country_code = fields.country("country_code", &sent.country_code);
        if country_code.is_none() && sent.country_code.trim().is_empty() {
            fields.wrong("country_code", "is required");
        }
        Some(PostalAddress { street, city, region, postal_code, country_code: country_code? })
    })
}

/// An address as a message.
pub(super) fn render(address: &PostalAddress) -> pb::PostalAddress {
    pb::PostalAddress {
        street: address.street.clone(),
        city: address.city.clone(),
        region: address.region.clone(),
        postal_code: address.postal_code.clone(),
        country_code: address.country_code.clone(),
    }
}
