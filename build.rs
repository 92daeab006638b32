//! Compiles the protos to servers and to the description for reflection. It uses protox, so that building needs no protoc.
//! The messages and clients are in `clients/rust`.

use std::path::{Path, PathBuf};

/// The folder of protos.
const PROTO: &str = "proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true).open_files(proto_files()?)?;
    // protox itself encodes the description, because decoding it first would lose parts that prost-types does not know.
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("headwater.bin"), compiler.encode_file_descriptor_set())?;
    // The feed's answers are types of ours that are encoded from bytes; all other messages are the client's. Both streams have
    // messages of the same form.
    let feed = [
        ("WatchEventsResponse", "WatchResponse"),
        ("WatchConversionsResponse", "WatchResponse"),
        ("ReadEventsResponse", "ReadEventsResponse"),
    ];
    let mut server = tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::rpc::call::codec::BoundedCodec")
        .extern_path(".google.rpc", "::tonic_types")
        .extern_path(".headwater.v1", "crate::pb");
    for (message, own) in feed {
        server = server.extern_path(format!(".headwater.v1.{message}"), format!("crate::rpc::feed::message::{own}"));
    }
    server.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// Every file of the API, by the path that the files import each other with.
fn proto_files() -> std::io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(Path::new(PROTO).join("headwater/v1"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".proto") {
            files.push(format!("headwater/v1/{name}"));
        }
    }
    // Nothing imports the details of errors. Tools that print errors need their description.
    files.push("google/rpc/error_details.proto".to_owned());
    files.sort();
    Ok(files)
}
