//! Clicks on the wire.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::name::parsed_url;
use super::call::parse::{Fields, KEY_LENGTH_MAX, Warnings};
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::reward::summary;
use crate::domain::account::KeyKind;
use crate::domain::click::{Click, ClickOutcome};
use crate::domain::page::page_of;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::request::RecordedKind;
use crate::domain::rule::RecordClick;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::click::ClickQuery;

/// Records a click. The tracking id of a visitor is the id of the visitor's first click. A public page must therefore not get
/// another visitor's tracking id by sending an event_id that is in use.
pub(super) async fn record(call: Call, mut message: pb::RecordClickRequest) -> Result<pb::RecordClickResponse, Error> {
    let asking = call.asking();
    if asking.key_kind == KeyKind::Publishable {
        // A browser's time is not read, so a repeat with another one is the same click.
        message.occur_time = None;
    }
    let (rule, warnings) = message.read(&asking)?;
    let carried_out = call.carry_out(&message, rule).await;
    let (click, replayed) = carried_out.map_err(|error| match error {
        Error::Refused(Refusal::IdempotencyMismatch { field, key, .. }, paths)
            if asking.key_kind == KeyKind::Publishable =>
        {
            Error::Refused(Refusal::IdempotencyMismatch { field, key, first_id: String::new() }, paths)
        }
        error => error,
    })?;
    Ok(pb::RecordClickRequest::render(click, replayed, warnings, &asking))
}

pub(super) async fn list(call: Call, message: pb::ListClicksRequest) -> Result<pb::ListClicksResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let program_id = fields.optional_id("program_id", &message.program_id);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let link_id = fields.optional_id("link_id", &message.link_id);
    let tid = fields.optional_id("tid", &message.tid);
    let sub_id = Some(fields.line("sub_id", &message.sub_id, KEY_LENGTH_MAX)).filter(|sub_id| !sub_id.is_empty());
    let occurred = fields.interval("occur_interval", message.occur_interval.as_ref());
    fields.finish()?;
    let filter = pb::ListClicksRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    // Most clicks that are read may be left out.
    let page = call.page_of_scan(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = ClickQuery { program_id, affiliate_id, link_id, sub_id, tid, occurred };
    let found = store::click::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(found.clicks.len()).await;
    let (clicks, next_page_token) =
        page.fill_until(found.clicks, found.ended_at, |click| click.id.uuid(), |click| render(&click));
    Ok(pb::ListClicksResponse { clicks, next_page_token })
}

fn render(click: &Click) -> pb::Click {
    pb::Click {
        id: click.id.to_string(),
        tid: click.tid.to_string(),
        link_id: click.link_id.to_string(),
        enrollment_id: click.enrollment_id.to_string(),
        affiliate_id: click.affiliate_id.to_string(),
        program_id: click.program_id.to_string(),
        referrer_url: click.referrer_url.clone(),
        sub_id: click.sub_id.clone(),
        occur_time: Some(timestamp(click.occurred_at)),
        create_time: Some(timestamp(click.created_at)),
        payment: click.payment.number(),
        reward_id: id_or_empty(click.reward_id),
    }
}

impl Change for pb::RecordClickRequest {
    type Rule = RecordClick;
    type Kept = Warnings;

    const PATHS: FieldPaths = &[(Field::LinkId, "ref_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Click, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordClickRequest,
            self,
            ref_id: canonical::code(&self.ref_id),
            tid: canonical::tid(&self.tid),
            referrer_url: canonical::description(&self.referrer_url),
            landing_url: canonical::description(&self.landing_url),
            sub_id: canonical::description(&self.sub_id),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordClick, Warnings), Error> {
        let mut fields = Fields::default();
        fields.key("event_id", &self.event_id);
        let code = fields.brought_code("ref_id", &self.ref_id).unwrap_or_default();
        let referrer_url = fields.referrer("referrer_url", &self.referrer_url);
        let landing_url = fields.referrer("landing_url", &self.landing_url);
        let page = parsed_url(&landing_url).map(|url| page_of(url.as_str())).unwrap_or_default();
        if code.is_empty() && landing_url.is_empty() {
            fields.wrong("ref_id", "is required, or landing_url in its place");
        } else if code.is_empty() && page.is_empty() {
            fields.wrong("landing_url", "must be an http or https URL such as https://example.com/page");
        }
        let sub_id = fields.description("sub_id", &self.sub_id, KEY_LENGTH_MAX);
        // The time that a visitor's browser sends is not to be trusted.
        let occurred_at = match asking.key_kind {
            KeyKind::Publishable => None,
            _ => fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now),
        };
        let warnings = fields.take_warnings();
        fields.finish()?;
        let rule = RecordClick {
            code: code.to_ascii_lowercase(),
            page,
            sub_id,
            // An unknown or changed cookie makes a new visitor and not an error.
            tid: self.tid.trim().parse().ok(),
            referrer_url,
            occurred_at,
        };
        Ok((rule, warnings))
    }

    fn render(click: ClickOutcome, replayed: bool, warnings: Warnings, asking: &Asking) -> pb::RecordClickResponse {
        let public = pb::RecordClickResponse {
            click_id: click.click_id.to_string(),
            tid: click.tid.to_string(),
            destination_url: click.destination_url,
            replayed,
            warnings,
            ..Default::default()
        };
        // Public pages get the visitor's destination, but not the affiliate.
        if asking.key_kind == KeyKind::Publishable {
            return public;
        }
        pb::RecordClickResponse {
            affiliate_id: click.affiliate_id.to_string(),
            payment: click.payment.number(),
            reward: click.reward.as_ref().map(summary),
            ..public
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Time;

    fn read(message: &pb::RecordClickRequest) -> Result<RecordClick, Error> {
        let asking = Asking::new(Time::from_micros(1_700_000_000_000_000), KeyKind::Admin);
        message.read(&asking).map(|(rule, _)| rule)
    }

    #[test]
    fn a_tid_that_is_none_of_ours_is_no_fault() {
        let message =
            pb::RecordClickRequest { ref_id: " JO ".to_owned(), tid: "x".repeat(5_000), ..Default::default() };
        let command = read(&message).unwrap();
        assert_eq!((command.code.as_str(), command.tid), ("jo", None));
    }

    #[test]
    fn only_a_backend_may_say_when_a_click_was() {
        let occur_time = Some(prost_types::Timestamp { seconds: 1_600_000_000, nanos: 0 });
        let message = pb::RecordClickRequest { ref_id: "jo".to_owned(), occur_time, ..Default::default() };
        let asking = |key_kind| Asking::new(Time::from_micros(1_700_000_000_000_000), key_kind);
        let time = |key_kind| message.read(&asking(key_kind)).unwrap().0.occurred_at;
        assert_eq!(time(KeyKind::Tracking), Some(Time::from_micros(1_600_000_000_000_000)));
        assert_eq!(time(KeyKind::Publishable), None);
    }

    #[test]
    fn something_must_have_been_clicked() {
        let Err(Error::InvalidFields(violations)) = read(&pb::RecordClickRequest::default()) else {
            panic!("was taken")
        };
        assert_eq!(violations[0].field, "ref_id");
    }
}
