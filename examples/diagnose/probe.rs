//! Requests every host on every connection, one request at a time, and records the answers. `findings` interprets them.

use std::time::Duration;

use hyper::http::uri::PathAndQuery;

use crate::arguments::{Options, Version};
use crate::failure::{Failure, Kind};
use crate::observation::{Answer, Connection, Ended, MISDIRECTED};
use crate::response::Response;
use crate::subject::Subject;
use crate::transport::{Open, Transport};

/// How long the end of a connection is awaited, when nothing more is to be asked on it.
const PATIENCE: Duration = Duration::from_millis(100);

/// After so many timeouts without an answer between them, nothing more is asked.
const MAX_TIMEOUTS: usize = 3;

/// Who asks, and what is left to ask.
pub struct Probe<'a> {
    transport: &'a Transport,
    hosts: &'a [Subject],
    path: &'a PathAndQuery,
    /// How many requests were sent.
    pub requests: usize,
    timeouts: usize,
    /// Whether the server advertises HTTP/3 where it is asked for.
    http3: bool,
}

/// How many connections and requests a probe makes at most.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    pub versions: Vec<Version>,
    pub connections: usize,
    pub requests: usize,
}

impl Plan {
    pub fn new(options: &Options) -> Self {
        let versions = match options.http {
            Some(version) => vec![version],
            None => vec![Version::Http1, Version::Http2, Version::Http3],
        };
        let hosts = options.hosts.len();
        let names = server_names(&options.hosts).len();
        // Where the server ends the connection, the next request is repeated once on another.
        let requests = versions.len() * names * (2 * hosts - 1);
        // One more finds the address that answers.
        let connections = versions.len() * names * hosts + 1;
        Self {
            connections,
            requests,
            versions,
        }
    }
}

/// `None`, and the server name of every host.
fn server_names(hosts: &[Subject]) -> Vec<Option<&str>> {
    let mut names = Vec::new();
    for host in hosts {
        if host.server_name().is_some() && !names.contains(&host.server_name()) {
            names.push(host.server_name());
        }
    }
    names.push(None);
    names
}

impl<'a> Probe<'a> {
    pub fn new(transport: &'a Transport, options: &'a Options) -> Self {
        let (hosts, path) = (&*options.hosts, &options.path);
        Self {
            transport,
            hosts,
            path,
            requests: 0,
            timeouts: 0,
            http3: false,
        }
    }

    pub async fn run(&mut self, plan: &Plan) -> Vec<Connection> {
        let mut connections = Vec::new();
        for &version in &plan.versions {
            // Like browsers, which use HTTP/3 where the server advertises it.
            let unasked = plan.versions.len() > 1;
            if version == Version::Http3 && unasked && !self.http3 {
                continue;
            }
            for name in server_names(self.hosts) {
                if self.timeouts < MAX_TIMEOUTS {
                    connections.push(self.visit(version, name).await);
                }
            }
        }
        connections
    }

    /// Everything on connections with one server name.
    async fn visit(&mut self, version: Version, name: Option<&'a str>) -> Connection {
        let mut visit = Visit {
            version,
            name,
            open: None,
            seen: Connection {
                server_name: name.map(str::to_owned),
                http: version.as_str(),
                ..Connection::default()
            },
        };
        let hosts = self.hosts;
        let own = |host: &&Subject| host.server_name() == name;
        let others = hosts.iter().filter(|host| !own(host));
        for host in hosts.iter().filter(own).chain(others) {
            if self.timeouts == MAX_TIMEOUTS {
                break;
            }
            // What a connection has carried before has no part in the answer on a connection of the host's own.
            if own(&host) {
                visit.open = None;
            }
            if let Err(failure) = self.ask(&mut visit, host, own(&host)).await {
                if visit.seen.handshake.is_empty() {
                    visit.seen.refused = failure.kind == Kind::Alert;
                    visit.seen.handshake = failure.text;
                    break;
                }
                let error = Some(failure.text);
                let covered = visit.covers(host);
                let (host, own) = (host.to_string(), own(&host));
                visit.seen.answers.push(Answer {
                    host,
                    own,
                    error,
                    covered,
                    ..Answer::default()
                });
                visit.open = None;
            }
        }
        if let (Some(open), Some(last)) = (&mut visit.open, visit.seen.answers.last_mut())
            && last.misdirected()
            && last.ended.is_none()
        {
            last.ended = open.ended(PATIENCE).await;
        }
        let place = |answer: &Answer| {
            hosts
                .iter()
                .position(|host| host.authority() == answer.host)
        };
        visit.seen.answers.sort_by_key(place);
        visit.seen
    }

