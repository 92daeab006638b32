//! Steps of payouts that are sent to a fake provider, of runs and of files. They need a whole server, so a scenario with them begins with
//! `server` and does not run against the rules alone.

use headwater::pb;
use pb::export_payout_file_request::Settings;
use serde_json::{Value, json};
use tonic::Status;

use super::World;
use super::payout::{facts, provider};
use super::play::{Player, short};
use super::request::money;
use super::script::{Step, amount, minor_units};

/// The longest runs that scenarios create, and the longest lists that they read.
const PAGE_SIZE: i32 = 1_000;

impl<W: World> Player<'_, W> {
    pub(super) async fn sending_step(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "server" => {
                self.world.server();
                Ok("ok".to_owned())
            }
            "money" | "receiver" | "stripe-receiver" | "fault" | "no-faults" | "got" => self.fake_step(step).await,
            "pass" | "send" => {
                let number = |key: &str| step.option(key).map_or(0, |text| text.parse().unwrap());
                let seconds = number("seconds") + 60 * number("minutes") + 86_400 * number("days");
                self.world.server().pass(seconds).await;
                Ok("ok".to_owned())
            }
            "sent" => {
                let payout_id = self.payouts[step.word(0)].clone();
                Ok(sending_facts(&self.world.server().payout(payout_id).await))
            }
            "attempts" => {
                let payout_id = self.payouts[step.word(0)].clone();
                Ok(self.world.server().payout(payout_id).await.attempt_count.to_string())
            }
            "told" => {
                let payout_id = self.payouts[step.word(0)].clone();
                Ok(self.world.server().told(&payout_id).await.join(" "))
            }
            "retry-payout" => {
                let payout_id = self.payouts[step.word(0)].clone();
                let request = pb::RetryPayoutRequest { payout_id, ..Default::default() };
                Ok(facts(&self.world.change(request).await?.payout.unwrap()))
            }
            "funds-added" => {
                let provider = provider(step.word(0)).into();
                let request = pb::NotifyFundsAddedRequest { provider, ..Default::default() };
                Ok(format!("{} waits", self.world.change(request).await?.waits.len()))
            }
            "owed" => self.owed_step(step).await,
            "statement" => self.statement_step(step).await,
            "export" | "export-again" => self.export_step(step).await,
            _ => self.run_step(step).await,
        }
    }

    /// What happens at the provider.
    async fn fake_step(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            // `money PROVIDER ACCOUNT AMOUNT CURRENCY`
            "money" => {
                let sum = money(step.word(2), step.word(3));
                let body = json!({
                    "account": step.word(1), "currency": sum.currency_code, "amount_minor": sum.amount_minor,
                });
                self.world.server().fake("POST", &format!("{}/balance", step.word(0)), Some(body)).await;
            }
            // `receiver ADDRESS STATUS [ERROR]`, at PayPal
            "receiver" => {
                let mut body = json!({"receiver": step.word(0), "status": step.word(1)});
                if let Some(error) = step.words.get(2) {
                    body["error"] = error.as_str().into();
                }
                self.world.server().fake("POST", "paypal/receivers", Some(body)).await;
            }
            // `stripe-receiver AFFILIATE KEY`: the affiliate opens an account at the platform with this key.
            "stripe-receiver" => {
                let account = self.world.server().stripe_account(step.word(1)).await;
                self.receivers.insert(step.word(0).to_owned(), account.clone());
                let request = pb::SetPayoutMethodRequest {
                    affiliate: self.selector(step.word(0)),
                    details: Some(super::payout::details("stripe", &account)),
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            // `fault PROVIDER PATH KIND [FIELD=VALUE]`, for all requests until `no-faults`
            "fault" => {
                let mut fault = json!({"kind": step.word(2)});
                for (name, value) in &step.options {
                    let number = value.parse::<i64>().map(Value::from);
                    fault[name] = number.unwrap_or_else(|_| value.as_str().into());
                }
                let rule = json!({"provider": step.word(0), "path": step.word(1), "times": 0, "fault": fault});
                self.world.server().fake("POST", "faults", Some(rule)).await;
            }
            "no-faults" => {
                self.world.server().fake("DELETE", "faults", None).await;
            }
            // `got PROVIDER RECEIVER`, by the books of the provider
            _ => {
                let receiver = self.receivers.get(step.word(1)).map_or(step.word(1), String::as_str).to_owned();
                let path = format!("ledger/received?provider={}&receiver={receiver}", step.word(0));
                let rows = self.world.server().fake("GET", &path, None).await;
                let row = |row: &Value| {
                    let currency = row["currency"].as_str().unwrap();
                    let sum = amount(row["amount_minor"].as_i64().unwrap(), currency.parse().unwrap());
                    format!("{sum} {currency} by {}", row["object_count"])
                };
                let got: Vec<_> = rows.as_array().unwrap().iter().map(row).collect();
                return Ok(if got.is_empty() { "nothing".to_owned() } else { got.join(", ") });
            }
        }
        Ok("ok".to_owned())
    }

    /// The ids of the named affiliates. Nobody has the id of `unknown`.
    fn affiliate_ids(&self, names: &[String]) -> Vec<String> {
        let unknown = format!("aff_{:032x}", 7);
        names.iter().map(|name| if name == "unknown" { unknown.clone() } else { self.affiliate_id(name) }).collect()
    }

    /// `run NAME CURRENCY all`, or the affiliates; `preview CURRENCY all`, or the affiliates; `payouts-of RUN`.
    async fn run_step(&mut self, step: &Step) -> Result<String, Status> {
        if step.verb == "preview" {
            let all_affiliates = step.word(1) == "all";
            let names = if all_affiliates { &[][..] } else { &step.words[1..] };
            let request = pb::PreviewPayoutRunRequest {
                currency_code: step.word(0).to_owned(),
                all_affiliates,
                affiliate_ids: self.affiliate_ids(names),
                page_size: PAGE_SIZE,
                ..Default::default()
            };
            let items = self.world.server().preview(request).await?;
            let item = |item: &pb::PayoutRunItem| {
                let verdict = short(item.verdict().as_str_name(), "PAYOUT_RUN_VERDICT_");
                let sum = item.amount.as_ref().map_or_else(|| "-".to_owned(), money_text);
                format!("{} {verdict} {sum}", self.name_of(&item.affiliate_id))
            };
            return Ok(items.iter().map(item).collect::<Vec<_>>().join(", "));
        }
        if step.verb == "payouts-of" {
            let payout_run_id = self.runs.get(step.word(0)).cloned().unwrap_or_else(|| format!("prn_{:032x}", 7));
            let payouts = self.world.server().payouts_of(payout_run_id).await?;
            let text = |payout: &pb::Payout| format!("{} {}", self.name_of(&payout.affiliate_id), facts(payout));
            return Ok(payouts.iter().map(text).collect::<Vec<_>>().join(", "));
        }
        let all_affiliates = step.words.get(2).is_some_and(|word| word == "all");
        let names = if all_affiliates { &[][..] } else { &step.words[2..] };
        let request = pb::CreatePayoutRunRequest {
            currency_code: step.word(1).to_owned(),
            all_affiliates,
            affiliate_ids: self.affiliate_ids(names),
            provider: step.option("provider").map_or(0, |name| provider(name).into()),
            ..Default::default()
        };
        let id = self.world.change(request).await?.payout_run.unwrap().id;
        let run = self.world.server().finished_run(&id).await;
        self.runs.insert(step.word(0).to_owned(), id.clone());
        for payout in self.world.server().payouts_of(id).await? {
            let name = format!("{}/{}", step.word(0), self.name_of(&payout.affiliate_id));
            self.payouts.insert(name, payout.id);
        }
        Ok(format!("{} payouts {}", run.payout_count, run.total.as_ref().map_or_else(String::new, money_text)))
    }

    /// What is owed in a currency: approved, and in payouts that are open.
    async fn owed_step(&mut self, step: &Step) -> Result<String, Status> {
        let currencies = vec![step.word(0).to_owned()];
        let request = pb::GetAmountOwedRequest { currencies, ..Default::default() };
        let owed = self.world.server().amount_owed(request).await;
        let text = |sum: &Option<pb::Money>| sum.as_ref().map_or_else(|| "0".to_owned(), money_text);
        Ok(format!("{} in flight {}", text(&owed.approved_overdue), text(&owed.in_flight)))
    }

    /// The lines of an affiliate's statement up to now: what each adds to what is owed, and why.
    async fn statement_step(&mut self, step: &Step) -> Result<String, Status> {
        let affiliate = self.selector(step.word(0));
        let request = pb::CalculateCommissionsRequest {
            affiliate,
            page_size: PAGE_SIZE,
            period: Some(pb::calculate_commissions_request::Period::Interval(pb::TimeInterval::default())),
            ..Default::default()
        };
        let lines = self.world.server().statement(request).await?;
        let line = |line: &pb::StatementLine| {
            let owed = crate::support::feed::cash(line.change.as_ref().and_then(|change| change.owed.as_ref()));
            let reason = short(line.reason().as_str_name(), "LEDGER_REASON_");
            (owed.amount_minor != 0).then(|| format!("{reason} {}", money_text(owed)))
        };
        Ok(lines.iter().filter_map(line).collect::<Vec<_>>().join(", "))
    }

    /// `export NAME RUN` makes a plain file of a run; `export-again NAME` asks for the same file.
    async fn export_step(&mut self, step: &Step) -> Result<String, Status> {
        if step.verb == "export-again" {
            let before = self.exports[step.word(0)].clone();
            let payout_export_id = before.payout_export.as_ref().unwrap().id.clone();
            let request = pb::ExportPayoutFileRequest { payout_export_id, ..Default::default() };
            let again = self.world.server().export(request).await?;
            return Ok(if again == before { "the same" } else { "another" }.to_owned());
        }
        let request = pb::ExportPayoutFileRequest {
            payout_run_id: self.runs[step.word(1)].clone(),
            settings: Some(Settings::Plain(pb::PlainFileSettings {})),
            ..Default::default()
        };
        let made = self.world.server().export(request).await?;
        let export = made.payout_export.as_ref().unwrap();
        // The sum of the file is read from the file.
        let mut reader = csv::Reader::from_reader(made.content.as_slice());
        let place = reader.headers().unwrap().iter().position(|name| name == "amount").unwrap();
        let currency = export.total.as_ref().unwrap().currency_code.parse().unwrap();
        let amounts: Vec<i64> = reader.records().map(|row| minor_units(&row.unwrap()[place], currency)).collect();
        let (sum, total) = (amount(amounts.iter().sum(), currency), money_text(export.total.as_ref().unwrap()));
        let answer = format!("{} rows {sum} of {total}", amounts.len());
        self.exports.insert(step.word(0).to_owned(), made);
        Ok(answer)
    }
}

/// An amount without its currency.
fn money_text(money: &pb::Money) -> String {
    amount(money.amount_minor, money.currency_code.parse().unwrap())
}

/// State and amount of a payout, and what is known of its sending.
fn sending_facts(payout: &pb::Payout) -> String {
    let mut text = facts(payout);
    if let Some(needed) = &payout.needed {
        text += &format!(" needs {}", money_text(needed));
    }
    if let Some(problem) = &payout.problem {
        let who = short(problem.who_must_act().as_str_name(), "WHO_MUST_ACT_");
        text += &format!(" {} {who}", problem.code);
    }
    if let Some(fee) = payout.fee.as_ref().filter(|fee| fee.amount_minor > 0) {
        text += &format!(" fee {}", money_text(fee));
    }
    if let Some(returned) = &payout.returned_amount {
        text += &format!(" back {}", money_text(returned));
    }
    if !payout.provider_payment_id.is_empty() {
        text += " named";
    }
    text
}
