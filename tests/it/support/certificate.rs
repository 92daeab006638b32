//! Certificates for tests with TLS.

use std::path::Path;

/// Makes a certificate authority and a certificate for localhost. False without openssl.
pub(crate) async fn make_certificates(folder: &Path) -> bool {
    const SCRIPT: &str = "
        openssl ecparam -name prime256v1 -genkey -noout -out authority.key
        openssl req -x509 -new -key authority.key -subj /CN=authority -days 2 -out authority.pem
        openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out server.key
        openssl req -new -key server.key -subj /CN=localhost -out server.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >extensions
        openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
            -extfile extensions -out server.pem";
    let has_openssl = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join("openssl").is_file());
    if has_openssl {
        let made = tokio::process::Command::new("sh").args(["-eu", "-c", SCRIPT]).current_dir(folder).output();
        let made = made.await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    has_openssl
}
