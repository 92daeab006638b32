//! The documents of payouts: a draft is made with a payout, gets its number when the payout is paid, and is void when the payment did not hold.
//! All of it happens in the transaction of the payout's own change.

use std::sync::Arc;

use super::parties::{self, Parties, is_wanted};
use crate::domain::calendar::{Calendar, Day, Quarter};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::PayoutDocumentId;
use crate::domain::payout::Payout;
use crate::domain::payout_document::{
    DocumentContent, DocumentLine, DocumentNumber, PayoutDocument, PayoutDocumentCount, PayoutDocumentState,
};
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;
use crate::domain::rule::context::Context;

/// Makes a draft for a payout that is created or reopened, if the account wants documents.
pub(super) fn draft(context: &mut Context<'_>, payout: Payout) -> Result<Payout, Refusal> {
    if !is_wanted(context.set.account(context.account_id)?) {
        return Ok(payout);
    }
    let document = new(context, &payout);
    let document = context.put(document);
    Ok(Payout { document_id: Some(document.id), ..payout })
}

fn new(context: &mut Context<'_>, payout: &Payout) -> PayoutDocument {
    PayoutDocument {
        id: PayoutDocumentId::new(context.ids),
        account_id: context.account_id,
        payout_id: payout.id,
        affiliate_id: payout.affiliate_id,
        amount: payout.amount,
        state: PayoutDocumentState::Draft,
        number: None,
        content: None,
        payee_tax_number: None,
        finalized_at: None,
        voided_at: None,
        created_at: context.now,
        updated_at: context.now,
    }
}

/// Gives the document of a payout that is being paid its number and its content. What counts is whether the account wants documents now.
pub(super) fn finalize(context: &mut Context<'_>, payout: Payout, rewards: &[Arc<Reward>]) -> Result<Payout, Refusal> {
    let account = Arc::clone(context.set.account(context.account_id)?);
    if !is_wanted(&account) {
        return withdraw(context, payout);
    }
    let mut calendar = account.calendar();
    let issued_on = calendar.day(Quarter::of(context.now));
    let year = issued_on.date().map_or(0, |date| i32::from(date.year()));
    // All three are looked up before one that is missing ends the attempt, so that they are loaded together.
    let parties = parties::of(context, &account, payout.affiliate_id);
    let last = context.set.last_document_sequence(context.account_id, year);
    let draft = payout.document_id.map(|id| context.set.payout_document(context.account_id, id)).transpose();
    let (parties, last, draft) = (parties?, last?, draft?.flatten());
    let draft = draft.filter(|document| document.state == PayoutDocumentState::Draft);
    let draft = draft.map_or_else(|| new(context, &payout), |document| document.as_ref().clone());
    // The account is locked, so nobody else takes the number, and a command that fails gives it back.
    let sequence = last.saturating_add(1);
    context.put(PayoutDocumentCount { account_id: context.account_id, year, last_sequence: sequence });
    let number = DocumentNumber { year, sequence, prefix: parties.number_prefix.clone() };
    let payee_tax_number = parties.payee_tax_number.clone();
    let lines = lines(context, rewards, &mut calendar)?;
    let document = context.put(PayoutDocument {
        state: PayoutDocumentState::Finalized,
        number: Some(number.clone()),
        content: Some(Arc::new(content(parties, &payout, issued_on, lines)?)),
        payee_tax_number,
        finalized_at: Some(context.now),
        updated_at: context.now,
        ..draft
    });
    context.tell(EventKind::PayoutDocumentFinalized, EventImage::PayoutDocument(Arc::clone(&document)));
    Ok(Payout { document_id: Some(document.id), document_number: number.to_string(), ..payout })
}

/// Takes the document of a payout back that ends without payment, or whose payment did not hold: a draft goes away, and a final one is void.
pub(super) fn withdraw(context: &mut Context<'_>, payout: Payout) -> Result<Payout, Refusal> {
    let Some(id) = payout.document_id else { return Ok(payout) };
    let Some(document) = context.set.payout_document(context.account_id, id)? else { return Ok(payout) };
    match document.state {
        PayoutDocumentState::Draft => {
            context.set.remove::<PayoutDocument>(&(context.account_id, id));
            Ok(Payout { document_id: None, ..payout })
        }
        PayoutDocumentState::Finalized => {
            let document = context.put(PayoutDocument {
                state: PayoutDocumentState::Voided,
                voided_at: Some(context.now),
                updated_at: context.now,
                ..document.as_ref().clone()
            });
            context.tell(EventKind::PayoutDocumentVoided, EventImage::PayoutDocument(document));
            Ok(payout)
        }
        PayoutDocumentState::Voided => Ok(payout),
    }
}

/// Voids the document of a payout that is reopened, and makes a new draft.
pub(super) fn begin_anew(context: &mut Context<'_>, payout: Payout) -> Result<Payout, Refusal> {
    let payout = withdraw(context, payout)?;
    draft(context, Payout { document_id: None, document_number: String::new(), ..payout })
}

fn lines(
    context: &Context<'_>,
    rewards: &[Arc<Reward>],
    calendar: &mut Calendar,
) -> Result<Vec<DocumentLine>, Refusal> {
    let mut sorted: Vec<&Arc<Reward>> = rewards.iter().collect();
    sorted.sort_unstable_by_key(|reward| reward.id);
    let mut lines = Vec::with_capacity(sorted.len());
    for reward in sorted {
        let conversion = match reward.conversion_id {
            Some(id) => Some(context.set.conversion(context.account_id, id)?.as_ref()),
            None => None,
        };
        lines.push(DocumentLine::of(reward, conversion, calendar));
    }
    Ok(lines)
}

fn content(
    parties: Parties,
    payout: &Payout,
    issued_on: Day,
    lines: Vec<DocumentLine>,
) -> Result<DocumentContent, Refusal> {
    let (net_minor, tax_minor) = parties.tax.split(payout.amount.amount_minor)?;
    Ok(DocumentContent {
        issued_on,
        issuer: parties.issuer,
        payee: parties.payee,
        tax: parties.tax,
        net_minor,
        tax_minor,
        payment_terms: parties.payment_terms,
        lines,
    })
}
