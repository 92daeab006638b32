//! Frames of HTTP/2 as bytes, for what no library sends. Does not know any attack.

/// What every client sends first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of frames (RFC 9113, section 6).
pub(super) mod kind {
    pub(in crate::attack) const DATA: u8 = 0;
    pub(in crate::attack) const HEADERS: u8 = 1;
    pub(in crate::attack) const PRIORITY: u8 = 2;
    pub(in crate::attack) const RST_STREAM: u8 = 3;
    pub(in crate::attack) const SETTINGS: u8 = 4;
    pub(in crate::attack) const PING: u8 = 6;
    pub(in crate::attack) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::attack) const CONTINUATION: u8 = 9;
}

/// The flags of HEADERS and CONTINUATION.
pub(super) const END_HEADERS: u8 = 0x4;

/// One frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = Vec::with_capacity(9 + payload.len());
    frame.extend([length[1], length[2], length[3], kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a client sends before its first request.
pub(super) fn opening() -> Vec<u8> {
    [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()
}

/// The headers of a call, without an index of their own (RFC 7541, section 6.2.2).
pub(super) fn call_headers(path: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` are in the static table.
    let mut block = vec![0x83, 0x86];
    // The names `:path` and `:authority` are in the static table too.
    block.push(0x04);
    text(&mut block, path);
    block.push(0x01);
    text(&mut block, "localhost");
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        header(&mut block, name, value);
    }
    block
}

/// A header without an index.
pub(super) fn header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x00);
    text(block, name);
    text(block, value);
}

/// A header that gets an index in the table of the connection.
pub(super) fn indexed_header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x40);
    text(block, name);
    text(block, value);
}

/// A text with its length, as an integer with a prefix of 7 bits.
fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 0x7f {
        block.push(length as u8);
    } else {
        block.push(0x7f);
        length -= 0x7f;
        while length >= 0x80 {
            block.push((length % 0x80) as u8 | 0x80);
            length /= 0x80;
        }
        block.push(length as u8);
    }
    block.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_library_reads_the_frames_as_a_call() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let mut block = call_headers("/health");
        header(&mut block, "x-long", &"a".repeat(300));
        indexed_header(&mut block, "x-again", "b");
        // The newest header of the connection's table.
        block.push(0x80 | 62);
        let (first, rest) = block.split_at(20);
        client.write_all(&opening()).await.unwrap();
        client.write_all(&frame(kind::HEADERS, 0, 1, first)).await.unwrap();
        client.write_all(&frame(kind::CONTINUATION, END_HEADERS, 1, rest)).await.unwrap();
        client.write_all(&frame(kind::DATA, 0, 1, b"body")).await.unwrap();
        let mut connection = h2::server::handshake(server).await.unwrap();
        let (request, _) = connection.accept().await.unwrap().unwrap();
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/health"));
        assert_eq!(request.headers()["x-long"].len(), 300);
        assert_eq!(request.headers().get_all("x-again").iter().count(), 2);
        let mut body = request.into_body();
        let read = tokio::join!(body.data(), async {
            tokio::select! { _ = connection.accept() => {}, () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {} }
        });
        assert_eq!(read.0.unwrap().unwrap().as_ref(), b"body");
    }
}
