//! Keys, signatures and certificates of webhooks. The private keys are in this repository, so nothing real may ever trust them.

use anyhow::Context;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey, date_time_ymd,
};

/// The name in PayPal's certificate.
pub(crate) const PAYPAL_NAME: &str = "messageverificationcerts.paypal.com";

/// An RSA key that signs with PKCS#1 v1.5 and SHA-256.
pub(crate) struct Signer {
    key: KeyPair,
}

impl Signer {
    fn new(pkcs8: &[u8]) -> anyhow::Result<Signer> {
        let key = KeyPair::try_from(pkcs8).context("the key in the folder `keys` cannot be read")?;
        Ok(Signer { key })
    }

    /// The signature, or nothing if the key fails, which the receiver sees as a wrong signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).unwrap_or_default()
    }

    pub(crate) fn public_key_pem(&self) -> String {
        self.key.public_key_pem()
    }
}

/// Certificates of PayPal, each with its intermediate one, as PayPal's certificate address serves them.
pub(crate) struct Chains {
    /// The certificate that clients must trust.
    pub(crate) root_pem: String,
    pub(crate) good_pem: String,
    pub(crate) expired_pem: String,
    /// Of another root.
    pub(crate) foreign_pem: String,
}

/// All that is signed with.
pub(crate) struct Keys {
    pub(crate) paypal: Signer,
    pub(crate) chains: Chains,
    pub(crate) wise: Signer,
}

impl Keys {
    pub(crate) fn make() -> anyhow::Result<Keys> {
        let paypal = Signer::new(include_bytes!("../keys/paypal.pk8"))?;
        let trusted = Authority::make("Fake PayPal root")?;
        let foreign = Authority::make("Nobody's root")?;
        let chains = Chains {
            root_pem: trusted.root.pem(),
            good_pem: trusted.certify(&paypal.key, 2045)?,
            expired_pem: trusted.certify(&paypal.key, 2024)?,
            foreign_pem: foreign.certify(&paypal.key, 2045)?,
        };
        Ok(Keys { paypal, chains, wise: Signer::new(include_bytes!("../keys/wise.pk8"))? })
    }
}

/// A root and an intermediate certificate.
struct Authority {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn make(name: &str) -> anyhow::Result<Authority> {
        let root_key = KeyPair::generate()?;
        let root_parameters = parameters(name, IsCa::Ca(BasicConstraints::Unconstrained), 2045)?;
        let root = root_parameters.self_signed(&root_key)?;
        let root_issuer = Issuer::new(root_parameters, root_key);
        let key = KeyPair::generate()?;
        let between = parameters(&format!("{name}, intermediate"), IsCa::Ca(BasicConstraints::Constrained(0)), 2045)?;
        let intermediate = between.signed_by(&key, &root_issuer)?;
        Ok(Authority { root, intermediate, issuer: Issuer::new(between, key) })
    }

    /// The certificate of the key and the intermediate one.
    fn certify(&self, key: &KeyPair, until_year: i32) -> anyhow::Result<String> {
        let certificate = parameters(PAYPAL_NAME, IsCa::NoCa, until_year)?.signed_by(key, &self.issuer)?;
        Ok(format!("{}{}", certificate.pem(), self.intermediate.pem()))
    }
}

fn parameters(name: &str, is_ca: IsCa, until_year: i32) -> anyhow::Result<CertificateParams> {
    let names = if is_ca == IsCa::NoCa { vec![name.to_owned()] } else { Vec::new() };
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = is_ca;
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(until_year, 1, 1);
    Ok(parameters)
}

/// HMAC with SHA-256, in hexadecimal digits.
pub(crate) fn hmac_hex(key: &[u8], message: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    ring::hmac::sign(&key, message).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
