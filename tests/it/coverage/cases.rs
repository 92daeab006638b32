//! The table of cases. It has, for every method, a valid request, every way in which its fields can be wrong, and every field
//! that can name another account's object. A check against the API's descriptor finds omissions. Each file in `cases` holds the
//! methods of one subject. The golden files of the subject have its name.

mod account;
mod affiliate;
mod affiliate_group;
mod appointment;
mod audit;
mod batch;
mod bounty;
mod click;
mod conversion;
mod coupon;
mod enrollment;
mod feed;
mod fraud;
mod item;
mod lead;
mod ledger;
mod link;
mod offer;
mod payout;
mod payout_document;
mod payout_method;
mod payout_reconciliation;
mod payout_schedule;
mod program;
mod reward;
mod sale;
mod simulation;
mod statistic;
mod tax_profile;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::{Value as Json, json};

use super::api::{Wire, method, methods, short_name};
use super::world::{Account, Names, World, resolve, text_at};

/// The case of one method. Requests contain names such as `${program_id}`, see `world`.
pub(super) struct Case {
    /// The method's short name.
    pub(super) method: &'static str,
    /// The file that holds the case.
    pub(super) subject: &'static str,
    /// Objects that each account of the world begins with, and the names to keep of them.
    furnish: Vec<Preparation>,
    /// Objects to create before each request, and the names to keep of them.
    prepare: Vec<Preparation>,
    /// A request that is answered with OK.
    valid: Json,
    /// Fields that change the content of the valid request.
    pub(super) other: Json,
    /// Fields that name an object, to replace those of the valid request.
    pub(super) references: Vec<Json>,
    /// Requests in which every field that is set is wrong.
    pub(super) wrong: Vec<Json>,
    /// Fields that may be wrong in a valid request. The event is recorded, and the answer has a warning for each of them.
    pub(super) tolerated: Vec<Json>,
    /// Fields that cannot be wrong, because any value is valid or they are not read.
    free: &'static [&'static str],
    /// Fields that look like references and are not.
    not_references: &'static [&'static str],
}

struct Preparation {
    method: &'static str,
    request: Json,
    kept: &'static [(&'static str, &'static str)],
}

/// Longer than the limit of any text.
fn long() -> Json {
    Json::from("x".repeat(3_000))
}

/// An invalid time.
fn no_time() -> Json {
    json!({"seconds": -1})
}

fn dollars(amount_minor: i64) -> Json {
    json!({"amount_minor": amount_minor, "currency_code": "USD"})
}

/// More than ten minutes ahead of any clock, and so refused.
fn far_ahead() -> Json {
    json!({"seconds": 4_000_000_000_i64})
}

fn wrong_flat() -> Json {
    json!({"flat": {"amount_minor": -1, "currency_code": "usd"}})
}

/// Wrong values of the fields that affiliates and enrollments have in common.
fn wrong_enrollment() -> Json {
    json!({
        "request_id": long(),
        "program_id": "prg_1",
        "ref_id": "a",
        "coupon_code": "SAVE\u{7}10",
        "landing_url": "shop.example",
        "commission_override": {"percent_ppm": 1_000_001},
        "acceptance": {"version": 0, "source": long()},
    })
}

fn case(method: &'static str, valid: Json) -> Case {
    Case {
        method,
        subject: "",
        furnish: Vec::new(),
        prepare: Vec::new(),
        valid,
        other: Json::Null,
        references: Vec::new(),
        wrong: Vec::new(),
        tolerated: Vec::new(),
        free: &[],
        not_references: &[],
    }
}

impl Case {
    fn furnish(mut self, method: &'static str, request: Json, kept: &'static [(&'static str, &'static str)]) -> Self {
        self.furnish.push(Preparation { method, request, kept });
        self
    }

    fn prepare(mut self, method: &'static str, request: Json, kept: &'static [(&'static str, &'static str)]) -> Self {
        self.prepare.push(Preparation { method, request, kept });
        self
    }

    fn other(self, other: Json) -> Self {
        Self { other, ..self }
    }

