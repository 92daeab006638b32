//! Reads the certificate and its key, and says which setting names a wrong file.

use std::path::Path;

use tonic::transport::{Identity, Server, ServerTlsConfig};

use super::ServerError;
use crate::config::Settings;

/// The TLS configuration, if the settings name a certificate. It was tried once, so a server takes it.
pub(super) fn read(settings: &Settings) -> Result<Option<ServerTlsConfig>, ServerError> {
    let Some((certificate, key)) = settings.listen.tls_files() else { return Ok(None) };
    let wrong = |setting: &str, path: &Path, problem: String| {
        let place = settings.places.of(setting);
        ServerError::TlsFile { place, path: path.to_owned(), problem }
    };
    let read = |setting, path: &Path| std::fs::read(path).map_err(|error| wrong(setting, path, error.to_string()));
    let certificate_text = read("tls_certificate_file", certificate)?;
    let key_text = read("tls_key_file", key)?;
    if !has(&certificate_text, "-----BEGIN CERTIFICATE-----") {
        return Err(wrong("tls_certificate_file", certificate, "it has no certificate in PEM format".to_owned()));
    }
    if has(&key_text, "ENCRYPTED") {
        return Err(wrong("tls_key_file", key, "its key has a passphrase; store the key without one".to_owned()));
    }
    if !has(&key_text, "PRIVATE KEY-----") {
        return Err(wrong("tls_key_file", key, "it has no private key in PEM format".to_owned()));
    }
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate_text, key_text));
    match Server::builder().tls_config(tls.clone()) {
        Ok(_) => Ok(Some(tls)),
        Err(error) => {
            let problem = format!("cannot be used with the key {}: {}", key.display(), chain(&error));
            Err(wrong("tls_certificate_file", certificate, problem))
        }
    }
}

fn has(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|part| part == text.as_bytes())
}

/// An error with its causes. The error itself says only that the transport failed.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
