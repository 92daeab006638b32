//! Attacks on the server's memory: small messages that become large, answers and streams that nobody takes, and bodies that never
//! end. Knows nothing of the door.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use headwater_client::pb;

use super::Attack;
use super::child::Target;
use super::doors::{HEALTH_CHECK, STREAMS};
use super::scene::Scene;
use super::wire::{self, Held, Question, framed};
use crate::feed;

const BATCH: &str = "/headwater.v1.TrackingService/BatchRecordEvents";
const LIST_CONVERSIONS: &str = "/headwater.v1.TrackingService/ListConversions";
const UPDATE_ACCOUNT: &str = "/headwater.v1.AccountService/UpdateAccount";
const WATCH_EVENTS: &str = "/headwater.v1.FeedService/WatchEvents";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// The largest message that the server takes by default.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The size of a message before compression that must be refused.
const BOMB_BYTES: usize = 1024 * 1024 * 1024;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        prepare: tracking_key,
        ..Attack::new("empty-items", "8 callers of a batch of 2,097,144 empty items in 4 MiB", |target| {
            Box::pin(messages(target, BATCH, repeated(&[0x0a, 0x00], 0), false))
        })
    },
    Attack {
        prepare: tracking_key,
        ..Attack::new("empty-items-gzip", "the same compressed to some 4,100 bytes", |target| {
            Box::pin(messages(target, BATCH, repeated(&[0x0a, 0x00], 0), true))
        })
    },
    Attack {
        prepare: tracking_key,
        ..Attack::new("empty-sales", "8 callers of a batch of 1,048,576 sales without a field", |target| {
            // An item with a sale of no bytes.
            Box::pin(messages(target, BATCH, repeated(&[0x0a, 0x02, 0x1a, 0x00], 0), true))
        })
    },
    Attack {
        prepare: admin_key,
        ..Attack::new("empty-mask-paths", "8 callers of an update mask of 2,097,144 empty paths", |target| {
            // The mask is field 3.
            Box::pin(messages(target, UPDATE_ACCOUNT, repeated(&[0x0a, 0x00], 0x1a), true))
        })
    },
    Attack {
        prepare: admin_key,
        ..Attack::new("many-kinds", "8 callers of a filter with 4,194,290 kinds", |target| {
            // One byte becomes a number of four. The kinds are field 4.
            Box::pin(messages(target, LIST_CONVERSIONS, repeated(&[0x02], 0x22), true))
        })
    },
    Attack {
        prepare: tracking_key,
        ..Attack::new("gzip-bomb", "4 callers of a message of 1 GiB of zeros, compressed", |target| {
            Box::pin(bomb(target))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new(
            "reflection-untaken",
            "20 connections of 255 reflection streams, 20 questions each, window 0",
            |target| Box::pin(untaken_reflection(target)),
        )
    },
    Attack {
        lingers: true,
        has_key: true,
        prepare: |scene| with_sales(scene, 2_000, 1),
        ..Attack::new("untaken-lists", "8 connections of 255 lists of 1,000 conversions that nobody takes", |target| {
            let request = pb::ListConversionsRequest { page_size: 1_000, ..pb::ListConversionsRequest::default() };
            let question = Question::new(LIST_CONVERSIONS, Some(target.material(0)), &request);
            Box::pin(untaken(target, 8, STREAMS, move |_| question.clone()))
        })
    },
    Attack {
        lingers: true,
        has_key: true,
        prepare: tracking_key,
        ..Attack::new("untaken-errors", "8 connections of 255 batches whose 1,000 errors nobody takes", |target| {
            let content = [0x0a, 0x00].repeat(1_000);
            let question = Question::of_bytes(BATCH, Some(target.material(0)), &content);
            Box::pin(untaken(target, 8, STREAMS, move |_| question.clone()))
        })
    },
    Attack {
        lingers: true,
        has_key: true,
        prepare: |scene| with_sales(scene, 5_000, 8),
        ..Attack::new("feed-untaken", "8 keys x 128 feed streams from the beginning that nobody takes", |target| {
            let start = Some(feed::beginning());
            let request = pb::WatchEventsRequest { start, max_batch_size: 1_000, ..pb::WatchEventsRequest::default() };
            let keys = target.materials.to_vec();
            let ask = move |number: usize| Question::new(WATCH_EVENTS, Some(keys[number / 128].clone()), &request);
            Box::pin(untaken(target, 8, 128, ask))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new("endless-bodies", "8 connections of 255 health checks whose 4 MiB never end", |target| {
            Box::pin(endless(target, Question::silent(HEALTH_CHECK, None)))
        })
    },
    Attack {
        lingers: true,
        prepare: tracking_key,
        ..Attack::new("endless-bodies-key", "8 connections of 255 batches whose 4 MiB never end", |target| {
            let key = Some(target.material(0));
            Box::pin(endless(target, Question::silent(BATCH, key)))
        })
    },
];

/// This many bytes of repeats of an element. With a tag, they are the content of a field with this tag.
fn repeated(element: &[u8], tag: u8) -> Vec<u8> {
    // The tag and the length take five bytes.
    let content = element.repeat((MESSAGE_BYTES_MAX - 16) / element.len());
    if tag == 0 {
        return content;
    }
    let mut message = vec![tag];
    prost::encoding::encode_varint(content.len() as u64, &mut message);
    message.extend(content);
    message
}

fn compressed(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

fn tracking_key(scene: &Scene) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
    Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1))
}

fn admin_key(scene: &Scene) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
    Box::pin(scene.keys(pb::ApiKeyKind::Admin, 1))
}

