//! Two merchants on one server, Alpha and Bravo, each with one object of every kind. There is also Nobody, whose names look like
//! Alpha's and do not exist. Everything is created over the wire. Objects that several cases use are created here. The cases
//! create all other objects themselves (`Case::furnish`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwater::domain::time::Time;
use serde_json::{Value as Json, json};

use super::api::{Wire, method, short_name};
use super::cases::{cases, patched};
use super::paging::lists;
use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer};

/// The values of `${name}` in requests.
pub(super) type Names = BTreeMap<String, String>;

pub(super) struct World {
    /// Dropping it removes the database's files.
    server: TestServer,
    pub(super) wire: Wire,
    pub(super) alpha: Account,
    pub(super) bravo: Account,
}

pub(super) struct Account {
    /// Key texts by kind, and also `server_operator`, `revoked` and `expired`.
    pub(super) keys: BTreeMap<&'static str, String>,
    pub(super) names: Names,
}

impl World {
    pub(super) async fn open(database: &TestDatabase) -> Self {
        // With invitations, so that keys of every kind can do what they are for.
        let server = TestServer::start_with(database, &["--registration", "invite_only"]).await;
        let wire = Wire::connect(&server.address).await;
        let alpha = Account::furnish(&wire, &server.operator_key, "alpha").await;
        let bravo = Account::furnish(&wire, &server.operator_key, "bravo").await;
        // The key that expires within an hour has expired by now.
        server.clock.set(Time::from_micros(START_MICROS).plus_days(1));
        Self { server, wire, alpha, bravo }
    }

    /// Calls a method with an account's own names; fails the test if the call is refused.
    pub(super) async fn expect(&self, account: &Account, name: &str, request: &Json) -> Json {
        let request = resolve(request, &account.names);
        let answer = self.wire.call(account.key_for(name), &method(name), &request).await;
        answer.unwrap_or_else(|status| panic!("{name} {request}: {status:?}"))
    }

    /// A token that gives the account another email address. Mailed for this call.
    pub(super) async fn mailed_token(&self, account: &Account) -> String {
        self.mailed_to(account, &format!("new-{}", account.names["account_email"])).await
    }

    /// Gives the account the email address of its names again, if a token has given it another one.
    pub(super) async fn restore_email(&self, account: &Account) {
        let own = &account.names["account_email"];
        let shown = self.expect(account, "AccountService/GetAccount", &json!({})).await;
        if shown["account"]["email"] != json!(own) {
            let verification_token = self.mailed_to(account, own).await;
            let request = json!({"verification_token": verification_token});
            self.expect(account, "AccountService/VerifyAccountEmail", &request).await;
        }
    }

    async fn mailed_to(&self, account: &Account, email: &str) -> String {
        let request = json!({"account": {"email": email}, "update_mask": {"paths": ["email"]}});
        self.expect(account, "AccountService/UpdateAccount", &request).await;
        self.server.mailed_token(email).await
    }

    /// All data that an account can read.
    pub(super) async fn snapshot(&self, account: &Account) -> BTreeMap<String, Json> {
        let mut seen = BTreeMap::new();
        for one in &lists() {
            let name = short_name(one);
            // The accounts of the server, which only operators see.
            if name == "AccountService/ListAccounts" {
                continue;
            }
            let answer = self.expect(account, &name, &json!({"page_size": 1_000})).await;
            assert!(answer["next_page_token"].is_null(), "{name}: the snapshot is whole");
            seen.insert(name, answer);
        }
        let not_referred = json!({"page_size": 1_000, "outcomes": ["CONVERSION_OUTCOME_NOT_REFERRED"]});
        let feed = json!({"page_size": 1_000, "start": {"position": "FEED_POSITION_BEGINNING"}});
        for (name, request) in [
            ("AccountService/GetAccount", json!({})),
            ("TrackingService/ListConversions", not_referred),
            ("FeedService/ReadEvents", feed),
            ("RewardService/QueryStats", json!({"first_day": "2025-01-01", "last_day": "2027-12-31"})),
            ("RewardService/VerifyLedger", json!({})),
        ] {
            seen.insert(format!("{name} {request}"), self.expect(account, name, &request).await);
        }
        assert_eq!(seen["RewardService/VerifyLedger {}"]["ok"], json!(true));
        seen
    }
}

