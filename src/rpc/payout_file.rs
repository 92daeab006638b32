//! ExportPayoutFile on the wire: opens the destinations of payouts, makes the file, and seals it.

mod settings;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::settings::Settings;
use super::call::Call;
use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use crate::domain::affiliate::Affiliate;
use crate::domain::bank::BankAccountKind;
use crate::domain::id::{AffiliateId, PayoutExportId, PayoutId, PayoutRunId};
use crate::domain::payout::{Payout, PayoutProvider, PayoutState};
use crate::domain::payout_export::{PayoutExport, PayoutFileFormat, WrongFileField};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ExportPayouts, PayoutFile};
use crate::error::{Error, FieldPaths};
use crate::outbound::file::{Account, AccountKind, Line, WrongField};
use crate::pb;
use crate::secrets::Purpose;
use crate::secrets::details::PayoutDetails;
use crate::store;
use crate::store::list::Walk;
use crate::store::payout::PayoutQuery;

/// The most payouts of a file.
const PAYOUTS_MAX: u64 = 1_000;

const REFERENCE_LENGTH_MAX: usize = 140;

const PATHS: FieldPaths = &[(Field::PayoutId, "payout_ids")];

/// What a request asks for, besides the rule.
pub struct Wanted {
    settings: Option<Settings>,
    run_id: Option<PayoutRunId>,
    export_id: Option<PayoutExportId>,
    reference: String,
}

impl Change for pb::ExportPayoutFileRequest {
    type Rule = ExportPayouts;
    type Kept = Wanted;

    const PATHS: FieldPaths = PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ExportPayoutFileRequest,
            self,
            reference: canonical::trimmed(&self.reference);
            as_sent: request_id, payout_ids, payout_run_id, payout_export_id, settings,
        )
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(ExportPayouts, Wanted), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let export_id = fields.optional_id("payout_export_id", &self.payout_export_id);
        let run_id = fields.optional_id("payout_run_id", &self.payout_run_id);
        let payout_ids =
            if self.payout_ids.is_empty() { Vec::new() } else { fields.ids("payout_ids", &self.payout_ids) };
        let reference = fields.line("reference", &self.reference, REFERENCE_LENGTH_MAX);
        let selections = [
            ("payout_ids", !self.payout_ids.is_empty()),
            ("payout_run_id", !self.payout_run_id.is_empty()),
            ("payout_export_id", !self.payout_export_id.is_empty()),
        ];
        let sent: Vec<&str> = selections.iter().filter(|(_, is_sent)| *is_sent).map(|(field, _)| *field).collect();
        match sent[..] {
            [] => fields.wrong("payout_ids", "is required, or payout_run_id, or payout_export_id"),
            [_] => {}
            [_, second, ..] => fields
                .wrong(second, "is one selection too many; send one of payout_ids, payout_run_id and payout_export_id"),
        }
        let is_again = !self.payout_export_id.is_empty();
        let settings = match &self.settings {
            None if is_again => None,
            None => {
                fields.wrong("settings", "is required: one of sepa, nacha, paypal, wise and plain");
                None
            }
            Some(_) if is_again => {
                fields.wrong("settings", "must not be set with payout_export_id, because the file is not made again");
                None
            }
            Some(sent) => settings::read(&mut fields, sent),
        };
        fields.finish()?;
        let format = settings.as_ref().map_or(PayoutFileFormat::PlainCsv, Settings::format);
        let rule = ExportPayouts { payout_ids, format, file: Err(Vec::new()) };
        Ok((rule, Wanted { settings, run_id, export_id, reference }))
    }

    fn render(
        export: Arc<PayoutExport>,
        replayed: bool,
        _wanted: Wanted,
        _asking: &Asking<'_>,
    ) -> pb::ExportPayoutFileResponse {
        pb::ExportPayoutFileResponse { payout_export: Some(render(&export)), replayed, content: Vec::new() }
    }
}

