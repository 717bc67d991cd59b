//! Certificates made in memory, and TLS configurations that use them.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, SanType,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

/// An authority that signs certificates.
pub type Authority = (CertificateDer<'static>, Issuer<'static, KeyPair>);

/// The authority that signs every certificate here, servers' and clients', unless another is named.
pub static CA: LazyLock<Authority> = LazyLock::new(|| authority("test CA"));

/// An authority that has nothing to do with the first.
pub static OTHER_CA: LazyLock<Authority> = LazyLock::new(|| authority("other test CA"));

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().clone(), Issuer::new(params, key))
}

pub struct Leaf {
    pub der: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

/// A certificate with these subject alternative names, IP addresses among them.
pub fn leaf(names: &[&str]) -> Leaf {
    let sans = names.iter().map(|name| match name.parse() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) => SanType::DnsName((*name).try_into().unwrap()),
    });
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = sans.collect();
    sign(params)
}

/// A certificate whose only name is its subject's common name.
pub fn common_name_only(name: &str) -> Leaf {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    sign(params)
}

/// A certificate whose only name is this URI.
pub fn uri_only(uri: &str) -> Leaf {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    sign(params)
}

/// A certificate with an extension that is critical and that nobody knows.
pub fn unknown_critical_extension(name: &str) -> Leaf {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
    sign(params)
}

pub fn sign(params: CertificateParams) -> Leaf {
    sign_by(&CA, params)
}

pub fn sign_by(authority: &Authority, params: CertificateParams) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, &authority.1).unwrap().der().clone();
    Leaf {
        der,
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    }
}

pub fn pem(tag: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

/// A server's certificate and that of its issuer, as a PEM file has them.
pub fn chain(leaf: &Leaf) -> String {
    pem("CERTIFICATE", &leaf.der) + &pem("CERTIFICATE", &CA.0)
}

/// The private key of a certificate, as a PEM file has it.
pub fn key(leaf: &Leaf) -> String {
    pem("PRIVATE KEY", leaf.key.secret_der())
}

impl Leaf {
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        let key = ring::sign::any_supported_type(&self.key).unwrap();
        Arc::new(CertifiedKey::new(vec![self.der.clone()], key))
    }

    pub fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    /// A configuration that requires a client certificate from the test CA.
    pub fn mutual_tls_config(&self) -> ServerConfig {
        self.mutual_tls_config_of(&CA)
    }

    /// A configuration that requires a client certificate from this authority.
    pub fn mutual_tls_config_of(&self, authority: &Authority) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
            .build()
            .unwrap();
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .unwrap()
    }
}

/// A server configuration around one certificate with these names.
pub fn server(names: &[&str]) -> Arc<ServerConfig> {
    Arc::new(leaf(names).server_config())
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A client that takes any certificate, so that it can be led astray on purpose.
pub fn client(alpn: &[&str]) -> ClientConfig {
    client_of(alpn, rustls::ALL_VERSIONS, provider())
}

pub fn client_of(
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
    provider: Arc<CryptoProvider>,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(AnyCertificate::new(provider))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    config
}

/// A client that wants a raw public key (RFC 7250) in place of a certificate.
pub fn client_for_raw_keys() -> ClientConfig {
    let verifier = AnyCertificate {
        provider: provider(),
        raw_keys: true,
        shown: Arc::default(),
    };
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// A client that shows `leaf` when it is asked.
pub fn client_with_certificate(alpn: &[&str], leaf: &Leaf) -> ClientConfig {
    client_with_certificate_of(alpn, rustls::DEFAULT_VERSIONS, leaf)
}

/// The same, for these versions of TLS.
pub fn client_with_certificate_of(
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
    leaf: &Leaf,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(AnyCertificate::new(provider()))
        .with_client_auth_cert(vec![leaf.der.clone()], leaf.key.clone_key())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    config
}

#[derive(Debug)]
pub struct AnyCertificate {
    provider: Arc<CryptoProvider>,
    raw_keys: bool,
    /// How many it was shown. A handshake that resumes a session shows none.
    pub shown: Arc<AtomicUsize>,
}

impl AnyCertificate {
    pub fn new(provider: Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self {
            provider,
            raw_keys: false,
            shown: Arc::default(),
        })
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.shown.fetch_add(1, Ordering::SeqCst);
        Ok(ServerCertVerified::assertion())
    }

    // Not even the signature: a certificate with an unknown critical extension could not be read.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw_keys
    }
}
