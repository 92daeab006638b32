//! The table of filters: for each filter of each read, a value, and which rows it leaves.

use serde_json::{Value as Json, json};

use super::shop::day;

/// A filter that is set, and the rows that it leaves of those that the read has without it.
pub(super) struct Filter {
    pub(super) method: &'static str,
    pub(super) fields: Json,
    pub(super) leaves: Leaves,
}

/// The rows that a filter leaves. Texts may have names such as `${program_id}`.
pub(super) enum Leaves {
    /// Those with this value at this place.
    At(&'static str, Json),
    /// Those with one of these ids.
    Ids(&'static [&'static str]),
    /// Those that this function takes.
    Those(fn(&Json) -> bool),
    /// Some, each of which names one of these ids. Other rows may name them too.
    Naming(&'static [&'static str]),
}

use Leaves::{At, Ids, Naming, Those};

/// What every request of a method has, so that there is something to leave out.
pub(super) fn base(method: &str) -> Json {
    match method {
        "TrackingService/ListConversions" => json!({"outcomes": [1, 2, 3]}),
        "RewardService/ListRewards" => json!({"view": "REWARD_VIEW_FULL"}),
        "FeedService/ReadEvents" | "FeedService/WatchEvents" | "TrackingService/WatchConversions" => {
            json!({"start": {"position": "FEED_POSITION_BEGINNING"}})
        }
        _ => json!({}),
    }
}

/// The affiliate whom all identifiers name.
fn ann() -> Json {
    json!({"id": "${affiliate_id}"})
}

fn at(row: &Json, place: &str) -> i64 {
    row.pointer(place).and_then(Json::as_i64).unwrap_or_default()
}

fn occurred_before_day_7(row: &Json) -> bool {
    at(row, "/occur_time/seconds") < at(&day(7), "/seconds")
}

fn created_before_day_7(row: &Json) -> bool {
    at(row, "/create_time/seconds") < at(&day(7), "/seconds")
}

fn paid_before_day_7(row: &Json) -> bool {
    !row["paid_time"].is_null() && at(row, "/paid_time/seconds") < at(&day(7), "/seconds")
}

fn paid_from_day_7(row: &Json) -> bool {
    !row["paid_time"].is_null() && !paid_before_day_7(row)
}

fn is_owed(row: &Json) -> bool {
    at(row, "/balance/owed/cash/amount_minor") > 0 || at(row, "/balance/owed/points") > 0
}

fn filter(method: &'static str, fields: Json, leaves: Leaves) -> Filter {
    Filter { method, fields, leaves }
}

/// A filter for rows of one state.
fn state(method: &'static str, state: &'static str) -> Filter {
    filter(method, json!({"states": [state]}), At("/state", json!(state)))
}

pub(super) fn filters() -> Vec<Filter> {
    [accounts(), affiliates(), codes(), tracking(), rewards(), feeds()].into_iter().flatten().collect()
}

fn accounts() -> Vec<Filter> {
    let by_key = json!({"api_key_id": "${second_key_id}"});
    vec![
        state("AccountService/ListAccounts", "ACCOUNT_STATE_SUSPENDED"),
        filter("AccountService/ListAuditEntries", by_key, At("/api_key_id", json!("${second_key_id}"))),
    ]
}

fn affiliates() -> Vec<Filter> {
    let list = "AffiliateService/ListAffiliates";
    let of_second = json!({"program_id": "${second_id}"});
    let verified = |is_verified: bool| json!({"email_verified": is_verified});
    let with_sales = |has_sales: bool| json!({"has_sales": has_sales});
    let of_group = json!({"group_id": "${group_id}"});
    vec![
        filter(list, of_second.clone(), Ids(&["cid_id", "fay_id"])),
        state(list, "AFFILIATE_STATE_APPLIED"),
        filter(list, verified(true), At("/email_verified", json!(true))),
        filter(list, verified(false), At("/email_verified", Json::Null)),
        filter(list, with_sales(true), Ids(&["affiliate_id", "bea_id", "cid_id"])),
        filter(list, with_sales(false), Ids(&["dan_id", "fay_id"])),
        filter(list, json!({"upline": ann()}), At("/upline_affiliate_id", json!("${affiliate_id}"))),
        filter(list, of_group.clone(), At("/group_id", json!("${group_id}"))),
        filter(list, json!({"metadata": {"tier": "gold"}}), At("/metadata", json!({"tier": "gold"}))),
        filter("AffiliateService/SearchAffiliates", json!({"query": "ANN@"}), Ids(&["affiliate_id"])),
        filter("AffiliateService/SearchAffiliates", of_group, Ids(&["affiliate_id"])),
        state("AffiliateService/ListAffiliateGroups", "AFFILIATE_GROUP_STATE_ARCHIVED"),
        state("AffiliateService/ListItems", "ITEM_STATE_ARCHIVED"),
        state("AffiliateService/ListPrograms", "PROGRAM_STATE_ARCHIVED"),
        filter(
            "AffiliateService/ListPrograms",
            json!({"metadata": {"region": "eu"}}),
            At("/metadata", json!({"region": "eu"})),
        ),
        filter(
            "AffiliateService/ListEnrollments",
            json!({"affiliate": ann()}),
            At("/affiliate_id", ann()["id"].clone()),
        ),
        filter("AffiliateService/ListEnrollments", of_second, At("/program_id", json!("${second_id}"))),
        filter(
            "AffiliateService/ListEnrollments",
            json!({"lacks_newest_agreement": true}),
            At("/lacks_newest_agreement", json!(true)),
        ),
        state("AffiliateService/ListEnrollments", "ENROLLMENT_STATE_ENDED"),
        filter(
            "AffiliateService/ListEnrollments",
            json!({"metadata": {"manager": "lee"}}),
            At("/metadata", json!({"manager": "lee"})),
        ),
    ]
}

