//! The settings of an acceptor. `accepting`, `draining` and `lingering` act on them.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::acceptor::TlsAcceptor;
use super::endings::Endings;
use crate::handshake::HandshakeFailure;
use crate::listening::Pending;

impl TlsAcceptor {
    /// Sets the time limit of a handshake, counted from the first poll of [`accept`](Self::accept). The default is
    /// 10 seconds.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// fn acceptor(config: Arc<rustls::ServerConfig>) -> TlsAcceptor {
    ///     TlsAcceptor::new(config)
    ///         .handshake_timeout(Duration::from_secs(5))
    ///         .max_pending_handshakes(1024)
    /// }
    /// ```
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshakes().timeout = timeout;
        self
    }

    /// Sets how many handshakes may be pending at the same time. The default is 4,096, and 0 counts as 1.
    ///
    /// If the bound is reached, the oldest handshake ends. So clients that open connections and send nothing cannot
    /// block other clients. Set the bound below the process's limit of file descriptors. If the process reaches that
    /// limit first, [`TlsListener`](crate::TlsListener) ends the older handshakes.
    #[must_use]
    pub fn max_pending_handshakes(mut self, limit: usize) -> Self {
        self.handshakes().pending = Arc::new(Pending::new(limit));
        self
    }

    /// Sets the time within which [outdated](crate::ConnectionInfo::is_outdated) HTTP/2 connections get a GOAWAY,
    /// counted from the replacement of the virtual hosts. `None` turns the GOAWAY off. The default is one second.
    ///
    /// The stream writes one GOAWAY with the last stream 2^31-1 and NO_ERROR (RFC 9113 §6.8) between two frames of the
    /// server. Open streams complete. The client opens another connection for its next request, and closes the outdated
    /// connection. Without the GOAWAY, most clients keep using the connection and get 421 until it ends.
    ///
    /// A busy connection gets the GOAWAY before the server's next frame. An idle connection gets it at a random moment
    /// within the time, so that not all clients reconnect at once. With [`Duration::ZERO`], idle connections get the
    /// GOAWAY immediately.
    ///
    /// Over HTTP/1.1, the next refusal closes the connection; see
    /// [`close_http1`](crate::MisdirectedLayer::close_http1). For HTTP/3 and other protocols, wait for
    /// [`ConnectionInfo::outdated`](crate::ConnectionInfo::outdated).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_misdirected::{TlsAcceptor, VirtualHosts};
    ///
    /// fn acceptor(hosts: VirtualHosts) -> TlsAcceptor {
    ///     // A hundred thousand clients come back over half a minute.
    ///     TlsAcceptor::from(hosts).drain(Duration::from_secs(30))
    /// }
    /// fn without_draining(hosts: VirtualHosts) -> TlsAcceptor {
    ///     TlsAcceptor::from(hosts).drain(None)
    /// }
    /// ```
    #[must_use]
    pub fn drain(mut self, spread: impl Into<Option<Duration>>) -> Self {
        self.endings().drain = spread.into();
        self
    }

    /// Sets the longest time that an HTTP/1 connection lingers after the layer has refused a request with a body.
    /// `None` turns lingering off. The default is 60 seconds.
    ///
    /// Many clients write a whole upload before they read the answer. If the server closed the connection in the
    /// meantime, the next write would fail and the client would never see the 421. So the stream sends the answer,
    /// half-closes the connection, and reads and drops the rest of the body (RFC 9112 §9.6). The stream stops when the
    /// body is complete, when the client closes the connection, after 5 seconds without data, after the set time, or
    /// after [`max_linger_bytes`](Self::max_linger_bytes).
    ///
    /// If the request has no body, or all of it has arrived, the connection does not linger. A graceful shutdown of the
    /// server waits for lingering connections. Only a [`TlsStream`](crate::TlsStream) lingers; plaintext connections do
    /// not.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// fn acceptor(config: Arc<rustls::ServerConfig>) -> TlsAcceptor {
    ///     TlsAcceptor::new(config)
    ///         .linger(Duration::from_secs(10))
    ///         .max_linger_bytes(64 << 20)
    /// }
    /// ```
    #[must_use]
    pub fn linger(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.endings().linger = time.into();
        self
    }

    /// Sets the number of octets that a connection reads at most while it [lingers](Self::linger). The default is
    /// 256 MiB.
    #[must_use]
    pub fn max_linger_bytes(mut self, bytes: u64) -> Self {
        self.endings().linger_bytes = bytes;
        self
    }

    /// Requires a PROXY protocol header, version 1 or 2, before the TLS handshake on every connection from these peers.
    /// On connections from other peers, the acceptor reads no header. By default, the acceptor reads no headers.
    ///
    /// The header sets [`ConnectionInfo::client_addr`](crate::ConnectionInfo::client_addr).
    /// [`peer_addr`](crate::ConnectionInfo::peer_addr) stays the address of the peer that sent the header. If the
    /// header names no TCP client, as in health checks, the connection is accepted, and `client_addr` is the address of
    /// the peer. The header affects neither the selection of a virtual host nor any verdict.
    ///
    /// A connection from one of these peers fails if it does not begin with a header of at most 4,096 octets. If
    /// another peer sends a header, the TLS handshake fails. Reading the header counts as part of the handshake for the
    /// [time limit](Self::handshake_timeout) and for the [bound](Self::max_pending_handshakes) on pending handshakes.
    /// [`QuicTls`](crate::QuicTls) ignores this setting.
    ///
    /// A peer without an IP address, such as on a Unix socket, is only in [`Peers::any`](crate::Peers::any).
    ///
    /// # Security
    ///
    /// These peers can claim any client address. With [`Peers::any`](crate::Peers::any), so can everyone who can reach
    /// the port. The [guide](crate::guide::servers#proxy-protocol) explains which list to use.
    ///
    /// ```
    /// use tower_misdirected::{Peers, PeersError, TlsAcceptor, VirtualHosts};
    ///
    /// fn acceptor(hosts: VirtualHosts) -> Result<TlsAcceptor, PeersError> {
    ///     let load_balancers = Peers::new(["10.0.0.0/24"])?;
    ///     Ok(TlsAcceptor::from(hosts).proxy_protocol(load_balancers))
    /// }
    /// ```
    #[cfg(feature = "proxy-protocol")]
    #[must_use]
    pub fn proxy_protocol(mut self, peers: crate::Peers) -> Self {
        self.handshakes().proxy_protocol = Some(peers);
        self
    }

    /// Sets the configuration for ACME challenges (TLS-ALPN-01, RFC 8737). A handshake is a challenge if the client
    /// offers only the ALPN protocol `acme-tls/1`, whatever the server name is. By default, challenges are handled like
    /// other handshakes.
    ///
    /// With this setting, you can order a certificate for every host, including hosts that require client certificates.
    /// It also works for IP addresses, whose challenges have a server name in `in-addr.arpa` or `ip6.arpa`
    /// (RFC 8738 §6).
    ///
    /// A connection that negotiates `acme-tls/1` never serves a request, with or without this setting. When its
    /// handshake is complete, [`accept`](Self::accept) returns an error of the kind
    /// [`ConnectionAborted`](std::io::ErrorKind::ConnectionAborted), which does not count as a
    /// [failure](Self::on_handshake_failure). [`QuicTls`](crate::QuicTls) ignores this setting, because challenges use
    /// TCP. The guide shows [a server with rustls-acme](crate::guide::certificates#certificates-from-an-acme-server).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{TlsAcceptor, VirtualHosts};
    ///
    /// // `challenges` has a certificate resolver for challenges, and the ALPN protocol `acme-tls/1`.
    /// fn acceptor(hosts: VirtualHosts, challenges: Arc<rustls::ServerConfig>) -> TlsAcceptor {
    ///     TlsAcceptor::from(hosts).acme_challenges(challenges)
    /// }
    /// ```
    #[must_use]
    pub fn acme_challenges(mut self, config: Arc<ServerConfig>) -> Self {
        self.handshakes().chooser.challenges(config);
        self
    }

    /// Sets a callback that is called for every handshake that failed or was refused. The last call wins. The default
    /// is no callback.
    ///
    /// The callback must not block. On the internet, most failures come from scanners and from clients that disconnect.
    /// [`handshake_failures`](Self::handshake_failures) counts failures by [reason](HandshakeFailure::reason).
    ///
    /// A health check of a gateway is not a failure. A connection is a health check if its PROXY protocol header names
    /// no client or the gateway itself, and the connection ends before the handshake is complete.
    ///
    /// [`QuicTls`](crate::QuicTls) calls the callback only for handshakes that it refuses, because quinn returns other
    /// failures to its caller. quinn holds a lock on the endpoint during the call, so the callback must not call
    /// methods of the endpoint.
    ///
    /// If the callback panics, only this connection is closed. [`accept`](Self::accept) propagates the panic to its
    /// caller.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, Mutex};
    /// use tower_misdirected::{TlsAcceptor, VirtualHosts};
    ///
    /// fn acceptor(hosts: VirtualHosts, failures: Arc<Mutex<HashMap<&'static str, u64>>>) -> TlsAcceptor {
    ///     TlsAcceptor::from(hosts).on_handshake_failure(move |failure| {
    ///         let mut failures = failures.lock().unwrap();
    ///         *failures.entry(failure.reason().as_str()).or_default() += 1;
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_handshake_failure(
        mut self,
        callback: impl Fn(&HandshakeFailure<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.handshakes().chooser.on_failure(callback);
        self
    }

    fn endings(&mut self) -> &mut Endings {
        Arc::make_mut(&mut self.handshakes().endings)
    }
}