    fn reference(mut self, fields: Json) -> Self {
        self.references.push(fields);
        self
    }

    /// An affiliate, by each of its names.
    fn affiliate_reference(self) -> Self {
        self.affiliate_reference_in("affiliate")
    }

    /// An affiliate in this field, by each of its names.
    fn affiliate_reference_in(mut self, field: &str) -> Self {
        for name in ["id", "external_id", "email", "ref_id", "auth_token"] {
            self.references.push(json!({field: {name: format!("${{affiliate_{name}}}")}}));
        }
        self
    }

    /// A lead, by each of its names.
    fn lead_reference(mut self) -> Self {
        for name in ["id", "external_id", "email"] {
            self.references.push(json!({"lead": {name: format!("${{lead_{name}}}")}}));
        }
        self
    }

    fn wrong(mut self, request: Json) -> Self {
        self.wrong.push(request);
        self
    }

    fn tolerated(mut self, fields: Json) -> Self {
        self.tolerated.push(fields);
        self
    }

    /// An affiliate selector that is wrong in each way, and one that is missing. `rest` holds the other required fields.
    fn wrong_affiliates(self, rest: &Json) -> Self {
        self.wrong_affiliates_in("affiliate", rest)
    }

    fn wrong_affiliates_in(self, field: &str, rest: &Json) -> Self {
        let selectors = json!([
            {}, {"id": ""}, {"external_id": " "}, {"external_id": ""}, {"email": "ann"}, {"email": ""}, {"ref_id": ""},
            {"ref_id": long()}, {"auth_token": ""}, {"auth_token": long()}
        ]);
        self.wrong_selectors(field, &selectors, rest)
    }

    /// An item, by each of its names.
    fn item_reference(self) -> Self {
        self.reference(json!({"item": {"id": "${item_id}"}})).reference(json!({"item": {"sku": "${item_sku}"}}))
    }

    /// The same for an item selector.
    fn wrong_items(self, rest: &Json) -> Self {
        let selectors = json!([{}, {"id": ""}, {"id": "itm_1"}, {"sku": ""}, {"sku": " "}, {"sku": long()}]);
        self.wrong_selectors("item", &selectors, rest)
    }

    /// The same for a lead selector.
    fn wrong_leads(self, rest: &Json) -> Self {
        let selectors = json!([
            {}, {"id": ""}, {"external_id": " "}, {"external_id": ""}, {"external_id": long()}, {"email": "bob"}, {"email": ""}
        ]);
        self.wrong_selectors("lead", &selectors, rest)
    }

    fn wrong_selectors(mut self, field: &str, selectors: &Json, rest: &Json) -> Self {
        for selector in selectors.as_array().unwrap() {
            self.wrong.push(patched(rest, &json!({field: selector})));
        }
        self
    }

    /// The fields that every list has.
    fn list(self) -> Self {
        let token = format!("${{{}_page_token}}", self.method.split_once('/').unwrap().1);
        self.reference(json!({"page_token": token}))
    }

    fn free(self, free: &'static [&'static str]) -> Self {
        Self { free, ..self }
    }

    fn not_references(self, not_references: &'static [&'static str]) -> Self {
        Self { not_references, ..self }
    }

    /// Creates the objects that the request needs. Returns the account's names and theirs.
    pub(super) async fn prepared(&self, world: &World, account: &Account) -> Names {
        let mut names = account.names.clone();
        carry_out(&self.prepare, &world.wire, account, &mut names).await;
        if self.method.starts_with("AccountService/") {
            world.restore_email(account).await;
        }
        if self.method == "AccountService/VerifyAccountEmail" {
            names.insert("verification_token".to_owned(), world.mailed_token(account).await);
        }
        names
    }

    /// Creates the objects that an account begins with. Adds their names.
    pub(super) async fn furnish_account(&self, wire: &Wire, account: &mut Account) {
        let mut names = account.names.clone();
        carry_out(&self.furnish, wire, account, &mut names).await;
        account.names = names;
    }

    /// The valid request.
    pub(super) fn request(&self, names: &Names) -> Json {
        resolve(&self.valid, names)
    }

    /// The valid request with some fields replaced.
    pub(super) fn request_with(&self, fields: &Json, names: &Names) -> Json {
        resolve(&patched(&self.valid, fields), names)
    }

    /// The valid request with some fields replaced, with names that are not filled in.
    pub(super) fn template_with(&self, fields: &Json) -> Json {
        patched(&self.valid, fields)
    }

    /// Whether the method changes something.
    pub(super) fn changes_something(&self) -> bool {
        self.method.contains("Service/Batch") && self.method != "TrackingService/BatchGetConversions"
            || self.repeat_field().is_some()
    }

    /// The idempotency key's field.
    pub(super) fn repeat_field(&self) -> Option<&'static str> {
        let input = method(self.method).input();
        ["request_id", "event_id"].into_iter().find(|name| input.get_field_by_name(name).is_some())
    }
}

