//! A bare tonic server in its own process, and calls to it. It answers with a given number of bytes and shows the cost of the
//! wire alone.
//! Knows nothing of Headwater.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use testkit::client;
use testkit::process::Serving;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::load::{self, Measured, Until};

/// The generated types of `proto/echo.proto`.
mod pb {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        clippy::allow_attributes,
        reason = "generated"
    )]
    tonic::include_proto!("headwater.stress");
}

use pb::echo_service_client::EchoServiceClient;
use pb::echo_service_server::{EchoService, EchoServiceServer};

/// The name of the command that starts it.
pub(crate) const COMMAND: &str = "echo-server";

struct Echo;

#[tonic::async_trait]
impl EchoService for Echo {
    async fn echo(&self, request: Request<pb::EchoRequest>) -> Result<Response<pb::EchoResponse>, Status> {
        let answer_bytes = request.into_inner().answer_bytes.min(1 << 20) as usize;
        Ok(Response::new(pb::EchoResponse { payload: vec![0x5a; answer_bytes] }))
    }
}

/// Serves until the process ends. Prints its address in the same log line as the server.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let line = serde_json::json!({ "fields": { "message": "serving", "address": listener.local_addr()?.to_string() } });
    std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes())?;
    serve_on(listener).await
}

async fn serve_on(listener: TcpListener) -> anyhow::Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let router = tonic::transport::Server::builder().add_service(EchoServiceServer::new(Echo));
    Ok(router.serve_with_incoming(incoming).await?)
}

/// A running echo server.
pub(super) struct EchoHost {
    url: String,
    process: Option<Serving>,
}

impl EchoHost {
    /// Starts this program again as an echo server; in tests, one in this process.
    pub(super) async fn start() -> anyhow::Result<Self> {
        if cfg!(test) {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let url = format!("http://{}", listener.local_addr()?);
            tokio::spawn(serve_on(listener));
            return Ok(Self { url, process: None });
        }
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let process = Serving::start_program(&own, &[COMMAND.to_owned()]).await?;
        Ok(Self { url: process.url(), process: Some(process) })
    }

    /// Opens this many connections to it.
    pub(super) async fn connect(&self, connections: usize) -> anyhow::Result<Vec<Channel>> {
        client::connect_many(&self.url, connections).await
    }

    /// Calls with messages of these sizes.
    pub(super) async fn measure(
        &self,
        channels: &[Channel],
        callers: usize,
        until: Until,
        (request_bytes, answer_bytes): (usize, usize),
    ) -> anyhow::Result<Measured> {
        let process = self.process.as_ref().map(Serving::pid).transpose()?;
        let answer_bytes = u32::try_from(answer_bytes)?;
        let numbers = Arc::new(AtomicU64::new(0));
        load::run(callers, until, &numbers, process.as_slice(), |place| {
            let client = EchoServiceClient::new(channels[place % channels.len()].clone());
            Ok(move |_| {
                let mut client = client.clone();
                async move {
                    let request = pb::EchoRequest { payload: vec![0x5a; request_bytes], answer_bytes };
                    let answer = client.echo(request).await?.into_inner();
                    anyhow::ensure!(
                        answer.payload.len() == answer_bytes as usize,
                        "the echo is not as long as asked for"
                    );
                    Ok(1)
                }
            })
        })
        .await
    }
}
