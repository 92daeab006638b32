//! The codec of every method: reckons what a message would take in memory before it decodes it. An empty item of a list is two
//! bytes on the wire and several hundred in memory, and with compression it is less than a hundredth of a byte on the wire.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::LazyLock;

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, skip_field};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder};

use crate::error::Error;
use crate::pb;

/// Shorter messages are not reckoned. They take a few MiB at most.
const SMALL_BYTES: usize = 4 * 1024;

/// What a message may take in memory, beside twice its size on the wire. A batch of 1,000 sales with all their fields takes a third
/// of it.
const DECODED_BYTES_MAX: usize = 16 << 20;

/// How deep messages may be nested. Deeper ones are refused by the decoder.
const DEPTH_MAX: u32 = 100;

/// The sizes in memory of a text or list, of a map, and of a number.
const LIST_BYTES: usize = 24;
const MAP_BYTES: usize = 48;
const NUMBER_BYTES: usize = 8;

/// Lists grow by doubling.
const GROWTH: usize = 2;

/// See the head of the file.
pub struct BoundedCodec<Sent, Read>(PhantomData<(Sent, Read)>);

impl<Sent, Read> Default for BoundedCodec<Sent, Read> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Sent, Read> Codec for BoundedCodec<Sent, Read>
where
    Sent: Message + Send + 'static,
    Read: Message + Default + Send + 'static,
{
    type Encode = Sent;
    type Decode = Read;
    type Encoder = <ProstCodec<Sent, Read> as Codec>::Encoder;
    type Decoder = BoundedDecoder<Read>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<Sent, Read>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(ProstDecoder::default())
    }
}

/// The decoder of [`BoundedCodec`].
pub struct BoundedDecoder<Read>(ProstDecoder<Read>);

impl<Read: Message + Default> Decoder for BoundedDecoder<Read> {
    type Item = Read;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Read>, Status> {
        let bytes = buf.chunk();
        if bytes.len() > SMALL_BYTES && !fits(message_name::<Read>(), bytes) {
            return Err(Error::MessageTooLarge.into_status(&crate::error::CallName::default()));
        }
        self.0.decode(buf)
    }
}

/// The name of a message without its package.
fn message_name<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}

/// Whether a message takes no more memory than it may. Bytes that are no message fit, because the decoder refuses them before
/// they take any.
pub fn fits(message: &str, bytes: &[u8]) -> bool {
    let Some(shape) = SHAPES.by_name.get(message).and_then(|place| SHAPES.shapes.get(*place)) else { return true };
    let limit = DECODED_BYTES_MAX + 2 * bytes.len();
    let mut taken = 0;
    match reckon(shape, bytes, limit, &mut taken, DEPTH_MAX) {
        Reckoned::Whole | Reckoned::NoMessage => taken <= limit,
        Reckoned::TooMuch => false,
    }
}

enum Reckoned {
    Whole,
    TooMuch,
    NoMessage,
}

/// Adds what the lists, maps and texts of a message take.
fn reckon(shape: &Shape, mut bytes: &[u8], limit: usize, taken: &mut usize, depth: u32) -> Reckoned {
    if depth == 0 {
        return Reckoned::NoMessage;
    }
    while !bytes.is_empty() {
        let Some(key) = varint(&mut bytes) else { return Reckoned::NoMessage };
        let field = u32::try_from(key >> 3).ok().and_then(|number| shape.fields.get(&number));
        match (key & 7, field) {
            (0, field) => {
                if varint(&mut bytes).is_none() {
                    return Reckoned::NoMessage;
                }
                if field.is_some_and(|field| field.is_list) {
                    *taken += GROWTH * NUMBER_BYTES;
                }
            }
            (wire @ (1 | 5), field) => {
                let length = if wire == 1 { 8 } else { 4 };
                if bytes.len() < length {
                    return Reckoned::NoMessage;
                }
                bytes.advance(length);
                if field.is_some_and(|field| field.is_list) {
                    *taken += GROWTH * NUMBER_BYTES;
                }
            }
            (2, field) => {
                let length = varint(&mut bytes).and_then(|length| usize::try_from(length).ok());
                let Some((content, rest)) = length.and_then(|length| bytes.split_at_checked(length)) else {
                    return Reckoned::NoMessage;
                };
                bytes = rest;
                if let Some(field) = field {
                    *taken += field.item_bytes;
                    match field.content {
                        Content::Text => *taken += content.len(),
                        Content::Numbers => *taken += NUMBER_BYTES * content.len(),
                        Content::Message(place) => {
                            let Some(child) = SHAPES.shapes.get(place) else { return Reckoned::NoMessage };
                            match reckon(child, content, limit, taken, depth - 1) {
                                Reckoned::Whole => {}
                                other => return other,
                            }
                        }
                    }
                }
            }
            // A group. The messages of the API have none, so the decoder skips it, and it takes nothing.
            (3, _) => {
                let number = u32::try_from(key >> 3).unwrap_or_default();
                if skip_field(WireType::StartGroup, number, &mut bytes, DecodeContext::default()).is_err() {
                    return Reckoned::NoMessage;
                }
            }
            _ => return Reckoned::NoMessage,
        }
        if *taken > limit {
            return Reckoned::TooMuch;
        }
    }
    Reckoned::Whole
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

/// What the fields of one message take.
#[derive(Default)]
struct Shape {
    fields: HashMap<u32, FieldShape>,
}

struct FieldShape {
    is_list: bool,
    /// What each item of a list takes besides its content; 0 for a field that is part of the message itself.
    item_bytes: usize,
    content: Content,
}

enum Content {
    Text,
    /// Numbers without keys between them.
    Numbers,
    /// The place of the message's shape.
    Message(usize),
}

struct Shapes {
    shapes: Vec<Shape>,
    /// The places of the messages of the API by their names without the package.
    by_name: HashMap<String, usize>,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::new(pb::FILE_DESCRIPTOR_SET));

impl Shapes {
    fn new(descriptors: &[u8]) -> Self {
        // The tests would fail for a description that cannot be read.
        let files = FileDescriptorSet::decode(descriptors).unwrap_or_default();
        let mut messages = HashMap::new();
        for file in &files.file {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut messages);
            }
        }
        let places: HashMap<&str, usize> =
            messages.keys().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let sizes: HashMap<&str, usize> =
            messages.keys().map(|name| (name.as_str(), size(name, &messages, DEPTH_MAX))).collect();
        let shapes = messages.values().map(|message| Shape {
            fields: message
                .field
                .iter()
                .map(|field| (field.number().unsigned_abs(), shape(field, &places, &sizes)))
                .collect(),
        });
        let by_name = places
            .iter()
            .filter_map(|(name, place)| name.strip_prefix(".headwater.v1.").map(|name| (name.to_owned(), *place)));
        Self { shapes: shapes.collect(), by_name: by_name.collect() }
    }
}

