//! Opens connections: TCP and TLS, or QUIC, and HTTP on top. Each step has the time limit.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::arguments::Version;
use crate::common::Result;
use crate::deadline::Deadline;
use crate::failure::{Failure, Kind};
use crate::http1::Http1;
use crate::http2::Http2;
use crate::http3::{self, Http3};
use crate::observation::Ended;
use crate::response::Response;
use crate::tls::{Recorder, Tls};
use crate::watched::{Alert, Watched};

pub struct Transport {
    pub tls: Tls,
    /// The address that answers; the others were tried before.
    pub addr: SocketAddr,
    pub timeout: Duration,
}

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// An open connection.
pub struct Open {
    http: Http,
    /// That of QUIC is in its errors.
    alert: Alert,
}

enum Http {
    Http1(Http1),
    Http2(Http2),
    Http3(Http3),
}

impl Transport {
    /// Finds the address of the server: the first one that accepts TCP connections, if those are wanted.
    pub async fn find(
        (host, port): (&str, u16),
        timeout: Duration,
        tcp: bool,
        tls: Tls,
    ) -> Result<Self, Failure> {
        let unreachable = |problem: &dyn std::fmt::Display| {
            Failure::new(
                Kind::Unreachable,
                format!("cannot connect to {host} port {port}: {problem}"),
            )
        };
        let found = tokio::time::timeout(timeout, tokio::net::lookup_host((host, port))).await;
        let found = found.map_err(|_| unreachable(&"the name was not resolved in time"))?;
        let mut problem = "the name has no address".to_owned();
        for addr in found
            .map_err(|error| unreachable(&error))?
            .take(MAX_ADDRESSES)
        {
            if !tcp {
                return Ok(Self { tls, addr, timeout });
            }
            match tokio::time::timeout(timeout, TcpStream::connect(addr)).await {
                Ok(Ok(_)) => {
                    return Ok(Self { tls, addr, timeout });
                }
                Ok(Err(error)) => problem = error.to_string(),
                Err(_) => problem = "no answer in time".to_owned(),
            }
        }
        Err(unreachable(&problem))
    }

    /// Opens a connection. The recorder has what the handshake showed, also if it failed.
    pub async fn open(
        &self,
        version: Version,
        server_name: Option<&str>,
        unnamed: &str,
    ) -> (Arc<Recorder>, Result<Open, Failure>) {
        let handshake = self.tls.handshake(version.alpn(), server_name.is_some());
        let (config, recorder) = handshake;
        // What the certificate is compared with. rustls sends it if SNI is on.
        let name = server_name.unwrap_or(unnamed);
        let opened = match version {
            Version::Http3 => self.open_quic(config, name).await,
            Version::Http1 | Version::Http2 => self.open_tcp(version, config, name).await,
        };
        (recorder, opened)
    }

    async fn open_tcp(
        &self,
        version: Version,
        config: rustls::ClientConfig,
        name: &str,
    ) -> Result<Open, Failure> {
        let tcp = self
            .within("no connection", TcpStream::connect(self.addr))
            .await?;
        let tcp = tcp.map_err(|error| Failure::of(&error))?;
        let name = ServerName::try_from(name.to_owned()).map_err(|error| Failure::of(&error))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let io = self
            .within("the handshake was not complete", handshake)
            .await?;
        let io = io.map_err(|error| Failure::of(&error))?;
        let agreed = io.get_ref().1.alpn_protocol();
        // Without ALPN the protocol is HTTP/1.1.
        if version == Version::Http2 && agreed != Some(version.alpn()) {
            return Err(Failure::new(
                Kind::Other,
                "the server does not offer HTTP/2",
            ));
        }
        let (io, alert) = Watched::new(io);
        let opened = async {
            Ok(match version {
                Version::Http2 => Http::Http2(Http2::new(io).await?),
                _ => Http::Http1(Http1::new(io).await?),
            })
        };
        let opened = self.within("HTTP did not begin", opened).await?;
        let failed = |failure| alert.get().map_or(failure, |alert| Failure::alert(*alert));
        let http = opened.map_err(failed)?;
        Ok(Open { http, alert })
    }

    async fn open_quic(&self, config: rustls::ClientConfig, name: &str) -> Result<Open, Failure> {
        let handshake = http3::handshake(self.addr, config, name);
        let (endpoint, quic) = self
            .within("the handshake was not complete", handshake)
            .await??;
        let opened = self
            .within("HTTP did not begin", Http3::new(endpoint, quic))
            .await?;
        let http = Http::Http3(opened?);
        Ok(Open {
            http,
            alert: Alert::default(),
        })
    }

    /// Asks for a host. An alert explains a failure better than what HTTP makes of it.
    pub async fn ask(
        &self,
        open: &mut Open,
        authority: &str,
        path: &PathAndQuery,
    ) -> Result<Response, Failure> {
        let deadline = Deadline::after(self.timeout);
        let asked = match &mut open.http {
            Http::Http1(http1) => http1.ask(authority, path, deadline).await,
            Http::Http2(http2) => http2.ask(authority, path, deadline).await,
            Http::Http3(http3) => http3.ask(authority, path, deadline).await,
        };
        asked.map_err(|failure| {
            open.alert
                .get()
                .map_or(failure, |alert| Failure::alert(*alert))
        })
    }

    async fn within<T>(&self, problem: &str, step: impl Future<Output = T>) -> Result<T, Failure> {
        let done = tokio::time::timeout(self.timeout, step).await;
        done.map_err(|_| Failure::timed_out(problem, self.timeout))
    }
}

impl Open {
    /// How the server has ended the connection, or ends it within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Option<Ended> {
        match &mut self.http {
            Http::Http1(http1) => http1.ended(patience).await,
            Http::Http2(http2) => http2.ended(patience).await,
            Http::Http3(http3) => http3.ended(patience).await,
        }
    }
}
