//! Documents of payouts on the wire, as data and as PDF. Tax numbers are opened here, where a document is returned.

use std::sync::Arc;

use super::call::parse::Fields;
use super::call::render::{money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::invoice_tax;
use crate::domain::calendar::{Calendar, Quarter};
use crate::domain::id::PayoutId;
use crate::domain::money::Money;
use crate::domain::payout::Payout;
use crate::domain::payout_document::{
    DocumentContent, DocumentLine, DocumentNumber, DocumentParty, InvoiceTax, PayoutDocument, PayoutDocumentFormat,
    shown_tax_number,
};
use crate::domain::payout_method::Sealed;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::reward::Reward;
use crate::domain::time::Time;
use crate::error::Error;
use crate::outbound::file::document::{Invoice, Printed, pdf};
use crate::pb;
use crate::pb::get_payout_document_request::Document;
use crate::secrets::tax_number;
use crate::store;
use crate::store::list::Walk;
use crate::store::payout_document::PayoutDocumentQuery;
use crate::store::reward::RewardQuery;

/// The most lines of a document. A payout has 1,000 rewards, and those that refunds took back from them.
const LINES_MAX: u64 = 10_000;

/// The years of documents.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=9999;

const NUMBER_LENGTH_MAX: usize = 64;

/// What a request asks for.
enum Wanted {
    Statement(PayoutId),
    Invoice(Box<PayoutDocument>),
}

pub(super) async fn get(
    call: Call,
    message: pb::GetPayoutDocumentRequest,
) -> Result<pb::GetPayoutDocumentResponse, Error> {
    let mut fields = Fields::default();
    let format =
        fields.optional_value("document_format", message.document_format).unwrap_or(PayoutDocumentFormat::Data);
    let wanted = find(&call, fields, message.document.as_ref()).await?;
    let payout_id = match &wanted {
        Wanted::Statement(payout_id) => *payout_id,
        Wanted::Invoice(document) => document.payout_id,
    };
    let payout = store::payout::find(call.store(), call.account_id(), payout_id).await?;
    let payout = payout.ok_or_else(|| Refusal::not_found(Resource::Payout, payout_id))?;
    let (content, document) = match wanted {
        Wanted::Statement(_) => (Arc::new(content_now(&call, &payout, false).await?), None),
        Wanted::Invoice(document) => (content_of(&call, &document, &payout).await?, Some(document)),
    };
    let fee = if document.is_some() { None } else { payout.sending.as_deref().and_then(|sending| sending.fee) };
    let mut answer = pb::GetPayoutDocumentResponse {
        payout_document: document.as_deref().map(render),
        ..pb::GetPayoutDocumentResponse::default()
    };
    call.works_on(content.lines.len()).await;
    match format {
        PayoutDocumentFormat::Data => {
            answer.content = Some(render_content(&content, payout.amount, fee, document.is_some()));
        }
        PayoutDocumentFormat::Pdf => answer.pdf = print(&content, &payout, fee, document.as_deref())?,
    }
    Ok(answer)
}

/// The document that a request names.
async fn find(call: &Call, mut fields: Fields, named: Option<&Document>) -> Result<Wanted, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let (found, name) = match named {
        None => {
            fields.wrong("payout_id", "is required, or payout_document_id, or number");
            return Err(fields.into_error());
        }
        Some(Document::PayoutId(id)) => {
            let id = fields.id("payout_id", id);
            return Ok(Wanted::Statement(fields.complete(id)?));
        }
        Some(Document::PayoutDocumentId(id)) => {
            let id = fields.id("payout_document_id", id);
            let id = fields.complete(id)?;
            (store::payout_document::find(store, account_id, id).await?, id.to_string())
        }
        Some(Document::Number(text)) => {
            let text = fields.required_line("number", text, NUMBER_LENGTH_MAX);
            fields.finish()?;
            let number = DocumentNumber::parse(&text);
            let found = match &number {
                Some(number) => store::payout_document::find_by_number(store, account_id, number).await?,
                None => None,
            };
            (found, text)
        }
    };
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutDocument, name))?;
    Ok(Wanted::Invoice(Box::new(found)))
}

