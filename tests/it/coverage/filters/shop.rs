//! A merchant with rows of two kinds for every filter, so that each filter has something to find and something to leave out.

use std::collections::BTreeMap;

use headwater::clock::Clock;
use serde_json::{Value as Json, json};

use crate::coverage::api::{Wire, method};
use crate::coverage::world::{Account, Names, resolve, text_at};
use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer};

const DAY_SECONDS: i64 = 86_400;

pub(super) struct Shop {
    pub(super) server: TestServer,
    pub(super) wire: Wire,
    pub(super) account: Account,
}

/// The first moment of a day, counted from the day of the server's start.
pub(super) fn day(number: i64) -> Json {
    json!({"seconds": START_MICROS / 1_000_000 + number * DAY_SECONDS})
}

fn dollars(amount_minor: i64) -> Json {
    json!({"amount_minor": amount_minor, "currency_code": "USD"})
}

impl Shop {
    pub(super) async fn open(database: &TestDatabase) -> Self {
        let server = TestServer::start(database).await;
        let wire = Wire::connect(&server.address).await;
        let keys = BTreeMap::from([("server_operator", server.operator_key.clone())]);
        let mut shop = Self { server, wire, account: Account { keys, names: Names::new() } };
        shop.furnish_keys().await;
        shop.furnish_small_things().await;
        shop.furnish_affiliates().await;
        shop.furnish_codes().await;
        shop.server.clock.advance_days(5);
        shop.furnish_first_days().await;
        shop.server.clock.advance_days(5);
        shop.furnish_last_days().await;
        shop
    }

    /// Makes a call and keeps names from the answer.
    async fn make(&mut self, name: &str, request: Json, kept: &[(&str, &str)]) {
        let answer = self.ask(name, &request).await;
        for (name, place) in kept {
            self.account.names.insert((*name).to_owned(), text_at(&answer, place));
        }
    }

    /// The answer to a call, which must not be refused.
    pub(super) async fn ask(&self, name: &str, request: &Json) -> Json {
        let request = resolve(request, &self.account.names);
        let answer = self.wire.call(self.account.key_for(name), &method(name), &request).await;
        answer.unwrap_or_else(|status| panic!("{name} {request}: {status:?}"))
    }

    async fn furnish_keys(&mut self) {
        let register = "AccountService/RegisterAccount";
        let kept = [("suspended_id", "/account/id")];
        self.make(register, json!({"display_name": "Gone", "email": "gone@owners.example"}), &kept).await;
        let suspend = json!({"account": {"id": "${suspended_id}"}, "suspension_reason": "asked to"});
        self.make("AccountService/SuspendAccount", suspend, &[]).await;
        let kept = [("key_text", "/api_key_text")];
        self.make(register, json!({"display_name": "Shop", "email": "shop@owners.example"}), &kept).await;
        self.account.keys.insert("admin", self.account.names["key_text"].clone());
    }

    /// Rows of which an account has few, one of each kind archived.
    async fn furnish_small_things(&mut self) {
        for (name, currency, ppm) in
            [("program_id", "USD", 200_000), ("second_id", "EUR", 100_000), ("old_id", "USD", 1)]
        {
            let mut request = json!({
                "display_name": name,
                "currency_code": currency,
                "landing_url": "https://shop.example/",
                "terms": {"commission": {"percent_ppm": ppm}, "custom_kinds": ["demo", "visit"]},
            });
            if name == "second_id" {
                request["agreement"] = json!({"url": "https://shop.example/agreement"});
                request["metadata"] = json!({"region": "eu"});
            }
            self.make("AffiliateService/CreateProgram", request, &[(name, "/program/id")]).await;
        }
        self.make("AffiliateService/ArchiveProgram", json!({"program_id": "${old_id}"}), &[]).await;
        for (name, sku) in [("item_id", "plan-a"), ("old_item_id", "plan-b")] {
            let request = json!({"sku": sku, "display_name": sku});
            self.make("AffiliateService/CreateItem", request, &[(name, "/item/id")]).await;
        }
        self.make("AffiliateService/ArchiveItem", json!({"item_id": "${old_item_id}"}), &[]).await;
        for name in ["group_id", "old_group_id"] {
            let request = json!({"display_name": name});
            self.make("AffiliateService/CreateAffiliateGroup", request, &[(name, "/group/id")]).await;
        }
        self.make("AffiliateService/ArchiveAffiliateGroup", json!({"group_id": "${old_group_id}"}), &[]).await;
        for (name, program) in [("offer_id", "${program_id}"), ("old_offer_id", "${second_id}")] {
            let request = json!({"program_id": program, "display_name": name});
            self.make("AffiliateService/CreateOffer", request, &[(name, "/offer/id")]).await;
        }
        self.make("AffiliateService/ArchiveOffer", json!({"offer_id": "${old_offer_id}"}), &[]).await;
        let rewards = json!([{"points": 1}]);
        let request = json!({"program_id": "${program_id}", "display_name": "Video", "rewards": rewards});
        self.make("AffiliateService/CreateBounty", request, &[("bounty_id", "/bounty/id")]).await;
        let request = json!({
            "program_id": "${second_id}",
            "display_name": "Best video",
            "rewards": rewards,
            "kind": "BOUNTY_KIND_CONTEST",
        });
        self.make("AffiliateService/CreateBounty", request, &[("old_bounty_id", "/bounty/id")]).await;
        // The audit log has an entry of another key.
        let kept = [("second_key_id", "/api_key/id"), ("key_text", "/api_key_text")];
        self.make("AccountService/CreateApiKey", json!({"kind": "API_KEY_KIND_ADMIN"}), &kept).await;
        let request = json!({"sku": "plan-c", "display_name": "By another key"});
        let create = method("AffiliateService/CreateItem");
        self.wire.call(&self.account.names["key_text"], &create, &request).await.unwrap();
    }