/// Makes a file, or finds one that was made before.
pub(super) async fn export(
    call: Call,
    message: pb::ExportPayoutFileRequest,
) -> Result<pb::ExportPayoutFileResponse, Error> {
    let asking = call.asking();
    let (mut rule, wanted) = message.read(&asking)?;
    let (id, mut answer) = match (wanted.export_id, &wanted.settings) {
        (Some(id), _) => (id, pb::ExportPayoutFileResponse::default()),
        (None, Some(settings)) => {
            let payouts = payouts(&call, &rule.payout_ids, wanted.run_id).await?;
            rule.payout_ids = payouts.iter().map(|payout| payout.id).collect();
            rule.file = file(&call, &payouts, settings, &wanted.reference).await?;
            let (export, replayed) = call.carry_out(&message, rule).await?;
            (export.id, pb::ExportPayoutFileRequest::render(export, replayed, wanted, &asking))
        }
        (None, None) => return Err(Error::Internal("a file without settings".to_owned())),
    };
    let found = store::payout_export::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutExport, id))?;
    let sealed = found.file.as_ref().ok_or(Refusal::PayoutFileGone { payout_export_id: id })?;
    let opened = call.rpc.secrets.open(Purpose::PayoutFile, call.account_id(), sealed);
    answer.content = opened.map_err(|error| Error::Internal(format!("the file of {id}: {error}")))?;
    answer.payout_export.get_or_insert_with(|| render(&found));
    Ok(answer)
}

/// The payouts that are named, in their order, or those of a run that can be exported.
async fn payouts(call: &Call, ids: &[PayoutId], run_id: Option<PayoutRunId>) -> Result<Vec<Payout>, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    if let Some(run_id) = run_id {
        let run = store::payout_run::find(store, account_id, run_id).await?;
        run.ok_or_else(|| Refusal::not_found(Resource::PayoutRun, run_id))?;
        let wanted = PayoutQuery {
            run_id: Some(run_id),
            states: vec![PayoutState::Ready],
            provider: Some(PayoutProvider::Manual),
            ..PayoutQuery::default()
        };
        return Ok(store::payout::list(store, account_id, &wanted, Walk::first(PAYOUTS_MAX)).await?);
    }
    let mut found: HashMap<PayoutId, Payout> = HashMap::new();
    for payout in store::payout::find_all(store, account_id, ids).await? {
        found.insert(payout.id, payout);
    }
    let mut payouts = Vec::with_capacity(ids.len());
    for id in ids {
        let payout = found.remove(id);
        payouts.push(payout.ok_or_else(|| Error::from(Refusal::not_found(Resource::Payout, id)).with_paths(PATHS))?);
    }
    Ok(payouts)
}

/// The file, sealed, or every field that is wrong.
async fn file(
    call: &Call,
    payouts: &[Payout],
    settings: &Settings,
    reference: &str,
) -> Result<Result<PayoutFile, Vec<WrongFileField>>, Error> {
    let affiliate_ids: Vec<AffiliateId> = payouts.iter().map(|payout| payout.affiliate_id).collect();
    let affiliates = store::affiliate::by_ids(call.store(), call.account_id(), &affiliate_ids).await?;
    let names: HashMap<AffiliateId, String> =
        affiliates.iter().map(|affiliate| (affiliate.id, name_of(affiliate))).collect();
    let (mut lines, mut wrong) = (Vec::with_capacity(payouts.len()), Vec::new());
    for payout in payouts {
        let name = names.get(&payout.affiliate_id).map(String::as_str).unwrap_or_default();
        match line(call, payout, name, settings, reference)? {
            Ok(line) => lines.push(line),
            Err((field, problem)) => {
                let (payout_id, field) = (Some(payout.id), field.to_owned());
                wrong.push(WrongFileField { payout_id, field, problem: problem.to_owned() });
            }
        }
    }
    let written = settings.write(call.now(), &lines);
    let Some(bytes) = written.as_ref().ok().filter(|_| wrong.is_empty()) else {
        let others = written.err().map(|wrong| wrong.0).unwrap_or_default().into_iter();
        // Without the lines that are wrong there may be none left.
        let others = others.filter(|other| lines.len() == payouts.len() || other.field != "lines");
        wrong.extend(others.map(|other| wrong_field(other, &lines, settings)));
        return Ok(Err(wrong));
    };
    let sealed = call.rpc.secrets.seal(Purpose::PayoutFile, call.account_id(), bytes);
    let sealed = sealed.map_err(|_| Error::SecretsKeyMissing)?;
    let mut sha256 = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a text cannot fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(Ok(PayoutFile { sealed, sha256 }))
}

