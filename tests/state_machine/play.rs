//! Plays a sequence to the server and to the model at once, and compares them after every step.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tower_misdirected::Coalescing::{
    self, Certificate, Never, SameTlsConfig, SameVirtualHost, Unchecked,
};
use tower_misdirected::{EffectiveAuthority, Rejection};

use crate::client::Kept;
use crate::http3::Open;
use crate::model::{Model, Session};
use crate::request::{Authority, Request};
use crate::rules;
use crate::sequence::{Again, Client, Hello, Map, On, Over, Sequence, Server, Step};
use crate::tally::Tally;
use crate::world::{Answer, World};

pub const LEVELS: [Coalescing; 5] = [
    Unchecked,
    Certificate,
    SameTlsConfig,
    SameVirtualHost,
    Never,
];

pub struct Play<'a> {
    world: World,
    model: Model,
    /// What clients have got.
    sessions: Vec<Opened>,
    tally: &'a mut Tally,
    beginning: Server,
}

/// What a client keeps of a connection that it has opened.
struct Opened {
    hello: Hello,
    kept: Kept,
    session: Session,
}

impl<'a> Play<'a> {
    pub fn new(sequence: &Sequence, tally: &'a mut Tally) -> Self {
        Self {
            world: World::new(sequence),
            model: Model::new(sequence),
            sessions: Vec::new(),
            tally,
            beginning: sequence.server.clone(),
        }
    }

    pub async fn play(mut self, steps: &[Step]) -> TestCaseResult {
        for step in steps {
            self.tally.count("steps");
            match step {
                Step::Swap(map) => self.swap(step, map)?,
                Step::SwapBack => {
                    if let Server::Hosts(map) = self.beginning.clone() {
                        self.swap(step, &map)?;
                    }
                }
                Step::Connect(hello) => self.connect(step, *hello, None).await?,
                Step::Resume { session, how } => {
                    let Some(opened) = self.opened(*session) else {
                        continue;
                    };
                    let hello = match *how {
                        Again::AsBefore { client, over } => Hello {
                            client,
                            over: over.unwrap_or(opened.hello.over),
                            ..opened.hello
                        },
                        Again::Differently(hello) => hello,
                    };
                    self.connect(step, hello, Some(opened)).await?;
                }
                Step::Renew {
                    config,
                    certificate,
                } => {
                    self.model.renew(*config, *certificate);
                    self.world.renew(*config, *certificate);
                }
                Step::Reload => {
                    if let Some(map) = self.model.reload() {
                        self.world.rebuild();
                        self.swap(step, &map)?;
                    }
                }
                Step::Ask { on, request } => self.ask(step, *on, request).await?,
            }
            self.compare_outdated(step).await?;
        }
        Ok(())
    }

    /// W2, W4: every connection, after every step.
    async fn compare_outdated(&mut self, step: &Step) -> TestCaseResult {
        for connection in 0..self.world.connections.len() {
            let expected = self.model.is_outdated(connection);
            let (outdated, told) = self.world.is_outdated(connection);
            prop_assert_eq!((outdated, told), (expected, expected), "{:?}", step);
            self.tally.count(match expected {
                true => "a connection that is outdated",
                false => "a connection that is not outdated",
            });
            // Over HTTP/3 the loop of the server is told, and W3: nothing else ends a connection.
            if expected && self.world.ends(connection).await {
                self.tally
                    .count("an outdated connection that ended over HTTP/3");
            }
            let open = self.world.open(connection);
            prop_assert!(!open.is_some_and(Open::has_ended), "{:?}", step);
        }
        Ok(())
    }

    fn swap(&mut self, step: &Step, map: &Map) -> TestCaseResult {
        let taken = self.model.swap(map);
        self.tally.count(match taken {
            true => "swap taken",
            false => "swap refused",
        });
        prop_assert_eq!(self.world.swap(map), taken, "{:?}", step);
        Ok(())
    }

    /// One of the connections that have been opened.
    fn opened(&mut self, index: usize) -> Option<Opened> {
        let index = index.checked_rem(self.sessions.len())?;
        match &self.sessions[index] {
            Opened {
                hello,
                kept: Kept::Tls12(kept),
                session,
            } => Some(Opened {
                hello: *hello,
                kept: Kept::Tls12(kept.clone()),
                session: session.clone(),
            }),
            _ => Some(self.sessions.remove(index)),
        }
    }

