//! Payout schedules on the wire.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use super::payout_run::{amounts, selection};
use crate::domain::payout::NET_DAYS_MAX;
use crate::domain::payout_run::RunLimits;
use crate::domain::payout_schedule::{Cutoff, PayoutSchedule};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ArchivePayoutSchedule, CreatePayoutSchedule, UpdatePayoutSchedule};
use crate::domain::timing::{CYCLE_DAYS_MAX, MINUTES_PER_DAY, Recurrence, Timing, Weekday};
use crate::error::{Error, FieldPaths};
use crate::pb::{self, payout_timing};
use crate::store;

/// Reads when a schedule creates runs.
fn timing(fields: &mut Fields, sent: Option<&pb::PayoutTiming>) -> Option<Timing> {
    let sent = fields.required("timing", sent)?;
    fields.within("timing", |fields| {
        let minute_of_day = fields.number("time_of_day_minutes", sent.time_of_day_minutes, 0..=MINUTES_PER_DAY - 1);
        let recurrence = match &sent.recurrence {
            Some(payout_timing::Recurrence::MonthDays(sent)) => month_days(fields, &sent.days),
            Some(payout_timing::Recurrence::Weekdays(sent)) => weekdays(fields, &sent.days),
            Some(payout_timing::Recurrence::Cycle(sent)) => fields.within("cycle", |fields| {
                let interval_days = fields.number("interval_days", sent.interval_days, 1..=CYCLE_DAYS_MAX);
                let first = fields.day("first_day", &sent.first_day);
                first.map(|first| Recurrence::Cycle { interval_days, first })
            }),
            None => {
                fields.wrong("recurrence", "is required: send month_days, weekdays or cycle");
                None
            }
        };
        recurrence.map(|recurrence| Timing { recurrence, minute_of_day })
    })
}

fn month_days(fields: &mut Fields, sent: &[i32]) -> Option<Recurrence> {
    if sent.is_empty() || sent.len() > 31 {
        fields.wrong("month_days.days", format!("has {} days; send 1 to 31", sent.len()));
        return None;
    }
    let read = |(index, day): (usize, &i32)| fields.number(&format!("month_days.days[{index}]"), *day, 1..=31);
    let days: BTreeSet<i32> = sent.iter().enumerate().map(read).collect();
    Some(Recurrence::MonthDays(days.into_iter().collect()))
}

fn weekdays(fields: &mut Fields, sent: &[i32]) -> Option<Recurrence> {
    let mut days: Vec<Weekday> = fields.values("weekdays.days", sent);
    if sent.is_empty() {
        fields.wrong("weekdays.days", "has no day; send at least one");
    }
    days.sort_unstable();
    (!days.is_empty()).then_some(Recurrence::Weekdays(days))
}

/// A timing with its days in order, each once.
fn canonical_timing(sent: Option<&pb::PayoutTiming>) -> Option<Option<pb::PayoutTiming>> {
    canonical::inside(sent, |sent| {
        let in_order = |days: &[i32]| days.iter().copied().collect::<BTreeSet<i32>>().into_iter().collect();
        let mut canonical = sent.clone();
        match &mut canonical.recurrence {
            Some(payout_timing::Recurrence::MonthDays(month)) => month.days = in_order(&month.days),
            Some(payout_timing::Recurrence::Weekdays(week)) => week.days = in_order(&week.days),
            Some(payout_timing::Recurrence::Cycle(_)) | None => {}
        }
        if canonical == *sent { Cow::Borrowed(sent) } else { Cow::Owned(canonical) }
    })
}

/// Reads up to when rewards must have been approved.
fn cutoff(fields: &mut Fields, net_days: Option<i32>, until_previous_month: bool) -> Option<Cutoff> {
    let net_days = net_days.map(|days| fields.number("net_days", days, 0..=NET_DAYS_MAX));
    if net_days.is_some() && until_previous_month {
        fields.wrong("until_previous_month", "cannot be true with net_days; send one of the two");
    }
    if until_previous_month { Some(Cutoff::MonthBefore) } else { net_days.map(|days| Cutoff::NetDays { days }) }
}

