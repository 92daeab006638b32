//! Selectors: the identifiers by which an account, affiliate, item, lead or conversion may be named.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::Call;
use super::canonical;
use super::parse::{Fields, KEY_LENGTH_MAX};
use super::wire_enum::WireEnum;
use crate::domain::account::AccountSelector;
use crate::domain::affiliate::{Affiliate, AffiliateSelector};
use crate::domain::conversion::{ConversionKind, ConversionSelector};
use crate::domain::id::{AffiliateId, LeadId};
use crate::domain::item::{Item, ItemSelector};
use crate::domain::lead::{Lead, LeadSelector};
use crate::domain::refusal::{Refusal, Resource};
use crate::error::Error;
use crate::pb::{
    self, account_selector, affiliate_selector, conversion_selector, enrollment_selector, item_selector, lead_selector,
};
use crate::store;

/// SHA-256 of an affiliate's own token. The hash is stored instead of the token.
pub(in crate::rpc) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The account that an operator's request names. It is required.
pub(in crate::rpc) fn account(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::AccountSelector>,
) -> Option<AccountSelector> {
    use account_selector::Selector;
    let selector = fields.required(field, selector)?;
    let Some(selector) = &selector.selector else {
        fields.wrong(field, "must have one of id and email");
        return None;
    };
    fields.within(field, |fields| match selector {
        Selector::Id(id) => fields.id("id", id).map(AccountSelector::Id),
        Selector::Email(email) => fields.email("email", email).map(AccountSelector::Email),
    })
}

/// The affiliate that a request names; `None` if it names none.
pub(in crate::rpc) fn optional_affiliate(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::AffiliateSelector>,
) -> Option<AffiliateSelector> {
    use affiliate_selector::Selector;
    let selector = selector?;
    let Some(selector) = &selector.selector else {
        fields.wrong(field, "must have one of id, external_id, email, ref_id and auth_token");
        return None;
    };
    fields.within(field, |fields| match selector {
        Selector::Id(id) => fields.id("id", id).map(AffiliateSelector::Id),
        Selector::ExternalId(id) => Some(AffiliateSelector::ExternalId(fields.required_key("external_id", id))),
        Selector::Email(email) => fields.email("email", email).map(AffiliateSelector::Email),
        Selector::RefId(ref_id) => {
            let ref_id = fields.required_line("ref_id", ref_id, KEY_LENGTH_MAX);
            Some(AffiliateSelector::RefId(ref_id.to_lowercase()))
        }
        Selector::AuthToken(token) => {
            let token = fields.required_key("auth_token", token);
            Some(AffiliateSelector::TokenHash(token_hash(&token)))
        }
    })
}

/// The affiliate that a request names. It is required.
pub(in crate::rpc) fn affiliate(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::AffiliateSelector>,
) -> Option<AffiliateSelector> {
    fields.required(field, selector)?;
    optional_affiliate(fields, field, selector)
}

/// The account that a request names, in the form that it is compared in.
pub(in crate::rpc) fn canonical_account(sent: &pb::AccountSelector) -> Cow<'_, pb::AccountSelector> {
    use account_selector::Selector;
    let canonical = match sent.selector.as_ref() {
        Some(Selector::Email(email)) => canonical::email(email).map(Selector::Email),
        Some(Selector::Id(_)) | None => None,
    };
    canonical.map_or(Cow::Borrowed(sent), |selector| Cow::Owned(pb::AccountSelector { selector: Some(selector) }))
}

/// The affiliate that a request names, in the form that it is compared in.
pub(in crate::rpc) fn canonical_affiliate(sent: &pb::AffiliateSelector) -> Cow<'_, pb::AffiliateSelector> {
    use affiliate_selector::Selector;
    let canonical = match sent.selector.as_ref() {
        Some(Selector::Email(email)) => canonical::email(email).map(Selector::Email),
        Some(Selector::RefId(ref_id)) => canonical::code(ref_id).map(Selector::RefId),
        Some(Selector::Id(_) | Selector::ExternalId(_) | Selector::AuthToken(_)) | None => None,
    };
    canonical.map_or(Cow::Borrowed(sent), |selector| Cow::Owned(pb::AffiliateSelector { selector: Some(selector) }))
}

/// The lead that a request names; `None` if it names none.
pub(in crate::rpc) fn optional_lead(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::LeadSelector>,
) -> Option<LeadSelector> {
    use lead_selector::Selector;
    let selector = selector?;
    let Some(selector) = &selector.selector else {
        fields.wrong(field, "must have one of id, external_id and email");
        return None;
    };
    fields.within(field, |fields| match selector {
        Selector::Id(id) => fields.id("id", id).map(LeadSelector::Id),
        Selector::ExternalId(external_id) => {
            Some(LeadSelector::ExternalId(fields.required_key("external_id", external_id)))
        }
        Selector::Email(email) => fields.email("email", email).map(LeadSelector::Email),
    })
}

/// The lead that a request names. It is required.
pub(in crate::rpc) fn lead(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::LeadSelector>,
) -> Option<LeadSelector> {
    fields.required(field, selector)?;
    optional_lead(fields, field, selector)
}

