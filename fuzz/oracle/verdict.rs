//! Rules B1 to B9 as a table: which rule fails for a scene, from the first to the last.

use tower_misdirected::Rejection;

use crate::certificate::{self, Covers};
use crate::grammar::{self, Host};
use crate::made::id;
use crate::pattern;
use crate::scene::{
    Config, Connection, Default, Layout, Level, Pattern, Scene, Scheme, Security, Version,
};

/// What the layer has to say: why the request is refused, or whether it came coalesced.
pub fn expected(scene: &Scene) -> Result<bool, Rejection> {
    let Scene {
        rules,
        connection,
        request,
    } = scene;
    let host = grammar::host(&request.host.0).expect("every host of a scene is one");
    let connection = connection.as_ref();
    let security = connection.map(|connection| connection.security);
    let plaintext = security == Some(Security::Plaintext);
    let tls = security == Some(Security::Tls);
    // h2 and h3 do not hand on the scheme of a request with `Host` alone.
    let unseen = request.version != Version::Http11 && request.in_target.is_none();
    let judged = rules.level > Level::Unchecked || rules.strict_scheme || rules.require_tls;
    let from = |level: Level| tls && rules.level >= level;
    let checked = from(Level::Certificate) && !rules.skip_certificate;
    let on = |fails: &dyn Fn(&Connection) -> bool| connection.is_some_and(fails);
    let server_name = connection.and_then(Connection::sni);

    let table = [
        // B1
        (
            Rejection::UnknownHost,
            match &rules.allowed_hosts {
                Some(list) => best(list.iter().copied(), &host).is_none(),
                None => false,
            },
        ),
        // B1, virtual hosts
        (
            Rejection::UnknownHost,
            from(Level::SameTlsConfig)
                && on(&|connection| {
                    connection.at_handshake().is_some() && connection.for_request(&host).is_none()
                }),
        ),
        // A7
        (
            Rejection::UnknownPort,
            match &rules.ports {
                Some(list) => ports(scene)
                    .iter()
                    .all(|port| !list.iter().any(|p| p.0 == *port)),
                None => false,
            },
        ),
        // B2
        (Rejection::NoConnectionInfo, judged && connection.is_none()),
        // B3, B4
        (
            Rejection::InsecureConnection,
            judged && plaintext && {
                rules.require_tls || unseen || request.in_target == Some(Scheme::Https)
            },
        ),
        // B3
        (
            Rejection::SchemeMismatch,
            rules.strict_scheme
                && match request.in_target {
                    Some(Scheme::Http) => tls,
                    Some(Scheme::Https) => plaintext,
                    Some(Scheme::Other) => true,
                    None => unseen,
                },
        ),
        // B5
        (
            Rejection::ServerNameNotInCertificate,
            checked
                && on(&|connection| {
                    connection.covers(&host) == Covers::No && server_name.as_ref() == Some(&host)
                }),
        ),
        (
            Rejection::NotInCertificate,
            checked
                && on(&|connection| match connection.covers(&host) {
                    Covers::Yes => false,
                    Covers::No => true,
                    Covers::NamesNoHosts | Covers::Unreadable => {
                        server_name.as_ref() != Some(&host)
                    }
                }),
        ),
        // B6, B9, D9
        (
            Rejection::DifferentTlsConfig,
            from(Level::SameTlsConfig)
                && on(
                    &|connection| match (connection.at_handshake(), connection.for_request(&host)) {
                        (Some((_, accepted)), Some((_, requested))) => accepted != requested,
                        (Some(_), None) => false,
                        // Somebody may have looked an odd spelling up as another name.
                        (None, _) => {
                            let odd = connection.server_name.as_ref().map(|sent| &sent.0)
                                != server_name.as_ref().map(Host::to_string).as_ref();
                            connection.untold && (odd || server_name.as_ref() != Some(&host))
                        }
                    },
                ),
        ),
        // B7
        (
            Rejection::OtherVirtualHost,
            from(Level::SameVirtualHost)
                && on(&|connection| {
                    let accepted = connection.at_handshake();
                    accepted.is_some() && accepted != connection.for_request(&host)
                }),
        ),
        // B8
        (
            Rejection::ServerNameMismatch,
            from(Level::Never)
                && match (&server_name, &host) {
                    (None, Host::Ip(_)) => {
                        !on(&|connection| connection.covers(&host) == Covers::Yes)
                    }
                    (server_name, host) => server_name.as_ref() != Some(host),
                },
        ),
    ];
    match table.into_iter().find(|(_, fails)| *fails) {
        Some((rejection, _)) => Err(rejection),
        None => Ok(tls && server_name.is_some_and(|name| name != host)),
    }
}

/// The ports that the authority may mean: its own, or the default of the scheme. A scheme that the layer does not see
/// is that of the connection. Where nothing tells it, either may be meant.
fn ports(scene: &Scene) -> Vec<u16> {
    let request = &scene.request;
    if let Some(port) = request.port {
        return vec![port.0];
    }
    match (
        request.in_target,
        scene.connection.as_ref().map(|c| c.security),
    ) {
        (Some(Scheme::Other), _) => vec![],
        (Some(Scheme::Http), _) | (None, Some(Security::Plaintext)) => vec![80],
        (Some(Scheme::Https), _) | (None, Some(_)) => vec![443],
        (None, None) => vec![80, 443],
    }
}

/// The pattern that matches best.
fn best(list: impl Iterator<Item = Pattern>, host: &Host) -> Option<Pattern> {
    let read = |name: &Pattern| pattern::Pattern::read(name.0).expect("every pattern is one");
    list.filter(|name| read(name).matches(host))
        .max_by_key(|name| read(name).precedence())
}

impl Layout {
    /// The id and the configuration for a host, or for a client without server name.
    fn find(&self, host: Option<&Host>) -> Option<(String, Config)> {
        let names = || {
            self.entries
                .iter()
                .flat_map(|entry| entry.names.iter().copied())
        };
        if let Some(name) = host.and_then(|host| best(names(), host)) {
            let number = self
                .entries
                .iter()
                .position(|entry| entry.names.contains(&name))?;
            return Some((id(number), self.entries[number].config));
        }
        match self.default {
            Default::None => None,
            Default::Config(config) => Some(("default".to_owned(), config)),
            Default::Entry(number) => Some((id(number), self.entries[number].config)),
        }
    }
}

impl Connection {
    /// The server name. SNI carries no address, and nothing has one without a ClientHello.
    fn sni(&self) -> Option<Host> {
        let name = grammar::host(&self.server_name.as_ref()?.0);
        name.filter(|name| matches!(name, Host::Name(_)))
    }

    fn covers(&self, host: &Host) -> Covers {
        match self.certificate {
            Some(certificate) => certificate::covers(certificate.der(), host),
            None => Covers::Unreadable,
        }
    }

    /// The virtual hosts as they are at the time of the request.
    fn now(&self) -> Option<&Layout> {
        let before = self.virtual_hosts.as_ref()?;
        Some(self.replaced_by.as_ref().unwrap_or(before))
    }

    /// The virtual host that was selected. Without one, the connection has no part in virtual hosts.
    fn at_handshake(&self) -> Option<(String, Config)> {
        self.virtual_hosts.as_ref()?.find(self.sni().as_ref())
    }

    fn for_request(&self, host: &Host) -> Option<(String, Config)> {
        self.now()?.find(Some(host))
    }
}