    /// Asks for a host, on the open connection or on a new one, and records the answer.
    async fn ask(
        &mut self,
        visit: &mut Visit<'_>,
        host: &Subject,
        own: bool,
    ) -> Result<(), Failure> {
        if let Some(mut open) = visit.open.take() {
            let mut ended = open.ended(Duration::ZERO).await;
            if ended.is_none() {
                match self.exchange(&mut open, host).await {
                    Ok(response) => {
                        self.record(visit, open, host, own, &response);
                        return Ok(());
                    }
                    // The server has ended the connection in the meantime, so the request says nothing.
                    Err(failure) if failure.kind == Kind::Goaway => ended = Some(Ended::Goaway),
                    Err(failure) if failure.kind == Kind::Ended => ended = Some(Ended::Eof),
                    Err(failure) => return Err(failure),
                }
            }
            if let Some(last) = visit.seen.answers.last_mut() {
                last.ended = last.ended.or(ended);
            }
        }
        let mut open = self.open(visit).await?;
        let response = match self.exchange(&mut open, host).await {
            // In TLS 1.3 the server judges a client certificate after the client's handshake.
            Err(failure) if failure.kind == Kind::Alert && visit.seen.answers.is_empty() => {
                visit.seen.handshake.clear();
                return Err(failure);
            }
            answered => answered?,
        };
        self.record(visit, open, host, own, &response);
        Ok(())
    }

    async fn open(&mut self, visit: &mut Visit<'_>) -> Result<Open, Failure> {
        let by_address = self.hosts.iter().find_map(|host| host.host().ip());
        let unnamed = match (by_address, self.hosts[0].server_name()) {
            (Some(ip), _) => ip.to_string(),
            (None, name) => name.unwrap_or_default().to_owned(),
        };
        let opened = self
            .transport
            .open(visit.version, visit.name, &unnamed)
            .await;
        let (recorder, opened) = opened;
        let named = visit.name.is_some() || by_address.is_some();
        visit.seen.certificate = recorder
            .certificate(named)
            .or(visit.seen.certificate.take());
        visit.seen.asks_client_certificate |= recorder.asked();
        visit.seen.sent_client_certificate |= recorder.sent();
        let open = opened.inspect_err(|failure| self.count_timeout(failure))?;
        // Known only after the first answer, but an error then belongs to the request.
        visit.seen.handshake = "ok".to_owned();
        Ok(open)
    }

    async fn exchange(&mut self, open: &mut Open, host: &Subject) -> Result<Response, Failure> {
        self.requests += 1;
        let answered = self.transport.ask(open, host.authority(), self.path).await;
        match &answered {
            Ok(_) => self.timeouts = 0,
            Err(failure) => self.count_timeout(failure),
        }
        answered
    }

    fn count_timeout(&mut self, failure: &Failure) {
        self.timeouts += usize::from(failure.kind == Kind::TimedOut);
    }

    fn record(
        &mut self,
        visit: &mut Visit<'_>,
        open: Open,
        host: &Subject,
        own: bool,
        response: &Response,
    ) {
        let misdirected = response.status == MISDIRECTED;
        visit.seen.answers.push(Answer {
            host: host.to_string(),
            status: Some(response.status),
            error: None,
            covered: visit.covers(host),
            cacheable: misdirected && !response.never_reused(),
            fresh: misdirected && response.fresh(),
            ended: response.ended,
            own,
            software: response.software(),
        });
        visit.open = response.reusable.then_some(open);
        // What a proxy passes on from the server behind leads to another port, and past the proxy.
        let ports = [self.transport.addr.port(), host.port().unwrap_or(443)];
        self.http3 |= response
            .http3_port()
            .is_some_and(|port| ports.contains(&port));
    }
}

/// The connections with one server name, one after the other.
struct Visit<'a> {
    version: Version,
    name: Option<&'a str>,
    open: Option<Open>,
    seen: Connection,
}

impl Visit<'_> {
    fn covers(&self, host: &Subject) -> bool {
        let certificate = self.seen.certificate.as_ref();
        certificate.is_some_and(|certificate| certificate.covers(host.host()))
    }
}