async fn carry_out(steps: &[Preparation], wire: &Wire, account: &Account, names: &mut Names) {
    for step in steps {
        let request = resolve(&step.request, names);
        let answer = wire.call(account.key_for(step.method), &method(step.method), &request).await;
        let answer = answer.unwrap_or_else(|status| panic!("{} {request}: {status:?}", step.method));
        for (name, place) in step.kept {
            names.insert((*name).to_owned(), text_at(&answer, place));
        }
    }
}

/// `request` with each field of `fields` replaced whole; null removes a field.
pub(super) fn patched(request: &Json, fields: &Json) -> Json {
    let mut request = request.clone();
    for (name, value) in fields.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    request
}

/// The cases of each file, under the file's name.
fn by_subject() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("account", account::cases()),
        ("affiliate", affiliate::cases()),
        ("affiliate_group", affiliate_group::cases()),
        ("appointment", appointment::cases()),
        ("audit", audit::cases()),
        ("batch", batch::cases()),
        ("bounty", bounty::cases()),
        ("click", click::cases()),
        ("conversion", conversion::cases()),
        ("coupon", coupon::cases()),
        ("enrollment", enrollment::cases()),
        ("feed", feed::cases()),
        ("item", item::cases()),
        ("lead", lead::cases()),
        ("ledger", ledger::cases()),
        ("link", link::cases()),
        ("offer", offer::cases()),
        ("payout", payout::cases()),
        ("payout_method", payout_method::cases()),
        ("payout_reconciliation", payout_reconciliation::cases()),
        ("payout_schedule", payout_schedule::cases()),
        ("payout_document", payout_document::cases()),
        ("tax_profile", tax_profile::cases()),
        ("program", program::cases()),
        ("reward", reward::cases()),
        ("sale", sale::cases()),
        ("fraud", fraud::cases()),
        ("simulation", simulation::cases()),
        ("statistic", statistic::cases()),
    ]
}

/// All cases, in the order of the API's files.
pub(super) fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let of_subject = |(subject, cases): (&'static str, Vec<Case>)| {
            cases.into_iter().map(move |case| Case { subject, ..case }).collect::<Vec<_>>()
        };
        let mut cases: Vec<Case> = by_subject().into_iter().flat_map(of_subject).collect();
        let order: Vec<String> = methods().iter().map(short_name).collect();
        cases.sort_by_key(|case| order.iter().position(|name| name == case.method));
        cases
    });
    &CASES
}

/// The paths of a request's wrong fields: all fields that are set, except a valid update mask.
pub(super) fn leaves(request: &Json, descriptor: &MessageDescriptor) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in request.as_object().unwrap() {
        let field = descriptor.get_field_by_name(name).unwrap();
        let inside = match field.kind() {
            Kind::Message(inside) if !field.is_map() && !is_one_value(&inside) => Some(inside),
            _ => None,
        };
        match (value, inside) {
            (Json::Object(mask), None) if mask.contains_key("paths") => {
                let paths = mask["paths"].as_array().unwrap();
                if paths.is_empty() || paths.contains(&json!("nope")) {
                    found.push(name.clone());
                }
            }
            (Json::Object(set), Some(inside)) if !set.is_empty() => {
                found.extend(leaves(value, &inside).into_iter().map(|path| format!("{name}.{path}")));
            }
            (Json::Array(values), None) if !values.is_empty() => {
                found.extend((0..values.len()).map(|index| format!("{name}[{index}]")));
            }
            _ => found.push(name.clone()),
        }
    }
    found
}

