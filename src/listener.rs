//! TLS for `axum::serve`: a listener whose handshakes run beside accepting.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener, TapIo};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::acceptor::{TlsAcceptor, TlsStream};
use crate::connection::ConnectionInfo;

/// How long accepting rests after an error that concerns the listener, such as running out of file
/// descriptors. Open connections and handshakes go on meanwhile, and may well give theirs back.
const REST: Duration = Duration::from_millis(200);

/// The same, where ended handshakes are about to give their descriptors back.
const SHORT_REST: Duration = Duration::from_millis(10);

/// A listener for `axum::serve` that speaks TLS.
///
/// Handshakes run in tasks of their own, so that one that is slow or fails costs the others nothing;
/// see [`TlsAcceptor`] for their time limit and their bound. Those that are still pending when the
/// server shuts down end with it. `TCP_NODELAY` is set on every connection.
///
/// Serve with `into_make_service_with_connect_info::<ConnectionInfo>()`: that is how requests get
/// their [`ConnectionInfo`].
///
/// ```no_run
/// use std::sync::Arc;
///
/// use axum::{Router, routing::get};
/// use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener};
///
/// # async fn serve(config: rustls::ServerConfig) -> std::io::Result<()> {
/// let app = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(MisdirectedLayer::new().json());
///
/// let listener = TlsListener::bind("0.0.0.0:443", Arc::new(config)).await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
/// # }
/// ```
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
    rest_until: Option<Instant>,
    /// How many handshakes had begun before the last rest that was not a short one.
    begun: u64,
}

impl TlsListener {
    /// Listens on `addr`. The TLS side is anything that makes a [`TlsAcceptor`], an
    /// `Arc<ServerConfig>` for most.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::bind`].
    pub async fn bind(addr: impl ToSocketAddrs, tls: impl Into<TlsAcceptor>) -> io::Result<Self> {
        Ok(Self::from_tcp(TcpListener::bind(addr).await?, tls))
    }

    /// Speaks TLS on a listener that is already bound.
    ///
    /// ```
    /// use tower_misdirected::{TlsAcceptor, TlsListener};
    ///
    /// fn inherited(tcp: std::net::TcpListener, tls: TlsAcceptor) -> std::io::Result<TlsListener> {
    ///     tcp.set_nonblocking(true)?;
    ///     Ok(TlsListener::from_tcp(tokio::net::TcpListener::from_std(tcp)?, tls))
    /// }
    /// ```
    pub fn from_tcp(tcp: TcpListener, tls: impl Into<TlsAcceptor>) -> Self {
        Self {
            tcp,
            acceptor: tls.into(),
            handshakes: JoinSet::new(),
            rest_until: None,
            begun: 0,
        }
    }

    /// The address listened on; tells the port where 0 was asked for.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    fn begin(&mut self, tcp: TcpStream, peer: SocketAddr) {
        // Fails only on a connection that is already gone.
        let _ = tcp.set_nodelay(true);
        let handshake = self.acceptor.accept(tcp);
        let handshake = async move { handshake.await.ok().map(|stream| (stream, peer)) };
        self.handshakes.spawn(handshake);
    }

    fn rest(&mut self, error: io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // These concern one connection, which is gone.
        let kind = error.kind();
        if !matches!(
            kind,
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            #[cfg(feature = "tracing")]
            tracing::error!(?error, "cannot accept connections, trying again");
            // Only those that have been pending for a whole rest, or clients that mean it would be cut off
            // in the middle whenever there are more of them than descriptors. That accepting has
            // succeeded in between tells nothing: clients that do not mean it can take turns.
            let rest = match self.acceptor.end_older_handshakes_of(self.begun) {
                true => SHORT_REST,
                false => {
                    self.begun = self.acceptor.handshakes_begun();
                    REST
                }
            };
            self.rest_until = Some(Instant::now() + rest);
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let rest_until = self.rest_until;
            tokio::select! {
                Some(result) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = result {
                        return connection;
                    }
                }
                () = rested(rest_until), if rest_until.is_some() => self.rest_until = None,
                result = self.tcp.accept(), if rest_until.is_none() => match result {
                    Ok((tcp, peer)) => self.begin(tcp, peer),
                    Err(error) => self.rest(error),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn rested(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for ConnectionInfo {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.io().connection_info().clone()
    }
}

impl<F> Connected<IncomingStream<'_, TapIo<TlsListener, F>>> for ConnectionInfo
where
    F: FnMut(&mut TlsStream<TcpStream>) + Send + 'static,
{
    fn connect_info(stream: IncomingStream<'_, TapIo<TlsListener, F>>) -> Self {
        stream.io().connection_info().clone()
    }
}