/// Records sales and makes keys that read them.
pub(super) fn with_sales(scene: &Scene, sales: usize, keys: usize) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
    Box::pin(async move {
        let shop = scene.attacker().await?;
        scene.sell(&shop, sales).await?;
        scene.keys_of(&shop, pb::ApiKeyKind::Read, keys).await
    })
}

/// The same message from eight callers.
async fn messages(target: Target, path: &'static str, content: Vec<u8>, is_compressed: bool) -> anyhow::Result<()> {
    let key = Some(target.material(0));
    let question = if is_compressed {
        Question::of_gzip(path, key, &compressed(&content)?)
    } else {
        Question::of_bytes(path, key, &content)
    };
    wire::call(target, 8, 1, move |_| question.clone()).await
}

async fn bomb(target: Target) -> anyhow::Result<()> {
    let question = Question::of_gzip(BATCH, Some(target.material(0)), &zeros(BOMB_BYTES)?);
    wire::call(target, 4, 1, move |_| question.clone()).await
}

/// Zeros, compressed. Each MiB after the first has the same compressed bytes, because the one before it is alike. The end of the
/// stream is missing, but nobody should get there.
fn zeros(bytes: usize) -> anyhow::Result<Vec<u8>> {
    let piece = vec![0; 1024 * 1024];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut lengths = [0; 2];
    for length in &mut lengths {
        encoder.write_all(&piece)?;
        encoder.flush()?;
        *length = encoder.get_ref().len();
    }
    let (first, again) = encoder.get_ref()[..lengths[1]].split_at(lengths[0]);
    Ok([first, &again.repeat(bytes / piece.len() - 1)].concat())
}

/// Streams whose answers nobody takes.
async fn untaken(
    target: Target,
    connections: usize,
    streams: usize,
    make: impl Fn(usize) -> Question + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let held = Held { connections, streams, window_bytes: 0, pause: Duration::from_secs(1) };
    wire::hold(target, held, make).await
}

async fn untaken_reflection(target: Target) -> anyhow::Result<()> {
    // Which file has this symbol? The answer is the file with all that it imports.
    let mut content = vec![0x22];
    let symbol = b"headwater.v1.TrackingService";
    content.push(u8::try_from(symbol.len()).context("the symbol is too long")?);
    content.extend(symbol);
    let body: Bytes = framed(&content, false).repeat(20).into();
    let question = Question::silent(REFLECTION, None).with_endless_body(body);
    untaken(target, 20, STREAMS, move |_| question.clone()).await
}

/// Sends all but the last byte of a message of the largest size.
async fn endless(target: Target, question: Question) -> anyhow::Result<()> {
    let mut body = framed(&vec![0; MESSAGE_BYTES_MAX], false);
    body.truncate(MESSAGE_BYTES_MAX);
    let question = question.with_endless_body(body);
    untaken(target, 8, STREAMS, move |_| question.clone()).await
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use prost::Message;

    use super::*;

    #[test]
    fn small_messages_become_as_many_elements_as_their_rows_say() {
        let batch = pb::BatchRecordEventsRequest::decode(repeated(&[0x0a, 0x00], 0).as_slice()).unwrap();
        assert_eq!(batch.items.len(), 2_097_144);
        let update = pb::UpdateAccountRequest::decode(repeated(&[0x0a, 0x00], 0x1a).as_slice()).unwrap();
        assert_eq!(update.update_mask.unwrap().paths.len(), 2_097_144);
        let list = pb::ListConversionsRequest::decode(repeated(&[0x02], 0x22).as_slice()).unwrap();
        assert_eq!(list.kinds.len(), 4_194_288);
        assert!(compressed(&repeated(&[0x0a, 0x00], 0)).unwrap().len() < 5_000);
    }

    #[test]
    fn the_bomb_becomes_as_large_as_it_says() {
        let bomb = zeros(BOMB_BYTES).unwrap();
        assert!(bomb.len() < 4 * 1024 * 1024, "{}", bomb.len());
        let mut read = vec![1; 5 * 1024 * 1024];
        flate2::read::GzDecoder::new(&bomb[..]).read_exact(&mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == 0));
    }
}
