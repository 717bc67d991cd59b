//! The settings of an acceptor. What they mean for a handshake lives in `accepting`, and for a stream in `draining` and
//! `lingering`.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::acceptor::TlsAcceptor;
use super::endings::Endings;
use crate::handshake::HandshakeFailure;
use crate::listening::Pending;

impl TlsAcceptor {
    /// Sets how long a handshake may take, counted from the first poll of [`accept`](Self::accept). The default
    /// is 10 seconds.
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

    /// Sets how many handshakes may be pending at once, at least one. The default is 4,096.
    ///
    /// If the bound is reached, the oldest handshake ends, so clients that open connections and send nothing
    /// cannot keep others out. Set the bound below the process's limit of file descriptors. If that limit is
    /// reached first, [`TlsListener`](crate::TlsListener) ends the older handshakes.
    #[must_use]
    pub fn max_pending_handshakes(mut self, limit: usize) -> Self {
        self.handshakes().pending = Arc::new(Pending::new(limit));
        self
    }

    /// Sets how HTTP/2 connections end that [are outdated](crate::ConnectionInfo::is_outdated): within this time after
    /// the replacement of the virtual hosts, or not at all if it is `None`. The default is one second.
    ///
    /// The stream writes one GOAWAY with the last stream 2^31-1 and NO_ERROR (RFC 9113 §6.8) between two frames of the
    /// server. Streams under way complete. The client opens another connection for its next request, and closes this
    /// one. Without that, most clients keep the connection and are refused on it until it ends.
    ///
    /// A connection that the server writes to gets the GOAWAY before the next frame. Idle connections get it at random
    /// moments within the time, so that not all clients come back at once. With
    /// [`Duration::ZERO`] they get it at once.
    ///
    /// Over HTTP/1.1 the next answer closes the connection; see
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

    /// Sets how long an HTTP/1 connection lingers after the layer has refused a request with a body: at most this time,
    /// or not at all if it is `None`. The default is 60 seconds.
    ///
    /// Many clients write a whole upload before they read the answer. If the server closed the connection meanwhile,
    /// their next write would fail and they would never see the 421. So the stream sends the answer, closes its own
    /// direction, and reads and drops what is left of the body (RFC 9112 §9.6). It stops when the body is complete,
    /// when the client closes, after 5 seconds without data, after this time, or after
    /// [`max_linger_bytes`](Self::max_linger_bytes).
    ///
    /// A connection does not linger if nothing of the request can be left: the request has no body, or all of it has
    /// arrived. A graceful shutdown of the server waits for connections that linger. Only TLS connections of this
    /// crate's acceptors linger, because the crate does not own the streams of plaintext connections.
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

    /// Sets how many octets of a refused request a connection reads at most while it [lingers](Self::linger). The
    /// default is 256 MiB.
    #[must_use]
    pub fn max_linger_bytes(mut self, bytes: u64) -> Self {
        self.endings().linger_bytes = bytes;
        self
    }

    /// Requires a PROXY protocol header, version 1 or 2, before the TLS handshake on every connection from these peers,
    /// and reads none on others. The default is none.
    ///
    /// The header sets [`ConnectionInfo::client_addr`](crate::ConnectionInfo::client_addr).
    /// [`peer_addr`](crate::ConnectionInfo::peer_addr) stays the address of the peer that sent the header. If the header
    /// names no TCP client, as in health checks of the peer, the connection is accepted, and `client_addr` is the
    /// address of the peer. The header takes part in nothing else: neither in choosing a virtual host nor in a verdict.
    ///
    /// A connection from one of these peers fails if it does not begin with a header. On a connection from another
    /// peer, the octets of a header go to TLS, so its handshake fails. The header counts as a part of the handshake for
    /// the [time limit](Self::handshake_timeout) and for the [number](Self::max_pending_handshakes) of pending
    /// handshakes. It has at most 4,096 octets. [`QuicTls`](crate::QuicTls) ignores this setting.
    ///
    /// Only [`Peers::any`](crate::Peers::any) contains a transport without an IP address, such as a Unix socket.
    ///
    /// # Security
    ///
    /// These peers can claim any client address. With [`Peers::any`](crate::Peers::any), everyone who can reach the
    /// port can. The [guide](crate::guide::servers#proxy-protocol) says which list to use.
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

    /// Accepts the handshakes that are ACME challenges (TLS-ALPN-01, RFC 8737) under this configuration. They are those
    /// whose client offers the ALPN protocol `acme-tls/1` alone, whatever the server name is.
    ///
    /// So a certificate can be ordered for every host, also for hosts that require client certificates and for IP
    /// addresses, whose challenges have a server name in `in-addr.arpa` or `ip6.arpa` (RFC 8738 §6).
    ///
    /// No request is ever served on such a connection. It ends when its handshake is complete, and so does every
    /// connection that negotiates `acme-tls/1` without this setting: [`accept`](Self::accept) returns an error of the kind
    /// [`ConnectionAborted`](std::io::ErrorKind::ConnectionAborted), which does not count as a
    /// [failure](Self::on_handshake_failure). [`QuicTls`](crate::QuicTls) ignores this setting, because challenges come
    /// over TCP. The guide shows [a server with rustls-acme](crate::guide::certificates#certificates-from-an-acme-server).
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

    /// Sets a callback that gets every handshake that failed or was refused. The last call wins.
    ///
    /// [`handshake_failures`](Self::handshake_failures) counts them by [reason](HandshakeFailure::reason). On the internet most of them are scanners and
    /// clients that go away, and none of them concerns another connection. The callback must not block.
    ///
    /// A health check of a gateway is not a failure: a connection whose PROXY protocol header names no client, or the
    /// gateway itself, and that ends before its handshake is complete.
    ///
    /// [`QuicTls`](crate::QuicTls) calls it for the handshakes that it refuses. quinn returns the other failures to the
    /// caller. quinn locks the endpoint meanwhile, so the callback must not call methods of the endpoint. If it panics,
    /// the connection is closed, and no other. Only [`accept`](Self::accept) passes the panic on to its caller.
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
