//! Requests of HTTP/1.1 as bytes, for those that no library sends.

use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any limit of the server.
const PATIENCE: Duration = Duration::from_secs(40);

/// A request with a body of JSON.
pub(super) fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: headwater\r\ncontent-length: {}\r\n", body.len());
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    for (name, value) in headers.iter().chain((!has_type).then_some(&("content-type", "application/json"))) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    [request.as_bytes(), b"\r\n", body].concat()
}

pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: headwater\r\n\r\n").into_bytes()
}

/// An answer of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    /// The first line and the headers, without the date.
    pub(super) head: String,
}

/// Sends bytes on a new connection and reads one answer.
pub(super) async fn send(address: &str, request: &[u8]) -> Answer {
    let mut connection = TcpStream::connect(address).await.unwrap();
    send_on(&mut connection, request).await
}

/// The same on a connection.
pub(super) async fn send_on(connection: &mut TcpStream, request: &[u8]) -> Answer {
    // The server may answer and close before it has read everything.
    let _ = connection.write_all(request).await;
    read(connection).await.unwrap_or_else(|| panic!("no answer"))
}

/// Reads an answer. `None` if the connection ends without one.
pub(super) async fn read(connection: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let answer = async {
        loop {
            if let Some(answer) = parse(&bytes) {
                return Some(answer);
            }
            let mut part = [0; 4_096];
            match connection.read(&mut part).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => bytes.extend_from_slice(&part[..length]),
            }
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no end of an answer: {bytes:?}"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let body = rest.get(..length.unwrap_or(0))?.to_owned();
    let head: Vec<&str> = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect();
    Some(Answer { status, body, head: head.join("\n") })
}
