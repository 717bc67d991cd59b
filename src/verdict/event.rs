//! The `tracing` event of a refusal, for operators. The callback's view of a verdict lives in `report`.

use http::StatusCode;
use tracing::{Level, enabled};

use super::rejection::Rejection;
use super::report::Verdict;
use crate::connection::ConnectionInfo;
use crate::host::Sought;

/// The value of a field if the thing is known to be absent. No host and no virtual host of a builder has this name.
const NONE: &str = "(none)";

/// The number of certificate names that an event lists.
const NAMES: usize = 3;

/// Returns whether a subscriber wants the event of a rejection.
pub(crate) fn is_logged(rejection: Rejection) -> bool {
    match rejection {
        Rejection::NoConnectionInfo => enabled!(Level::ERROR),
        _ => enabled!(Level::INFO),
    }
}

impl Verdict<'_> {
    /// Emits one event for a refusal. `status` is the status of the response, if the request was refused.
    ///
    /// The client chooses the host and the server name, of at most 253 octets each, and the port. Both names have
    /// passed the grammar of a DNS name, so they cannot forge a log line. All other values are addresses, values from
    /// fixed sets, or values from the operator: names of virtual hosts, and at most three names of the certificate.
    pub(crate) fn trace(&self, rejection: Rejection, status: Option<StatusCode>) {
        let authority = self.target.ok().map(|target| target.authority);
        let connection = self.connection;
        let tls = connection.filter(|connection| connection.is_tls());
        let peer = connection.and_then(ConnectionInfo::peer_addr);
        let client = connection.and_then(ConnectionInfo::client_addr);

        let asks_certificate = matches!(
            rejection,
            Rejection::NotInCertificate | Rejection::ServerNameNotInCertificate
        );
        let names = tls.filter(|_| asks_certificate);
        let names = names.map(|tls| tls.certificate_names().first(NAMES));

        let asks_virtual_hosts = matches!(
            rejection,
            Rejection::DifferentTlsConfig | Rejection::OtherVirtualHost
        );
        let bound = tls.filter(|tls| tls.virtual_host().is_some());
        let asked = bound.filter(|_| asks_virtual_hosts);
        let of_host = asked.zip(authority).map(|(connection, authority)| {
            connection.virtual_host_of(&Sought::new(authority.host))
        });
        let of_host = of_host
            .as_ref()
            .map(|host| host.as_ref().map_or(NONE, |host| host.id()));

        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    error.r#type = rejection.as_str(),
                    http.request.method = self.method_name(),
                    http.response.status_code = status.map(|status| status.as_u16()),
                    network.protocol.version = self.protocol_version(),
                    server.address = authority.map(|authority| display(authority.host)),
                    server.port = authority.and_then(|authority| authority.port),
                    tls.client.server_name = tls.map(|tls| tls.server_name().unwrap_or(NONE)),
                    certificate.names = names.as_ref().map(display),
                    connection.virtual_host = bound.and_then(|tls| Some(tls.virtual_host()?.id())),
                    connection.outdated = asked.map(ConnectionInfo::is_outdated),
                    request.virtual_host = of_host,
                    client.address = client.map(|client| display(client.ip())),
                    client.port = client.map(|client| client.port()),
                    network.peer.address = peer.map(|peer| display(peer.ip())),
                    network.peer.port = peer.map(|peer| peer.port()),
                    retry_can_help = rejection.retry_can_help(),
                    report_only = self.report_only,
                    "{}: {rejection}",
                    if self.report_only {
                        "request would be refused"
                    } else {
                        "request refused"
                    },
                )
            };
        }
        match rejection {
            Rejection::NoConnectionInfo => event!(Level::ERROR),
            _ => event!(Level::INFO),
        }
    }
}
