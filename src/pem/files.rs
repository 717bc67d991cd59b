//! The certificate resolver. What it presents lives in `store`, and the task that looks for renewed files in `watch`.

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

/// A certificate resolver that reads a certificate chain and its private key from PEM files, and reads them again when
/// they are renewed.
///
/// The files are those that certbot calls `fullchain.pem` and `privkey.pem`: the server's certificate first, then its
/// intermediates, and the private key that belongs to the first certificate. The key is in PKCS #8, SEC 1 or PKCS #1,
/// and not encrypted. Both may be in one file; pass its path twice.
///
/// ```no_run
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
/// [`watch`](Self::watch) reads the files at an interval, and [`reload`](Self::reload) reads them once. If they make
/// another certificate with its key, new connections get it. Nothing else changes: the TLS configuration stays the same
/// `Arc`, so a renewal ends no connection and no session, and is no reason for a 421. Open connections serve the names
/// of the certificate that they presented.
///
/// If the files cannot be used, for example because the chain was written and the key not yet, the previous
/// certificate stays.
///
/// # Configurations of your own
///
/// It is a [`ResolvesServerCert`] for any configuration. Several configurations can share it:
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
/// `ServerConfig::builder` panics if the process has no default crypto provider and rustls was built with several, or
/// with none. `ServerConfig::builder_with_provider` does not need a default.
pub struct CertificateFiles(pub(super) Store);

impl CertificateFiles {
    /// Reads a chain and its private key with the default crypto provider of the process.
    ///
    /// Call `rustls::crypto::ring::default_provider().install_default()` before, or the same with `aws_lc_rs`.
    /// [`open_with_provider`](Self::open_with_provider) needs no default. Both read the files at once and block
    /// meanwhile.
    ///
    /// A certificate that has expired or is not valid yet is no error, because clients decide about it. With the
    /// feature `tracing` it is logged as a warning, and [`validity`](Self::validity) returns the times.
    ///
    /// # Errors
    ///
    /// Returns [`CertificateFilesError`] if the process has no default provider, if a file cannot be read, or if the
    /// files are not a chain that begins with the certificate of the key.
    pub fn open(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Arc<Self>, CertificateFilesError> {
        let provider = CryptoProvider::get_default().ok_or(CertificateFilesError::NoProvider)?;
        Self::open_with_provider(chain, key, provider.clone())
    }

    /// Reads a chain and its private key with this crypto provider.
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
    /// Those of [`open`](Self::open), except for the missing provider.
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

    /// Creates a TLS configuration that presents this certificate. It offers `h2` and `http/1.1`, asks for no client
    /// certificate, and uses the crypto provider that the files were opened with.
    ///
    /// Each call creates a configuration of its own. Hosts whose configurations differ do not
    /// [share connections](crate::VirtualHosts), so give them clones of one `Arc` if they may.
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

    /// Reads the files again, and returns whether they have another certificate or key than before.
    ///
    /// The next handshake presents what was read. The method reads two small files and blocks meanwhile. Call it, for
    /// example, when SIGHUP arrives. It takes what is in the files now, so call it after both are written.
    ///
    /// ```no_run
    /// use tower_misdirected::CertificateFiles;
    ///
    /// # fn on_hangup(certificate: &CertificateFiles) {
    /// match certificate.reload() {
    ///     Ok(true) => println!("renewed"),
    ///     Ok(false) => println!("nothing has changed"),
    ///     Err(error) => eprintln!("the old certificate stays: {error}"),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), except for the missing provider. The previous certificate then stays.
    pub fn reload(&self) -> Result<bool, CertificateFilesError> {
        self.0.reload()
    }

    /// Returns from when to when the current certificate is valid, both seconds included, or `None` if its times cannot
    /// be read.
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

/// Presents the current certificate to every client, whatever its server name.
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
