//! The fake PayPal in this process, and its control.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The owner as the fake's books name it.
pub(super) const OWNER: &str = "shop";

/// The owner's money: more than all payouts with their fees.
const BALANCE_MINOR: i64 = 1_000_000_000_000;

/// Fakes that run until this is dropped.
pub(super) struct Fake {
    running: fake_providers::Running,
}

impl Fake {
    /// Starts a PayPal without a limit of calls, with money, where every address has an account.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let fake = Self { running: fake_providers::start(fake_providers::Settings::default()).await? };
        let settings = json!({
            "processing_after_ms": 0, "done_after_ms": 200, "posts_per_minute": 0, "unknown_receivers": "paid",
        });
        fake.call("POST", "paypal/settings", &settings.to_string()).await?;
        let balance = json!({"account": OWNER, "currency": "USD", "amount_minor": BALANCE_MINOR});
        fake.call("POST", "paypal/balance", &balance.to_string()).await?;
        Ok(fake)
    }

    pub(super) fn url(&self, part: &str) -> String {
        self.running.url(part)
    }

    /// Calls the control.
    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let address = self.running.address();
        let head = format!(
            "{method} /fake/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("the fake's answer has no end")?;
        let (head, body) = answer.split_at(end);
        let head = String::from_utf8_lossy(head);
        let body = body.get(4..).unwrap_or_default();
        ensure!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head} {}", String::from_utf8_lossy(body));
        Ok(serde_json::from_slice(body)?)
    }
}