impl Change for pb::CreatePayoutScheduleRequest {
    type Rule = CreatePayoutSchedule;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Affiliate, "affiliate_ids")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreatePayoutScheduleRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            timing: canonical_timing(self.timing.as_ref()),
            note: canonical::trimmed(&self.note),
            message: canonical::trimmed(&self.message);
            as_sent: request_id, currency_code, all_affiliates, affiliate_ids, minimum, maximum_total, provider, net_days,
                until_previous_month, needs_approval,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreatePayoutSchedule, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let display_name = fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let timing = timing(&mut fields, self.timing.as_ref());
        let affiliate_ids = selection(&mut fields, self.all_affiliates, &self.affiliate_ids);
        let limits = (self.minimum.as_ref(), self.maximum_total.as_ref());
        let (currency, limits) = amounts(&mut fields, &self.currency_code, limits.0, limits.1);
        let provider = fields.optional_value("provider", self.provider);
        let cutoff = cutoff(&mut fields, self.net_days, self.until_previous_month);
        let note = fields.paragraph("note", &self.note);
        let message = fields.paragraph("message", &self.message);
        let (timing, currency) = fields.complete((timing, currency))?;
        let RunLimits { minimum, maximum_total } = limits;
        let rule = CreatePayoutSchedule {
            display_name,
            timing,
            currency,
            affiliate_ids,
            minimum,
            maximum_total,
            provider,
            cutoff,
            needs_approval: self.needs_approval,
            note,
            message,
        };
        Ok((rule, ()))
    }

    fn render(
        schedule: Arc<PayoutSchedule>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::CreatePayoutScheduleResponse {
        pb::CreatePayoutScheduleResponse { payout_schedule: Some(render(&schedule)), replayed }
    }
}

/// The fields that UpdatePayoutSchedule changes.
const UPDATED: [&str; 12] = [
    "display_name",
    "timing",
    "all_affiliates",
    "affiliate_ids",
    "minimum",
    "maximum_total",
    "provider",
    "net_days",
    "until_previous_month",
    "needs_approval",
    "note",
    "message",
];

