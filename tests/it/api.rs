//! The calls that are published, as one list: a call that comes or goes is seen in review.

use prost_reflect::DescriptorPool;

use crate::support::golden::assert_golden;

#[test]
fn the_published_calls_are_these() {
    let pool = DescriptorPool::decode(headwater::pb::FILE_DESCRIPTOR_SET).unwrap();
    let stream = |is_stream: bool| if is_stream { "stream " } else { "" };
    let mut lines: Vec<String> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| {
            format!(
                "{} ({}{}) -> {}{}\n",
                method.full_name(),
                stream(method.is_client_streaming()),
                method.input().name(),
                stream(method.is_server_streaming()),
                method.output().name(),
            )
        })
        .collect();
    lines.sort();
    assert_golden("api.txt", &lines.concat());
}
