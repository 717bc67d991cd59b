//! What of a configuration suits TCP and what suits QUIC, since one configuration may serve both.

use rustls::ServerConfig;

/// What a connection's handshake runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    #[cfg(feature = "quinn")]
    Quic,
}

impl Transport {
    /// Fits a connection's copy of its configuration.
    pub(crate) fn fit(self, config: &mut ServerConfig) {
        if config.max_early_data_size != 0 {
            config.max_early_data_size = match self {
                // tokio-rustls does not hand it out: a request in it would never be answered.
                Self::Tcp => 0,
                // The only other value that there is; QUIC has its own flow control (RFC 9001 §4.6.1).
                #[cfg(feature = "quinn")]
                Self::Quic => u32::MAX,
            };
        }
        let protocols = &mut config.alpn_protocols;
        // With none at all left, rustls would agree to whatever the client speaks.
        if protocols.iter().any(|protocol| self.carries(protocol)) {
            protocols.retain(|protocol| self.carries(protocol));
        }
    }

    /// Whether a protocol, by its ALPN identifier, runs over this transport: HTTP/3 over QUIC alone, what
    /// was before it over TCP alone, and of others who knows.
    fn carries(self, protocol: &[u8]) -> bool {
        match self {
            Self::Tcp => protocol != b"h3" && !protocol.starts_with(b"h3-"),
            #[cfg(feature = "quinn")]
            Self::Quic => protocol != b"h2" && !protocol.starts_with(b"http/"),
        }
    }
}
