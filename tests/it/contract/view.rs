//! The parts of the descriptor that belong to the contract, and their names. Knows no rules.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

const PACKAGE: &str = "headwater.v1";

/// The files of the contract's package. The rules do not apply to other packages.
pub(super) struct Contract<'a> {
    pub(super) files: Vec<&'a FileDescriptorProto>,
}

impl<'a> Contract<'a> {
    pub(super) fn of(set: &'a FileDescriptorSet) -> Self {
        Self { files: set.file.iter().filter(|file| file.package() == PACKAGE).collect() }
    }

    /// Every message. Only the entries of maps are nested messages, see the rule `shape`.
    pub(super) fn messages(&self) -> impl Iterator<Item = &'a DescriptorProto> {
        self.files.iter().flat_map(|file| &file.message_type)
    }

    /// The message of a type name, such as `.headwater.v1.Account`.
    pub(super) fn message(&self, type_name: &str) -> Option<&'a DescriptorProto> {
        self.messages().find(|message| type_name == full(message.name()))
    }

    /// Every field, with its message.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a DescriptorProto, &'a FieldDescriptorProto)> {
        self.messages().flat_map(|message| message.field.iter().map(move |field| (message, field)))
    }

    pub(super) fn enums(&self) -> impl Iterator<Item = &'a EnumDescriptorProto> {
        self.files.iter().flat_map(|file| &file.enum_type)
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &'a ServiceDescriptorProto> {
        self.files.iter().flat_map(|file| &file.service)
    }

    pub(super) fn methods(&self) -> impl Iterator<Item = &'a MethodDescriptorProto> {
        self.services().flat_map(|service| &service.method)
    }
}

/// The type name of a message or enum of the contract.
pub(super) fn full(name: &str) -> String {
    format!(".{PACKAGE}.{name}")
}

/// The oneofs of a message. The oneofs that protobuf makes for `optional` fields are left out.
pub(super) fn oneofs(message: &DescriptorProto) -> impl Iterator<Item = (usize, &OneofDescriptorProto)> {
    let is_synthetic = |at: usize| {
        message
            .field
            .iter()
            .any(|field| field.proto3_optional() && field.oneof_index.is_some_and(|of| of as usize == at))
    };
    message.oneof_decl.iter().enumerate().filter(move |(at, _)| !is_synthetic(*at))
}

/// Whether a field has this number, name and type, and is not repeated.
pub(super) fn is_single(field: &FieldDescriptorProto, number: i32, name: &str, of: Type) -> bool {
    field.number() == number && field.name() == name && field.r#type() == of && !is_repeated(field)
}

pub(super) fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label() == Label::Repeated
}

/// The first word of a method's name: `List` of `ListLinks`.
pub(super) fn verb(method: &str) -> &str {
    let end = method.char_indices().skip(1).find(|(_, character)| character.is_uppercase());
    end.map_or(method, |(end, _)| &method[..end])
}

/// The enum's prefix of its values: `API_KEY_KIND_` of `ApiKeyKind`.
pub(super) fn value_prefix(name: &str) -> String {
    let mut prefix = String::new();
    for (at, character) in name.char_indices() {
        if at > 0 && character.is_uppercase() {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
    }
    prefix + "_"
}

/// `affiliate_service` as `AffiliateService`.
pub(super) fn pascal(snake: &str) -> String {
    snake.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// `occur_time` as JSON spells it: `occurTime`.
pub(super) fn camel(snake: &str) -> String {
    let pascal = pascal(snake);
    pascal[..1].to_lowercase() + &pascal[1..]
}

/// The elements of a file that have a comment of their own. Each has its path, in the numbers that source info uses, and its
/// name.
pub(super) fn places(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
    // The numbers of the fields of FileDescriptorProto, DescriptorProto, EnumDescriptorProto and ServiceDescriptorProto.
    const MESSAGE: i32 = 4;
    const ENUM: i32 = 5;
    const SERVICE: i32 = 6;
    const SYNTAX: i32 = 12;
    const MEMBER: i32 = 2;
    const ONEOF: i32 = 8;
    let index = |at: usize| i32::try_from(at).unwrap();
    let mut places = vec![(vec![SYNTAX], file.name().to_owned())];
    for (at, message) in file.message_type.iter().enumerate() {
        let own = vec![MESSAGE, index(at)];
        for (member, field) in message.field.iter().enumerate() {
            let name = format!("{}.{}", message.name(), field.name());
            places.push(([own.as_slice(), &[MEMBER, index(member)]].concat(), name));
        }
        for (member, oneof) in oneofs(message) {
            let name = format!("{}.{}", message.name(), oneof.name());
            places.push(([own.as_slice(), &[ONEOF, index(member)]].concat(), name));
        }
        places.push((own, message.name().to_owned()));
    }
    for (at, an_enum) in file.enum_type.iter().enumerate() {
        let own = vec![ENUM, index(at)];
        for (member, value) in an_enum.value.iter().enumerate() {
            places.push(([own.as_slice(), &[MEMBER, index(member)]].concat(), value.name().to_owned()));
        }
        places.push((own, an_enum.name().to_owned()));
    }
    for (at, service) in file.service.iter().enumerate() {
        let own = vec![SERVICE, index(at)];
        for (member, method) in service.method.iter().enumerate() {
            let name = format!("{}.{}", service.name(), method.name());
            places.push(([own.as_slice(), &[MEMBER, index(member)]].concat(), name));
        }
        places.push((own, service.name().to_owned()));
    }
    places
}

/// Every comment of a file, by the place of its element.
pub(super) fn comments(file: &FileDescriptorProto) -> HashMap<&[i32], &Location> {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations.map(|location| (location.path.as_slice(), location)).collect()
}
