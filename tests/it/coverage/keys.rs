//! Missing keys and keys that do not work.

use headwater::auth::key;
use headwater::domain::account::KeyKind;
use prost::Message;
use secrecy::ExposeSecret;
use serde_json::Value as Json;
use tonic::{Code, Status};

use super::api::{method, picture, reason};
use super::cases::{Case, cases};
use super::world::{Account, World, assert_unchanged};
use crate::support::database::TestDatabase;
use crate::support::server::nameless_details;

/// A valid request of every method.
pub(super) async fn requests(world: &World, account: &Account) -> Vec<(&'static Case, Json)> {
    let mut requests = Vec::new();
    for case in cases() {
        let names = case.prepared(world, account).await;
        requests.push((case, case.request(&names)));
    }
    requests
}

/// A key with the public part of an existing key and another secret. The database finds the existing key by the public part.
fn forged(real: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut body = real[..real.len() - 6].to_owned();
    let last = if body.pop() == Some('a') { 'b' } else { 'a' };
    body.push(last);
    let mut rest = crc32fast::hash(body.as_bytes()) as usize;
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.push(char::from(ALPHABET[rest % 62]));
        rest /= 62;
    }
    let forged = body + &checksum.into_iter().rev().collect::<String>();
    assert_eq!(key::prefix(&forged), key::prefix(real), "the forged key is well-formed");
    forged
}

/// All parts of an answer by which a caller could distinguish two keys.
fn bytes(status: &Status) -> (String, Vec<u8>) {
    (picture(status), nameless_details(status).encode_to_vec())
}

db_test!(no_call_is_answered_without_a_key_that_works, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let requests = requests(&world, &world.alpha).await;
    let before = world.snapshot(&world.alpha).await;
    let unknown = key::generate(KeyKind::Admin).0.expose_secret().to_owned();
    let admin_key = &world.alpha.keys["admin"];
    let wrong_keys = [
        "hello",
        "hw_admin_",
        &admin_key[..admin_key.len() - 1],
        &unknown,
        &forged(admin_key),
        &world.alpha.keys["revoked"],
        &world.alpha.keys["expired"],
    ];
    let (mut missing_answers, mut invalid_answers) = (Vec::new(), Vec::new());
    for (case, request) in &requests {
        let method = method(case.method);
        let basic = [("authorization", "Basic am86c2VjcmV0")];
        for headers in [[].as_slice(), &basic] {
            let status = world.wire.call_with(headers, &method, request).await.unwrap_err();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unauthenticated, "KEY_MISSING"),
                "{}",
                case.method
            );
            missing_answers.push(bytes(&status));
        }
        for wrong_key in wrong_keys {
            for (name, value) in [("x-api-key", wrong_key.to_owned()), ("authorization", format!("Bearer {wrong_key}"))]
            {
                let status = world.wire.call_with(&[(name, &value)], &method, request).await.unwrap_err();
                let told = (status.code(), reason(&status));
                assert_eq!(told, (Code::Unauthenticated, "KEY_INVALID".to_owned()), "{} with {value}", case.method);
                invalid_answers.push(bytes(&status));
            }
        }
    }
    for answers in [missing_answers, invalid_answers] {
        assert!(answers.iter().all(|answer| *answer == answers[0]), "the answer tells one key from another");
    }
    assert_unchanged(&before, &world.snapshot(&world.alpha).await, "calls without a key that works");
});

db_test!(a_method_that_does_not_exist_is_unknown_to_everybody, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let names = [
        "/headwater.v1.TrackingService/Fly",
        "/headwater.v1.TrackingService/recordSale",
        "/headwater.v1.TrackingService/RecordSale/",
        "/headwater.v1.FlyService/RecordSale",
        "/headwater.v1/TrackingService",
        "/nothing",
    ];
    for path in names {
        let mut answers = Vec::new();
        let keys = ["admin", "server_operator", "tracking", "revoked"].map(|kind| world.alpha.keys[kind].as_str());
        for key in keys.into_iter().chain(["hello", ""]) {
            let headers: &[(&'static str, &str)] = if key.is_empty() { &[] } else { &[("x-api-key", key)] };
            let status = world.wire.call_path(headers, path).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"), "{path}");
            answers.push(bytes(&status));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}: the same for every key");
    }
});

db_test!(a_key_works_in_either_header, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let check = method("AccountService/CheckApiKey");
    let key = &world.alpha.keys["read"];
    for (name, value) in [
        ("x-api-key", key.clone()),
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
    ] {
        let answer = world.wire.call_with(&[(name, &value)], &check, &serde_json::json!({})).await.unwrap();
        assert_eq!(answer["account_id"], world.alpha.names["account_id"].as_str());
    }
});
