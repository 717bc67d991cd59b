//! TLS for the program: every handshake completes, and the problems that a client would see are recorded. Nothing here
//! opens a connection.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, OtherError,
    RootCertStore, SignatureScheme, WantsVerifier,
};
use tower_misdirected::CertificateNames;

use crate::common::{self, Result};
use crate::observation::Certificate;
use crate::text;

/// The most names of a certificate that are shown.
const MAX_NAMES: usize = 100;

/// What all handshakes share.
pub struct Tls {
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    provider: Arc<CryptoProvider>,
    /// `None` if there is no trusted authority at all.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    credentials: Option<Arc<CertifiedKey>>,
}

/// What was seen of one handshake.
#[derive(Default)]
pub struct Seen {
    certificate: Option<CertificateDer<'static>>,
    error: Option<Error>,
    pub asked: bool,
    pub sent: bool,
}

/// A handshake under way, which records.
#[derive(Debug)]
pub struct Recorder {
    provider: Arc<CryptoProvider>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
    credentials: Option<Arc<CertifiedKey>>,
    seen: Mutex<Seen>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seen")
    }
}

impl Tls {
    /// Reads the authorities, from the system if no file is named, and the client certificate.
    pub fn new(ca: Option<&str>, credentials: Option<(&str, &str)>) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let roots = match ca {
            None => {
                // A system without authorities is reported with each certificate.
                let system = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(system.certs);
                roots
            }
            Some(file) => common::authorities(file)?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let verifier = verifier.build().ok();
        let credentials = match credentials {
            None => None,
            Some((cert, key)) => Some(Arc::new(client_certificate(cert, key, &provider)?)),
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        Ok(Self {
            builder,
            provider,
            verifier,
            credentials,
        })
    }

    /// A configuration for one handshake, and what records it.
    pub fn handshake(&self, alpn: &[u8], server_name: bool) -> (ClientConfig, Arc<Recorder>) {
        let recorder = Arc::new(Recorder {
            provider: self.provider.clone(),
            verifier: self.verifier.clone(),
            credentials: self.credentials.clone(),
            seen: Mutex::default(),
        });
        let mut config = self
            .builder
            .clone()
            .dangerous()
            .with_custom_certificate_verifier(recorder.clone())
            .with_client_cert_resolver(recorder.clone());
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_sni = server_name;
        // A resumed handshake shows neither a certificate nor a request for one.
        config.resumption = Resumption::disabled();
        (config, recorder)
    }
}

fn client_certificate(cert: &str, key: &str, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let (chain, private_key) = (common::certificates(cert)?, common::private_key(key)?);
    let certified = CertifiedKey::from_der(chain, private_key, provider);
    Ok(certified.map_err(|error| common::unusable(cert, key, &error))?)
}

impl Recorder {
    fn with<T>(&self, record: impl FnOnce(&mut Seen) -> T) -> T {
        record(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn asked(&self) -> bool {
        self.with(|seen| seen.asked)
    }

    pub fn sent(&self) -> bool {
        self.with(|seen| seen.sent)
    }

    /// The certificate that the server presented, if the handshake came so far.
    ///
    /// Without a server name there is nothing to compare the names with.
    pub fn certificate(&self, server_name: bool) -> Option<Certificate> {
        self.with(|seen| {
            let der = seen.certificate.as_ref()?;
            let names = CertificateNames::from_der(der);
            let only_name_differs = seen.error.as_ref().is_some_and(|error| {
                use CertificateError::{NotValidForName, NotValidForNameContext};
                matches!(
                    error,
                    Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
                )
            });
            let error = seen
                .error
                .as_ref()
                .filter(|_| server_name || !only_name_differs);
            let mut id = DefaultHasher::new();
            der.hash(&mut id);
            let mut shown = names.to_strings();
            shown.truncate(MAX_NAMES);
            Some(Certificate {
                names: shown,
                verified: error.is_none(),
                error: error.map(reason),
                only_name_differs,
                id: id.finish(),
                all: Some(names),
            })
        })
    }

    fn signature(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        if let Err(error) = verified {
            self.with(|seen| seen.error.get_or_insert(error).clone());
        }
        Ok(HandshakeSignatureValid::assertion())
    }
}

/// What rustls says, without the debug form of what the server sent.
fn reason(error: &Error) -> String {
    use CertificateError as C;
    let Error::InvalidCertificate(problem) = error else {
        return text::plain(&error.to_string());
    };
    let reason = match problem {
        C::BadEncoding => "the certificate cannot be read",
        C::Expired | C::ExpiredContext { .. } => "the certificate has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "the certificate is not valid yet",
        C::UnknownIssuer => "no trusted authority has issued the certificate",
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "the certificate does not cover the server name"
        }
        C::BadSignature => "a signature is wrong",
        C::Other(OtherError(problem)) => match problem.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "the certificate is that of an authority, such as one that has signed itself"
            }
            _ => return text::plain(&format!("the certificate is invalid: {problem}")),
        },
        _ => return text::plain(&error.to_string()),
    };
    reason.to_owned()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = match &self.verifier {
            Some(verifier) => verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(Error::General(
                "this system has no trusted authorities; name some with --ca".into(),
            )),
        };
        self.with(|seen| {
            seen.certificate = Some(end_entity.clone().into_owned());
            seen.error = verified.err();
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.signature(rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.signature(rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let credentials = self.credentials.as_ref().filter(usable).cloned();
        self.with(|seen| {
            seen.asked = true;
            seen.sent = credentials.is_some();
        });
        credentials
    }

    // Also without a certificate, so that `resolve` is called.
    fn has_certs(&self) -> bool {
        true
    }
}
