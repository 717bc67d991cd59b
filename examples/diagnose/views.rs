//! The observations, seen from each host.

use tower_misdirected::Host;

use crate::observation::{Answer, Certificate, Connection, Observations};
use crate::subject::Subject;
use crate::text::list;

/// How many names of a certificate a sentence has.
const NAMES: usize = 4;

pub struct View<'a> {
    /// The host as the user gave it.
    pub given: &'a str,
    subject: Subject,
    /// Whether this is how clients write the host: see [`View::is_plain`].
    plain: bool,
    /// The connections that a client opens for the host.
    pub connections: Vec<&'a Connection>,
    /// The connections for other hosts, and those without a server name.
    others: Vec<&'a Connection>,
}

pub fn views(seen: &Observations) -> Vec<View<'_>> {
    let of = |given: &'_ String| given.parse::<Subject>().ok();
    let subjects: Vec<_> = seen.hosts.iter().filter_map(of).collect();
    let views = seen.hosts.iter().filter_map(|given| {
        let subject = of(given)?;
        let own =
            |connection: &&Connection| connection.server_name.as_deref() == subject.server_name();
        let (connections, others) = seen.connections.iter().partition(own);
        let same = subjects
            .iter()
            .filter(|other| other.server_name() == subject.server_name());
        let plainest = same
            .filter(|other| is_name(other))
            .min_by_key(|other| other.port());
        Some(View {
            given,
            plain: plainest == Some(&subject),
            subject,
            connections,
            others,
        })
    });
    views.collect()
}

/// Whether this is a name without a trailing dot.
fn is_name(subject: &Subject) -> bool {
    let (given, name) = (subject.authority(), subject.server_name());
    let port = subject
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let given = given.strip_suffix(&port).unwrap_or(given);
    name.is_some_and(|name| name.eq_ignore_ascii_case(given))
}

/// Answers to requests without the client certificate that a host asks for.
const UNAUTHORIZED: [u16; 5] = [400, 401, 403, 495, 496];

impl<'a> View<'a> {
    pub fn host(&self) -> &Host {
        self.subject.host()
    }

    /// Whether the host is a name, and not an IP address.
    pub fn is_named(&self) -> bool {
        self.subject.server_name().is_some()
    }

    pub fn has_port(&self) -> bool {
        self.subject.port().is_some()
    }

    /// Whether `Host` is the server name, or the server name and the port where no such host was given without one:
    /// clients send the port if it is not 443.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether the host is a name with a port or a trailing dot, whose plain form is served.
    pub fn is_spelled_otherwise(&self, views: &[View<'_>]) -> bool {
        let same = |other: &View<'_>| other.subject.server_name() == self.subject.server_name();
        let mut others = views.iter().filter(|other| self.is_named() && same(other));
        !self.is_plain() && others.any(|other| other.is_plain() && other.answered_on_its_own())
    }

    pub fn own_answers(&self) -> impl Iterator<Item = &'a Answer> {
        self.connections
            .iter()
            .filter_map(|connection| connection.answer(self.given))
    }

    /// The answers on connections for other hosts, or without a server name.
    pub fn crossings(&self) -> impl Iterator<Item = (&'a Connection, &'a Answer)> {
        self.others
            .iter()
            .filter_map(|connection| Some((*connection, connection.answer(self.given)?)))
    }

    pub fn answers(&self) -> impl Iterator<Item = (&'a Connection, &'a Answer)> {
        let own = self.connections.iter();
        let own = own.filter_map(|connection| Some((*connection, connection.answer(self.given)?)));
        own.chain(self.crossings())
    }

    /// Whether browsers may reuse a connection of the host's own. They need HTTP/2 or HTTP/3 for that.
    pub fn can_be_reused(&self) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|connection| connection.http != "1.1" && connection.certificate.is_some())
    }

    pub fn refused_on_its_own(&self) -> bool {
        self.own_answers().any(Answer::misdirected)
    }

    /// Returns whether a connection of the host's own helps after a 421.
    pub fn heals(&self) -> bool {
        !self.refused_on_its_own() && !self.handshake_refused()
    }

    /// Whether every answer on the host's own connections is another than 421, and there is one.
    pub fn answered_on_its_own(&self) -> bool {
        !self.refused_on_its_own() && self.answered_somehow()
    }

    /// Whether some answer on the host's own connections is another than 421.
    pub fn answered_somehow(&self) -> bool {
        let mut answers = self.own_answers();
        answers.any(|answer| answer.status.is_some() && !answer.misdirected())
    }

    /// Whether every answer on the host's own connections is 404.
    pub fn not_found(&self) -> bool {
        let mut answers = self.own_answers().peekable();
        answers.peek().is_some() && answers.all(|answer| answer.status == Some(404))
    }

    pub fn refused_by_all(&self) -> bool {
        self.answers()
            .all(|(_, answer)| answer.misdirected() || answer.status.is_none())
    }

    /// Whether a connection for another host serves the host.
    pub fn served_by_another(&self) -> bool {
        self.crossings().any(|(_, answer)| answer.served())
    }

    fn certificate(&self) -> Option<&'a Certificate> {
        self.connections
            .iter()
            .find_map(|connection| connection.certificate.as_ref())
    }

    pub fn certificate_id(&self) -> Option<u64> {
        self.certificate().map(|certificate| certificate.id)
    }

    pub fn certificate_names(&self) -> String {
        let names = self
            .certificate()
            .map_or(&[][..], |certificate| &certificate.names);
        match names {
            [] => "no host".to_owned(),
            names if names.len() <= NAMES => list(names),
            names => format!(
                "{} and {} more",
                names[..NAMES].join(", "),
                names.len() - NAMES
            ),
        }
    }

    pub fn has_certificate(&self) -> bool {
        let certificate = self.certificate();
        certificate.is_some_and(|certificate| certificate.covers(self.host()))
    }

    pub fn lacks_certificate(&self) -> bool {
        let certificate = self.certificate();
        certificate.is_some_and(|certificate| !certificate.covers(self.host()))
    }

    /// Why clients refuse the certificate, apart from its names.
    pub fn unverifiable(&self) -> Option<&'a str> {
        let certificate = self.certificate()?;
        let error = certificate.error.as_deref();
        error.filter(|_| self.is_named() && !certificate.only_name_differs)
    }

    pub fn asks_client_certificate(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.asks_client_certificate)
    }

    pub fn sent_client_certificate(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.sent_client_certificate)
    }

    /// Whether the host asks for a client certificate, and refuses requests on its own connections.
    pub fn wants_client_certificate(&self) -> bool {
        let unauthorized = |answer: &Answer| match answer.status {
            Some(status) => UNAUTHORIZED.contains(&status),
            None => true,
        };
        self.asks_client_certificate() && self.own_answers().all(unauthorized)
    }

    /// Whether the server refuses handshakes for the host, and not because of a missing client certificate.
    pub fn handshake_refused(&self) -> bool {
        let refused =
            |connection: &&Connection| connection.refused && !connection.asks_client_certificate;
        self.own_answers().next().is_none() && self.connections.iter().any(refused)
    }

    pub fn handshake_error(&self) -> &'a str {
        let refused = self
            .connections
            .iter()
            .find(|connection| connection.refused);
        refused.map_or("", |connection| &connection.handshake)
    }
}
