//! Groups of transfers that are funded with one payment.

use serde_json::{Value, json};

use super::fund::status_of;
use super::{Call, Wise, errors};
use crate::exchange::Answer;
use crate::money::is_currency;
use crate::world::Common;

const TRANSFERS_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct Group {
    profile: i64,
    name: String,
    currency: String,
    status: &'static str,
    version: i64,
    transfers: Vec<usize>,
    cancelled_ms: i64,
    is_funded: bool,
}

impl Wise {
    fn group_json(&self, id: &str, group: &Group) -> Value {
        let ids: Vec<i64> =
            group.transfers.iter().filter_map(|index| self.transfers.get(*index)).map(|one| one.id).collect();
        json!({
            "id": id, "version": group.version, "name": group.name, "sourceCurrency": group.currency,
            "status": group.status, "transferIds": ids, "alreadyPaid": group.is_funded,
        })
    }

    fn group_answer(&self, id: &str) -> Result<Answer, Answer> {
        let group = self.groups.get(id).ok_or_else(errors::not_found)?;
        Ok(Answer::json(200, &self.group_json(id, group)))
    }

    fn own_group(&mut self, profile: i64, id: &str) -> Result<&mut Group, Answer> {
        self.groups.get_mut(id).filter(|group| group.profile == profile).ok_or_else(errors::not_found)
    }

    pub(super) fn create_group(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        profile: i64,
    ) -> Result<Answer, Answer> {
        let currency = call.body["sourceCurrency"].as_str().filter(|text| is_currency(text));
        let currency = currency.ok_or_else(|| errors::wrong("sourceCurrency", "A currency is required"))?.to_owned();
        let id = common.ids.uuid();
        let group = Group {
            profile,
            name: call.body["name"].as_str().unwrap_or("").to_owned(),
            currency,
            status: "NEW",
            version: 0,
            transfers: Vec::new(),
            cancelled_ms: 0,
            is_funded: false,
        };
        self.groups.insert(id.clone(), group);
        self.group_answer(&id)
    }

    pub(super) fn read_group(&mut self, profile: i64, id: &str) -> Result<Answer, Answer> {
        self.own_group(profile, id)?;
        self.group_answer(id)
    }

    pub(super) fn add_to_group(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        profile: i64,
        id: &str,
    ) -> Result<Answer, Answer> {
        let group = self.own_group(profile, id)?;
        if group.status != "NEW" || group.transfers.len() >= TRANSFERS_MAX {
            return Err(errors::one(409, "batch.group.closed", "The group takes no more transfers", "status"));
        }
        let index = self.make_transfer(common, call, Some(id))?;
        let source =
            self.transfers.get(index).map(|transfer| (transfer.quote.source_currency.clone(), transfer.group.clone()));
        let group = self.own_group(profile, id)?;
        if source.as_ref().is_some_and(|(currency, _)| *currency != group.currency) {
            return Err(errors::wrong("quoteUuid", "The quote has another source currency than the group"));
        }
        let is_member = source.is_some_and(|(_, of)| of.as_deref() == Some(id));
        if is_member && !group.transfers.contains(&index) {
            group.transfers.push(index);
            group.version += 1;
        }
        Ok(self.transfer_answer(index))
    }

    pub(super) fn change_group(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        profile: i64,
        id: &str,
    ) -> Result<Answer, Answer> {
        let now = common.clock.now_ms();
        let group = self.own_group(profile, id)?;
        if call.body["version"].as_i64() != Some(group.version) {
            return Err(errors::one(409, "batch.group.version", "The group was changed meanwhile", "version"));
        }
        let wanted = call.body["status"].as_str().unwrap_or("");
        group.status = match (group.status, wanted) {
            ("NEW", "COMPLETED") => "COMPLETED",
            ("NEW" | "COMPLETED", "MARKED_FOR_CANCELLATION") if !group.is_funded => "MARKED_FOR_CANCELLATION",
            _ => return Err(errors::one(409, "batch.group.status", "The group cannot get this status", "status")),
        };
        group.version += 1;
        group.cancelled_ms = now;
        self.group_answer(id)
    }

    pub(super) fn fund_group(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        profile: i64,
        id: &str,
    ) -> Result<Answer, Answer> {
        let group = self.own_group(profile, id)?;
        if group.status != "COMPLETED" || group.transfers.is_empty() {
            return Err(errors::one(409, "batch.group.status", "Only a completed group can be paid", "status"));
        }
        let transfers = group.transfers.clone();
        self.check_funding(common, call)?;
        let answer = self.fund_all(common, &transfers);
        if status_of(&answer) == "COMPLETED" {
            self.own_group(profile, id)?.is_funded = true;
        }
        Ok(answer)
    }

    /// A group is cancelled in two steps, of a second each.
    pub(super) fn settle_groups(&mut self, common: &mut Common) {
        let now = common.clock.now_ms();
        let mut ended = Vec::new();
        for group in self.groups.values_mut() {
            let age = now.saturating_sub(group.cancelled_ms);
            if group.status == "MARKED_FOR_CANCELLATION" && age >= 1000 {
                group.status = "PROCESSING_CANCEL";
            }
            if group.status == "PROCESSING_CANCEL" && age >= 2000 {
                group.status = "CANCELLED";
                ended.extend(group.transfers.iter().copied());
            }
        }
        for index in ended {
            self.change(common, index, "cancelled", now);
        }
    }
}
