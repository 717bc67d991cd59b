//! Fits a configuration to TCP or to QUIC, because one configuration may serve both. Which configuration a handshake
//! gets is decided in `chooser`.

use rustls::ServerConfig;

/// The transport of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    #[cfg(feature = "quinn")]
    Quic,
}

impl Transport {
    /// Fits a connection's copy of its configuration to the transport.
    pub(crate) fn fit(self, config: &mut ServerConfig) {
        if config.max_early_data_size != 0 {
            config.max_early_data_size = match self {
                // tokio-rustls cannot read early data, so a request in it would never be answered.
                Self::Tcp => 0,
                // The only other value that QUIC allows. It has its own flow control (RFC 9001 §4.6.1).
                #[cfg(feature = "quinn")]
                Self::Quic => u32::MAX,
            };
        }
        let protocols = &mut config.alpn_protocols;
        // An empty list would let rustls accept any protocol, so the last one stays.
        if protocols.iter().any(|protocol| self.carries(protocol)) {
            protocols.retain(|protocol| self.carries(protocol));
        }
    }

    /// Returns whether the protocol with this ALPN identifier runs over the transport. HTTP/3 needs QUIC, older
    /// versions need TCP, and other protocols may run over either.
    fn carries(self, protocol: &[u8]) -> bool {
        match self {
            Self::Tcp => protocol != b"h3" && !protocol.starts_with(b"h3-"),
            #[cfg(feature = "quinn")]
            Self::Quic => protocol != b"h2" && !protocol.starts_with(b"http/"),
        }
    }
}
