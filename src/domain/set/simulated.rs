//! The tallies of a simulation. They stand in place of those of the set while history is told again, and count from nothing. Knows no rule.

use std::mem::swap;

use super::rows::Rows;
use super::undo::Undo as _;
use super::working_set::WorkingSet;
use crate::domain::click::CountedClick;
use crate::domain::ladder::LadderTally;
use crate::domain::sales_tally::SalesTally;
use crate::domain::tally::Tally;

/// Tallies that are in no database. One that is missing has nothing in it.
#[derive(Debug)]
pub struct SimulatedTallies {
    of_caps: Rows<Tally>,
    of_ladders: Rows<LadderTally>,
    of_sales: Rows<SalesTally>,
    counted_clicks: Rows<CountedClick>,
}

impl Default for SimulatedTallies {
    fn default() -> Self {
        let mut tallies = Self {
            of_caps: Rows::default(),
            of_ladders: Rows::default(),
            of_sales: Rows::default(),
            counted_clicks: Rows::default(),
        };
        tallies.of_caps.complete();
        tallies.of_ladders.complete();
        tallies.of_sales.complete();
        tallies.counted_clicks.complete();
        tallies
    }
}

impl SimulatedTallies {
    /// Forgets which clicks count, because a simulation keeps that in less memory.
    pub(in crate::domain) fn forget_clicks(&mut self) {
        self.counted_clicks = Self::default().counted_clicks;
    }
}

impl WorkingSet {
    /// Puts these tallies in place of those of the set, which they get instead.
    pub(in crate::domain) fn swap_tallies(&mut self, tallies: &mut SimulatedTallies) {
        swap(&mut self.tallies, &mut tallies.of_caps);
        swap(&mut self.ladder_tallies, &mut tallies.of_ladders);
        swap(&mut self.sales_tallies, &mut tallies.of_sales);
        swap(&mut self.counted_clicks, &mut tallies.counted_clicks);
    }
}
