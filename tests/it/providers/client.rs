//! The HTTP client against servers that misbehave.

use std::time::Duration;

use headwater::outbound::client::{Answer, BaseAddress, Call, Client, ClientLimits, NoAnswer};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A server that answers each connection with these bytes, after a pause, and then closes it. The channel has what it got.
async fn server(answer: &'static str, pause: Duration) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                let length = stream.read(&mut bytes).await.unwrap_or(0);
                let _ = sender.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
                tokio::time::sleep(pause).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, received)
}

fn client() -> Client {
    let limits =
        ClientLimits { connect: Duration::from_millis(500), total: Duration::from_millis(800), body_bytes: 100 };
    Client::new(limits).unwrap()
}

async fn send(address: &str) -> Result<Answer, NoAnswer> {
    let address = BaseAddress::parse(address).unwrap();
    let call = Call::new(Method::POST, &["pay", "x y"])
        .query(&[("a", "b")])
        .secret(AUTHORIZATION, HeaderValue::from_static("Bearer very-secret"))
        .body("text/plain", "body");
    client().send(&address, call).await
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let (address, mut received) =
        server("HTTP/1.1 200 OK\r\nretry-after: 9\r\ncontent-length: 2\r\n\r\nhi", Duration::ZERO).await;
    let answer = send(&format!("http://{address}/base/")).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"hi"[..]));
    assert_eq!(answer.retry_after(), Some(Duration::from_secs(9)));
    let request = received.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("post /base/pay/x%20y?a=b http/1.1\r\n"), "{request}");
    for line in ["authorization: bearer very-secret", "content-type: text/plain", "user-agent: headwater/"] {
        assert!(request.contains(line), "{request}");
    }
    assert!(!request.contains("referer"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, mut received_there) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Duration::ZERO).await;
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{other}/\r\ncontent-length: 0\r\n\r\n");
    let (address, mut received) = server(answer.leak(), Duration::ZERO).await;
    assert_eq!(send(&format!("http://{address}")).await.unwrap().status, StatusCode::TEMPORARY_REDIRECT);
    assert!(received.recv().await.is_some());
    assert!(received_there.try_recv().is_err(), "the secret went to another server");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let told = "HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n";
    let untold: &str = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("32\r\n{}\r\n", "x".repeat(50)).repeat(3)
    )
    .leak();
    for answer in [told, untold] {
        let (address, _received) = server(answer, Duration::ZERO).await;
        assert_eq!(send(&format!("http://{address}")).await.unwrap_err(), NoAnswer::TooLarge);
    }
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_told_from_what_was_not_sent() {
    let (slow, mut received) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Duration::from_secs(5)).await;
    assert_eq!(send(&format!("http://{slow}")).await.unwrap_err(), NoAnswer::TimedOut);
    assert!(received.recv().await.is_some());
    for cut in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nonly this",
        "no HTTP\r\n\r\n",
    ] {
        let (address, mut received) = server(cut, Duration::ZERO).await;
        assert_eq!(send(&format!("http://{address}")).await.unwrap_err(), NoAnswer::Cut, "{cut:?}");
        assert!(received.recv().await.is_some());
        // It is not sent again.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(received.try_recv().is_err(), "{cut:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(send(&format!("http://{nobody}")).await.unwrap_err(), NoAnswer::NotSent);
    // A server without TLS gets nothing of the request.
    let (plain, mut received) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Duration::ZERO).await;
    assert_eq!(send(&format!("https://{plain}")).await.unwrap_err(), NoAnswer::NotSent);
    let hello = received.recv().await.unwrap();
    assert!(!hello.contains("secret"), "{hello}");
}

#[tokio::test]
async fn nothing_of_a_call_is_shown() {
    let call = Call::new(Method::GET, &["x"]).secret(AUTHORIZATION, HeaderValue::from_static("Bearer very-secret"));
    let error = client().send(&BaseAddress::parse("http://127.0.0.1:1").unwrap(), call).await.unwrap_err();
    let call = Call::new(Method::GET, &["x"]).secret(AUTHORIZATION, HeaderValue::from_static("Bearer very-secret"));
    let shown = format!("{error} {error:?} {call:?} {:?}", client());
    assert!(!shown.contains("very-secret") && !shown.contains("127.0.0.1"), "{shown}");
}
