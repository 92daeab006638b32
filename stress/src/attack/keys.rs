//! Attacks on keys: guesses of every kind, and a stream that is open while its key is revoked.

use std::time::Duration;

use anyhow::Context;
use futures::future::BoxFuture;
use headwater::clock;
use headwater_client::pb;
use headwater_client::pb::watch_conversions_response::Content;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::child::Target;
use super::scene::{Scene, Setting};
use super::trial;
use super::wire::{self, Question};
use super::{Attack, Seen, Sources};
use crate::feed;

const SALE: &str = "/headwater.v1.TrackingService/RecordSale";

/// The lengths of the parts of a key after its kind: the public part, the secret and the checksum.
const PUBLIC_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How soon the stream of a revoked key must end: long before its next heartbeat, which comes after a minute.
const END_TIME_MAX: Duration = Duration::from_secs(10);

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new("guess-malformed", "8 connections of 32 callers with texts that are no keys", |target| {
        Box::pin(guess(target, |number| format!("hw_admin_{number:061x}")))
    }),
    Attack::new("guess-well-formed", "the same with well-formed keys that nobody has", |target| {
        Box::pin(guess(target, |_| well_formed(&random_text(PUBLIC_LENGTH))))
    }),
    Attack {
        sources: Sources::Same,
        ..Attack::new("guess-well-formed-same", "the same from the victim's address", |target| {
            Box::pin(guess(target, |_| well_formed(&random_text(PUBLIC_LENGTH))))
        })
    },
    Attack {
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Admin, 1)),
        ..Attack::new("guess-secret", "the same with the public part of a key and another secret", |target| {
            let key = target.material(0);
            Box::pin(guess(target, move |_| well_formed(public_part(&key))))
        })
    },
    Attack::own("revoked-stream", "a stream with the longest heartbeat goes on while its key is revoked", revoked),
];

async fn guess(target: Target, key: impl Fn(u64) -> String + Send + Sync + 'static) -> anyhow::Result<()> {
    wire::call(target, 8, 32, move |number| Question::of_bytes(SALE, Some(key(number)), &[])).await
}

fn random_text(length: usize) -> String {
    (0..length).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])).collect()
}

fn public_part(key: &str) -> &str {
    let rest = key.len().saturating_sub(PUBLIC_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH);
    &key[rest..rest + PUBLIC_LENGTH]
}

/// The text of an admin key with this public part, a random secret and the right checksum.
fn well_formed(public: &str) -> String {
    let unchecked = format!("hw_admin_{public}{}", random_text(SECRET_LENGTH));
    let mut crc = flate2::Crc::new();
    crc.update(unchecked.as_bytes());
    let mut rest = crc.sum() as usize;
    let mut checksum = [0_u8; CHECKSUM_LENGTH];
    for character in checksum.iter_mut().rev() {
        *character = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    unchecked + &String::from_utf8_lossy(&checksum)
}

fn revoked(setting: &Setting) -> BoxFuture<'_, anyhow::Result<Seen>> {
    Box::pin(async move {
        let scene = Scene::start(setting).await?;
        let mut admin = scene.client(&scene.shop.key).await?;
        let kind = pb::ApiKeyKind::Read.into();
        let request = pb::CreateApiKeyRequest { kind, ..pb::CreateApiKeyRequest::default() };
        let made = admin.accounts.create_api_key(request).await?.into_inner();
        let mut reader = scene.client(&made.api_key_text).await?;
        let request = pb::WatchConversionsRequest {
            start: Some(feed::latest()),
            heartbeat_delay: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            ..pb::WatchConversionsRequest::default()
        };
        let mut stream = reader.tracking.watch_conversions(request).await?.into_inner();
        admin.tracking.record_sale(scene.shop.sale("before", 0)).await?;
        while next_events(&mut stream).await?.context("the stream ended before the key was revoked")? == 0 {}
        let api_key_id = made.api_key.context("the key is missing in the answer")?.id;
        let request = pb::RevokeApiKeyRequest { api_key_id, ..pb::RevokeApiKeyRequest::default() };
        admin.accounts.revoke_api_key(request).await?;
        let revoked_at = clock::monotonic_now();
        let selling = tokio::spawn(async move {
            for number in 0..50 {
                let _ = admin.tracking.record_sale(scene.shop.sale("after", number)).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            scene
        });
        let (events, wrong_end) = read_to_end(&mut stream, revoked_at + END_TIME_MAX).await;
        let figure = format!("ended after {:.2} s", revoked_at.elapsed().as_secs_f64());
        trial::stop(selling.await?).await?;
        let mut faults = Vec::new();
        if events > 0 {
            faults.push(format!("the stream read {events} sales after its key was revoked"));
        }
        faults.extend(wrong_end.map(|end| format!("the stream of the revoked key: {end}")));
        Ok(Seen { figure, faults })
    })
}

/// The number of events up to the end of the stream, and how it ended if not as a revoked key's stream must.
async fn read_to_end(
    stream: &mut Streaming<pb::WatchConversionsResponse>,
    given_up_at: Instant,
) -> (usize, Option<String>) {
    let mut events = 0;
    loop {
        match tokio::time::timeout_at(given_up_at, stream.message()).await {
            Ok(Ok(Some(message))) => events += sales(&message),
            Ok(Ok(None)) => return (events, Some("it ended with OK".to_owned())),
            Ok(Err(status)) if status.code() == Code::Unauthenticated => return (events, None),
            Ok(Err(status)) => return (events, Some(format!("it ended with {:?}", status.code()))),
            Err(_) => return (events, Some("it is open still".to_owned())),
        }
    }
}

fn sales(message: &pb::WatchConversionsResponse) -> usize {
    match &message.content {
        Some(Content::Batch(batch)) => batch.events.len(),
        _ => 0,
    }
}

/// The number of events in the next message. `None` at the end.
async fn next_events(stream: &mut Streaming<pb::WatchConversionsResponse>) -> anyhow::Result<Option<usize>> {
    Ok(stream.message().await?.map(|message| sales(&message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_look_like_keys() {
        let key = well_formed("abcdefghijkl");
        assert_eq!(headwater::auth::key::prefix(&key), Some("hw_admin_abcdefghijkl"));
        assert_eq!(public_part(&key), "abcdefghijkl");
    }
}
