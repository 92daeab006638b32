//! The order in which two servers are measured in turns, and the parts that make one measurement. Does not know what is measured.

use crate::load::{Measured, Until};

/// The order of turns within a measurement: first or second server. The order favours neither server if the machine's speed
/// changes steadily, or at a steadily growing rate.
const TURNS: [usize; 8] = [0, 1, 1, 0, 1, 0, 0, 1];

/// The number of turns of one server.
const PARTS: u32 = TURNS.len() as u32 / 2;

/// The servers' places in the order of their turns. With two servers, the one that begins alternates from round to round.
pub(crate) fn turns(servers: usize, round: u32) -> impl Iterator<Item = usize> {
    let first = usize::from(round.is_multiple_of(2));
    TURNS.into_iter().map(move |turn| (first + turn) % 2).filter(move |place| *place < servers)
}

/// The limit of one turn, which is a part of the limit of the measurement.
pub(crate) fn part(until: Until) -> Until {
    match until {
        Until::Time(time) => Until::Time(time / PARTS),
        Until::Calls(calls) => Until::Calls(calls.div_ceil(PARTS.into())),
    }
}

/// Merges two runs into one.
pub(crate) fn together(mut one: Measured, other: Measured) -> Measured {
    one.latencies.add(&other.latencies);
    let units = (one.units + other.units).max(1) as f64;
    let weighted = |(a, b): (&f64, &f64)| (a * one.units as f64 + b * other.units as f64) / units;
    Measured {
        calls: one.calls + other.calls,
        units: one.units + other.units,
        seconds: one.seconds + other.seconds,
        processor_micros: one.processor_micros.iter().zip(&other.processor_micros).map(weighted).collect(),
        latencies: one.latencies,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Latencies;

    #[test]
    fn both_servers_have_as_many_turns_and_begin_in_turn() {
        for round in 1..=2 {
            let order: Vec<usize> = turns(2, round).collect();
            assert_eq!(order.iter().filter(|place| **place == 0).count(), order.len() / 2);
            assert_eq!(order[0], usize::from(round == 2));
            assert_eq!(turns(1, round).count(), PARTS as usize);
        }
    }

    #[test]
    fn two_parts_are_one_run() {
        let part = |units, seconds, micros| Measured {
            calls: units,
            units,
            seconds,
            latencies: Latencies::new(),
            processor_micros: vec![micros],
        };
        let whole = together(part(100, 1.0, 10.0), part(300, 1.0, 20.0));
        assert_eq!((whole.calls, whole.units, whole.per_second()), (400, 400, 200.0));
        assert_eq!(whole.processor_micros, [17.5]);
    }
}
