//! The certificate resolver. The current certificate lives in `store`, and the task that looks for renewed files lives
//! in `watch`.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::content::{Paths, reason};
use super::error::CertificateFilesError;
use super::store::Store;

/// A certificate resolver that reads a certificate chain and its private key from PEM files, and can reload them when
/// they are renewed.
///
/// The files have the form of certbot's `fullchain.pem` and `privkey.pem`. The chain starts with the server's
/// certificate, followed by the intermediates. The key belongs to the first certificate, and is an unencrypted key in
/// PKCS #8, SEC 1 or PKCS #1. If one file contains both, pass its path twice.
///
/// ```
/// use std::time::Duration;
///
/// use axum::{Router, routing::get};
/// use tower_misdirected::{CertificateFiles, ConnectionInfo, MisdirectedLayer, TlsListener};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(MisdirectedLayer::new());
///
/// let certificate = CertificateFiles::open("fullchain.pem", "privkey.pem")?;
/// certificate.watch(Duration::from_secs(60));
/// let listener = TlsListener::bind("0.0.0.0:443", certificate.server_config()?).await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Renewal
///
/// [`watch`](Self::watch) reads the files at an interval, and [`reload`](Self::reload) reads them once. If the files
/// contain a new certificate and its key, new handshakes present it. The TLS configuration stays the same `Arc`, so a
/// renewal ends no connection and no session, and causes no 421. Open connections serve the names of the certificate
/// that they presented.
///
/// If the files cannot be used, for example because the new key has not been written yet, the previous certificate
/// stays.
///
/// # Your own configurations
///
/// `CertificateFiles` implements [`ResolvesServerCert`], so you can use it in any configuration. Several configurations
/// can share it:
///
/// ```
/// use std::sync::Arc;
///
/// use rustls::ServerConfig;
/// use rustls::server::danger::ClientCertVerifier;
/// use tower_misdirected::{CertificateFiles, VirtualHosts};
///
/// fn hosts(
///     certificate: Arc<CertificateFiles>,
///     clients: Arc<dyn ClientCertVerifier>,
/// ) -> Result<VirtualHosts, Box<dyn std::error::Error>> {
///     let mutual_tls = ServerConfig::builder()
///         .with_client_cert_verifier(clients)
///         .with_cert_resolver(certificate.clone());
///     let hosts = VirtualHosts::builder()
///         .host("www.example.com", certificate.server_config()?)
///         .host("admin.example.com", Arc::new(mutual_tls))
///         .build()?;
///     Ok(hosts)
/// }
/// ```
///
/// `ServerConfig::builder` panics if the process has no default crypto provider, unless rustls was built with exactly
/// one provider. `ServerConfig::builder_with_provider` does not need a default.
pub struct CertificateFiles(pub(super) Store);

impl CertificateFiles {
    /// Reads a chain and its private key, for use with the default crypto provider of the process.
    ///
    /// First install a default provider, for example with `rustls::crypto::ring::default_provider().install_default()`,
    /// or use [`open_with_provider`](Self::open_with_provider). Both methods block while they read the files.
    ///
    /// An expired certificate is not an error, and neither is a certificate that is not valid yet, because clients
    /// decide whether to accept it. With the feature `tracing`, the method logs a warning. [`validity`](Self::validity)
    /// returns the times.
    ///
    /// # Errors
    ///
    /// Returns [`CertificateFilesError`] if the process has no default provider, if a file cannot be read or parsed, or
    /// if the key does not belong to the first certificate of the chain.
    pub fn open(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Arc<Self>, CertificateFilesError> {
        let provider = CryptoProvider::get_default().ok_or(CertificateFilesError::NoProvider)?;
        Self::open_with_provider(chain, key, provider.clone())
    }

    /// Reads a chain and its private key, for use with this crypto provider.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{CertificateFiles, CertificateFilesError};
    ///
    /// fn certificate() -> Result<Arc<CertificateFiles>, CertificateFilesError> {
    ///     let provider = Arc::new(rustls::crypto::ring::default_provider());
    ///     CertificateFiles::open_with_provider("fullchain.pem", "privkey.pem", provider)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open), except [`NoProvider`](CertificateFilesError::NoProvider).
    pub fn open_with_provider(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, CertificateFilesError> {
        let paths = Paths {
            chain: chain.as_ref().to_owned(),
            key: key.as_ref().to_owned(),
        };
        Ok(Arc::new(Self(Store::open(paths, provider)?)))
    }

    /// Creates a TLS configuration that presents this certificate. The configuration offers `h2` and `http/1.1`,
    /// requests no client certificate, and uses the crypto provider that the files were opened with.
    ///
    /// Each call creates a separate configuration. Hosts with separate configurations do not
    /// [share connections](crate::VirtualHosts). To let hosts share connections, give them clones of the same `Arc`.
    ///
    /// # Errors
    ///
    /// Returns [`CertificateFilesError::UnusableProvider`] if the crypto provider supports neither TLS 1.2 nor TLS 1.3.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, CertificateFilesError> {
        let mut config = ServerConfig::builder_with_provider(self.0.provider().clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateFilesError::UnusableProvider(reason(error)))?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again. Returns `true` if their content has changed.
    ///
    /// The next handshake presents the new certificate. Call this method after both files have been written, for
    /// example on SIGHUP. The method blocks while it reads the files.
    ///
    /// ```
    /// use tower_misdirected::CertificateFiles;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    /// # let path = std::env::temp_dir().join(format!("tower-misdirected-reload-{}.pem", std::process::id()));
    /// # let write = || {
    /// #     let pair = rcgen::generate_simple_self_signed(["www.example".to_owned()]).unwrap();
    /// #     std::fs::write(&path, pair.cert.pem() + &pair.signing_key.serialize_pem()).unwrap();
    /// # };
    /// # write();
    /// # let certificate = CertificateFiles::open_with_provider(&path, &path, provider)?;
    /// // Nothing has changed:
    /// assert!(!certificate.reload()?);
    ///
    /// // After both files have been renewed:
    /// # write();
    /// assert!(certificate.reload()?);
    /// # std::fs::remove_file(&path)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open), except [`NoProvider`](CertificateFilesError::NoProvider). The
    /// previous certificate then stays.
    pub fn reload(&self) -> Result<bool, CertificateFilesError> {
        self.0.reload()
    }

    /// Returns the first and the last second at which the current certificate is valid, or `None` if the certificate
    /// cannot be parsed.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_misdirected::CertificateFiles;
    ///
    /// /// Returns the days that are left, for a metric.
    /// fn days_left(certificate: &CertificateFiles) -> Option<u64> {
    ///     let left = certificate.validity()?.end().duration_since(SystemTime::now());
    ///     Some(left.map_or(0, |left| left.as_secs() / 86_400))
    /// }
    /// ```
    pub fn validity(&self) -> Option<RangeInclusive<SystemTime>> {
        self.0.current().validity.clone()
    }
}

/// Presents the current certificate to every client, for any server name.
impl ResolvesServerCert for CertificateFiles {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current().key.clone())
    }
}

impl fmt::Debug for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFiles")
            .field("chain", &self.0.paths().chain)
            .field("key", &self.0.paths().key)
            .finish_non_exhaustive()
    }
}
