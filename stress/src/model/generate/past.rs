//! Draws from what has happened: times at which something changed who earns, and sales that refunds wait for.

use headwater_client::pb;
use pb::ConversionKind as Kind;
use prost_types::Timestamp;

use super::{Generator, MICROS_PER_MINUTE, pick};
use crate::model::command::{micros, stamp};
use crate::model::world::World;

/// Distances from a moment: the moment itself, its neighbours, and the ends of the tolerance for different clocks.
const DISTANCES: [i64; 9] = [
    -10 * MICROS_PER_MINUTE - 1,
    -10 * MICROS_PER_MINUTE,
    -1,
    0,
    1,
    10 * MICROS_PER_MINUTE,
    10 * MICROS_PER_MINUTE + 1,
    -60 * MICROS_PER_MINUTE,
    60 * MICROS_PER_MINUTE,
];

impl Generator {
    /// A time near a binding, a click, an event, the end of an enrollment, or the making or the end of a code.
    pub(super) fn near_the_past(&mut self, world: &World, elapsed: i64) -> Option<Timestamp> {
        let moment = self.moment(world)?;
        let origin = world.clock - elapsed;
        let distance = pick(&mut self.rng, &DISTANCES);
        Some(stamp((moment - origin + distance).min(elapsed + 10 * MICROS_PER_MINUTE)))
    }

    fn moment(&mut self, world: &World) -> Option<i64> {
        let drawn = self.rng.u32(0..10);
        let mut one = |times: Vec<Option<&Timestamp>>| {
            let times: Vec<i64> = times.into_iter().flatten().map(micros).collect();
            (!times.is_empty()).then(|| pick(&mut self.rng, &times))
        };
        match drawn {
            0..2 => one(world.leads.iter().map(|row| row.bind_time.as_ref()).collect()),
            2 => one(world.leads.iter().map(|row| row.referral_time.as_ref()).collect()),
            3..5 => one(world.conversions.iter().map(|one| one.row.occur_time.as_ref()).collect()),
            5 => {
                let dated = world.enrollments.iter().flat_map(|row| &row.dated_commissions);
                let dates = dated.flat_map(|one| [&one.start_time, &one.end_time, &one.withdraw_time]);
                let ends = world.enrollments.iter().map(|row| &row.end_time);
                one(dates.chain(ends).map(Option::as_ref).collect())
            }
            6 => one(world.coupons.iter().map(|row| row.create_time.as_ref()).collect()),
            7 => one(world.coupons.iter().map(|row| row.remove_time.as_ref()).collect()),
            8 => one(world.links.iter().map(|row| row.revoke_time.as_ref().or(row.create_time.as_ref())).collect()),
            _ => {
                let times: Vec<i64> = world.clicks.iter().map(|click| click.occurred).collect();
                (!times.is_empty()).then(|| pick(&mut self.rng, &times))
            }
        }
    }

    /// Sometimes the event_id of a sale that a refund waits for.
    pub(super) fn awaited_sale(&mut self, world: &World) -> Option<String> {
        let waits = |row: &&pb::Conversion| row.outcome() == pb::ConversionOutcome::Waiting;
        let awaited: Vec<&String> = world.event_ids(Kind::Refund).filter(waits).map(|row| &row.sale_event_id).collect();
        let is_drawn = !awaited.is_empty() && self.rng.u32(0..25) == 0;
        is_drawn.then(|| pick(&mut self.rng, &awaited).clone())
    }
}
