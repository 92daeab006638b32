//! Which kinds of key may call which method. The lists are those of the services, in `src/rpc/service/`. A method that is in no
//! list is refused.

use std::collections::HashMap;

use crate::domain::account::KeyKind;
use KeyKind::{Admin, Invitation, Payout, Publishable, Read, ServerOperator, Tracking};

/// Keys of every kind.
pub const EVERY_KIND: &[KeyKind] = &[ServerOperator, Admin, Tracking, Read, Payout, Publishable, Invitation];
/// For methods of operators.
pub const OPERATION: &[KeyKind] = &[ServerOperator];
/// For the method that registers accounts. Strangers without a key may call it too where registration is open.
pub const REGISTRATION: &[KeyKind] = &[ServerOperator, Invitation];
/// For methods that change the account.
pub const ADMINISTRATION: &[KeyKind] = &[Admin];
/// For methods that change the keys of the account, or the operator keys.
pub const KEY_ADMINISTRATION: &[KeyKind] = &[ServerOperator, Admin];
/// For methods that read the keys of the account, or the operator keys.
pub const KEY_READING: &[KeyKind] = &[ServerOperator, Admin, Read];
/// For methods that record leads, sales and other events.
pub const RECORDING: &[KeyKind] = &[Admin, Tracking];
/// For methods that record clicks.
pub const CLICKS: &[KeyKind] = &[Admin, Tracking, Publishable];
/// For methods that read.
pub const READING: &[KeyKind] = &[Admin, Read];
/// For methods that pay affiliates.
pub const PAYING: &[KeyKind] = &[Admin, Payout];
/// For methods that read rewards, balances and the ledger.
pub const READING_MONEY: &[KeyKind] = &[Admin, Read, Payout];

/// Methods that need no key, because they describe the server and show nobody's data.
pub const OPEN_METHODS: &[&str] = &[
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/List",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The callers that a method allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The method's name.
    pub method: &'static str,
    /// The kinds of key that may call it; none if it needs no key.
    pub kinds: Option<&'static [KeyKind]>,
}

/// The lists of methods with the kinds of key that may call them, a list for each service.
pub type MethodLists = &'static [&'static [(&'static str, &'static [KeyKind])]];

/// All methods, by name.
#[derive(Debug)]
pub struct Permissions(HashMap<&'static str, Access>);

impl Permissions {
    /// The methods of these lists, and those that need no key.
    pub fn new(lists: MethodLists) -> Self {
        let listed = lists.iter().copied().flatten().map(|(method, kinds)| Access { method, kinds: Some(kinds) });
        let open = OPEN_METHODS.iter().map(|method| Access { method, kinds: None });
        Self(listed.chain(open).map(|access| (access.method, access)).collect())
    }

    /// The access to the method with this name, such as `headwater.v1.TrackingService/RecordSale`. None if no method has this
    /// name.
    pub fn access(&self, name: &str) -> Option<Access> {
        self.0.get(name).copied()
    }
}

/// The methods that a key of this kind may call.
pub fn methods_of(lists: MethodLists, kind: KeyKind) -> impl Iterator<Item = &'static str> {
    let methods = lists.iter().copied().flatten();
    methods.filter(move |(_, kinds)| kinds.contains(&kind)).map(|(method, _)| *method)
}
