//! Samples of what few leads have.

use headwater::domain::id::LeadId;
use headwater::domain::lead::{Binding, LeadDetails, ManualBinding};
use smallvec::smallvec;

use super::{NOW, credit, uuid};

pub(crate) fn lead_details() -> LeadDetails {
    let binding = Binding { credits: smallvec![credit()], bound_at: NOW, referred_at: NOW.plus_days(-1) };
    LeadDetails {
        metadata: [("crm".to_owned(), "\"17\"".to_owned())].into(),
        manual_bindings: vec![ManualBinding {
            binding,
            made_at: NOW.plus_days(1),
            reason: "asked to".to_owned(),
            merged_id: Some(LeadId::from_uuid(uuid(8))),
        }],
        merged_ids: vec![LeadId::from_uuid(uuid(8))],
        former_ids: vec![LeadId::from_uuid(uuid(9))],
        sale_counts: Vec::new(),
        customer_rewards: Default::default(),
        asked_for_new_at: None,
        cancelled_at: None,
        country_code: String::new(),
    }
}