    async fn furnish_affiliates(&mut self) {
        for (name, value) in
            [("affiliate_email", "ann@crm.example"), ("affiliate_external_id", "crm-1"), ("affiliate_ref_id", "ann")]
        {
            self.account.names.insert(name.to_owned(), value.to_owned());
        }
        let create = "AffiliateService/CreateAffiliate";
        let request = json!({
            "email": "${affiliate_email}",
            "external_id": "${affiliate_external_id}",
            "ref_id": "${affiliate_ref_id}",
            "coupon_code": "ANN",
            "group_id": "${group_id}",
            "email_verified": true,
            "metadata": {"tier": "gold"},
        });
        let kept = [
            ("affiliate_id", "/affiliate/id"),
            ("enrollment_id", "/enrollment/id"),
            ("affiliate_auth_token", "/auth_token"),
        ];
        self.make(create, request, &kept).await;
        let request = json!({
            "email": "bea@crm.example",
            "ref_id": "bea",
            "coupon_code": "BEA",
            "upline": {"id": "${affiliate_id}"},
        });
        self.make(create, request, &[("bea_id", "/affiliate/id")]).await;
        for (name, ref_id) in [("cid_id", "cid"), ("fay_id", "fay")] {
            let request = json!({
                "email": format!("{ref_id}@crm.example"),
                "program_id": "${second_id}",
                "ref_id": ref_id,
                "coupon_code": ref_id.to_uppercase(),
            });
            let kept = [(name, "/affiliate/id"), ("ended_id", "/enrollment/id")];
            self.make(create, request, &kept).await;
        }
        self.make("AffiliateService/EndEnrollment", json!({"enrollment_id": "${ended_id}"}), &[]).await;
        let request = json!({
            "enrollment": {"id": "${enrollment_id}", "metadata": {"manager": "lee"}},
            "update_mask": {"paths": ["metadata"]},
        });
        self.make("AffiliateService/UpdateEnrollment", request, &[]).await;
        let request = json!({"email": "dan@crm.example", "ref_id": "dan", "state": "AFFILIATE_STATE_APPLIED"});
        self.make(create, request, &[("dan_id", "/affiliate/id")]).await;
    }

    async fn furnish_codes(&mut self) {
        for (name, code) in [("link_id", "spring"), ("old_link_id", "autumn")] {
            let request = json!({"enrollment_id": "${enrollment_id}", "code": code});
            self.make("AffiliateService/CreateLink", request, &[(name, "/link/id")]).await;
        }
        self.make("AffiliateService/RevokeLink", json!({"link_id": "${old_link_id}"}), &[]).await;
        let request = json!({
            "affiliate": {"id": "${bea_id}"},
            "code": "PLAN-A",
            "item": {"id": "${item_id}"},
            "metadata": {"print": "a4"},
        });
        self.make("AffiliateService/AssignCoupon", request, &[]).await;
        let request = json!({"affiliate": {"id": "${affiliate_id}"}, "code": "OLD"});
        self.make("AffiliateService/AssignCoupon", request, &[("old_coupon_id", "/coupon/id")]).await;
        self.make("AffiliateService/RemoveCoupon", json!({"coupon_id": "${old_coupon_id}"}), &[]).await;
        let request = json!({"offer_id": "${offer_id}", "affiliate": {"id": "${bea_id}"}});
        self.make("AffiliateService/ClaimOffer", request, &[]).await;
        for (affiliate, bounty) in
            [("${bea_id}", "${bounty_id}"), ("${affiliate_id}", "${bounty_id}"), ("${cid_id}", "${old_bounty_id}")]
        {
            let request = json!({"bounty_id": bounty, "affiliate": {"id": affiliate}, "note": "mine"});
            self.make("AffiliateService/SubmitToBounty", request, &[("submission_id", "/submission/id")]).await;
        }
        let reject = json!({"submission_id": "${submission_id}", "reason": "blurred"});
        self.make("AffiliateService/RejectSubmission", reject, &[]).await;
        self.make("AffiliateService/ArchiveBounty", json!({"bounty_id": "${old_bounty_id}"}), &[]).await;
    }

