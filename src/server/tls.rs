//! Reads the certificate and its key, and says which setting names a wrong file.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::ServerError;
use super::private::is_public;
use crate::config::Settings;
use crate::transport::serve::Version;

/// The name of a version in the negotiation of the protocol.
const fn alpn(version: Version) -> &'static str {
    match version {
        Version::Http1 => "http/1.1",
        Version::Http2 => "h2",
    }
}

/// The TLS configuration of a listener, if the settings name a certificate.
pub(super) fn read(settings: &Settings, version: Version) -> Result<Option<TlsAcceptor>, ServerError> {
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
    if is_public(key) {
        let problem = format!(
            "every user of this machine can read it. Replace the key if somebody may have read it, and run `chmod o= {}`",
            key.display()
        );
        return Err(wrong("tls_key_file", key, problem));
    }
    match acceptor(&certificate_text, &key_text, version) {
        Ok(acceptor) => Ok(Some(acceptor)),
        Err(error) => {
            let problem = format!("cannot be used with the key {}: {error}", key.display());
            Err(wrong("tls_certificate_file", certificate, problem))
        }
    }
}

fn acceptor(certificate: &[u8], key: &[u8], version: Version) -> Result<TlsAcceptor, rustls::Error> {
    let unreadable = |error: pem::Error| rustls::Error::General(error.to_string());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(unreadable)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(unreadable)?, key)?;
    config.alpn_protocols.push(alpn(version).into());
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn has(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|part| part == text.as_bytes())
}
