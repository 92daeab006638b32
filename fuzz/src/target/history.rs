//! Histories: many messages in one account, each through parsing and rule. All invariants are checked after each.

use std::collections::BTreeMap;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use sha2::{Digest, Sha256};

use super::world::World;
use crate::api::{methods, name_of};
use crate::draw::{Draw, garbled};
use crate::message::{Maker, each_text};
use crate::value::Pool;

/// A history does not get longer, because every step checks all that was recorded before.
const STEPS_MAX: usize = 60;

/// The first messages of most histories, so that later ones find a program, an item, affiliates and an offer.
const OPENING: [&str; 6] =
    ["CreateProgram", "CreateItem", "CreateAffiliate", "CreateAffiliate", "CreateOffer", "RecordClick"];

/// How many bytes of choices a whole history takes.
const CHOICES: usize = 4_096;

/// The input, and behind it bytes that follow from its beginning. Without them most random inputs would end before anything is earned. They
/// stay the same when a fuzzer changes something behind the beginning.
fn continued(input: &[u8]) -> Vec<u8> {
    let beginning = &input[..input.len().min(8)];
    let more = (0_u32..).flat_map(|block| Sha256::digest([beginning, &block.to_be_bytes()].concat()));
    input.iter().copied().chain(more).take(CHOICES.max(input.len())).collect()
}

fn is_event(method: &MethodDescriptor) -> bool {
    let name = method.name();
    name.starts_with("Record") || matches!(name, "CorrectSale" | "UndoRefund" | "OpenDispute" | "ResolveDispute")
}

fn is_aside(method: &MethodDescriptor) -> bool {
    matches!(method.parent_service().name(), "AccountService" | "PayoutService")
}

/// See the head of the file. Returns how many messages of each method were accepted.
///
/// # Panics
/// A property does not hold.
pub fn history(input: &[u8]) -> BTreeMap<String, usize> {
    let mut accepted = BTreeMap::new();
    let choices = continued(input);
    let mut draw = Draw::new(&choices);
    let changing: Vec<&MethodDescriptor> =
        methods().iter().filter(|method| method.output().get_field_by_name("replayed").is_some()).collect();
    let recording: Vec<_> = changing.iter().copied().filter(|method| is_event(method)).collect();
    // Accounts and payouts change little of what a history is about, and have many calls.
    let usual: Vec<_> = changing.iter().copied().filter(|method| !is_aside(method)).collect();
    let mut world = World::new();
    let mut pool = Pool::default();
    let has_opening = !draw.happens(16);
    for step in 0..STEPS_MAX {
        let method = match OPENING.get(step).filter(|_| has_opening) {
            Some(name) => changing.iter().find(|method| method.name() == *name).expect("the API has it"),
            // Events are told more often than anything else.
            None if draw.happens(128) => draw.of(&recording),
            None if draw.happens(128) => draw.of(&usual),
            None => draw.of(&changing),
        };
        // Most messages are friendly, so that the history gets far.
        let hostility = if step < OPENING.len() && has_opening { 0 } else { *draw.of(&[0, 0, 0, 2, 10, 60]) };
        let maker = Maker { pool: &pool, now_seconds: world.now_seconds(), hostility };
        let mut bytes = maker.message(&mut draw, &method.input()).encode_to_vec();
        if draw.happens(hostility / 2) {
            bytes = garbled(&mut draw, bytes);
        }
        if let Some(answer) = world.perform(&name_of(method), &bytes) {
            let answer = DynamicMessage::decode(method.output(), answer.as_slice()).expect("an answer can be read");
            each_text(&answer, &mut |name, text| pool.keep(name, text));
            *accepted.entry(name_of(method)).or_default() += 1;
        }
        world.check();
        world.wait_seconds(*draw.of(&[0, 0, 1, 3_600, 86_400, 40 * 86_400]));
        if draw.is_empty() {
            break;
        }
    }
    world.finish();
    accepted
}
