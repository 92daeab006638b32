//! The published calls equal a golden file, so that a review sees each call that is added or removed. The health service lists
//! the same services.

use prost_reflect::DescriptorPool;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::database::TestDatabase;
use crate::support::golden::assert_golden;
use crate::support::server::TestServer;

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

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_every_service_and_of_no_other() {
    let server = TestServer::start(&TestDatabase::sqlite().await).await;
    let channel = Endpoint::from_shared(server.address.clone()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let pool = DescriptorPool::decode(headwater::pb::FILE_DESCRIPTOR_SET).unwrap();
    let mut names: Vec<String> = pool.services().map(|service| service.full_name().to_owned()).collect();
    assert!(names.contains(&"headwater.v1.TrackingService".to_owned()), "{names:?}");
    names.push(String::new());
    for service in names {
        let answer = health.check(HealthCheckRequest { service: service.clone() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let service = "headwater.v1.NoService".to_owned();
    assert_eq!(health.check(HealthCheckRequest { service }).await.unwrap_err().code(), Code::NotFound);
}