/// Times, durations and masks are reported as one value.
pub(super) fn is_one_value(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// The path up to its first list index.
pub(super) fn without_index(path: &str) -> &str {
    path.split_once('[').map_or(path, |(list, _)| list)
}

/// The paths of all fields that a request can have.
pub(super) fn all_fields(descriptor: &MessageDescriptor) -> Vec<String> {
    let mut found = Vec::new();
    for field in descriptor.fields() {
        match field.kind() {
            // A message inside one of its own kind has the same fields.
            Kind::Message(inside) if !field.is_map() && !is_one_value(&inside) && inside != *descriptor => {
                found.extend(all_fields(&inside).into_iter().map(|path| format!("{}.{path}", field.name())));
            }
            _ => found.push(field.name().to_owned()),
        }
    }
    found
}

/// Whether the last part of a path looks like a reference to an object.
fn looks_like_a_name(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap();
    let ends = ["_id", "_ids", "_code", "_token", "_cursor"];
    (ends.iter().any(|end| last.ends_with(end)) || matches!(last, "id" | "code" | "email" | "external_id" | "tid"))
        && !matches!(last, "request_id" | "currency_code" | "country_code" | "postal_code")
}

pub(super) fn is_listed(path: &str, list: &[&str]) -> bool {
    list.iter().any(|listed| path == *listed || path.strip_prefix(listed).is_some_and(|rest| rest.starts_with('.')))
}

#[test]
fn every_method_has_one_case() {
    let methods: Vec<String> = methods().iter().map(short_name).collect();
    let cases: Vec<&str> = cases().iter().map(|case| case.method).collect();
    for method in &methods {
        assert_eq!(cases.iter().filter(|name| *name == method).count(), 1, "cases of {method}");
    }
    assert_eq!(methods.len(), cases.len());
}

#[test]
fn every_field_has_an_invalid_value_or_is_said_to_be_free() {
    for case in cases() {
        let input = method(case.method).input();
        let wrong: BTreeSet<String> = case
            .wrong
            .iter()
            .flat_map(|request| leaves(request, &input))
            .map(|path| without_index(&path).to_owned())
            .collect();
        let tolerated: BTreeSet<String> = case
            .tolerated
            .iter()
            .flat_map(|fields| leaves(fields, &input))
            .map(|path| without_index(&path).to_owned())
            .collect();
        for field in all_fields(&input) {
            let is_sent_wrong = wrong.contains(&field) || tolerated.contains(&field);
            let is_free = is_listed(&field, case.free) || field == "page_token";
            assert!(is_sent_wrong != is_free, "{}: {field}: wrong {is_sent_wrong}, free {is_free}", case.method);
        }
    }
}

#[test]
fn every_reference_is_tried_with_another_accounts_object() {
    for case in cases() {
        let input = method(case.method).input();
        let tried: BTreeSet<String> = case
            .references
            .iter()
            .flat_map(|fields| leaves(fields, &input))
            .map(|path| without_index(&path).to_owned())
            .collect();
        for field in all_fields(&input).iter().filter(|field| looks_like_a_name(field)) {
            let is_tried = tried.contains(field);
            let is_none = is_listed(field, case.not_references);
            assert!(is_tried != is_none, "{}: {field}: tried {is_tried}, no reference {is_none}", case.method);
        }
    }
}

#[test]
fn every_write_has_an_idempotency_key() {
    for case in cases() {
        let has_replayed = method(case.method).output().get_field_by_name("replayed").is_some();
        assert_eq!(has_replayed, case.repeat_field().is_some(), "{}", case.method);
        assert_eq!(has_replayed, !case.other.is_null(), "{}: a request of other content", case.method);
    }
}
