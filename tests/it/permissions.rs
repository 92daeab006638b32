//! The table of permissions as a golden file, compared with the existing services.

use std::collections::BTreeSet;

use headwater::auth::permission::{Access, OPEN_METHODS, Permissions, methods_of};
use headwater::domain::account::KeyKind;
use headwater::rpc::METHODS;
use prost_reflect::DescriptorPool;

/// The lists of all services as one.
fn listed() -> Vec<(&'static str, &'static [KeyKind])> {
    METHODS.iter().copied().flatten().copied().collect()
}

fn declared_methods() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(headwater::pb::FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = pool.services().filter(|service| service.package_name() == "headwater.v1").collect();
    services
        .iter()
        .flat_map(|service| service.methods().map(|method| format!("{}/{}", service.full_name(), method.name())))
        .collect()
}

#[test]
fn every_method_is_in_the_table_once() {
    let table = listed();
    let listed: BTreeSet<String> = table.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(listed.len(), table.len(), "a method is listed twice");
    let declared = declared_methods();
    let missing: Vec<_> = declared.difference(&listed).collect();
    assert!(missing.is_empty(), "say in src/rpc/service/ who may call {missing:?}");
    let gone: Vec<_> = listed.difference(&declared).collect();
    assert!(gone.is_empty(), "src/rpc/service/ lists methods that are in no proto: {gone:?}");
}

#[test]
fn an_unlisted_method_is_refused() {
    let permissions = Permissions::new(METHODS);
    for unknown in
        ["", "headwater.v1.AccountService", "headwater.v1.AccountService/", "headwater.v1.AccountService/getaccount"]
    {
        assert_eq!(permissions.access(unknown), None, "{unknown}");
    }
    for open in OPEN_METHODS {
        assert_eq!(permissions.access(open), Some(Access { method: open, kinds: None }));
        assert!(open.starts_with("grpc."), "{open} is open to everybody");
    }
    for (method, kinds) in listed() {
        assert_eq!(permissions.access(method), Some(Access { method, kinds: Some(kinds) }));
    }
}

#[test]
fn kinds_may_do_what_their_comments_in_the_proto_say() {
    let of = |kind| methods_of(METHODS, kind).map(|method| method.rsplit('/').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        of(KeyKind::ServerOperator),
        [
            "RegisterAccount",
            "ListAccounts",
            "SuspendAccount",
            "ResumeAccount",
            "SetAccountCallLimit",
            "CreateApiKey",
            "CreateAdminApiKey",
            "GetApiKey",
            "ListApiKeys",
            "UpdateApiKey",
            "RevokeApiKey",
            "ListAuditEntries",
            "CheckApiKey",
            "GetServerInfo"
        ]
    );
    assert_eq!(of(KeyKind::Invitation), ["RegisterAccount", "CheckApiKey", "GetServerInfo"]);
    assert_eq!(of(KeyKind::Publishable), ["CheckApiKey", "GetServerInfo", "RecordClick"]);
    assert_eq!(of(KeyKind::Admin).len(), listed().len() - 6);
    let verbs = [
        "Get",
        "List",
        "Count",
        "Search",
        "Read",
        "Watch",
        "Check",
        "Verify",
        "BatchGet",
        "Validate",
        "Query",
        "Calculate",
        "Explain",
        "Preview",
        "Replay",
        "Simulate",
    ];
    // The accounts of the server are for operators. The verification of an address changes the account. Who only reads tries no passwords,
    // and knows nothing of credentials.
    let others = [
        "ListAccounts",
        "VerifyAccountEmail",
        "CheckAffiliatePassword",
        "GetPayoutConnection",
        "ListPayoutConnections",
    ];
    let reads = |method: &&str| verbs.iter().any(|verb| method.starts_with(verb)) && !others.contains(method);
    assert!(of(KeyKind::Read).iter().all(reads));
    let pays = [
        "MarkPaid",
        "CreatePayout",
        "CreatePayoutRun",
        "CancelPayoutRun",
        "ReconcilePayouts",
        "CreatePayoutSchedule",
        "UpdatePayoutSchedule",
        "ArchivePayoutSchedule",
        "ApprovePayouts",
        "ConfirmPayouts",
        "ExportPayoutFile",
        "ImportPayoutResults",
        "ReopenPayout",
        "CancelPayout",
        "SetPayoutMethod",
        "RemovePayoutMethod",
        "SetTaxProfile",
        "RemoveTaxProfile",
        "RetryPayout",
        "NotifyFundsAdded",
    ];
    assert!(of(KeyKind::Payout).iter().all(|method| reads(method) || pays.contains(method)));
    // A tracking key leaks nothing: it reads only its own data, and what the server is.
    let leaks_nothing = |method: &&str| ["CheckApiKey", "GetServerInfo"].contains(method);
    assert!(of(KeyKind::Tracking).iter().all(|method| !reads(method) || leaks_nothing(method)));
    let all_reads: Vec<_> =
        listed().iter().map(|(method, _)| method.rsplit('/').next().unwrap()).filter(|m| reads(m)).collect();
    assert_eq!(of(KeyKind::Read), all_reads);
}

#[test]
fn the_permission_table_is_the_golden_one() {
    let width = listed().iter().map(|(method, _)| method.len()).max().unwrap();
    let mut text =
        "Which kind of API key may call which method. A method that is not listed is refused.\n\n".to_owned();
    let kinds = KeyKind::ALL.iter().map(KeyKind::to_string).collect::<Vec<_>>().join("  ");
    text += &format!("{:width$}  {kinds}\n", "method");
    for (method, allowed) in listed() {
        let marks: Vec<String> = KeyKind::ALL
            .iter()
            .map(|kind| format!("{:<1$}", if allowed.contains(kind) { "yes" } else { "-" }, kind.as_str().len()))
            .collect();
        text += format!("{method:width$}  {}", marks.join("  ")).trim_end();
        text.push('\n');
    }
    for method in OPEN_METHODS {
        text += &format!("{method:width$}  everybody, without a key\n");
    }
    crate::support::golden::assert_golden("permissions.txt", &text);
}
