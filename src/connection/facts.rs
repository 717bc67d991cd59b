//! The facts about a connection, as acceptors fill them in. Users read them through `ConnectionInfo`.

use std::net::SocketAddr;

use super::canonical::canonical;
use super::tls_version::TlsVersion;
use super::unread::UnreadSlot;
use crate::certificate::CertificateNames;
use crate::host::Host;
use crate::virtual_hosts::Binding;

/// All facts about one connection. Acceptors fill in the fields directly, because each method of a builder would copy
/// the struct.
pub(crate) struct Facts {
    pub(super) security: Security,
    pub(super) server_name: Option<Host>,
    pub(crate) certificate_names: CertificateNames,
    pub(crate) alpn: Option<Box<[u8]>>,
    pub(crate) tls_version: Option<TlsVersion>,
    pub(crate) peer_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(super) client: Option<Box<Client>>,
    /// The virtual host that accepted the connection, if any.
    pub(super) binding: Option<Binding>,
    /// A refused request whose body is not read.
    pub(super) unread: UnreadSlot,
    flags: u8,
}

/// Facts about the client that only some connections have. Boxed, so that other connections stay smaller.
#[derive(Default)]
pub(super) struct Client {
    /// The certificates that the client sent, in DER, starting with its own.
    pub(super) certificates: Box<[Box<[u8]>]>,
    /// The address of the client, if a gateway reported it.
    pub(super) addr: Option<SocketAddr>,
}

/// The boolean facts about a connection. They share one octet, because every open connection keeps its facts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flag {
    /// The certificate names cover the server name, or are unknown and so may cover it.
    CoversServerName = 1,
    /// The client is known to have sent the server name in another form than the normal form.
    OddServerName = 2,
    /// Without a binding: every host has the TLS configuration of the connection.
    SingleTlsConfig = 4,
    /// The handshake resumed a session.
    Resumed = 8,
    /// Without a binding: the TLS stack may have chosen the configuration by another name than the server name.
    DoubtfulTlsConfig = 16,
    /// Virtual hosts made the selection without the local address, even if the address is known now.
    SelectedWithoutAddress = 32,
}

/// Who terminated TLS, if anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plaintext,
    /// A plaintext connection from a gateway that terminated TLS. The operator trusts the gateway.
    TrustedGateway,
    Tls,
}

impl Facts {
    pub(crate) fn new(security: Security) -> Self {
        Self {
            security,
            server_name: None,
            certificate_names: CertificateNames::unknown(),
            alpn: None,
            tls_version: None,
            peer_addr: None,
            local_addr: None,
            client: None,
            binding: None,
            unread: UnreadSlot::default(),
            flags: 0,
        }
    }

    #[inline]
    pub(super) fn is(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    pub(crate) fn set(&mut self, flag: Flag, value: bool) {
        match value {
            true => self.flags |= flag as u8,
            false => self.flags &= !(flag as u8),
        }
    }

    /// Sets the certificates of the client, starting with the client's own.
    pub(crate) fn set_client_certificates<D: AsRef<[u8]>>(
        &mut self,
        chain: impl IntoIterator<Item = D>,
    ) {
        let chain: Box<[Box<[u8]>]> = chain.into_iter().map(|der| der.as_ref().into()).collect();
        if !chain.is_empty() || self.client.is_some() {
            self.client.get_or_insert_default().certificates = chain;
        }
    }

    /// Sets the address of the client as a gateway reported it.
    pub(crate) fn set_client_addr(&mut self, addr: SocketAddr) {
        self.client.get_or_insert_default().addr = Some(canonical(addr));
    }

    /// Sets what an acceptor chose: a virtual host, or the single TLS configuration of a server without virtual hosts.
    #[cfg(feature = "rustls")]
    pub(crate) fn set_chosen(&mut self, binding: Option<Binding>) {
        self.set(Flag::SingleTlsConfig, binding.is_none());
        self.binding = binding;
    }

    /// Sets the server name. An IP address counts as none (RFC 6066 §3).
    pub(crate) fn set_server_name(&mut self, name: Option<Host>) {
        self.server_name = name.filter(|name| name.ip().is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_open_connection_keeps_152_octets() {
        assert_eq!(size_of::<Facts>(), 152);
    }
}
