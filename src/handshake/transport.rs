//! Adapts a configuration to TCP or to QUIC, because one configuration may serve both. `chooser` chooses the
//! configuration.

use rustls::ServerConfig;

/// The ALPN protocol of ACME challenges (RFC 8737 §6.2). A connection that negotiates it carries no data.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The transport of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    /// TCP, with a server that supports both HTTP/1.1 and HTTP/2.
    TcpForHttp,
    #[cfg(feature = "quinn")]
    Quic,
}

impl Transport {
    /// Adapts a connection's copy of the configuration to the transport.
    pub(crate) fn fit(self, config: &mut ServerConfig) {
        if config.max_early_data_size != 0 {
            config.max_early_data_size = match self {
                // tokio-rustls cannot read early data, so a request in it would never be answered.
                Self::Tcp | Self::TcpForHttp => 0,
                // The only value other than 0 that QUIC allows, because QUIC has its own flow control
                // (RFC 9001 §4.6.1).
                #[cfg(feature = "quinn")]
                Self::Quic => u32::MAX,
            };
        }
        let protocols = &mut config.alpn_protocols;
        if self == Self::TcpForHttp && protocols.is_empty() {
            // Without ALPN, clients use HTTP/1.1 (RFC 9113 §3.2).
            *protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            return;
        }
        // With an empty list, rustls would accept any protocol, so the last protocol is never removed. Most lists stay
        // unchanged.
        let carried = protocols.iter().filter(|protocol| self.carries(protocol));
        if (1..protocols.len()).contains(&carried.count()) {
            protocols.retain(|protocol| self.carries(protocol));
        }
    }

    pub(super) fn is_tcp(self) -> bool {
        match self {
            Self::Tcp | Self::TcpForHttp => true,
            #[cfg(feature = "quinn")]
            Self::Quic => false,
        }
    }

    /// Returns whether the configuration names an ALPN protocol for this transport.
    #[cfg(feature = "quinn")]
    pub(crate) fn has_protocol(self, config: &ServerConfig) -> bool {
        let mut protocols = config.alpn_protocols.iter();
        protocols.any(|protocol| self.carries(protocol))
    }

    /// Returns whether the protocol with this ALPN identifier works over the transport. HTTP/3 needs QUIC, older
    /// versions need TCP, and other protocols may work over both.
    fn carries(self, protocol: &[u8]) -> bool {
        match self {
            Self::Tcp | Self::TcpForHttp => protocol != b"h3" && !protocol.starts_with(b"h3-"),
            #[cfg(feature = "quinn")]
            Self::Quic => {
                let over_tcp = [&b"h2"[..], b"h2c", ACME_TLS].contains(&protocol);
                !over_tcp && !protocol.starts_with(b"http/")
            }
        }
    }
}