    async fn connect(
        &mut self,
        step: &Step,
        hello: Hello,
        offered: Option<Opened>,
    ) -> TestCaseResult {
        let (session, kept) = offered
            .map(|offered| (offered.session, offered.kept))
            .unzip();
        let (expected, fresh) = self.model.connect(hello, session.as_ref());
        if let Some(why) = fresh {
            self.tally.count(format!("session not resumed: {why:?}"));
        }
        let found = self.world.connect(hello, kept).await;
        let (found, kept) = match found {
            Ok((found, kept)) => (Ok(found), Some(kept)),
            Err(refused) => (Err(refused), None),
        };
        prop_assert_eq!(&found, &expected, "{:?}", step);
        match expected {
            Ok(connection) => {
                self.tally.count(match (connection.resumed, hello.over) {
                    (false, Over::Tls12 | Over::Tls13) => "handshake in full",
                    (false, Over::Quic) => "handshake in full over QUIC",
                    (true, Over::Tls12) => "handshake that resumed TLS 1.2",
                    (true, Over::Tls13) => "handshake that resumed TLS 1.3",
                    (true, Over::Quic) => "handshake that resumed over QUIC",
                });
                let opened = session.as_ref().map(|session| &session.opened);
                let over_quic = |over| over == Over::Quic;
                if opened.is_some_and(|opened| over_quic(opened.over) != over_quic(hello.over))
                    && connection.resumed
                {
                    self.tally
                        .count("handshake that resumed one over the other transport");
                }
                let before = opened.map(|opened| opened.built);
                if connection.resumed && before != Some(connection.built) {
                    self.tally
                        .count("handshake that resumed a session of another Arc");
                }
                if connection.resumed && connection.client != Client::Nobody {
                    self.tally
                        .count("handshake that resumed a client certificate");
                }
                let session = self.model.session(&connection);
                self.sessions.extend(kept.map(|kept| Opened {
                    hello,
                    kept,
                    session,
                }));
                self.model.connections.push(connection);
            }
            Err(refused) => self.tally.count(match hello.over {
                Over::Tls12 | Over::Tls13 => format!("handshake refused: {refused:?}"),
                Over::Quic => format!("handshake refused over QUIC: {refused:?}"),
            }),
        }
        Ok(())
    }

    /// Asks at every level.
    async fn ask(&mut self, step: &Step, on: On, request: &Request) -> TestCaseResult {
        let on = match on {
            On::Connection(index) => match index.checked_rem(self.model.connections.len()) {
                Some(index) => On::Connection(index),
                None => return Ok(()),
            },
            other => other,
        };
        let over_http3 = match on {
            On::Connection(connection) if self.world.open(connection).is_some() => {
                request.over_http3()
            }
            _ => None,
        };
        let answers = self.world.ask(on, request, over_http3.as_ref()).await;
        let request = over_http3.as_ref().unwrap_or(request);
        for (level, answer) in LEVELS.into_iter().zip(answers) {
            let expected = self.model.judge(level, on, request);
            let Answer {
                status,
                rejection,
                names,
            } = &answer;
            let wanted = (rules::status(expected), expected.err());
            prop_assert_eq!((*status, *rejection), wanted, "{:?} at {:?}", step, level);
            if over_http3.is_some() {
                self.tally.count(format!("{status} over HTTP/3"));
            }
            // C4: the handler has run, or has not.
            prop_assert_eq!(names.is_empty(), rejection.is_some(), "{:?}", step);
            let Ok(authority) = rules::authority(request) else {
                self.tally.count("400");
                continue;
            };
            // A2: nothing behind the layer finds another name than the one that was judged.
            for name in names {
                let named: EffectiveAuthority = name.parse().unwrap();
                let named = named.host().to_string();
                prop_assert_eq!(named, authority.host.plain, "{:?} at {:?}", step, level);
            }
            if level >= SameTlsConfig {
                self.no_client_check_is_bypassed(on, authority, expected)?;
            }
            self.count(level, on, authority, expected);
        }
        Ok(())
    }

    /// Beyond what the model says of it: a host that insists on a client certificate is served to that
    /// client alone, however the connection and the request came to be.
    fn no_client_check_is_bypassed(
        &mut self,
        on: On,
        authority: Authority,
        verdict: Result<(), Rejection>,
    ) -> TestCaseResult {
        let (On::Connection(connection), Some(client)) =
            (on, self.model.insists_on(authority.host.plain))
        else {
            return Ok(());
        };
        self.tally.count(match verdict {
            Ok(()) => "200 for a host that insists on a client certificate",
            Err(_) => "421 for a host that insists on a client certificate",
        });
        if verdict.is_ok() {
            let info = &self.world.connections[connection];
            let seen = Client::of_certificate(info.client_certificates().next());
            prop_assert_eq!(seen, client);
        }
        Ok(())
    }

    fn count(
        &mut self,
        level: Coalescing,
        on: On,
        authority: Authority,
        verdict: Result<(), Rejection>,
    ) {
        if let Err(rejection) = verdict {
            let status = rules::status(verdict);
            return self.tally.count(format!("{status} {}", rejection.as_str()));
        }
        self.tally.count(format!("200 at {level:?}"));
        let On::Connection(connection) = on else {
            return;
        };
        let connection = &self.model.connections[connection];
        let config = self.model.look_up(Some(authority.host.plain));
        let another = config.map(|(config, _)| self.model.has_another_arc(connection, config));
        if level >= SameTlsConfig && another == Some(true) {
            self.tally.count("200 on a connection of another Arc");
        }
        match connection.server_name.as_deref() {
            None => self.tally.count("200 without a server name"),
            Some(name) if name == authority.host.plain => {}
            Some(_) => self
                .tally
                .count("200 for another host than the server name"),
        }
        let host = authority.host.plain;
        let names = connection.certificate_names.as_deref();
        if names.is_some_and(|names| !names.iter().any(|name| rules::is_matched_by(name, host))) {
            self.tally
                .count("200 for a host that the certificate does not cover");
        }
        if connection.resumed {
            self.tally.count("200 on a resumed connection");
        }
    }
}
