//! The figures of QueryStats, compared with those that the model counts. Clicks and sales are in the same days, programs and affiliates,
//! whatever they are divided by.

use headwater_client::pb;
use pb::StatisticGroup as Group;

use super::filtered::{Turn, by_id};
use super::{PAGE_SIZE, inner, told};
use crate::model::command::MICROS_PER_DAY;
use crate::model::drive::{Difference, Player};
use crate::model::world::{Asked, day};

impl Player {
    pub(super) async fn check_figures(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        // All figures of all days with the finest division, and one draw of everything.
        let whole = Asked {
            first_day: day(self.world.clock - 1_000 * MICROS_PER_DAY),
            last_day: day(self.world.clock + MICROS_PER_DAY),
            by_day: true,
            by_program: true,
            by_affiliate: true,
            program_id: None,
            affiliate_id: None,
        };
        let first = self.world.clock - turn.below(400) as i64 * MICROS_PER_DAY;
        let drawn = Asked {
            first_day: day(first),
            last_day: day(first + turn.below(200) as i64 * MICROS_PER_DAY),
            by_day: turn.is_on(),
            by_program: turn.is_on(),
            by_affiliate: turn.is_on(),
            program_id: turn.one(&self.world.programs).map(|program| program.row.id.clone()),
            affiliate_id: turn.one(&self.world.affiliates).map(|row| row.id.clone()),
        };
        for asked in [whole, drawn] {
            if let Some(difference) = self.compare_figures(&asked).await? {
                return Ok(Some(difference));
            }
        }
        Ok(None)
    }

    async fn compare_figures(&mut self, asked: &Asked) -> anyhow::Result<Option<Difference>> {
        let groups =
            [(asked.by_day, Group::Day), (asked.by_program, Group::Program), (asked.by_affiliate, Group::Affiliate)];
        let mut request = pb::QueryStatsRequest {
            page_size: PAGE_SIZE,
            first_day: asked.first_day.clone(),
            last_day: asked.last_day.clone(),
            group_by: groups.into_iter().filter(|(is_on, _)| *is_on).map(|(_, group)| group.into()).collect(),
            program_id: asked.program_id.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default(),
            affiliate: asked.affiliate_id.as_ref().and_then(|id| by_id(&self.names.resolve(id))),
            ..pb::QueryStatsRequest::default()
        };
        let text = format!("{request:?}");
        let mut rows = Vec::new();
        loop {
            let page = self.client.rewards.query_stats(request.clone()).await.map_err(told)?.into_inner();
            rows.extend(page.rows);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let is_by_day = rows.is_sorted_by_key(|row: &pb::StatisticRow| row.day.clone());
        // The rows of a day have no promised order.
        let symbol_of = |id: &str| self.names.symbol_of(id).unwrap_or(id).to_owned();
        rows.sort_by_key(|row| (row.day.clone(), symbol_of(&row.program_id), symbol_of(&row.affiliate_id)));
        let mut expected = self.world.figures(asked);
        expected.sort_by_key(|row| (row.day.clone(), inner(&row.program_id), inner(&row.affiliate_id)));
        Ok(self.compare(&text, &format!("{:?}", (true, expected)), &format!("{:?}", (is_by_day, rows))))
    }
}
