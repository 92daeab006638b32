//! Single messages as bytes: decoding, the form in which repeats are compared, parsing, and the rule in a new account.

use std::fmt::Debug;

use headwater::domain::account::KeyKind;
use headwater::domain::time::Time;
use headwater::pb::BatchRecordEventsRequest;
use headwater::rpc::call::change::{Asking, Change};
use prost::Message;
use prost_reflect::DynamicMessage;

use super::changes::{Visitor, visit};
use super::world::{World, assert_proper};
use crate::api::{methods, name_of, of_corpus};
use crate::draw::{Draw, garbled};
use crate::message::Maker;
use crate::value::Pool;

/// See the head of the file. The input is a method's name, a line break and the message, as in the corpus, or choices.
///
/// # Panics
/// A property does not hold.
pub fn message(input: &[u8]) {
    if let Some((method, bytes)) = of_corpus(input) {
        return all_ways(&name_of(method), bytes);
    }
    let mut draw = Draw::new(input);
    let method = draw.of(methods());
    let maker = Maker { pool: &Pool::default(), now_seconds: 1_767_225_600, hostility: *draw.of(&[5, 40, 160]) };
    let bytes = maker.message(&mut draw, &method.input()).encode_to_vec();
    let bytes = if draw.happens(128) { garbled(&mut draw, bytes) } else { bytes };
    all_ways(&name_of(method), &bytes);
}

fn all_ways(method: &str, bytes: &[u8]) {
    let method_of_api = methods().iter().find(|one| name_of(one) == method).expect("a method of the API");
    // The two decoders are two libraries, and both must survive every input.
    let _ = DynamicMessage::decode(method_of_api.input(), bytes);
    let _ = visit(method, bytes, Read);
    if method.ends_with("/BatchRecordEvents") {
        batch(bytes);
    }
    World::new().perform(method, bytes);
}

/// Each event of a batch as a message of its own.
fn batch(bytes: &[u8]) {
    use headwater::pb::batch_item::Item;
    let Ok(batch) = BatchRecordEventsRequest::decode(bytes) else { return };
    let mut world = World::new();
    for item in batch.items.into_iter().filter_map(|item| item.item).take(50) {
        let (name, bytes) = match item {
            Item::Click(message) => ("RecordClick", message.encode_to_vec()),
            Item::Lead(message) => ("RecordLead", message.encode_to_vec()),
            Item::Sale(message) => ("RecordSale", message.encode_to_vec()),
            Item::Refund(message) => ("RecordRefund", message.encode_to_vec()),
            Item::Cancellation(message) => ("RecordCancellation", message.encode_to_vec()),
        };
        world.perform(&format!("headwater.v1.TrackingService/{name}"), &bytes);
        world.check();
    }
}

struct Read;

impl Visitor for Read {
    type Output = ();

    fn visit<M: Change + PartialEq + Debug>(self, bytes: &[u8]) {
        let Ok(message) = M::decode(bytes) else { return };
        let written = message.encode_to_vec();
        assert!(M::decode(written.as_slice()).expect("what was written is read") == message, "{message:?}");
        let canonical = message.canonical().into_owned();
        assert!(*canonical.canonical() == canonical, "the canonical form has another: {message:?}");
        for key_kind in [KeyKind::Admin, KeyKind::Tracking, KeyKind::Publishable] {
            let asking = Asking { now: Time::from_micros(1_767_225_600_000_000), key_kind };
            match (message.read(&asking), message.read(&asking)) {
                (Ok(_), Ok(_)) => {
                    let again = canonical.read(&asking).err();
                    assert!(again.is_none(), "accepted, but not in its canonical form: {message:?} {again:?}");
                }
                (Err(one), Err(other)) => {
                    assert_eq!(format!("{one:?}"), format!("{other:?}"));
                    assert_proper(M::NAME, one);
                }
                (one, other) => panic!("accepted once: {:?} {:?}", one.err(), other.err()),
            }
        }
    }
}
