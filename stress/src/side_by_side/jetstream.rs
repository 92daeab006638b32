//! NATS JetStream with its file store: stores the given messages and reads them with one consumer. Knows nothing of Headwater.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream::ContextBuilder;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, StorageType, Stream};
use futures::StreamExt;
use prost::bytes::Bytes;

use super::neighbour::{Neighbour, patiently};

/// The number of messages requested at once, when reading and when filling.
const WINDOW: usize = 1_000;

/// Far more than an answer takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Its server program.
pub(super) const PROGRAM: &str = "nats-server";

const SUBJECT: &str = "feed";

/// A server with a full stream.
pub(super) struct JetStream {
    stream: Stream,
    messages: u64,
    _server: Neighbour,
}

impl JetStream {
    /// Starts and fills it, if it is installed.
    pub(super) async fn start(folder: &Path, messages: &[Bytes]) -> anyhow::Result<Option<Self>> {
        let arguments = |folder: &str, port: u16| {
            ["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd", folder].map(str::to_owned).to_vec()
        };
        let Some(server) = Neighbour::start(PROGRAM, folder, arguments)? else { return Ok(None) };
        let url = format!("nats://127.0.0.1:{}", server.port);
        let connect = || async_nats::ConnectOptions::new().connection_timeout(PATIENCE).request_timeout(Some(PATIENCE));
        let client = patiently(async || Ok(connect().connect(&url).await?)).await?;
        let context = ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(client);
        let config = Config {
            name: SUBJECT.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            storage: StorageType::File,
            ..Config::default()
        };
        let stream = context.create_stream(config).await?;
        for messages in messages.chunks(WINDOW) {
            let mut acknowledgements = Vec::with_capacity(WINDOW);
            for message in messages {
                acknowledgements.push(context.publish(SUBJECT, message.clone()).await?);
            }
            for acknowledgement in acknowledgements {
                acknowledgement.await?;
            }
        }
        Ok(Some(Self { stream, messages: messages.len() as u64, _server: server }))
    }

    /// Reads the whole stream from the beginning, by pulls of a fixed size without acknowledgement. Returns each message.
    pub(super) async fn read_all(&self, mut take: impl FnMut(Bytes) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        let config =
            pull::Config { ack_policy: AckPolicy::None, deliver_policy: DeliverPolicy::All, ..pull::Config::default() };
        let consumer = self.stream.create_consumer(config).await?;
        let mut stream = consumer.stream().max_messages_per_batch(WINDOW).messages().await?;
        for _ in 0..self.messages {
            take(stream.next().await.context("the stream ended")??.message.payload)?;
        }
        self.stream.delete_consumer(&consumer.cached_info().name).await?;
        Ok(self.messages)
    }
}
