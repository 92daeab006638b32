//! Calls any method of the descriptor, with requests and answers as JSON. Knows no method by name. Checks every error that is
//! returned.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use headwater::pb;
use prost::Message;
use prost::bytes::Buf;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, MethodDescriptor, Value,
};
use serde_json::Value as Json;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The time limit of each call in these tests.
const CALL_SECONDS_MAX: u64 = 60;

/// The default limit of clients on response headers. An error travels in them, with its details in base64.
const HEADER_BYTES_MAX: usize = 8 * 1_024;

/// Words that an error must not contain: those of the database, of its driver, and of a panic.
const UNSPEAKABLE: &[&str] = &[
    "sqlx",
    "sea_orm",
    "sea-orm",
    "sqlite",
    "postgres",
    "select ",
    "insert ",
    "delete from",
    " where ",
    "constraint",
    "column",
    "relation",
    "panicked",
    "unwrap",
    ".rs:",
    "src/",
];

/// Every method of `headwater.v1`, in the order of the files.
pub(super) fn methods() -> Vec<MethodDescriptor> {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap());
    let services = POOL.services().filter(|service| service.package_name() == "headwater.v1");
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// A method by its short name, such as `TrackingService/RecordSale`.
pub(super) fn method(name: &str) -> MethodDescriptor {
    methods().into_iter().find(|method| short_name(method) == name).unwrap_or_else(|| panic!("no method {name}"))
}

pub(super) fn short_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().name(), method.name())
}

/// A connection to a server.
#[derive(Clone)]
pub(super) struct Wire(Channel);

impl Wire {
    pub(super) async fn connect(address: &str) -> Self {
        Self(Endpoint::from_shared(address.to_owned()).unwrap().connect().await.unwrap())
    }