/// A wrong field with the payout of its line. A setting has the name that it has in the request.
fn wrong_field(wrong: WrongField, lines: &[Line], settings: &Settings) -> WrongFileField {
    let line = wrong.line.and_then(|line| lines.get(line.saturating_sub(1)));
    WrongFileField {
        payout_id: line.map(|line| line.payout_id),
        field: match wrong.line {
            Some(_) => wrong.field.to_owned(),
            None => format!("{}.{}", settings.field(), wrong.field),
        },
        problem: wrong.problem,
    }
}

/// A payout as a line of a file, or the field that is wrong and why.
fn line(
    call: &Call,
    payout: &Payout,
    name: &str,
    settings: &Settings,
    reference: &str,
) -> Result<Result<Line, (&'static str, &'static str)>, Error> {
    let Some(destination) = &payout.destination else {
        return Ok(Err((
            "destination",
            "is not known, because the affiliate had no payout method when the payout was created; cancel the payout, and create one after SetPayoutMethod",
        )));
    };
    if payout.is_test && settings.format() != PayoutFileFormat::PlainCsv {
        return Ok(Err((
            "is_test",
            "is true, so that nobody pays it by accident; test accounts have plain files alone",
        )));
    }
    let details = PayoutDetails::open(&call.rpc.secrets, call.account_id(), &destination.sealed);
    let details = details.map_err(|error| Error::Internal(format!("the destination of {}: {error}", payout.id)))?;
    let (account, holder) = account_of(details);
    Ok(Ok(Line {
        payout_id: payout.id,
        payee: holder.unwrap_or_else(|| name.to_owned()),
        account,
        amount: payout.amount,
        reference: reference.to_owned(),
    }))
}

/// The account of a line, and its holder if the details have one.
fn account_of(details: PayoutDetails) -> (Account, Option<String>) {
    match details {
        PayoutDetails::PayPal { email } => (Account::Email(email), None),
        PayoutDetails::Stripe { connected_account_id } => (Account::ProviderId(connected_account_id), None),
        PayoutDetails::Wise { recipient_id } => (Account::ProviderId(recipient_id.to_string()), None),
        PayoutDetails::Iban { iban, bic, holder } => (Account::Iban { iban, bic }, Some(holder)),
        PayoutDetails::UnitedStatesBank { routing_number, number, account_kind, holder } => {
            let kind = match account_kind {
                BankAccountKind::Checking => AccountKind::Checking,
                BankAccountKind::Savings => AccountKind::Savings,
            };
            (Account::UnitedStates { routing_number, number, kind }, Some(holder))
        }
        PayoutDetails::Other { text } => (Account::Other(text), None),
    }
}

/// The name of an affiliate, for destinations that have no holder.
fn name_of(affiliate: &Affiliate) -> String {
    let name = format!("{} {}", affiliate.first_name, affiliate.last_name);
    match name.trim() {
        "" => affiliate.email.clone(),
        name => name.to_owned(),
    }
}

fn render(export: &PayoutExport) -> pb::PayoutExport {
    pb::PayoutExport {
        id: export.id.to_string(),
        file_format: export.format.number(),
        payout_ids: export.payout_ids.iter().map(ToString::to_string).collect(),
        total: Some(money(export.total)),
        content_sha256: export.sha256.clone(),
        creator_key_id: id_or_empty(export.created_by),
        create_time: Some(timestamp(export.created_at)),
    }
}
