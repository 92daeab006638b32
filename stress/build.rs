//! Compiles the protos of the echo with protox, as the root's build script does.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=../proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).open_file("echo.proto")?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;

    // The messages are those of the client, so that the same calls can be made to the echo and to the server.
    let mut compiler = protox::Compiler::new(["proto", "../proto"])?;
    compiler.include_source_info(true).open_file("click.proto")?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".headwater.v1", "::headwater_client::pb")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
