//! Values for fields: the usual ones, from which histories come about, and those that somebody hostile would send.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::draw::Draw;

/// Ids have this many characters, the prefix included.
const ID_LENGTH: usize = 36;

/// The most values of one name that are kept from answers.
const KEPT_MAX: usize = 16;

/// The values from answers, by the name of their field. Ids are kept by their prefix.
#[derive(Default)]
pub(crate) struct Pool(BTreeMap<String, Vec<String>>);

impl Pool {
    pub(crate) fn keep(&mut self, field: &str, text: &str) {
        if text.is_empty() || text.len() > 256 {
            return;
        }
        let name = match prefix_of(text) {
            Some(prefix) => prefix,
            None => field.trim_start_matches("next_"),
        };
        let kept = self.0.entry(name.to_owned()).or_default();
        if !kept.iter().any(|one| one == text) {
            if kept.len() == KEPT_MAX {
                kept.remove(0);
            }
            kept.push(text.to_owned());
        }
    }

    /// A pool with one id of each kind, for messages that are only parsed.
    pub(crate) fn of_samples() -> Self {
        let mut pool = Self::default();
        for prefix in [
            "acc", "aff", "bnt", "clk", "cnv", "cpn", "enr", "grp", "itm", "key", "led", "lnk", "ofr", "pay", "prg",
            "prn", "psc", "rwd", "sbm",
        ] {
            pool.keep("id", &format!("{prefix}_{:032x}", 7));
        }
        pool
    }

    fn one(&self, draw: &mut Draw<'_>, name: &str) -> Option<String> {
        self.0.get(name).map(|kept| draw.of(kept).clone())
    }

    /// An id or another text from an answer, of any field.
    fn any(&self, draw: &mut Draw<'_>) -> Option<String> {
        let names: Vec<&String> = self.0.keys().collect();
        let name = (!names.is_empty()).then(|| (*draw.of(&names)).clone())?;
        self.one(draw, &name)
    }
}

/// The prefix of one of our ids.
fn prefix_of(text: &str) -> Option<&str> {
    let (prefix, rest) = text.split_once('_')?;
    (text.len() == ID_LENGTH && prefix.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then_some(prefix)
}

/// The prefix of the ids that a field takes.
fn prefix_for(field: &FieldDescriptor) -> Option<&'static str> {
    let name = field.name();
    let holder = field.parent_message();
    let subject = if name == "id" { holder.name() } else { name };
    [
        ("AccountSelector", "acc"),
        ("Account", "acc"),
        ("account_id", "acc"),
        // Before the shorter name that it begins with.
        ("AffiliateGroup", "grp"),
        ("Affiliate", "aff"),
        ("affiliate_id", "aff"),
        ("LeadSelector", "led"),
        ("lead_id", "led"),
        ("Conversion", "cnv"),
        ("conversion_id", "cnv"),
        ("Program", "prg"),
        ("program_id", "prg"),
        ("Enrollment", "enr"),
        ("enrollment_id", "enr"),
        ("Link", "lnk"),
        ("link_id", "lnk"),
        ("ApiKey", "key"),
        ("Coupon", "cpn"),
        ("coupon_id", "cpn"),
        ("group_id", "grp"),
        ("Item", "itm"),
        ("item_id", "itm"),
        ("Offer", "ofr"),
        ("offer_id", "ofr"),
        ("payout_id", "pay"),
        ("payout_export_id", "pex"),
        ("payout_document_id", "doc"),
        ("payout_reconciliation_id", "prc"),
        ("payout_run_id", "prn"),
        ("PayoutSchedule", "psc"),
        ("payout_schedule_id", "psc"),
        ("Bounty", "bnt"),
        ("bounty_id", "bnt"),
        ("Submission", "sbm"),
        ("submission_id", "sbm"),
        ("winner_submission_ids", "sbm"),
        ("reward_id", "rwd"),
        ("api_key_id", "key"),
        ("tid", "clk"),
    ]
    .into_iter()
    .find(|(beginning, _)| subject.starts_with(beginning))
    .map(|(_, prefix)| prefix)
}

/// A text that the server accepts in most fields of this name.
pub(crate) fn usual_text(draw: &mut Draw<'_>, field: &FieldDescriptor, pool: &Pool) -> String {
    if let Some(prefix) = prefix_for(field) {
        return pool.one(draw, prefix).unwrap_or_default();
    }
    // Few names, so that messages often share one.
    let number = draw.below(4);
    match field.name() {
        "email" if field.parent_message().name().contains("Affiliate") => format!("affiliate{number}@a.example"),
        "email" => format!("customer{number}@shop.example"),
        "paypal_email" => format!("pay{number}@a.example"),
        "external_id" => format!("customer-{number}"),
        // The keys of one list differ.
        "key" => format!("key-{}", draw.below(1_000)),
        "event_id" | "sale_event_id" | "refund_event_id" | "dispute_event_id" => format!("event-{}", draw.below(12)),
        // A repeated call is answered without its rule, so most calls have no request_id.
        "request_id" if number > 0 => String::new(),
        "request_id" => format!("request-{}", draw.below(4)),
        // A ref_id and a link's code are the same to a visitor.
        "ref_id" => format!("ref-{number}"),
        "code" if field.parent_message().name().contains("Link") => format!("ref-{number}"),
        "code" | "coupon_code" => format!("CODE{number}"),
        "coupon_codes" => format!("CODE{number}"),
        "sku" | "item_sku" | "item_skus" => format!("item-{number}"),
        "collections" => format!("collection-{number}"),
        "currency_code" if draw.happens(8) => "JPY".to_owned(),
        "currency_code" => "USD".to_owned(),
        "country_code" | "residence_country_code" => ["DE", "US"][number % 2].to_owned(),
        "sign_date" => "2025-06-01".to_owned(),
        "text" if field.parent_message().name() == "TaxNumber" => ["DE123456789", "123456789"][number % 2].to_owned(),
        "password" | "temporary_password" => format!("password {number}"),
        "time_zone" => ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"][number].to_owned(),
        "first_day" => format!("2026-01-0{}", number + 1),
        "last_day" => "2026-12-31".to_owned(),
        "hosts" => "shop.example".to_owned(),
        "custom_kinds" | "custom_kind" => "demo".to_owned(),
        "allowed_networks" => "203.0.113.0/24".to_owned(),
        "allowed_origins" => "https://shop.example".to_owned(),
        name if name.ends_with("_url") => format!("https://shop.example/{number}"),
        "verification_token" => "t".repeat(43),
        // Texts that only the server gives out.
        name if ["etag", "_token", "cursor"].iter().any(|end| name.ends_with(end)) => {
            pool.one(draw, name).unwrap_or_default()
        }
        _ => format!("text {number}"),
    }
}