    /// What happened on day 5: a visit, a lead and their sale, all of Ann's.
    async fn furnish_first_days(&mut self) {
        let request = json!({"event_id": "click-1", "ref_id": "ann", "sub_id": "mail"});
        self.make("TrackingService/RecordClick", request, &[("tid", "/tid")]).await;
        for (name, value) in [("lead_email", "bob@customers.example"), ("lead_external_id", "customer-1")] {
            self.account.names.insert(name.to_owned(), value.to_owned());
        }
        let request = json!({
            "event_id": "lead-1",
            "email": "${lead_email}",
            "external_id": "${lead_external_id}",
            "tid": "${tid}",
        });
        self.make("TrackingService/RecordLead", request, &[("lead_id", "/lead_id")]).await;
        let request = json!({
            "event_id": "sale-1",
            "email": "${lead_email}",
            "amount": dollars(6_000),
            "order_id": "order-1",
            "order_number": "#1",
        });
        self.make("TrackingService/RecordSale", request, &[("conversion_id", "/conversion_id")]).await;
        let request = json!({"event_id": "custom-1", "custom_kind": "demo", "email": "${lead_email}"});
        self.make("TrackingService/RecordCustomEvent", request, &[]).await;
    }

    /// What happened on day 10, most of it not Ann's.
    async fn furnish_last_days(&mut self) {
        for (event_id, ref_id) in [("click-2", "spring"), ("click-3", "cid")] {
            self.make("TrackingService/RecordClick", json!({"event_id": event_id, "ref_id": ref_id}), &[]).await;
        }
        let request = json!({"event_id": "custom-2", "custom_kind": "visit", "email": "${lead_email}"});
        self.make("TrackingService/RecordCustomEvent", request, &[]).await;
        let sales = [
            ("sale-2", "eve", "BEA", dollars(5_000)),
            ("sale-3", "joe", "", dollars(4_000)),
            ("sale-4", "kim", "CID", json!({"amount_minor": 3_000, "currency_code": "EUR"})),
        ];
        for (event_id, customer, coupon_code, amount) in sales {
            let request = json!({
                "event_id": event_id,
                "email": format!("{customer}@customers.example"),
                "coupon_code": coupon_code,
                "amount": amount,
                "order_id": format!("order-{event_id}"),
                "order_number": format!("#{event_id}"),
                // Looks like the order of another sale.
                "metadata": if event_id == "sale-2" { json!({"order_id": "order-1"}) } else { json!({}) },
            });
            self.make("TrackingService/RecordSale", request, &[("sale_id", "/conversion_id")]).await;
        }
        for (event_id, sale) in [("refund-2", "sale-2"), ("refund-9", "sale-9")] {
            let request = json!({
                "event_id": event_id,
                "sale_event_id": sale,
                "amount": dollars(1_000),
                "refund_id": format!("return-{event_id}"),
            });
            self.make("TrackingService/RecordRefund", request, &[]).await;
        }
        let rewards = self.ask("RewardService/ListRewards", &json!({"affiliate": {"id": "${bea_id}"}})).await;
        let approve = json!({"reward_ids": [rewards["rewards"][0]["id"]]});
        self.make("RewardService/ApproveRewards", approve, &[]).await;
        let request = json!({
            "enrollment": {"id": "${enrollment_id}"},
            "value": {"points": 5},
            "state": "REWARD_STATE_PENDING",
        });
        self.make("RewardService/CreateReward", request, &[]).await;
        let policy = json!({
            "account": {"payout_policy": {"self_billing_invoices": true}},
            "update_mask": {"paths": ["payout_policy"]},
        });
        self.make("AccountService/UpdateAccount", policy, &[]).await;
        let kept = [("payout_id", "/payout/id"), ("payout_document_id", "/payout/payout_document_id")];
        self.pay("${affiliate_id}", "${affiliate_ref_id}", dollars(300), day(3), &kept).await;
        let invoice = json!({"payout_document_id": "${payout_document_id}"});
        let invoice = self.ask("PayoutService/GetPayoutDocument", &invoice).await;
        self.account.names.insert("document_year".to_owned(), invoice["payout_document"]["year"].to_string());
        let euros = json!({"amount_minor": 400, "currency_code": "EUR"});
        self.pay("${bea_id}", "bea", euros, day(9), &[]).await;
        self.cancel_payout().await;
        self.run_payouts().await;
        self.set_tax_profile().await;
        self.schedule_payouts().await;
        self.reconcile_payouts().await;
        let request = json!({"external_id": "visitor-1", "metadata": {"seen_at": "fair"}});
        self.make("TrackingService/CreateLead", request, &[]).await;
        let request = json!({"event_id": "end-4", "email": "kim@customers.example"});
        self.make("TrackingService/RecordCancellation", request, &[]).await;
    }

