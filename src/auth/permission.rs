//! Which kind of key may call which method: the one table. A method that is not in it is refused.
//! `tests/it/permissions.rs` prints it and compares it with the services in `proto/`.

use crate::domain::account::KeyKind;
use KeyKind::{Admin, Operator, Payout, Publishable, Read, Tracking};

const EVERY_KIND: &[KeyKind] = &[Operator, Admin, Tracking, Read, Payout, Publishable];
const OPERATION: &[KeyKind] = &[Operator];
const ADMINISTRATION: &[KeyKind] = &[Admin];
const RECORDING: &[KeyKind] = &[Admin, Tracking];
const CLICKS: &[KeyKind] = &[Admin, Tracking, Publishable];
const READING: &[KeyKind] = &[Admin, Read];
const READING_MONEY: &[KeyKind] = &[Admin, Read, Payout];

/// Every method of `headwater.v1` and the kinds of key that may call it.
pub const METHODS: &[(&str, &[KeyKind])] = &[
    ("headwater.v1.AccountService/RegisterAccount", OPERATION),
    ("headwater.v1.AccountService/GetAccount", READING),
    ("headwater.v1.AccountService/UpdateAccount", ADMINISTRATION),
    ("headwater.v1.AccountService/CreateApiKey", ADMINISTRATION),
    ("headwater.v1.AccountService/ListApiKeys", READING),
    ("headwater.v1.AccountService/RevokeApiKey", ADMINISTRATION),
    ("headwater.v1.AccountService/CheckApiKey", EVERY_KIND),
    ("headwater.v1.AffiliateService/CreateProgram", ADMINISTRATION),
    ("headwater.v1.AffiliateService/GetProgram", READING),
    ("headwater.v1.AffiliateService/ListPrograms", READING),
    ("headwater.v1.AffiliateService/UpdateProgram", ADMINISTRATION),
    ("headwater.v1.AffiliateService/ArchiveProgram", ADMINISTRATION),
    ("headwater.v1.AffiliateService/CreateAffiliate", ADMINISTRATION),
    ("headwater.v1.AffiliateService/GetAffiliate", READING_MONEY),
    ("headwater.v1.AffiliateService/ListAffiliates", READING_MONEY),
    ("headwater.v1.AffiliateService/Enroll", ADMINISTRATION),
    ("headwater.v1.AffiliateService/ListEnrollments", READING),
    ("headwater.v1.AffiliateService/UpdateEnrollment", ADMINISTRATION),
    ("headwater.v1.AffiliateService/EndEnrollment", ADMINISTRATION),
    ("headwater.v1.AffiliateService/CreateLink", ADMINISTRATION),
    ("headwater.v1.AffiliateService/ListLinks", READING),
    ("headwater.v1.AffiliateService/RevokeLink", ADMINISTRATION),
    ("headwater.v1.AffiliateService/AssignCoupon", ADMINISTRATION),
    ("headwater.v1.AffiliateService/ListCoupons", READING),
    ("headwater.v1.AffiliateService/RemoveCoupon", ADMINISTRATION),
    ("headwater.v1.TrackingService/RecordClick", CLICKS),
    ("headwater.v1.TrackingService/RecordLead", RECORDING),
    ("headwater.v1.TrackingService/RecordSale", RECORDING),
    ("headwater.v1.TrackingService/RecordRefund", RECORDING),
    ("headwater.v1.TrackingService/RecordCancellation", RECORDING),
    ("headwater.v1.TrackingService/BatchRecord", RECORDING),
    ("headwater.v1.TrackingService/GetLead", READING),
    ("headwater.v1.TrackingService/ListLeads", READING),
    ("headwater.v1.TrackingService/GetConversion", READING),
    ("headwater.v1.TrackingService/ListConversions", READING),
    ("headwater.v1.TrackingService/ListConversionEvents", READING),
    ("headwater.v1.TrackingService/WatchConversions", READING),
    ("headwater.v1.RewardService/GetReward", READING_MONEY),
    ("headwater.v1.RewardService/ListRewards", READING_MONEY),
    ("headwater.v1.RewardService/ApproveRewards", ADMINISTRATION),
    ("headwater.v1.RewardService/DenyRewards", ADMINISTRATION),
    ("headwater.v1.RewardService/GetBalance", READING_MONEY),
    ("headwater.v1.RewardService/ListLedgerEntries", READING_MONEY),
    ("headwater.v1.RewardService/VerifyLedger", READING_MONEY),
];

/// Methods that need no key: they tell what the server is, and nothing of anybody's data.
pub const OPEN_METHODS: &[&str] = &[
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/List",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The method's name.
    pub method: &'static str,
    /// Holders of keys of these kinds; none for everybody, without a key.
    pub kinds: Option<&'static [KeyKind]>,
}

/// Who may call the method with this name, such as `headwater.v1.TrackingService/RecordSale`. None when there is no such method.
pub fn access(name: &str) -> Option<Access> {
    if let Some((method, kinds)) = METHODS.iter().find(|(method, _)| *method == name) {
        return Some(Access { method, kinds: Some(kinds) });
    }
    let method = OPEN_METHODS.iter().find(|method| **method == name)?;
    Some(Access { method, kinds: None })
}

/// The methods that a key of this kind may call.
pub fn methods_of(kind: KeyKind) -> impl Iterator<Item = &'static str> {
    METHODS.iter().filter(move |(_, kinds)| kinds.contains(&kind)).map(|(method, _)| *method)
}
