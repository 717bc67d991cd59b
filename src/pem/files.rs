//! The certificate resolver, and reading its files on demand. The task that reads them at an interval lives in `watch`.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::content::{Content, Paths};
use super::error::CertificateFilesError;
use super::validity::validity;

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
pub struct CertificateFiles {
    paths: Paths,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
    /// The digest of the content that `current` was made of. Whoever reads the files holds it, so that of two readers
    /// the one that reads later decides.
    digest: Mutex<u64>,
    /// Makes digests. Keeping the content itself would keep another copy of the private key in memory.
    hasher: RandomState,
    /// The process was told that the current certificate is not valid now.
    warned: AtomicBool,
}

struct Current {
    key: Arc<CertifiedKey>,
    validity: Option<RangeInclusive<SystemTime>>,
}

/// What the files have at one look.
pub(super) enum Look {
    /// The current certificate.
    Same,
    /// Content with this digest, which the look before did not see. It may still be in the middle of being written.
    Changed(u64),
    /// Another certificate, which is now the current one.
    Renewed,
    /// Content that cannot be used, at two looks in a row.
    Unusable(CertificateFilesError),
}

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
        let hasher = RandomState::new();
        let content = paths.read()?;
        let current = Current::new(&content, &paths, &provider)?;
        let files = Self {
            digest: Mutex::new(hasher.hash_one(&content)),
            paths,
            provider,
            current: RwLock::new(current),
            hasher,
            warned: AtomicBool::new(false),
        };
        files.warn_if_invalid();
        Ok(Arc::new(files))
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
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateFilesError::UnusableProvider(error.to_string()))?
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
        let mut digest = self.digest();
        let content = self.paths.read()?;
        let found = self.hasher.hash_one(&content);
        if found == *digest {
            return Ok(false);
        }
        self.replace(&content)?;
        *digest = found;
        self.warn_if_invalid();
        Ok(true)
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
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.validity.clone()
    }

    /// Looks at the files. `last` is the digest that the look before found changed.
    pub(super) fn look(&self, last: Option<u64>) -> Look {
        let mut digest = self.digest();
        let content = self.paths.read();
        let found = match &content {
            Ok(content) => self.hasher.hash_one(content),
            Err(error) => self.hasher.hash_one(error.to_string()),
        };
        if found == *digest {
            return Look::Same;
        }
        if Some(found) != last {
            return Look::Changed(found);
        }
        match content.and_then(|content| self.replace(&content)) {
            Ok(()) => {
                *digest = found;
                Look::Renewed
            }
            Err(error) => Look::Unusable(error),
        }
    }

    fn replace(&self, content: &Content) -> Result<(), CertificateFilesError> {
        let mut next = Current::new(content, &self.paths, &self.provider)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *current, &mut next);
        drop(current);
        // A key is the provider's, and so is what its `drop` does. It runs without the lock that handshakes need.
        drop(next);
        self.warned.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Logs that the current certificate is not valid now, unless that was logged already.
    pub(super) fn warn_if_invalid(&self) {
        let validity = self.validity();
        let invalid = validity.is_some_and(|validity| !validity.contains(&SystemTime::now()));
        let warned = self.warned.swap(invalid, Ordering::Relaxed);
        if invalid && !warned {
            #[cfg(feature = "tracing")]
            tracing::warn!(
                chain = ?self.paths.chain,
                "the certificate has expired or is not valid yet, so clients reject it"
            );
        }
    }

    fn digest(&self) -> MutexGuard<'_, u64> {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(
        content: &Content,
        paths: &Paths,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateFilesError> {
        let key = content.parse(paths, provider)?;
        Ok(Self {
            validity: key.end_entity_cert().ok().and_then(validity),
            key: Arc::new(key),
        })
    }
}

/// Presents the current certificate to every client, whatever its server name.
impl ResolvesServerCert for CertificateFiles {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.key.clone())
    }
}

impl fmt::Debug for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFiles")
            .field("chain", &self.paths.chain)
            .field("key", &self.paths.key)
            .finish_non_exhaustive()
    }
}