fn codes() -> Vec<Filter> {
    let (links, coupons) = ("AffiliateService/ListLinks", "AffiliateService/ListCoupons");
    let of_enrollment = json!({"enrollment_id": "${enrollment_id}"});
    let (bounties, submissions) = ("AffiliateService/ListBounties", "AffiliateService/ListSubmissions");
    vec![
        filter(links, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(links, of_enrollment, At("/enrollment_id", json!("${enrollment_id}"))),
        state(links, "LINK_STATE_REVOKED"),
        filter(coupons, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(coupons, json!({"code": "bea"}), At("/code", json!("BEA"))),
        state(coupons, "COUPON_STATE_REMOVED"),
        filter(coupons, json!({"item": {"id": "${item_id}"}}), At("/item_id", json!("${item_id}"))),
        filter(coupons, json!({"metadata": {"print": "a4"}}), At("/metadata", json!({"print": "a4"}))),
        filter(coupons, json!({"offer_id": "${offer_id}"}), At("/offer_id", json!("${offer_id}"))),
        filter(
            "AffiliateService/ListOffers",
            json!({"program_id": "${second_id}"}),
            At("/program_id", json!("${second_id}")),
        ),
        state("AffiliateService/ListOffers", "OFFER_STATE_ARCHIVED"),
        filter(bounties, json!({"program_id": "${second_id}"}), At("/program_id", json!("${second_id}"))),
        filter(bounties, json!({"kinds": ["BOUNTY_KIND_CONTEST"]}), At("/kind", json!("BOUNTY_KIND_CONTEST"))),
        state(bounties, "BOUNTY_STATE_ARCHIVED"),
        filter(submissions, json!({"bounty_id": "${bounty_id}"}), At("/bounty_id", json!("${bounty_id}"))),
        filter(submissions, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        state(submissions, "SUBMISSION_STATE_REJECTED"),
    ]
}

fn tracking() -> Vec<Filter> {
    let (clicks, leads, list) =
        ("TrackingService/ListClicks", "TrackingService/ListLeads", "TrackingService/ListConversions");
    let of_second = json!({"program_id": "${second_id}"});
    let before_day_7 = json!({"occur_interval": {"end_time": day(7)}});
    let since_day_7 = json!({"occur_interval": {"start_time": day(7)}});
    vec![
        filter(clicks, of_second.clone(), At("/program_id", json!("${second_id}"))),
        filter(clicks, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(clicks, json!({"link_id": "${link_id}"}), At("/link_id", json!("${link_id}"))),
        filter(clicks, json!({"tid": "${tid}"}), At("/tid", json!("${tid}"))),
        filter(clicks, before_day_7.clone(), Those(occurred_before_day_7)),
        filter(clicks, since_day_7.clone(), Those(|row| !occurred_before_day_7(row))),
        filter(clicks, json!({"sub_id": "mail"}), At("/sub_id", json!("mail"))),
        state(leads, "LEAD_STATE_CANCELLED"),
        filter(leads, json!({"affiliate": ann()}), At("/credits/0/affiliate_id", json!("${affiliate_id}"))),
        filter(leads, json!({"metadata": {"seen_at": "fair"}}), At("/metadata", json!({"seen_at": "fair"}))),
        filter(list, json!({"kinds": ["CONVERSION_KIND_LEAD"]}), At("/kind", json!("CONVERSION_KIND_LEAD"))),
        filter(
            list,
            json!({"outcomes": ["CONVERSION_OUTCOME_WAITING"]}),
            At("/outcome", json!("CONVERSION_OUTCOME_WAITING")),
        ),
        filter(list, json!({"affiliate": ann()}), At("/credits/0/affiliate_id", json!("${affiliate_id}"))),
        filter(list, of_second, At("/credits/0/program_id", json!("${second_id}"))),
        filter(list, json!({"lead": {"id": "${lead_id}"}}), At("/lead_id", json!("${lead_id}"))),
        filter(list, before_day_7, Those(occurred_before_day_7)),
        filter(list, since_day_7, Those(|row| !occurred_before_day_7(row))),
        filter(list, json!({"order_id": "order-1"}), At("/order_id", json!("order-1"))),
        filter(list, json!({"order_number": "#1"}), At("/order_number", json!("#1"))),
        filter(list, json!({"custom_kind": "visit"}), At("/custom_kind", json!("visit"))),
        filter(list, json!({"metadata": {"order_id": "order-1"}}), At("/metadata", json!({"order_id": "order-1"}))),
    ]
}

fn rewards() -> Vec<Filter> {
    let (list, balances) = ("RewardService/ListRewards", "RewardService/ListBalances");
    let documents = "PayoutService/ListPayoutDocuments";
    let payouts = "PayoutService/ListPayouts";
    let source = "ATTRIBUTION_SOURCE_LEAD_BINDING";
    vec![
        state(list, "REWARD_STATE_APPROVED"),
        filter(list, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(list, json!({"program_id": "${second_id}"}), At("/program_id", json!("${second_id}"))),
        filter(list, json!({"create_interval": {"end_time": day(7)}}), Those(created_before_day_7)),
        filter(list, json!({"create_interval": {"start_time": day(7)}}), Those(|row| !created_before_day_7(row))),
        filter(list, json!({"units": ["REWARD_UNIT_POINTS"]}), At("/value/points", json!(5))),
        filter(list, json!({"order_id": "order-1"}), At("/conversion/order_id", json!("order-1"))),
        filter(list, json!({"order_number": "#1"}), At("/conversion/order_number", json!("#1"))),
        filter(list, json!({"refund_id": "return-refund-2"}), At("/conversion/refund_id", json!("return-refund-2"))),
        filter(list, json!({"sources": [source]}), At("/conversion/source", json!(source))),
        filter(list, json!({"origin": "REWARD_ORIGIN_BY_HAND"}), At("/conversion_id", Json::Null)),
        filter(list, json!({"origin": "REWARD_ORIGIN_CONVERSION"}), Those(|row| !row["conversion_id"].is_null())),
        filter(balances, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(
            balances,
            json!({"units": ["REWARD_UNIT_POINTS"]}),
            Those(|row| !row["balance"]["earned"]["points"].is_null()),
        ),
        filter(balances, json!({"currencies": ["EUR"]}), At("/balance/earned/cash/currency_code", json!("EUR"))),
        filter(balances, json!({"owed_only": true}), Those(is_owed)),
        filter(list, json!({"payout_id": "${payout_id}"}), At("/payout_id", json!("${payout_id}"))),
        filter(payouts, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(documents, json!({"affiliate": ann()}), At("/affiliate_id", json!("${affiliate_id}"))),
        filter(documents, json!({"year": "${document_year}"}), Those(|row| row["year"].is_number())),
        state(documents, "PAYOUT_DOCUMENT_STATE_DRAFT"),
        state(payouts, "PAYOUT_STATE_CANCELLED"),
        state("PayoutService/ListTaxProfiles", "TAX_PROFILE_STATE_RECEIVED"),
        state("PayoutService/ListPayoutSchedules", "PAYOUT_SCHEDULE_STATE_ARCHIVED"),
        filter(
            "PayoutService/ListPayoutReconciliations",
            json!({"provider": "PAYOUT_PROVIDER_STRIPE"}),
            At("/provider", json!("PAYOUT_PROVIDER_STRIPE")),
        ),
        filter(payouts, json!({"payout_run_id": "${payout_run_id}"}), At("/payout_run_id", json!("${payout_run_id}"))),
        filter(payouts, json!({"currencies": ["EUR"]}), At("/amount/currency_code", json!("EUR"))),
        filter(payouts, json!({"paid_interval": {"end_time": day(7)}}), Those(paid_before_day_7)),
        filter(payouts, json!({"paid_interval": {"start_time": day(7)}}), Those(paid_from_day_7)),
        filter(
            "RewardService/ListLedgerEntries",
            json!({"affiliate": ann()}),
            At("/affiliate_id", json!("${affiliate_id}")),
        ),
    ]
}

fn feeds() -> Vec<Filter> {
    let of_feed = |method: &'static str| {
        let kind = "EVENT_KIND_SALE_RECORDED";
        let by = |name: &str, value: &str| json!({"filter": {name: [value]}});
        [
            filter(method, by("kinds", kind), At("/kind", json!(kind))),
            filter(method, by("program_ids", "${second_id}"), Naming(&["second_id", "cid_id", "fay_id"])),
            filter(method, by("affiliate_ids", "${affiliate_id}"), Naming(&["affiliate_id"])),
            filter(method, by("subject_ids", "${conversion_id}"), Naming(&["conversion_id"])),
        ]
    };
    let methods = ["FeedService/ReadEvents", "FeedService/WatchEvents", "TrackingService/WatchConversions"];
    methods.into_iter().flat_map(of_feed).collect()
}