/// The lead that a request names, in the form that it is compared in.
pub(in crate::rpc) fn canonical_lead(sent: &pb::LeadSelector) -> Cow<'_, pb::LeadSelector> {
    use lead_selector::Selector;
    let canonical = match sent.selector.as_ref() {
        Some(Selector::Email(email)) => canonical::email(email).map(Selector::Email),
        Some(Selector::Id(_) | Selector::ExternalId(_)) | None => None,
    };
    canonical.map_or(Cow::Borrowed(sent), |selector| Cow::Owned(pb::LeadSelector { selector: Some(selector) }))
}

/// The enrollment that a request names, in the form that it is compared in.
pub(in crate::rpc) fn canonical_enrollment(sent: &pb::EnrollmentSelector) -> Cow<'_, pb::EnrollmentSelector> {
    use enrollment_selector::Selector;
    let canonical = match sent.selector.as_ref() {
        Some(Selector::RefId(ref_id)) => canonical::code(ref_id).map(Selector::RefId),
        Some(Selector::Id(_)) | None => None,
    };
    canonical.map_or(Cow::Borrowed(sent), |selector| Cow::Owned(pb::EnrollmentSelector { selector: Some(selector) }))
}

/// The item that a request names; `None` if it names none.
pub(in crate::rpc) fn optional_item(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::ItemSelector>,
) -> Option<ItemSelector> {
    use item_selector::Selector;
    let selector = selector?;
    let Some(selector) = &selector.selector else {
        fields.wrong(field, "must have one of id and sku");
        return None;
    };
    fields.within(field, |fields| match selector {
        Selector::Id(id) => fields.id("id", id).map(ItemSelector::Id),
        Selector::Sku(sku) => Some(ItemSelector::Sku(fields.required_key("sku", sku))),
    })
}

/// The item that a request names. It is required.
pub(in crate::rpc) fn item(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::ItemSelector>,
) -> Option<ItemSelector> {
    fields.required(field, selector)?;
    optional_item(fields, field, selector)
}

/// The conversion that a request names. It is required.
pub(in crate::rpc) fn conversion(
    fields: &mut Fields,
    field: &str,
    selector: Option<&pb::ConversionSelector>,
) -> Option<ConversionSelector> {
    use conversion_selector::Selector;
    let selector = fields.required(field, selector)?;
    let Some(selector) = &selector.selector else {
        fields.wrong(field, "must have one of id and recorded_event");
        return None;
    };
    fields.within(field, |fields| match selector {
        Selector::Id(id) => fields.id("id", id).map(ConversionSelector::Id),
        Selector::RecordedEvent(event) => fields.within("recorded_event", |fields| {
            let kind = fields.value_of("kind", event.kind, ConversionKind::VALUES);
            let event_id = fields.required_key("event_id", &event.event_id);
            Some(ConversionSelector::recorded_event(kind?, &event_id))
        }),
    })
}

impl Call {
    /// The affiliate with this identifier.
    pub(in crate::rpc) async fn affiliate(&self, selector: &AffiliateSelector) -> Result<Affiliate, Error> {
        let affiliate = store::affiliate::find(self.store(), self.account_id(), selector).await?;
        Ok(affiliate.ok_or_else(|| Refusal::not_found(Resource::Affiliate, selector))?)
    }

    /// The id of the affiliate that a filter names; `None` if it names none.
    pub(in crate::rpc) async fn affiliate_id(
        &self,
        selector: Option<&AffiliateSelector>,
    ) -> Result<Option<AffiliateId>, Error> {
        match selector {
            Some(selector) => Ok(Some(self.affiliate(selector).await?.id)),
            None => Ok(None),
        }
    }

    /// The same for a list that is read by affiliate. One that is named by its id is not looked up first, because rows of the list
    /// show that it exists. If there are none, [`Self::check_unless_found`] looks it up.
    pub(in crate::rpc) async fn affiliate_id_of_list(
        &self,
        selector: Option<&AffiliateSelector>,
    ) -> Result<Option<AffiliateId>, Error> {
        match selector {
            Some(AffiliateSelector::Id(id)) => Ok(Some(*id)),
            selector => self.affiliate_id(selector).await,
        }
    }

    /// Refuses the filter of a list without rows if it names an affiliate that does not exist.
    pub(in crate::rpc) async fn check_unless_found<T>(
        &self,
        rows: &[T],
        selector: Option<&AffiliateSelector>,
    ) -> Result<(), Error> {
        if rows.is_empty() {
            self.affiliate_id(selector).await?;
        }
        Ok(())
    }

    /// The item with this identifier.
    pub(in crate::rpc) async fn item(&self, selector: &ItemSelector) -> Result<Item, Error> {
        let item = store::item::find(self.store(), self.account_id(), selector).await?;
        Ok(item.ok_or_else(|| Refusal::not_found(Resource::Item, selector))?)
    }

    /// The lead with this identifier.
    pub(in crate::rpc) async fn lead(&self, selector: &LeadSelector) -> Result<Lead, Error> {
        let lead = store::lead::find(self.store(), self.account_id(), selector).await?;
        Ok(lead.ok_or_else(|| Refusal::not_found(Resource::Lead, selector))?)
    }

    /// The ids of the lead that a filter names and of those that were merged into it; none if the filter names no lead.
    pub(in crate::rpc) async fn lead_ids(&self, selector: Option<&LeadSelector>) -> Result<Vec<LeadId>, Error> {
        let Some(selector) = selector else { return Ok(Vec::new()) };
        let lead = self.lead(selector).await?;
        Ok([lead.id].into_iter().chain(lead.details.merged_ids).collect())
    }
}