/// Fails if anything changed, and prints the change.
#[track_caller]
pub(super) fn assert_unchanged(before: &BTreeMap<String, Json>, after: &BTreeMap<String, Json>, what: &str) {
    for (name, before) in before {
        assert_eq!(before, &after[name], "{what} changed what {name} shows");
    }
}

impl Account {
    /// The key for a method: the operator key for operator methods, otherwise the admin key, which may make most calls.
    pub(super) fn key_for(&self, name: &str) -> &str {
        match name {
            "AccountService/RegisterAccount"
            | "AccountService/ListAccounts"
            | "AccountService/SuspendAccount"
            | "AccountService/ResumeAccount"
            | "AccountService/SetAccountCallLimit"
            | "AccountService/CreateAdminApiKey" => &self.keys["server_operator"],
            // So that all others may approve what it creates.
            "PayoutService/CreatePayout" => self.keys.get("creator").unwrap_or_else(|| &self.keys["admin"]),
            _ => &self.keys["admin"],
        }
    }

    async fn furnish(wire: &Wire, operator_key: &str, tag: &str) -> Self {
        let keys = BTreeMap::from([("server_operator", operator_key.to_owned())]);
        let names = Names::from([("tag".to_owned(), tag.to_owned()), ("TAG".to_owned(), tag.to_uppercase())]);
        let mut account = Self { keys, names };
        account.furnish_keys(wire).await;
        account.furnish_affiliates(wire).await;
        account.furnish_conversions(wire).await;
        for case in cases() {
            case.furnish_account(wire, &mut account).await;
        }
        account.furnish_places(wire).await;
        account
    }

    /// Creates an object and keeps names from the answer.
    async fn make(&mut self, wire: &Wire, name: &str, request: Json, kept: &[(&str, &str)]) {
        let request = resolve(&request, &self.names);
        let answer = wire.call(self.key_for(name), &method(name), &request).await;
        let answer = answer.unwrap_or_else(|status| panic!("{name} {request}: {status:?}"));
        for (name, place) in kept {
            self.names.insert((*name).to_owned(), text_at(&answer, place));
        }
    }

    fn name(&mut self, name: &str, value: &str) {
        let value = resolve(&json!(value), &self.names);
        self.names.insert(name.to_owned(), value.as_str().unwrap().to_owned());
    }

    async fn furnish_keys(&mut self, wire: &Wire) {
        self.name("account_email", "owner@${tag}.example");
        let request = json!({"display_name": "Shop ${tag}", "email": "${account_email}"});
        let kept = [("account_id", "/account/id"), ("key_text", "/api_key_text")];
        self.make(wire, "AccountService/RegisterAccount", request, &kept).await;
        self.keys.insert("admin", self.names["key_text"].clone());
        let expiry = json!({"seconds": START_MICROS / 1_000_000 + 3_600});
        for (name, kind, expire_time) in [
            ("tracking", "TRACKING", Json::Null),
            ("read", "READ", Json::Null),
            ("payout", "PAYOUT", Json::Null),
            ("creator", "PAYOUT", Json::Null),
            ("publishable", "PUBLISHABLE", Json::Null),
            ("expired", "ADMIN", expiry),
            ("revoked", "ADMIN", Json::Null),
        ] {
            let request = json!({"kind": format!("API_KEY_KIND_{kind}"), "expire_time": expire_time});
            let kept = [("api_key_id", "/api_key/id"), ("key_text", "/api_key_text")];
            self.make(wire, "AccountService/CreateApiKey", request, &kept).await;
            self.keys.insert(name, self.names["key_text"].clone());
        }
        let request = json!({"kind": "API_KEY_KIND_INVITATION"});
        let create = method("AccountService/CreateApiKey");
        let made = wire.call(&self.keys["server_operator"], &create, &request).await.unwrap();
        self.keys.insert("invitation", made["api_key_text"].as_str().unwrap().to_owned());
        let request = json!({"api_key_id": "${api_key_id}"});
        self.make(wire, "AccountService/RevokeApiKey", request, &[("api_key_id", "/api_key/id")]).await;
    }

