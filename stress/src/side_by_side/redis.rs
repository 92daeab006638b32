//! Redis Streams with a log synced at every write: stores the given entries and reads them with one reader. Knows nothing of
//! Headwater.

use std::path::Path;

use anyhow::{Context, ensure};
use prost::bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;

use super::neighbour::{Neighbour, patiently};

/// Entries written and read at once.
const COUNT: usize = 1_000;

const KEY: &str = "feed";

/// A server with a full stream.
pub(super) struct RedisStreams {
    connection: MultiplexedConnection,
    entries: u64,
    _server: Neighbour,
}

impl RedisStreams {
    /// Starts and fills it, if it is installed.
    pub(super) async fn start(folder: &Path, entries: &[Bytes]) -> anyhow::Result<Option<Self>> {
        let arguments = |folder: &str, port: u16| {
            let fixed = ["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--save", ""];
            let own = ["--port".to_owned(), port.to_string(), "--dir".to_owned(), folder.to_owned()];
            fixed.into_iter().map(str::to_owned).chain(own).collect()
        };
        let Some(server) = Neighbour::start("redis-server", folder, arguments)? else { return Ok(None) };
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port))?;
        let mut connection = patiently(async || Ok(client.get_multiplexed_async_connection().await?)).await?;
        for entries in entries.chunks(COUNT) {
            let mut pipeline = redis::pipe();
            for entry in entries {
                pipeline.cmd("XADD").arg(KEY).arg("*").arg("event").arg(&entry[..]).ignore();
            }
            pipeline.query_async::<()>(&mut connection).await?;
        }
        Ok(Some(Self { connection, entries: entries.len() as u64, _server: server }))
    }

    /// Reads the whole stream from the beginning.
    pub(super) async fn read_all(&self) -> anyhow::Result<u64> {
        let (mut count, mut last) = (0, "0".to_owned());
        let mut connection = self.connection.clone();
        while count < self.entries {
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(COUNT).arg("STREAMS").arg(KEY).arg(&last);
            let reply: Option<StreamReadReply> = command.query_async(&mut connection).await?;
            let key = reply.and_then(|reply| reply.keys.into_iter().next()).context("the stream ended")?;
            ensure!(key.ids.iter().all(|entry| entry.map.contains_key("event")), "an entry is empty");
            count += key.ids.len() as u64;
            last = key.ids.last().context("nothing was read")?.id.clone();
        }
        Ok(count)
    }
}
