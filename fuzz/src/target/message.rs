//! Single messages as bytes: decoding, the form in which repeats are compared, parsing, and the rule in a new account.

use std::fmt::Debug;

use headwater::domain::account::KeyKind;
use headwater::domain::time::Time;
use headwater::pb::BatchRecordEventsRequest;
use headwater::rpc::call::change::{Asking, Change};
use headwater::rpc::call::codec;
use headwater::secrets::Secrets;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::changes::{Visitor, visit};
use super::world::{World, assert_proper};
use crate::api::{methods, name_of, of_corpus, recorded};
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
    let maker = Maker { pool: &Pool::of_samples(), now_seconds: 1_767_225_600, hostility: *draw.of(&[5, 40, 160]) };
    let bytes = maker.message(&mut draw, &method.input()).encode_to_vec();
    let bytes = if draw.happens(128) { garbled(&mut draw, bytes) } else { bytes };
    all_ways(&name_of(method), &bytes);
}

/// A message of a method as a friendly caller sends it, by these choices, in the form of the corpus.
///
/// # Panics
/// The API has no such method.
pub fn usual_message(method: &str, choices: &[u8]) -> Vec<u8> {
    let maker = Maker { pool: &Pool::of_samples(), now_seconds: 1_767_225_600, hostility: 0 };
    let descriptor = methods().iter().find(|one| name_of(one) == method).expect("a method of the API").input();
    recorded(method, &maker.message(&mut Draw::new(choices), &descriptor).encode_to_vec())
}

/// Whether an input has the form of the corpus, and its message can be parsed. The messages of methods that only read are parsed
/// with their answers, so any of them counts.
pub fn is_well_formed(input: &[u8]) -> bool {
    let Some((method, bytes)) = of_corpus(input) else { return false };
    DynamicMessage::decode(method.input(), bytes).is_ok() && visit(&name_of(method), bytes, Parse).unwrap_or(true)
}

struct Parse;

impl Visitor for Parse {
    type Output = bool;

    fn visit<M: Change + PartialEq + Debug>(self, bytes: &[u8]) -> bool {
        let Ok(secrets) = Secrets::parse(&"5".repeat(64)) else { return false };
        let asking =
            Asking { secrets: &secrets, ..Asking::new(Time::from_micros(1_767_225_600_000_000), KeyKind::Admin) };
        M::decode(bytes).is_ok_and(|message| message.read(&asking).is_ok())
    }
}

fn all_ways(method: &str, bytes: &[u8]) {
    let method_of_api = methods().iter().find(|one| name_of(one) == method).expect("a method of the API");
    let fits = codec::fits(method_of_api.input().name(), bytes);
    // A small message is never refused for its size.
    let is_small = bytes.len() < 1_024;
    assert!(fits || !is_small, "{method}: refused for its size with {} bytes", bytes.len());
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
            Item::Appointment(message) => ("RecordAppointment", message.encode_to_vec()),
            Item::CustomEvent(message) => ("RecordCustomEvent", message.encode_to_vec()),
            Item::Dispute(message) => ("OpenDispute", message.encode_to_vec()),
            Item::DisputeResolution(message) => ("ResolveDispute", message.encode_to_vec()),
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
            let asking = Asking::new(Time::from_micros(1_767_225_600_000_000), key_kind);
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
