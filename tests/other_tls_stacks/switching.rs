//! Why the recipe does not use `set_ssl_context`, and why it gives contexts an id for their sessions. These tests
//! show what the TLS stacks do without the recipe.

use std::net::SocketAddr;

use openssl::ssl::{
    NameType, SniError, Ssl, SslContext, SslContextBuilder, SslVerifyMode, SslVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Http, Visitor};
use crate::contexts::{Memory, ONE, builder, context};
use crate::resumption::every_kind;
use crate::wire::{self, PATIENCE};
use crate::{handshake, pki, recipe};

const IS_OPENSSL: bool = cfg!(tls_recipe = "openssl");

/// How much of the recipe `switching` follows.
#[derive(Clone, Copy)]
struct Cares {
    for_verify_mode: bool,
    for_sessions: bool,
}

/// A context for `www.test` that makes way for a context that requires client certificates for `admin.test`.
fn switching(
    memory: Memory,
    cares: Cares,
    finish_admin: impl FnOnce(&mut SslContextBuilder),
) -> SslContext {
    let finish = |mut context: SslContextBuilder| {
        if cares.for_sessions {
            recipe::bind_sessions(&mut context).unwrap();
        } else {
            context.set_session_id_context(b"everything").unwrap();
        }
        context
    };
    let mut admin = finish(builder(Some(&pki::CA), memory));
    finish_admin(&mut admin);
    let admin = admin.build();
    let mut www = finish(builder(None, memory));
    www.set_servername_callback(move |ssl, _| {
        if ssl.servername(NameType::HOST_NAME) == Some("admin.test") {
            let switched = ssl.set_ssl_context(&admin);
            switched.map_err(|_| SniError::ALERT_FATAL)?;
            if cares.for_verify_mode {
                ssl.set_verify(admin.verify_mode());
            }
        }
        Ok(())
    });
    www.build()
}

/// Tells every client whether it has a certificate.
async fn listen(context: SslContext) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let ssl = Ssl::new(&context).unwrap();
            let Ok(mut stream) = handshake::handshake(ssl, tcp).await else {
                continue;
            };
            let client = u8::from(stream.ssl().peer_certificate().is_some());
            let _ = stream.write_all(&[client]).await;
            let _ = stream.shutdown().await;
        }
    });
    addr
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Opened {
    /// A full handshake.
    Full { has_certificate: bool },
    /// A resumed session.
    Resumed { has_certificate: bool },
    /// The server ended the handshake.
    No,
}

async fn visit(addr: SocketAddr, visitor: &Visitor, sni: &str) -> Opened {
    let tcp = TcpStream::connect(addr).await.unwrap();
    let talk = async {
        let stream = wire::handshake(tcp, visitor.config.clone(), Some(sni)).await;
        let mut stream = stream.ok()?;
        let has_certificate = stream.read_u8().await.ok()? == 1;
        let kind = stream.get_ref().1.handshake_kind().unwrap();
        Some(match kind {
            rustls::HandshakeKind::Resumed => Opened::Resumed { has_certificate },
            _ => Opened::Full { has_certificate },
        })
    };
    let talk = tokio::time::timeout(PATIENCE, talk).await;
    talk.expect("an end in time").unwrap_or(Opened::No)
}

#[tokio::test]
async fn set_ssl_context_keeps_the_verify_mode_of_the_first_context() {
    for (visitor, memory, kind) in every_kind() {
        for (for_verify_mode, expected) in [
            (
                false,
                Opened::Full {
                    has_certificate: false,
                },
            ),
            (true, Opened::No),
        ] {
            let cares = Cares {
                for_verify_mode,
                for_sessions: true,
            };
            let addr = listen(switching(memory, cares, |_| {})).await;
            let got = visit(addr, &visitor(Http::One, None), "admin.test").await;
            assert_eq!(got, expected, "{kind}");
        }
    }
}

#[tokio::test]
async fn set_ssl_context_keeps_the_versions_and_the_verify_callback_of_the_first_context() {
    let cares = Cares {
        for_verify_mode: true,
        for_sessions: true,
    };
    let context = switching(Memory::Tickets, cares, |admin| {
        let newest = Some(SslVersion::TLS1_3);
        admin.set_min_proto_version(newest).unwrap();
        admin.set_verify_callback(SslVerifyMode::PEER, |_, _| false);
    });
    let addr = listen(context).await;
    for new in [Visitor::tls12, Visitor::new] {
        let visitor = new(Http::One, Some(&ONE));
        let got = visit(addr, &visitor, "admin.test").await;
        let expected = Opened::Full {
            has_certificate: true,
        };
        assert_eq!(got, expected);
    }
}

/// OpenSSL looks a session up before it calls for the context, and BoringSSL after that.
#[tokio::test]
async fn set_ssl_context_comes_too_late_for_sessions_in_openssl() {
    let resumed = || Opened::Resumed {
        has_certificate: false,
    };
    for (visitor, memory, kind) in every_kind() {
        for for_sessions in [false, true] {
            let cares = Cares {
                for_verify_mode: true,
                for_sessions,
            };
            let addr = listen(switching(memory, cares, |_| {})).await;
            let visitor = visitor(Http::One, None);
            let got = visit(addr, &visitor, "www.test").await;
            assert_eq!(
                got,
                Opened::Full {
                    has_certificate: false
                },
                "{kind}"
            );
            let expected = match IS_OPENSSL || !for_sessions {
                true => resumed(),
                false => Opened::No,
            };
            let got = visit(addr, &visitor, "admin.test").await;
            assert_eq!(got, expected, "{kind} {for_sessions}");
        }
    }
}

#[tokio::test]
async fn openssl_resumes_no_client_certificate_without_an_id_for_sessions() {
    for (visitor, memory, kind) in every_kind() {
        let bound = context(Some(&pki::CA), memory);
        let unbound = builder(Some(&pki::CA), memory).build();
        for (context, resumes) in [((*bound).clone(), true), (unbound, !IS_OPENSSL)] {
            let addr = listen(context).await;
            let visitor = visitor(Http::One, Some(&ONE));
            let got = visit(addr, &visitor, "admin.test").await;
            assert_eq!(
                got,
                Opened::Full {
                    has_certificate: true
                },
                "{kind}"
            );
            let got = visit(addr, &visitor, "admin.test").await;
            let expected = match (resumes, memory) {
                (true, _) => Opened::Resumed {
                    has_certificate: true,
                },
                // For TLS 1.2, OpenSSL does not look into the cache.
                (false, Memory::Cache) if got != Opened::No => Opened::Full {
                    has_certificate: true,
                },
                (false, _) => Opened::No,
            };
            assert_eq!(got, expected, "{kind} {resumes}");
        }
    }
}

/// For example from a second machine, or after a restart.
#[tokio::test]
async fn contexts_that_share_ticket_keys_and_an_id_share_sessions() {
    let context = |authority| {
        let mut context = builder(authority, Memory::SharedTickets);
        context.set_session_id_context(b"everything").unwrap();
        context.build()
    };
    for new in [Visitor::tls12, Visitor::new] {
        let visitor = new(Http::One, None);
        let got = visit(listen(context(None)).await, &visitor, "www.test").await;
        assert_eq!(
            got,
            Opened::Full {
                has_certificate: false
            }
        );
        let admin = context(Some(&pki::CA));
        let got = visit(listen(admin).await, &visitor, "admin.test").await;
        assert_eq!(
            got,
            Opened::Resumed {
                has_certificate: false
            }
        );
    }
}
