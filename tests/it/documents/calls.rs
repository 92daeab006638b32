//! The calls and fields that documents name, looked up in the descriptor. Knows no document.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use headwater::pb;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap());

/// The method with a name such as `TrackingService.RecordSale`.
pub(super) fn call(name: &str) -> Option<MethodDescriptor> {
    let (service, method) = name.split_once('.')?;
    let service = POOL.get_service_by_name(&format!("headwater.v1.{service}"))?;
    service.methods().find(|candidate| candidate.name() == method)
}

/// Whether a term is written as a call is: `SomethingService.Something`.
pub(super) fn is_call(term: &str) -> bool {
    term.split_once('.').is_some_and(|(service, method)| service.ends_with("Service") && !method.is_empty())
}

/// Whether a message has a field at a path such as `profile.address.city`. A path may go through repeated fields.
pub(super) fn has_field(message: &MessageDescriptor, path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(field) = message.get_field_by_name(name) else { return false };
    match (rest, field.kind()) {
        (None, _) => true,
        (Some(rest), Kind::Message(message)) => has_field(&message, rest),
        (Some(_), _) => false,
    }
}

/// The names of all values of enums, such as `AFFILIATE_STATE_ACTIVE`.
pub(super) fn enum_values() -> BTreeSet<String> {
    let enums = POOL.all_enums().filter(|it| it.package_name() == "headwater.v1");
    enums.flat_map(|it| it.values().map(|value| value.name().to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn calls_and_fields_are_found() {
    let create = call("AffiliateService.CreateAffiliate").unwrap();
    for path in ["email", "profile", "profile.address.city", "commission_override.percent_ppm"] {
        assert!(has_field(&create.input(), path), "{path}");
    }
    for path in ["e_mail", "profile.town", "email.host", "metadata.anything.more", ""] {
        assert!(!has_field(&create.input(), path), "{path}");
    }
    assert!(call("AffiliateService.MakeAffiliate").is_none() && call("AffiliateService").is_none());
    assert!(is_call("AffiliateService.MakeAffiliate") && !is_call("profile.address"));
    assert!(enum_values().contains("AFFILIATE_STATE_ACTIVE"));
}
