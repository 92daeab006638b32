//! A bare tonic server in its own process, and calls to it. It answers with a given number of bytes, and every RecordClick with the
//! same answer. It shows the cost of the wire alone: it checks no key and keeps nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use headwater_client::pb::{RecordClickRequest, RecordClickResponse};
use prost::Message;
use testkit::client;
use testkit::process::Serving;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::sales::Target;
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

/// The generated server of `proto/click.proto`: Headwater's RecordClick alone, with Headwater's own messages.
mod click {
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
    tonic::include_proto!("headwater.v1");
}

use click::tracking_service_server::{TrackingService, TrackingServiceServer};
use pb::echo_service_client::EchoServiceClient;
use pb::echo_service_server::{EchoService, EchoServiceServer};

/// The name of the command that starts it.
pub(crate) const COMMAND: &str = "echo-server";

/// The options of that command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The answer to every RecordClick, encoded, in hexadecimal digits.
    #[arg(long)]
    click_answer: String,
}

struct Echo;

struct ClickEcho {
    answer: RecordClickResponse,
}

#[tonic::async_trait]
impl EchoService for Echo {
    async fn echo(&self, request: Request<pb::EchoRequest>) -> Result<Response<pb::EchoResponse>, Status> {
        let answer_bytes = request.into_inner().answer_bytes.min(1 << 20) as usize;
        Ok(Response::new(pb::EchoResponse { payload: vec![0x5a; answer_bytes] }))
    }
}

#[tonic::async_trait]
impl TrackingService for ClickEcho {
    async fn record_click(
        &self,
        request: Request<RecordClickRequest>,
    ) -> Result<Response<RecordClickResponse>, Status> {
        drop(request.into_inner());
        Ok(Response::new(self.answer.clone()))
    }
}

/// Serves until the process ends. Prints its address in the same log line as the server.
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let answer = RecordClickResponse::decode(from_digits(&options.click_answer)?.as_slice())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let line = serde_json::json!({ "fields": { "message": "serving", "address": listener.local_addr()?.to_string() } });
    std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes())?;
    serve_on(listener, answer).await
}

async fn serve_on(listener: TcpListener, answer: RecordClickResponse) -> anyhow::Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let router = tonic::transport::Server::builder()
        .add_service(EchoServiceServer::new(Echo))
        .add_service(TrackingServiceServer::new(ClickEcho { answer }));
    Ok(router.serve_with_incoming(incoming).await?)
}

fn to_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_digits(digits: &str) -> anyhow::Result<Vec<u8>> {
    let bytes = (0..digits.len()).step_by(2).map(|place| {
        let pair = digits.get(place..place + 2).context("the digits are no bytes")?;
        Ok(u8::from_str_radix(pair, 16)?)
    });
    bytes.collect()
}

/// A running echo server.
pub(super) struct EchoHost {
    url: String,
    process: Option<Serving>,
}

impl EchoHost {
    /// Starts this program again as an echo server; in tests, one in this process. It answers every RecordClick like this.
    pub(super) async fn start(click_answer: &RecordClickResponse) -> anyhow::Result<Self> {
        if cfg!(test) {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let url = format!("http://{}", listener.local_addr()?);
            tokio::spawn(serve_on(listener, click_answer.clone()));
            return Ok(Self { url, process: None });
        }
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let answer = to_digits(&click_answer.encode_to_vec());
        let arguments = [COMMAND.to_owned(), "--click-answer".to_owned(), answer];
        let process = Serving::start_program(&own, &arguments).await?;
        Ok(Self { url: process.url(), process: Some(process) })
    }

    /// Opens this many connections to it.
    pub(super) async fn connect(&self, connections: usize) -> anyhow::Result<Vec<Channel>> {
        client::connect_many(&self.url, connections).await
    }

    /// The echo in place of the server: a click that is called on it costs the client exactly what it costs on the server.
    pub(super) fn target_like(&self, target: &Target, channels: &[Channel]) -> anyhow::Result<Target> {
        let process = self.process.as_ref().map(Serving::pid).transpose()?;
        Ok(target.elsewhere(self.url.clone(), channels.to_vec(), process.into_iter().collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_passed_on_as_digits() {
        let answer = RecordClickResponse { tid: "clk_1".to_owned(), ..RecordClickResponse::default() };
        let digits = to_digits(&answer.encode_to_vec());
        assert_eq!(RecordClickResponse::decode(from_digits(&digits).unwrap().as_slice()).unwrap(), answer);
        assert!(from_digits("0").is_err() && from_digits("xy").is_err());
    }
}