/// The fields of a resource that an update may change.
pub(crate) fn changeable(resource: &MessageDescriptor) -> Vec<String> {
    const NAMES: &[&str] = &[
        "display_name",
        "landing_url",
        "is_default",
        "terms",
        "ref_id",
        "commission_override",
        "email",
        "max_active_coupons_per_affiliate",
        "time_zone",
        "external_id",
        "first_name",
        "profile",
        "email_verified",
        "metadata",
        "note",
        "about",
        "end_time",
        "max_claims",
        "destination_url",
        "claimed_url",
        "expire_time",
        "allowed_networks",
    ];
    let names = resource.fields().map(|field| field.name().to_owned());
    names.filter(|name| NAMES.contains(&name.as_str())).collect()
}

/// A text that was made to do harm.
pub(crate) fn hostile_text(draw: &mut Draw<'_>, pool: &Pool) -> String {
    match draw.below(16) {
        0 => "\u{0}".to_owned(),
        1 => "a\u{0}b@c.example".to_owned(),
        2 => "'; drop table account; --".to_owned(),
        3 => "%_%".to_owned(),
        4 => "\u{202e}\u{1f4a5}\u{301}@\u{1f4a5}.example".to_owned(),
        5 => "\u{1f4a5}".repeat(1 + draw.below(200)),
        6 => "x".repeat(1 + draw.below(5_000)),
        7 => " \t\u{a0}\u{3000}".to_owned(),
        8 => "xn--a@xn--\u{df}.example".to_owned(),
        9 => "\u{130}\u{df}\u{3c2}\u{fb01}\u{345}\u{1fb3}\u{ad}\u{200d}"
            .chars()
            .cycle()
            .skip(draw.below(8))
            .take(9)
            .collect(),
        10 => "https://u:p@[::1]:99999/\u{0}?#".to_owned(),
        11 => {
            format!("{}_{:032x}", draw.of(&["acc", "aff", "rwd", "clk", "cnv", "xyz", "AFF"]), u128::from(draw.byte()))
        }
        12 => draw.number().to_string(),
        13 => pool.any(draw).unwrap_or_default().to_uppercase(),
        14 => pool.any(draw).unwrap_or_default(),
        _ => draw.text(64),
    }
}

/// A number from the edges, or any.
pub(crate) fn hostile_number(draw: &mut Draw<'_>) -> i64 {
    // The most minor units that the API takes; and the largest number of floating point that has no gap below it.
    const AMOUNT_MAX: i64 = headwater::domain::money::AMOUNT_MINOR_MAX;
    const EDGES: &[i64] = &[
        i64::MIN,
        i64::MIN + 1,
        i32::MIN as i64,
        -1,
        0,
        1,
        i32::MAX as i64,
        i32::MAX as i64 + 1,
        AMOUNT_MAX - 1,
        AMOUNT_MAX,
        AMOUNT_MAX + 1,
        1 << 53,
        i64::MAX - 1,
        i64::MAX,
    ];
    if draw.happens(192) { *draw.of(EDGES) } else { draw.number() }
}

/// A number that the server accepts in most fields of this name.
pub(crate) fn usual_number(draw: &mut Draw<'_>, field: &FieldDescriptor) -> i64 {
    match field.name() {
        "percent_ppm" => *draw.of(&[0, 1, 100_000, 333_333, 1_000_000]),
        "amount_minor" => *draw.of(&[1, 7, 33, 100, 999, 10_000, headwater::domain::money::AMOUNT_MINOR_MAX]),
        "hold_period_days" | "attribution_window_days" => *draw.of(&[1, 30, 60, 365]),
        "page_size" => *draw.of(&[0, 1, 2, 1_000]),
        "max_active_coupons_per_affiliate" => *draw.of(&[1, 2, 10, 10_000]),
        "terms_version" | "version" => *draw.of(&[0, 1, 2]),
        // Of a Timestamp and a Duration; see `message.rs`.
        "seconds" => i64::from(draw.byte()),
        _ => *draw.of(&[0, 1, 2, 100]),
    }
}

/// A value of the enum, or a number that is none.
pub(crate) fn enum_number(draw: &mut Draw<'_>, field: &FieldDescriptor, is_hostile: bool) -> i32 {
    if is_hostile {
        return i32::try_from(hostile_number(draw)).unwrap_or(99);
    }
    // Most affiliates begin as active ones, because others earn nothing.
    if field.parent_message().name() == "CreateAffiliateRequest" && draw.happens(240) {
        return *draw.of(&[0, 0, 0, 0, 1, 1]);
    }
    match field.kind() {
        Kind::Enum(values) => {
            let numbers: Vec<i32> = values.values().map(|value| value.number()).collect();
            *draw.of(&numbers)
        }
        _ => 0,
    }
}