    /// Calls a method with a key, or without one when `key` is empty. For a stream, returns the first message.
    pub(super) async fn call(&self, key: &str, method: &MethodDescriptor, request: &Json) -> Result<Json, Status> {
        let headers: &[(&'static str, &str)] = if key.is_empty() { &[] } else { &[("x-api-key", key)] };
        self.call_with(headers, method, request).await
    }

    /// Calls a method with these headers.
    pub(super) async fn call_with(
        &self,
        headers: &[(&'static str, &str)],
        method: &MethodDescriptor,
        request: &Json,
    ) -> Result<Json, Status> {
        self.call_until("", headers, method, request).await
    }

    /// The first message of a stream that has this field. Fails the test if the call is refused.
    pub(super) async fn first_with(&self, field: &str, key: &str, method: &MethodDescriptor, request: &Json) -> Json {
        let answer = self.call_until(field, &[("x-api-key", key)], method, request).await;
        answer.unwrap_or_else(|status| panic!("{} {request}: {status:?}", method.name()))
    }

    async fn call_until(
        &self,
        field: &str,
        headers: &[(&'static str, &str)],
        method: &MethodDescriptor,
        request: &Json,
    ) -> Result<Json, Status> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let message = to_message(&method.input(), request);
        let codec = DynamicCodec(method.output());
        let answer = self.send(headers, &path, message, codec, method.is_server_streaming().then_some(field)).await;
        answer.map(|message| to_json(&message)).inspect_err(|status| examine(&path, status))
    }

    /// Calls a method that may not exist.
    pub(super) async fn call_path(&self, headers: &[(&'static str, &str)], path: &str) -> Result<(), Status> {
        let empty = method("AccountService/GetAccount");
        let message = DynamicMessage::new(empty.input());
        let answer = self.send(headers, path, message, DynamicCodec(empty.output()), None).await;
        answer.map(|_| ()).inspect_err(|status| examine(path, status))
    }

    /// `stream_until` is the field that a stream's message must have to be returned; without a name, it is the first message.
    async fn send(
        &self,
        headers: &[(&'static str, &str)],
        path: &str,
        message: DynamicMessage,
        codec: DynamicCodec,
        stream_until: Option<&str>,
    ) -> Result<DynamicMessage, Status> {
        let mut request = Request::new(message);
        for (name, value) in headers {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        let path: PathAndQuery = path.parse().unwrap();
        let mut client = tonic::client::Grpc::new(self.0.clone());
        let call = async {
            client.ready().await.unwrap();
            let Some(field) = stream_until else {
                return client.unary(request, path, codec).await.map(tonic::Response::into_inner);
            };
            let mut stream = client.server_streaming(request, path, codec).await?.into_inner();
            loop {
                let message = stream.message().await?.expect("a stream says something before it ends");
                if field.is_empty() || message.has_field_by_name(field) {
                    return Ok(message);
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(CALL_SECONDS_MAX), call).await.expect("the call is answered in time")
    }
}

/// Checks that an error describes the fault in our own words and shows no internals.
fn examine(path: &str, status: &Status) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{path}: an error without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "headwater.dev", "{path}");
    assert!(
        pb::ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason)).is_some(),
        "{path}: {} is no reason of the API",
        info.reason
    );
    assert_ne!(status.code(), Code::Internal, "{path}: {status:?}");
    let header_bytes = status.message().len() + status.details().len().div_ceil(3) * 4;
    assert!(header_bytes < HEADER_BYTES_MAX - 500, "{path}: the error takes {header_bytes} bytes of headers");
    assert!(!status.message().trim().is_empty(), "{path}: an error without a message");
    let told = format!("{} {details:?}", status.message()).to_lowercase();
    for word in UNSPEAKABLE {
        assert!(!told.contains(word), "{path}: the error tells `{word}`: {told}");
    }
}

/// The reason in the status' ErrorInfo.
pub(super) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// All parts by which a caller could distinguish two errors. Headers count by name only, because each call has its own
/// request id.
pub(super) fn picture(status: &Status) -> String {
    let details = details_picture(&status.get_error_details());
    let headers: Vec<String> = header_names(status.metadata());
    format!("{:?}\n{}\n{details}\n{headers:?}", status.code(), status.message())
}

fn header_names(metadata: &MetadataMap) -> Vec<String> {
    let mut names: Vec<String> = metadata.as_ref().keys().map(ToString::to_string).collect();
    names.sort();
    names
}

/// The details in a fixed order, because the metadata of ErrorInfo has none. RequestInfo is left out, because it differs from
/// call to call.
fn details_picture(details: &ErrorDetails) -> String {
    let info = details.error_info().map(|info| {
        (info.reason.clone(), info.domain.clone(), info.metadata.clone().into_iter().collect::<BTreeMap<_, _>>())
    });
    let wrong = (details.bad_request(), details.precondition_failure(), details.resource_info());
    let others = (details.retry_info(), details.quota_failure(), details.debug_info(), details.help());
    format!("{info:?} {wrong:?} {others:?} {:?}", details.localized_message())
}

/// The message for a JSON value. Fields have their proto names. Times, masks and durations are written as their messages, and
/// enum values by name or number. Null leaves a field out.
fn to_message(descriptor: &MessageDescriptor, json: &Json) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, json) in json.as_object().unwrap_or_else(|| panic!("no {}: {json}", descriptor.name())) {
        let field = descriptor.get_field_by_name(name);
        let field = field.unwrap_or_else(|| panic!("{} has no field {name}", descriptor.name()));
        match json {
            Json::Null => {}
            Json::Array(values) => {
                let values = values.iter().map(|value| to_value(&field, value)).collect();
                message.set_field(&field, Value::List(values));
            }
            Json::Object(entries) if field.is_map() => {
                let entry = |(name, text): (&String, &Json)| {
                    (MapKey::String(name.clone()), Value::String(text.as_str().unwrap().to_owned()))
                };
                message.set_field(&field, Value::Map(entries.iter().map(entry).collect()));
            }
            json => message.set_field(&field, to_value(&field, json)),
        }
    }
    message
}

fn to_value(field: &FieldDescriptor, json: &Json) -> Value {
    let text = || json.as_str().unwrap_or_else(|| panic!("{}: no text: {json}", field.full_name())).to_owned();
    // A name that was filled in is a text.
    let number = || json.as_i64().or_else(|| json.as_str()?.parse().ok());
    let number = || number().unwrap_or_else(|| panic!("{}: no number: {json}", field.full_name()));
    match field.kind() {
        Kind::Bool => Value::Bool(json.as_bool().unwrap()),
        Kind::Int32 => Value::I32(number().try_into().unwrap()),
        Kind::Int64 => Value::I64(number()),
        Kind::String => Value::String(text()),
        Kind::Enum(_) if json.is_number() => Value::EnumNumber(number().try_into().unwrap()),
        Kind::Enum(values) => {
            let value = values.values().find(|value| value.name() == text());
            Value::EnumNumber(value.unwrap_or_else(|| panic!("{} has no value {json}", values.name())).number())
        }
        Kind::Message(descriptor) => Value::Message(to_message(&descriptor, json)),
        other => panic!("{}: {other:?} is not written as JSON here", field.full_name()),
    }
}

/// The reverse of [`to_message`]: the set fields, with enum values by name.
fn to_json(message: &DynamicMessage) -> Json {
    message.fields().map(|(field, value)| (field.name().to_owned(), value_to_json(&field, value))).collect()
}

fn value_to_json(field: &FieldDescriptor, value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::from(*value),
        Value::I32(value) => Json::from(*value),
        Value::I64(value) => Json::from(*value),
        Value::String(value) => Json::from(value.clone()),
        Value::Bytes(value) => Json::from(value.to_vec()),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(values) => match values.get_value(*number) {
                Some(value) => Json::from(value.name()),
                None => Json::from(*number),
            },
            _ => Json::from(*number),
        },
        Value::Message(message) => to_json(message),
        Value::List(values) => values.iter().map(|value| value_to_json(field, value)).collect(),
        Value::Map(entries) => {
            let text = |(name, text): (&MapKey, &Value)| {
                (name.as_str().unwrap().to_owned(), Json::from(text.as_str().unwrap()))
            };
            entries.iter().map(text).collect()
        }
        other => panic!("{}: {other:?} is not written as JSON here", field.full_name()),
    }
}

/// Encodes any message and decodes messages of one type.
#[derive(Clone)]
struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).unwrap();
        Ok(())
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(DynamicMessage::decode(self.0.clone(), bytes).unwrap()))
    }
}