    async fn furnish_affiliates(&mut self, wire: &Wire) {
        self.name("invitation_code", "INVITED-${TAG}");
        for (name, display_name) in [("program_id", "Main"), ("other_program_id", "Second")] {
            let request = json!({
                "display_name": display_name,
                "currency_code": "USD",
                "landing_url": "https://shop.example/",
                "terms": {"commission": {"percent_ppm": 200_000}},
                "agreement": {"text": "Be kind."},
                "invitations": [{"code": "${invitation_code}"}],
            });
            self.make(wire, "AffiliateService/CreateProgram", request, &[(name, "/program/id")]).await;
        }
        self.name("affiliate_email", "ann@${tag}.example");
        self.name("affiliate_external_id", "crm-${tag}-1");
        self.name("other_affiliate_email", "bea@${tag}.example");
        self.name("other_affiliate_external_id", "crm-${tag}-2");
        self.name("affiliate_ref_id", "ann-${tag}");
        self.name("other_ref_id", "bea-${tag}");
        self.name("third_ref_id", "cid-${tag}");
        self.name("coupon_code", "SAVE-${TAG}");
        self.name("other_coupon_code", "BEST-${TAG}");
        self.name("third_coupon_code", "MORE-${TAG}");
        self.name("link_code", "spring-${tag}");
        let request = json!({
            "email": "${affiliate_email}",
            "external_id": "${affiliate_external_id}",
            "first_name": "Ann",
            "ref_id": "${affiliate_ref_id}",
            "coupon_code": "${coupon_code}",
        });
        let kept = [
            ("affiliate_id", "/affiliate/id"),
            ("enrollment_id", "/enrollment/id"),
            ("coupon_id", "/coupon/id"),
            ("affiliate_auth_token", "/auth_token"),
        ];
        self.make(wire, "AffiliateService/CreateAffiliate", request, &kept).await;
        let request = json!({
            "email": "${other_affiliate_email}",
            "external_id": "${other_affiliate_external_id}",
            "ref_id": "${other_ref_id}",
            "coupon_code": "${other_coupon_code}",
        });
        self.make(wire, "AffiliateService/CreateAffiliate", request, &[("other_affiliate_id", "/affiliate/id")]).await;
        let request = json!({
            "affiliate": {"id": "${affiliate_id}"},
            "program_id": "${other_program_id}",
            "ref_id": "${third_ref_id}",
            "coupon_code": "${third_coupon_code}",
        });
        self.make(wire, "AffiliateService/EnrollAffiliate", request, &[]).await;
        let request = json!({"enrollment_id": "${enrollment_id}", "code": "${link_code}"});
        self.make(wire, "AffiliateService/CreateLink", request, &[("link_id", "/link/id")]).await;
    }

    async fn furnish_conversions(&mut self, wire: &Wire) {
        self.name("lead_external_id", "customer-${tag}-1");
        self.name("lead_email", "bob@${tag}.example");
        for (name, value) in [
            ("click_event_id", "click-${tag}"),
            ("lead_event_id", "lead-${tag}"),
            ("cancellation_event_id", "end-${tag}"),
            ("appointment_event_id", "meet-${tag}"),
            ("custom_event_id", "demo-${tag}"),
        ] {
            self.name(name, value);
        }
        self.name("sale_event_id", "sale-${tag}-1");
        self.name("refund_event_id", "refund-${tag}-1");
        let request = json!({"event_id": "${click_event_id}", "ref_id": "${link_code}"});
        self.make(wire, "TrackingService/RecordClick", request, &[("tid", "/tid")]).await;
        let request = json!({"event_id": "${lead_event_id}", "external_id": "${lead_external_id}", "email": "${lead_email}", "tid": "${tid}"});
        self.make(wire, "TrackingService/RecordLead", request, &[("lead_id", "/lead_id")]).await;
        let amount = json!({"amount_minor": 6_000, "currency_code": "USD"});
        let request = json!({"event_id": "${sale_event_id}", "external_id": "${lead_external_id}", "amount": amount});
        let kept = [("conversion_id", "/conversion_id"), ("reward_id", "/rewards/0/reward_id")];
        self.make(wire, "TrackingService/RecordSale", request, &kept).await;
        let request = json!({
            "event_id": "sale-${tag}-2",
            "email": "eve@${tag}.example",
            "coupon_code": "${other_coupon_code}",
            "amount": amount,
        });
        let kept = [("approved_reward_id", "/rewards/0/reward_id")];
        self.make(wire, "TrackingService/RecordSale", request, &kept).await;
        let request = json!({"event_id": "sale-${tag}-3", "email": "joe@${tag}.example", "amount": amount});
        self.make(wire, "TrackingService/RecordSale", request, &[]).await;
        let request = json!({"reward_ids": ["${approved_reward_id}"]});
        self.make(wire, "RewardService/ApproveRewards", request, &[]).await;
        let amount = json!({"amount_minor": 1_000, "currency_code": "USD"});
        let request = json!({"event_id": "${refund_event_id}", "sale_event_id": "sale-${tag}-2", "amount": amount});
        self.make(wire, "TrackingService/RecordRefund", request, &[]).await;
        let request = json!({"event_id": "refund-${tag}-2", "sale_event_id": "sale-${tag}-late", "amount": amount});
        self.make(wire, "TrackingService/RecordRefund", request, &[]).await;
    }