/// What an invoice says. A draft says what it would say if its payout was paid now.
async fn content_of(call: &Call, document: &PayoutDocument, payout: &Payout) -> Result<Arc<DocumentContent>, Error> {
    let Some(content) = &document.content else {
        return Ok(Arc::new(content_now(call, payout, true).await?));
    };
    let Some(sealed) = &document.payee_tax_number else { return Ok(Arc::clone(content)) };
    let tax_number = open(call, sealed)?;
    let payee = DocumentParty { tax_number, ..content.payee.clone() };
    Ok(Arc::new(DocumentContent { payee, ..content.as_ref().clone() }))
}

fn open(call: &Call, sealed: &Sealed) -> Result<String, Error> {
    if !call.rpc.secrets.has_key() {
        return Err(Error::SecretsKeyMissing);
    }
    let opened = tax_number::open(&call.rpc.secrets, call.account_id(), sealed);
    opened.map_err(|error| Error::Internal(format!("the tax number of a document: {error}")))
}

/// What a statement or a draft says of a payout, from the rows as they are now.
async fn content_now(call: &Call, payout: &Payout, is_invoice: bool) -> Result<DocumentContent, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let missing = || Error::Internal(format!("the rows of {} are not there", payout.id));
    let account = store::account::find(store, account_id).await?.ok_or_else(missing)?;
    let affiliate = store::affiliate::by_ids(store, account_id, &[payout.affiliate_id]).await?.pop();
    let affiliate = affiliate.ok_or_else(missing)?;
    let billing = store::billing_profile::find(store, account_id).await?;
    let profile = store::tax_profile::find(store, account_id, payout.affiliate_id).await?;
    let details = profile.as_ref().and_then(|profile| profile.details.as_ref());
    let mut payee = DocumentParty::payee(&affiliate, details);
    if let Some(sealed) = details.filter(|_| is_invoice).and_then(shown_tax_number) {
        payee.tax_number = open(call, sealed)?;
    }
    let mut calendar = account.calendar();
    let issued_at = if is_invoice { call.now() } else { payout.paid_at.unwrap_or(payout.created_at) };
    let tax = affiliate.profile.invoice_tax.clone().filter(|_| is_invoice).unwrap_or_default();
    let (net_minor, tax_minor) = tax.split(payout.amount.amount_minor).map_err(|_| missing())?;
    Ok(DocumentContent {
        issued_on: calendar.day(Quarter::of(issued_at)),
        issuer: DocumentParty::issuer(&account, billing.as_ref()),
        payee,
        tax,
        net_minor,
        tax_minor,
        payment_terms: billing.map(|billing| billing.payment_terms).unwrap_or_default(),
        lines: lines(call, payout.id, &mut calendar).await?,
    })
}

/// The rewards of a payout, in the order of their ids.
async fn lines(call: &Call, payout_id: PayoutId, calendar: &mut Calendar) -> Result<Vec<DocumentLine>, Error> {
    let query = RewardQuery { payout_id: Some(payout_id), ..RewardQuery::default() };
    let rewards = store::reward::list(call.store(), call.account_id(), &query, Walk::first(LINES_MAX)).await?;
    let ids = rewards.iter().filter_map(|reward| reward.conversion_id);
    let conversions = store::conversion::by_ids(call.store(), call.account_id(), ids).await?;
    let line = |reward: &Reward| {
        let conversion = reward.conversion_id.and_then(|id| conversions.get(&id));
        DocumentLine::of(reward, conversion, calendar)
    };
    Ok(rewards.iter().map(line).collect())
}

