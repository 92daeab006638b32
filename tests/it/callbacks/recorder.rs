//! Takes callbacks as a provider sends them, so that a test can change them and send them on.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A callback as it was sent.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Recorded {
    /// With another value of a header. An empty one takes it out.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            changed.headers.push((name.to_owned(), value.to_owned()));
        }
        changed
    }

    pub(super) fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// The request to an address.
    pub(super) fn to(&self, path: &str) -> Vec<u8> {
        let skipped = ["host", "content-length", "connection"];
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let headers: Vec<_> = headers.into_iter().filter(|(name, _)| !skipped.contains(name)).collect();
        super::plain::post(path, &headers, &self.body)
    }
}

/// A server that takes callbacks and passes them on. Returns its URL.
pub(super) async fn recorder() -> (String, mpsc::UnboundedReceiver<Recorded>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, recorded) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let callback = loop {
                let mut part = [0; 16 * 1024];
                let length = connection.read(&mut part).await.unwrap_or(0);
                bytes.extend_from_slice(&part[..length]);
                if let Some(callback) = parse(&bytes) {
                    break callback;
                }
                assert!(length > 0, "half a callback");
            };
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            if sender.send(callback).is_err() {
                return;
            }
        }
    });
    (url, recorded)
}

fn parse(bytes: &[u8]) -> Option<Recorded> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Recorded { headers, body })
}
