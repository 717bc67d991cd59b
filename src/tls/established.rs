//! The facts about a connection whose handshake is complete. The handshake itself lives in `accepting`.

use rustls::{HandshakeKind, ProtocolVersion};

use crate::connection::{ConnectionInfo, Facts, Flag, Security, TlsVersion};
use crate::handshake::{Chooser, Chosen};
use crate::listening::{Given, local_addr, peer_addr};

/// Collects the facts about a connection after its handshake.
pub(super) fn info<IO: 'static>(
    chooser: &Chooser,
    chosen: Option<Chosen>,
    stream: &tokio_rustls::server::TlsStream<IO>,
    given: &Given,
) -> ConnectionInfo {
    let (io, connection) = stream.get_ref();
    let mut facts = Facts::new(Security::Tls);
    let mut server_name = None;
    if let Some(chosen) = chosen {
        if let Some(names) = chooser.names_presented(&chosen.recorder) {
            facts.certificate_names = names;
        }
        facts.set_chosen(chosen.binding);
        server_name = chosen.server_name;
    }
    let unread = || connection.server_name()?.parse().ok();
    facts.set_server_name(server_name.or_else(unread));
    facts.alpn = connection.alpn_protocol().map(Into::into);
    facts.tls_version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some(TlsVersion::V1_2),
        Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::V1_3),
        _ => None,
    };
    if let Some(chain) = connection.peer_certificates() {
        facts.set_client_certificates(chain);
    }
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    facts.set(Flag::Resumed, resumed);
    facts.peer_addr = peer_addr(given, io);
    facts.local_addr = local_addr(given, io);
    if let Some(client_addr) = given.as_ref().and_then(|given| given.client) {
        facts.set_client_addr(client_addr);
    }
    ConnectionInfo::new(facts)
}
