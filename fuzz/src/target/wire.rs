//! Whole calls to a server in this process: headers, frames, compression, and the messages of all methods, including those that only
//! read. Whatever comes, the server answers in its own words, and it never says that the fault is its own.

mod host;

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::api::{methods, name_of, of_corpus};
use crate::draw::{Draw, garbled};
use crate::message::{Maker, each_text};
use host::{Answer, HOST};

/// Other paths than those of the API.
const PATHS: &[&str] = &[
    "grpc.health.v1.Health/Check",
    "headwater.v1.TrackingService/recordsale",
    "headwater.v1.TrackingService/RecordSale/",
    "*",
    "headwater.v1.TrackingService",
    "",
    "/",
    "%00",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "headwater.v1.NoService/Get",
];

/// Names of headers that the server or a library reads.
const HEADERS: &[&str] = &[
    "authorization",
    "x-api-key",
    "x-request-id",
    "grpc-timeout",
    "content-type",
    "grpc-encoding",
    "grpc-accept-encoding",
    "te",
    "traceparent",
    "user-agent",
    "content-length",
    "x-forwarded-for",
    "grpc-previous-rpc-attempts",
    "cookie",
    "x-bin-bin",
];

/// Values of those headers.
const HEADER_VALUES: &[&str] = &[
    "",
    " ",
    "0",
    "1n",
    "0S",
    "99999999H",
    "-1S",
    "+1S",
    "abc",
    "application/grpc",
    "application/grpc+json",
    "application/grpc-web",
    "application/json",
    "gzip",
    "identity",
    "deflate",
    "zstd",
    "trailers",
    "Bearer",
    "Bearer ",
    "Basic abc",
    "a b",
    "4294967296",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "ÿ",
];

/// See the head of the file. The input is a method's name, a line break and a message, as in the corpus, or choices.
///
/// # Panics
/// A property does not hold.
pub fn wire(input: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    if let Some((method, bytes)) = of_corpus(input) {
        headers.insert("x-api-key", HOST.key(method.name()));
        return call(&name_of(method), Some(method), headers, frame(0, bytes));
    }
    let mut draw = Draw::new(input);
    let method = draw.of(methods());
    let maker = Maker { pool: &HOST.pool, now_seconds: HOST.now_seconds, hostility: *draw.of(&[0, 10, 80]) };
    let mut bytes = maker.message(&mut draw, &method.input()).encode_to_vec();
    if draw.happens(32) {
        bytes = garbled(&mut draw, bytes);
    }
    headers.insert("x-api-key", if draw.happens(224) { HOST.key(method.name()) } else { draw.of(&HOST.keys).clone() });
    let body = body(&mut draw, &bytes, &mut headers);
    if draw.happens(64) {
        odd_headers(&mut draw, &mut headers);
    }
    let path = if draw.happens(4) { draw.of(PATHS).to_string() } else { name_of(method) };
    call(&path, Some(method).filter(|method| name_of(method) == path), headers, body);
}

fn odd_headers(draw: &mut Draw<'_>, headers: &mut HeaderMap) {
    for _ in 0..=draw.below(3) {
        let name: &&'static str = draw.of(HEADERS);
        let name = HeaderName::from_static(name);
        let value = draw.of(HEADER_VALUES).as_bytes().to_vec();
        let value = if draw.happens(64) { garbled(draw, value) } else { value };
        // The library of the caller would not send any other.
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(name, value);
        }
    }
}

/// The frames of a request, usually one with the message.
fn body(draw: &mut Draw<'_>, message: &[u8], headers: &mut HeaderMap) -> Vec<u8> {
    match draw.byte() {
        0..=15 => {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
            let zipped = zipped(message);
            let zipped = if draw.happens(64) { garbled(draw, zipped) } else { zipped };
            frame(1, &zipped)
        }
        // A bomb: many times its size when it is decompressed.
        16..=17 => {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
            frame(1, &zipped(&vec![draw.byte(); 1 << draw.below(24)]))
        }
        18..=25 => frame(draw.byte(), message),
        26..=33 => [frame(0, message), frame(0, draw.bytes(64))].concat(),
        34..=49 => garbled(draw, frame(0, message)),
        50..=51 => Vec::new(),
        _ => frame(0, message),
    }
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("inputs are small").to_be_bytes();
    [&[flag], &length[..], message].concat()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}

fn call(path: &str, method: Option<&MethodDescriptor>, headers: HeaderMap, body: Vec<u8>) {
    let told = format!("{path} {headers:?} {:02x?}", &body[..body.len().min(2_000)]);
    let sent_encoding = headers.contains_key("grpc-encoding") || headers.contains_key("te");
    // An open stream has answered when its first message has come.
    let is_open_ended = method.is_none_or(MethodDescriptor::is_server_streaming) || path.ends_with("/ReadEvents");
    let Some(answer) = HOST.call(path, headers, Bytes::from(body), is_open_ended) else { return };
    if answer.http_status != 200 {
        assert_eq!(answer.http_status, 415, "{told}");
        return;
    }
    match answer.status() {
        Some(status) if status.code() != Code::Ok => examine(&told, &status, sent_encoding),
        _ => readable(&told, method, &answer),
    }
}

/// Checks that an error is not the server's and is in its own words.
fn examine(told: &str, status: &Status, sent_encoding: bool) {
    let is_ours = matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable);
    assert!(!is_ours, "{told}: {status:?}");
    // The library itself refuses a compression that it does not know.
    if status.details().is_empty() && status.code() == Code::Unimplemented && sent_encoding {
        return;
    }
    // The standard services for health and reflection answer by themselves.
    if told.starts_with("grpc.") {
        return;
    }
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{told}: an error without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "headwater.dev", "{told}");
    let bytes = status.message().len() + status.details().len().div_ceil(3) * 4;
    assert!(bytes < 7_500, "{told}: the error takes {bytes} bytes of headers");
}

/// Checks that an answer is a message of the method.
fn readable(told: &str, method: Option<&MethodDescriptor>, answer: &Answer) {
    let Some(method) = method else { return };
    if let Some(message) = answer.message() {
        let read = DynamicMessage::decode(method.output(), message).unwrap_or_else(|error| panic!("{told}: {error}"));
        each_text(&read, &mut |_, _| {});
    }
}
