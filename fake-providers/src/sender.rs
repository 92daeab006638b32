//! Sends webhooks over HTTP, one after the other, and tries again. Knows nothing of what is in them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::hooks::Delivery;
use crate::serve::App;

const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Sends what comes through the channel until the program ends.
pub(crate) async fn run(app: Arc<App>, mut waiting: UnboundedReceiver<Delivery>) {
    while let Some(delivery) = waiting.recv().await {
        deliver(&app, delivery).await;
    }
}

/// Sends one webhook. If it is not taken, it comes back through the channel later.
pub(crate) async fn deliver(app: &App, mut delivery: Delivery) {
    delivery.attempts += 1;
    let answer = tokio::time::timeout(ANSWER_WAIT, post(&delivery)).await;
    let status = answer.ok().and_then(Result::ok);
    let (retries, pause) = {
        let mut world = app.world();
        world.common.hooks.record(&delivery, status);
        let delivering = &world.common.hooks.delivering;
        (delivering.retries, Duration::from_millis(delivering.retry_after_milliseconds))
    };
    let is_taken = status.is_some_and(|status| (200..300).contains(&status));
    if !is_taken && delivery.attempts <= retries {
        let again: UnboundedSender<Delivery> = app.outbox.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // If the channel is closed, the program ends.
            let _ = again.send(delivery);
        });
    }
}

async fn post(delivery: &Delivery) -> anyhow::Result<u16> {
    let url: url::Url = delivery.url.parse()?;
    anyhow::ensure!(url.scheme() == "http", "webhooks are sent to http:// only");
    let host = url.host_str().context("the address has no host")?;
    let port = url.port_or_known_default().context("the address has no port")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut request = http::Request::post(target)
        .header("host", format!("{host}:{port}"))
        .header("content-type", "application/json")
        .header("user-agent", "fake-providers");
    for (name, value) in &delivery.headers {
        request = request.header(*name, value);
    }
    let body: Full<Bytes> = Full::new(delivery.body.clone());
    let answer = sender.send_request(request.body(body)?).await?;
    Ok(answer.status().as_u16())
}