    /// A cursor, and a page token of every list.
    async fn furnish_places(&mut self, wire: &Wire) {
        let request = json!({"start": {"position": "FEED_POSITION_BEGINNING"}, "page_size": 1});
        self.make(wire, "FeedService/ReadEvents", request, &[("cursor", "/next_cursor")]).await;
        for one in &lists() {
            let kept = [(format!("{}_page_token", one.name()), "/next_page_token")];
            let kept = [(kept[0].0.as_str(), kept[0].1)];
            self.make(wire, &short_name(one), json!({"page_size": 1}), &kept).await;
        }
        // The first affiliate has one line alone.
        let of_other = json!({"page_size": 1, "affiliate": {"id": "${other_affiliate_id}"}});
        for (method, fields) in
            [("RewardService/QueryStats", json!({"page_size": 1})), ("RewardService/CalculateCommissions", of_other)]
        {
            let case = cases().iter().find(|case| case.method == method).unwrap();
            let request = patched(&case.request(&self.names), &fields);
            let kept = format!("{}_page_token", method.trim_start_matches("RewardService/"));
            self.make(wire, method, request, &[(&kept, "/next_page_token")]).await;
        }
    }
}

/// The text at a JSON pointer; fails if there is none.
pub(super) fn text_at(json: &Json, place: &str) -> String {
    let text = json.pointer(place).and_then(Json::as_str).filter(|text| !text.is_empty());
    text.unwrap_or_else(|| panic!("nothing at {place} in {json}")).to_owned()
}

/// Names of the same form that do not exist.
pub(super) fn unknown(names: &Names) -> Names {
    names.iter().map(|(name, value)| (name.clone(), unknown_value(value))).collect()
}

fn unknown_value(value: &str) -> String {
    let is_id = value.len() == 36 && value.as_bytes()[3] == b'_';
    if is_id {
        // The last characters of an id are random.
        let other = |digit: char| char::from_digit((digit.to_digit(16).unwrap() + 7) % 16, 16).unwrap();
        return format!("{}{}", &value[..24], value[24..].chars().map(other).collect::<String>());
    }
    let turn = |byte: u8, first: u8, count: u8| char::from((byte - first + 7) % count + first);
    let other = |byte: u8| match byte {
        b'a'..=b'z' => turn(byte, b'a', 26),
        b'A'..=b'Z' => turn(byte, b'A', 26),
        b'0'..=b'9' => turn(byte, b'0', 10),
        _ => char::from(byte),
    };
    value.bytes().map(other).collect()
}

/// The request with its names filled in. `${unique}` is a different text in every request.
pub(super) fn resolve(request: &Json, names: &Names) -> Json {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let unique = format!("unique-{:06}", NEXT.fetch_add(1, Ordering::Relaxed));
    fill(request, names, &unique)
}

fn fill(request: &Json, names: &Names, unique: &str) -> Json {
    match request {
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), fill(value, names, unique))).collect(),
        Json::Array(values) => values.iter().map(|value| fill(value, names, unique)).collect(),
        Json::String(text) => {
            let mut filled = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("${") {
                let (name, after) = after.split_once('}').unwrap();
                let value = match name {
                    "unique" => unique,
                    name => names.get(name).unwrap_or_else(|| panic!("no name {name}")),
                };
                filled.push_str(before);
                filled.push_str(value);
                rest = after;
            }
            Json::String(filled + rest)
        }
        other => other.clone(),
    }
}
