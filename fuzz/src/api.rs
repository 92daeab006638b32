//! The methods of the API, and the form in which the corpus has their messages: the method's name, a line break, and the message's
//! bytes.

use std::sync::LazyLock;

use headwater::pb;
use prost_reflect::{DescriptorPool, MethodDescriptor};

static METHODS: LazyLock<Vec<MethodDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("the server's own descriptor");
    let services: Vec<_> = pool.services().filter(|service| service.package_name() == "headwater.v1").collect();
    services.iter().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
});

/// Every method of `headwater.v1`.
pub(crate) fn methods() -> &'static [MethodDescriptor] {
    &METHODS
}

/// A method's name, such as `headwater.v1.TrackingService/RecordSale`.
pub(crate) fn name_of(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// The names of all methods.
pub fn method_names() -> Vec<String> {
    methods().iter().map(name_of).collect()
}

/// A message in the form of the corpus.
pub fn recorded(method: &str, message: &[u8]) -> Vec<u8> {
    [method.as_bytes(), b"\n", message].concat()
}

/// The method and the message of an input in the form of the corpus. `None` for any other input.
pub(crate) fn of_corpus(input: &[u8]) -> Option<(&'static MethodDescriptor, &[u8])> {
    let end = input.iter().take(128).position(|byte| *byte == b'\n')?;
    let method = methods().iter().find(|method| name_of(method).as_bytes() == &input[..end])?;
    Some((method, &input[end + 1..]))
}
