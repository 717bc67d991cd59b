//! The facts about a connection, as acceptors fill them in. Users read them through `ConnectionInfo`.

use std::net::SocketAddr;

use super::tls_version::TlsVersion;
use super::unread::UnreadSlot;
use crate::certificate::CertificateNames;
use crate::host::Host;
use crate::virtual_hosts::Binding;

/// All facts about one connection. Acceptors fill in the fields, because each method of a builder would copy
/// the whole.
pub(crate) struct Facts {
    pub(super) security: Security,
    pub(super) server_name: Option<Host>,
    /// The client did not send the server name in normal form, as far as that is known.
    pub(super) odd_server_name: bool,
    pub(crate) certificate_names: CertificateNames,
    /// The names cover the server name, or are unknown and so may cover it.
    pub(super) covers_server_name: bool,
    pub(crate) alpn: Option<Box<[u8]>>,
    pub(crate) tls_version: Option<TlsVersion>,
    pub(crate) peer_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) client_certificates: Box<[Box<[u8]>]>,
    /// The handshake resumed a session.
    pub(crate) resumed: bool,
    /// The virtual host that accepted the connection, if virtual hosts did.
    pub(super) binding: Option<Binding>,
    /// A refused request whose body nobody reads.
    pub(super) unread: UnreadSlot,
    /// Without a binding: the TLS configuration of the connection is that of every host.
    pub(super) single_tls_config: bool,
}

/// Who terminated TLS, if anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plaintext,
    /// A plaintext hop from a gateway that terminated TLS. The operator vouches for the gateway.
    TrustedGateway,
    Tls,
}

impl Facts {
    pub(crate) fn new(security: Security) -> Self {
        Self {
            security,
            server_name: None,
            odd_server_name: false,
            certificate_names: CertificateNames::unknown(),
            covers_server_name: false,
            alpn: None,
            tls_version: None,
            peer_addr: None,
            local_addr: None,
            client_certificates: Box::default(),
            resumed: false,
            binding: None,
            unread: UnreadSlot::default(),
            single_tls_config: false,
        }
    }

    /// Says what an acceptor chose: a virtual host, or the single TLS configuration of a server without any.
    #[cfg(feature = "rustls")]
    pub(crate) fn set_chosen(&mut self, binding: Option<Binding>) {
        self.single_tls_config = binding.is_none();
        self.binding = binding;
    }

    /// Sets the server name. An IP address counts as none (RFC 6066 §3).
    pub(crate) fn set_server_name(&mut self, name: Option<Host>) {
        self.server_name = name.filter(|name| name.ip().is_none());
    }
}