fn print(
    content: &DocumentContent,
    payout: &Payout,
    fee: Option<Money>,
    document: Option<&PayoutDocument>,
) -> Result<Vec<u8>, Error> {
    let number = document.and_then(|document| document.number.as_ref()).map(ToString::to_string).unwrap_or_default();
    let voided_at = document.and_then(|document| document.voided_at).map(minute).unwrap_or_default();
    let invoice = document.map(|document| Invoice { state: document.state, number: &number, voided_at: &voided_at });
    let printed = Printed { payout_id: payout.id, amount: payout.amount, fee, invoice, content };
    pdf(&printed).map_err(|error| Error::Internal(error.to_string()))
}

/// A time as people read it, in UTC, as `2026-11-27 08:15 UTC`.
fn minute(time: Time) -> String {
    let timestamp = jiff::Timestamp::from_microsecond(time.micros());
    timestamp.map(|timestamp| timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

pub(super) async fn list(
    call: Call,
    message: pb::ListPayoutDocumentsRequest,
) -> Result<pb::ListPayoutDocumentsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let year = (message.year != 0).then(|| fields.number("year", message.year, YEARS));
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListPayoutDocumentsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = PayoutDocumentQuery { affiliate_id, year, states };
    let documents = store::payout_document::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(documents.len()).await;
    let (payout_documents, next_page_token) =
        page.fill(documents, |document| document.id.uuid(), |document| render(&document));
    Ok(pb::ListPayoutDocumentsResponse { payout_documents, next_page_token })
}

/// An invoice without what it says. It is stored in the feed.
pub(super) fn render(document: &PayoutDocument) -> pb::PayoutDocument {
    let content = document.content.as_deref();
    let currency = document.amount.currency;
    pb::PayoutDocument {
        id: document.id.to_string(),
        state: document.state.number(),
        number: document.number.as_ref().map(ToString::to_string).unwrap_or_default(),
        year: document.number.as_ref().map_or(0, |number| number.year),
        payout_id: document.payout_id.to_string(),
        affiliate_id: document.affiliate_id.to_string(),
        amount: Some(money(document.amount)),
        net_amount: content.map(|content| money(Money::new(content.net_minor, currency))),
        tax_amount: content.map(|content| money(Money::new(content.tax_minor, currency))),
        finalize_time: document.finalized_at.map(timestamp),
        void_time: document.voided_at.map(timestamp),
        create_time: Some(timestamp(document.created_at)),
        update_time: Some(timestamp(document.updated_at)),
    }
}

fn render_content(
    content: &DocumentContent,
    amount: Money,
    fee: Option<Money>,
    is_invoice: bool,
) -> pb::PayoutDocumentContent {
    let sum = |minor| Some(money(Money::new(minor, amount.currency)));
    let said = |tax: &InvoiceTax| is_invoice.then(|| invoice_tax::render(tax));
    pb::PayoutDocumentContent {
        issue_day: content.issued_on.to_string(),
        issuer: Some(render_party(&content.issuer)),
        payee: Some(render_party(&content.payee)),
        amount: Some(money(amount)),
        net_amount: sum(content.net_minor),
        tax_amount: sum(content.tax_minor),
        invoice_tax: said(&content.tax),
        fee: fee.map(money),
        payment_terms: content.payment_terms.clone(),
        lines: content
            .lines
            .iter()
            .map(|line| pb::DocumentLine {
                reward_id: line.reward_id.to_string(),
                day: line.day.to_string(),
                kind: line.kind.number(),
                rule_name: line.rule.clone(),
                event_id: line.event_id.clone(),
                event_amount: line.event_amount.map(money),
                amount: sum(line.amount_minor),
            })
            .collect(),
    }
}

fn render_party(party: &DocumentParty) -> pb::DocumentParty {
    pb::DocumentParty {
        name: party.name.clone(),
        address_lines: party.address.clone(),
        tax_number: party.tax_number.clone(),
    }
}