impl Change for pb::UpdatePayoutScheduleRequest {
    type Rule = UpdatePayoutSchedule;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::PayoutScheduleId, "payout_schedule.id"),
        (Field::Affiliate, "payout_schedule.affiliate_ids"),
        (Field::Provider, "payout_schedule.provider"),
        (Field::Minimum, "payout_schedule.minimum"),
        (Field::MaximumTotal, "payout_schedule.maximum_total"),
        (Field::Etag, "payout_schedule.etag"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdatePayoutScheduleRequest,
            self,
            payout_schedule: canonical::inside(self.payout_schedule.as_ref(), |values| canonical_update(values, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdatePayoutSchedule, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &UPDATED);
        let Some(values) = fields.required("payout_schedule", self.payout_schedule.as_ref()) else {
            return Err(fields.into_error());
        };
        let has = |path: &str| paths.contains(&path);
        let rule = fields.within("payout_schedule", |fields| {
            let id = fields.id("id", &values.id);
            let display_name = has("display_name")
                .then(|| fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let timing = has("timing").then(|| timing(fields, values.timing.as_ref()));
            let affiliate_ids = (has("all_affiliates") || has("affiliate_ids"))
                .then(|| selection(fields, values.all_affiliates, &values.affiliate_ids));
            let minimum = has("minimum").then(|| fields.optional_money("minimum", values.minimum.as_ref()));
            let maximum_total =
                has("maximum_total").then(|| fields.optional_money("maximum_total", values.maximum_total.as_ref()));
            let provider = has("provider").then(|| fields.optional_value("provider", values.provider));
            let cutoff = (has("net_days") || has("until_previous_month"))
                .then(|| cutoff(fields, values.net_days, values.until_previous_month));
            let note = has("note").then(|| fields.paragraph("note", &values.note));
            let message = has("message").then(|| fields.paragraph("message", &values.message));
            Some(UpdatePayoutSchedule {
                id: id?,
                etag: etag(&values.etag),
                display_name,
                timing: timing.flatten(),
                affiliate_ids,
                minimum,
                maximum_total,
                provider,
                cutoff,
                needs_approval: has("needs_approval").then_some(values.needs_approval),
                note,
                message,
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(
        schedule: Arc<PayoutSchedule>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::UpdatePayoutScheduleResponse {
        pb::UpdatePayoutScheduleResponse { payout_schedule: Some(render(&schedule)), replayed }
    }
}

/// The etag that a schedule must have.
fn etag(sent: &str) -> Option<String> {
    (!sent.is_empty()).then(|| sent.to_owned())
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::PayoutSchedule, mask: Mask<'_>) -> Cow<'message, pb::PayoutSchedule> {
    // Either of two fields makes the server read both.
    let selection = mask.first_of(["all_affiliates", "affiliate_ids"]);
    let cutoff = mask.first_of(["net_days", "until_previous_month"]);
    canonical!(
        pb::PayoutSchedule,
        sent,
        state: canonical::unread(&sent.state),
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        timing: mask.field("timing", &sent.timing, |timing| canonical_timing(timing.as_ref())),
        currency_code: canonical::unread(&sent.currency_code),
        all_affiliates: mask.field(selection, &sent.all_affiliates, |_| None),
        affiliate_ids: mask.field(selection, &sent.affiliate_ids, |_| None),
        minimum: mask.field("minimum", &sent.minimum, |_| None),
        maximum_total: mask.field("maximum_total", &sent.maximum_total, |_| None),
        provider: mask.field("provider", &sent.provider, |_| None),
        net_days: mask.field(cutoff, &sent.net_days, |_| None),
        until_previous_month: mask.field(cutoff, &sent.until_previous_month, |_| None),
        needs_approval: mask.field("needs_approval", &sent.needs_approval, |_| None),
        note: mask.field("note", &sent.note, |text| canonical::trimmed(text)),
        message: mask.field("message", &sent.message, |text| canonical::trimmed(text)),
        next_run_time: canonical::unread(&sent.next_run_time),
        last_payout_run_id: canonical::unread(&sent.last_payout_run_id),
        setter_key_id: canonical::unread(&sent.setter_key_id),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        archive_time: canonical::unread(&sent.archive_time);
        as_sent: id, etag,
    )
}

impl Change for pb::ArchivePayoutScheduleRequest {
    type Rule = ArchivePayoutSchedule;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ArchivePayoutScheduleRequest, self; as_sent: request_id, payout_schedule_id, etag)
    }

    fn read(&self, _asking: &Asking) -> Result<(ArchivePayoutSchedule, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("payout_schedule_id", &self.payout_schedule_id);
        Ok((ArchivePayoutSchedule { id: fields.complete(id)?, etag: etag(&self.etag) }, ()))
    }

    fn render(
        schedule: Arc<PayoutSchedule>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::ArchivePayoutScheduleResponse {
        pb::ArchivePayoutScheduleResponse { payout_schedule: Some(render(&schedule)), replayed }
    }
}

pub(super) async fn get(
    call: Call,
    message: pb::GetPayoutScheduleRequest,
) -> Result<pb::GetPayoutScheduleResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("payout_schedule_id", &message.payout_schedule_id);
    let id = fields.complete(id)?;
    let found = store::payout_schedule::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutSchedule, id))?;
    Ok(pb::GetPayoutScheduleResponse { payout_schedule: Some(render(&found)) })
}

pub(super) async fn list(
    call: Call,
    message: pb::ListPayoutSchedulesRequest,
) -> Result<pb::ListPayoutSchedulesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListPayoutSchedulesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let found = store::payout_schedule::list(call.store(), call.account_id(), &states, page.walk()).await?;
    call.works_on(found.len()).await;
    let (payout_schedules, next_page_token) =
        page.fill(found, |schedule| schedule.id.uuid(), |schedule| render(&schedule));
    Ok(pb::ListPayoutSchedulesResponse { payout_schedules, next_page_token })
}

/// A schedule as stored in the feed, without the texts that a person wrote.
pub(super) fn image(schedule: &PayoutSchedule) -> pb::PayoutSchedule {
    pb::PayoutSchedule { note: String::new(), message: String::new(), ..render(schedule) }
}

fn render_timing(timing: &Timing) -> pb::PayoutTiming {
    let recurrence = match &timing.recurrence {
        Recurrence::MonthDays(days) => payout_timing::Recurrence::MonthDays(pb::PayoutMonthDays { days: days.clone() }),
        Recurrence::Weekdays(days) => payout_timing::Recurrence::Weekdays(pb::PayoutWeekdays {
            days: days.iter().map(|day| day.number()).collect(),
        }),
        Recurrence::Cycle { interval_days, first } => payout_timing::Recurrence::Cycle(pb::PayoutCycle {
            interval_days: *interval_days,
            first_day: first.to_string(),
        }),
    };
    pb::PayoutTiming { recurrence: Some(recurrence), time_of_day_minutes: timing.minute_of_day }
}

fn render(schedule: &PayoutSchedule) -> pb::PayoutSchedule {
    let affiliate_ids = schedule.affiliate_ids.iter().flatten();
    pb::PayoutSchedule {
        id: schedule.id.to_string(),
        state: schedule.state.number(),
        display_name: schedule.display_name.clone(),
        timing: Some(render_timing(&schedule.timing)),
        currency_code: schedule.currency.code().to_owned(),
        all_affiliates: schedule.affiliate_ids.is_none(),
        affiliate_ids: affiliate_ids.map(ToString::to_string).collect(),
        minimum: schedule.minimum.map(money),
        maximum_total: schedule.maximum_total.map(money),
        provider: schedule.provider.map_or(0, WireEnum::number),
        net_days: schedule.cutoff.and_then(|cutoff| match cutoff {
            Cutoff::NetDays { days } => Some(days),
            Cutoff::MonthBefore => None,
        }),
        until_previous_month: schedule.cutoff == Some(Cutoff::MonthBefore),
        needs_approval: schedule.needs_approval,
        note: schedule.note.clone(),
        message: schedule.message.clone(),
        next_run_time: schedule.next_run_at.map(timestamp),
        last_payout_run_id: id_or_empty(schedule.last_run_id),
        setter_key_id: id_or_empty(schedule.set_by),
        etag: schedule.etag(),
        create_time: Some(timestamp(schedule.created_at)),
        update_time: Some(timestamp(schedule.updated_at)),
        archive_time: schedule.archived_at.map(timestamp),
    }
}