    /// Pays a reward by hand with a run, and waits until the worker has created the payout.
    async fn run_payouts(&mut self) {
        let cash = json!({"amount_minor": 500, "currency_code": "CHF"});
        let request = json!({"enrollment": {"ref_id": "bea"}, "value": {"cash": cash}});
        self.make("RewardService/CreateReward", request, &[]).await;
        let request = json!({"affiliate_ids": ["${bea_id}"], "currency_code": "CHF"});
        self.make("PayoutService/CreatePayoutRun", request, &[("payout_run_id", "/payout_run/id")]).await;
        for _ in 0..600 {
            let request = json!({"payout_run_id": "${payout_run_id}"});
            let run = self.ask("PayoutService/GetPayoutRun", &request).await;
            if run["payout_run"]["state"] == json!("PAYOUT_RUN_STATE_CREATED") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the run does not end");
    }

    async fn set_tax_profile(&mut self) {
        let request = json!({
            "affiliate": {"id": "${affiliate_id}"},
            "payee_kind": "PAYEE_KIND_BUSINESS",
            "legal_name": "Ann Ltd",
            "address": {"street": "Main Street 1", "city": "Springfield", "country_code": "US"},
            "residence_country_code": "US",
            "form": "TAX_FORM_NO_FORM",
        });
        self.make("PayoutService/SetTaxProfile", request, &[]).await;
    }

    /// Creates two payout schedules, and archives one.
    async fn schedule_payouts(&mut self) {
        let request = json!({
            "display_name": "Monthly",
            "timing": {"month_days": {"days": [31]}},
            "affiliate_ids": ["${bea_id}"],
            "currency_code": "CHF",
        });
        for name in ["schedule_id", "old_schedule_id"] {
            let kept = [(name, "/payout_schedule/id")];
            self.make("PayoutService/CreatePayoutSchedule", request.clone(), &kept).await;
        }
        let request = json!({"payout_schedule_id": "${old_schedule_id}"});
        self.make("PayoutService/ArchivePayoutSchedule", request, &[]).await;
    }

    /// Reconciles the payouts of two connections. The period is too young for anything to be compared, so no provider is called.
    async fn reconcile_payouts(&mut self) {
        for credentials in [
            json!({"paypal": {"client_id": "client", "client_secret": "secret"}}),
            json!({"stripe": {"secret_key": "sk_live_1"}}),
        ] {
            self.make("PayoutService/SetPayoutConnection", json!({"credentials": credentials}), &[]).await;
        }
        let start_at = Clock::now(&self.server.clock).plus_micros(-60_000_000);
        for provider in ["PAYOUT_PROVIDER_PAYPAL", "PAYOUT_PROVIDER_STRIPE"] {
            let start_time = json!({"seconds": start_at.micros() / 1_000_000});
            let request = json!({"provider": provider, "payment_interval": {"start_time": start_time}});
            self.make("PayoutService/ReconcilePayouts", request, &[]).await;
        }
    }

    /// Creates a payout of a reward by hand, and cancels it.
    async fn cancel_payout(&mut self) {
        let request = json!({"enrollment": {"ref_id": "bea"}, "value": {"cash": dollars(100)}});
        self.make("RewardService/CreateReward", request, &[("paid_reward_id", "/reward/id")]).await;
        let reward_ids = json!(["${paid_reward_id}"]);
        let request = json!({"affiliate": {"id": "${bea_id}"}, "currency_code": "USD", "reward_ids": reward_ids});
        self.make("PayoutService/CreatePayout", request, &[("cancelled_payout_id", "/payout/id")]).await;
        self.make("PayoutService/CancelPayout", json!({"payout_id": "${cancelled_payout_id}"}), &[]).await;
    }

    /// Gives an affiliate a reward by hand, and pays it.
    async fn pay(&mut self, id: &str, ref_id: &str, cash: Json, paid_time: Json, kept: &[(&str, &str)]) {
        let request = json!({"enrollment": {"ref_id": ref_id}, "value": {"cash": cash}});
        self.make("RewardService/CreateReward", request, &[("paid_reward_id", "/reward/id")]).await;
        let reward_ids = json!(["${paid_reward_id}"]);
        let request = json!({"affiliate": {"id": id}, "reward_ids": reward_ids, "paid_time": paid_time});
        self.make("PayoutService/MarkPaid", request, kept).await;
    }
}