/// Adds a message and those inside it by their full names, which begin with a dot.
fn collect<'set>(prefix: &str, message: &'set DescriptorProto, messages: &mut HashMap<String, &'set DescriptorProto>) {
    let name = format!("{prefix}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, messages);
    }
    messages.insert(name, message);
}

fn shape(field: &FieldDescriptorProto, places: &HashMap<&str, usize>, sizes: &HashMap<&str, usize>) -> FieldShape {
    let is_list = field.label() == Label::Repeated;
    let content = match field.r#type() {
        Type::Message => places.get(field.type_name()).map_or(Content::Text, |place| Content::Message(*place)),
        Type::String | Type::Bytes => Content::Text,
        _ => Content::Numbers,
    };
    let item_bytes = match (&content, is_list) {
        (Content::Message(_), true) => GROWTH * sizes.get(field.type_name()).copied().unwrap_or_default(),
        (Content::Text, true) => GROWTH * LIST_BYTES,
        _ => 0,
    };
    FieldShape { is_list, item_bytes, content }
}

/// About the size of a message's struct: that of all its fields, and of the largest of each `oneof`.
fn size(name: &str, messages: &HashMap<String, &DescriptorProto>, depth: u32) -> usize {
    let Some(message) = messages.get(name).filter(|_| depth > 0) else { return LIST_BYTES };
    let mut largest: HashMap<i32, usize> = HashMap::new();
    let mut sum = NUMBER_BYTES;
    for field in &message.field {
        let bytes = match (field.label(), field.r#type()) {
            (Label::Repeated, Type::Message) => MAP_BYTES,
            (Label::Repeated, _) | (_, Type::String | Type::Bytes) => LIST_BYTES,
            (_, Type::Message) => NUMBER_BYTES + size(field.type_name(), messages, depth - 1),
            _ => 2 * NUMBER_BYTES,
        };
        match field.oneof_index.filter(|_| !field.proto3_optional()) {
            Some(index) => {
                let largest = largest.entry(index).or_default();
                *largest = bytes.max(*largest);
            }
            None => sum += bytes,
        }
    }
    sum + largest.values().map(|bytes| bytes + NUMBER_BYTES).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of(name: &str) -> usize {
        let files = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
        let mut messages = HashMap::new();
        for file in &files.file {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut messages);
            }
        }
        size(&format!(".headwater.v1.{name}"), &messages, DEPTH_MAX)
    }

    #[test]
    fn structs_are_no_larger_than_reckoned() {
        assert!(size_of("BatchItem") >= std::mem::size_of::<pb::BatchItem>());
        assert!(size_of("RecordSaleRequest") >= std::mem::size_of::<pb::RecordSaleRequest>());
        assert!(size_of("Conversion") >= std::mem::size_of::<pb::Conversion>());
        assert!(size_of("BatchItem") < 3 * std::mem::size_of::<pb::BatchItem>());
        assert_eq!(message_name::<pb::BatchItem>(), "BatchItem");
    }

    #[test]
    fn a_full_batch_fits_and_millions_of_empty_items_do_not() {
        let sale = pb::RecordSaleRequest {
            event_id: "e".repeat(100),
            order_id: "o".repeat(1_000),
            ..pb::RecordSaleRequest::default()
        };
        let item = pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) };
        let request = pb::BatchRecordEventsRequest { items: vec![item; 1_000] };
        assert!(fits("BatchRecordEventsRequest", &request.encode_to_vec()));
        let items = pb::BatchRecordEventsRequest { items: vec![pb::BatchItem::default(); 100_000] };
        assert!(!fits("BatchRecordEventsRequest", &items.encode_to_vec()));
    }

    #[test]
    fn lists_inside_messages_and_empty_texts_count() {
        let paths = vec![String::new(); 1_000_000];
        let request = pb::UpdateProgramRequest {
            update_mask: Some(prost_types::FieldMask { paths }),
            ..pb::UpdateProgramRequest::default()
        };
        assert!(!fits("UpdateProgramRequest", &request.encode_to_vec()));
        for broken in [&[0_u8; 10][..], &[0b1_011; 10_000]] {
            assert!(fits("UpdateProgramRequest", broken), "what is no message is left to the decoder");
            assert!(pb::UpdateProgramRequest::decode(broken).is_err());
        }
        // The fields after a group count.
        let mut after_group = vec![0xf3, 0x7f, 0xf4, 0x7f];
        assert!(fits("UpdateProgramRequest", &after_group));
        after_group.extend(request.encode_to_vec());
        assert!(!fits("UpdateProgramRequest", &after_group));
    }
}
