//! Fits a configuration to TCP or to QUIC, because one configuration may serve both. Which configuration a handshake
//! gets is decided in `chooser`.

use rustls::ServerConfig;

/// The ALPN protocol of ACME challenges (RFC 8737 §6.2). A connection that negotiates it carries nothing.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The transport of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    /// TCP, with a server that speaks both versions of HTTP.
    TcpForHttp,
    #[cfg(feature = "quinn")]
    Quic,
}

impl Transport {
    /// Fits a connection's copy of its configuration to the transport.
    pub(crate) fn fit(self, config: &mut ServerConfig) {
        if config.max_early_data_size != 0 {
            config.max_early_data_size = match self {
                // tokio-rustls cannot read early data, so a request in it would never be answered.
                Self::Tcp | Self::TcpForHttp => 0,
                // The only other value that QUIC allows. It has its own flow control (RFC 9001 §4.6.1).
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
        // An empty list would let rustls accept any protocol, so the last one stays. Most lists stay as they are.
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

    /// Returns whether the protocol with this ALPN identifier runs over the transport. HTTP/3 needs QUIC, older
    /// versions need TCP, and other protocols may run over either.
    fn carries(self, protocol: &[u8]) -> bool {
        match self {
            Self::Tcp | Self::TcpForHttp => protocol != b"h3" && !protocol.starts_with(b"h3-"),
            #[cfg(feature = "quinn")]
            Self::Quic => {
                let over_tcp = [&b"h2"[..], ACME_TLS].contains(&protocol);
                !over_tcp && !protocol.starts_with(b"http/")
            }
        }
    }
}
