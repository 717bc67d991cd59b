//! Rules B9, D1 and C6a over QUIC: what becomes of a ClientHello, in whatever pieces it arrives. Which of them end in
//! which alert is quinn's to say, and tls-parser says which virtual host one is for. The input is octets after `raw`, or
//! the parts of a ClientHello.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oracle::hello;
use oracle::made_hello::Hello;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{ServerConfig as _, Session};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{Side, TransportError};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tower_misdirected::{FailureReason, QuicTls, TlsAcceptor, VirtualHosts};

/// In order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h3", b"x"];

const PROTOCOL_VIOLATION: u64 = 10;
const UNEXPECTED_MESSAGE: u64 = 0x10a;
const DECODE_ERROR: u64 = 0x132;
const UNRECOGNIZED_NAME: u64 = 0x170;

fuzz_target!(|input: Input| {
    let octets = match &input.hello {
        Message::Raw(octets) => octets.to_vec(),
        Message::Made(hello) => hello.octets(),
        Message::Twice(hellos) => hellos.iter().flat_map(Hello::octets).collect(),
    };
    check(&octets, &input.pieces);
});

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    pieces: [u8; 3],
    hello: Message<'a>,
}

#[derive(Arbitrary, Debug)]
enum Message<'a> {
    Raw(&'a [u8]),
    Made(Hello<'a>),
    /// As after a HelloRetryRequest.
    Twice([Hello<'a>; 2]),
}

/// The virtual hosts, as text: the name, and whether a name that a client gave is one of its.
type Matches = fn(&str) -> bool;
const HOSTS: [(&str, Matches); 3] = [
    ("a.test", |name| name == "a.test"),
    ("*.w.test", |name| {
        name.strip_suffix(".w.test")
            .is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }),
    ("**.d.test", |name| name.ends_with(".d.test")),
];
const DEFAULT: usize = HOSTS.len();

/// The virtual host by which a certificate was asked for, and the name that rustls read, of the present session.
static RESOLVED: Mutex<Vec<(usize, Option<String>)>> = Mutex::new(Vec::new());
/// Its failures, as text.
static FAILURES: Mutex<Vec<(FailureReason, String)>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Resolver {
    host: usize,
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        RESOLVED.lock().unwrap().push((self.host, name));
        Some(self.key.clone())
    }
}

struct Servers {
    /// quinn's own, under one configuration.
    alone: Arc<QuicServerConfig>,
    without_default: Arc<QuicTls<QuicServerConfig>>,
    with_default: Arc<QuicTls<QuicServerConfig>>,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let key = ring::sign::any_supported_type(&key).unwrap();
    let key = Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key));
    let config = |host| {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver {
                host,
                key: key.clone(),
            }));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Arc::new(config)
    };
    let mut hosts = VirtualHosts::builder();
    for (host, (name, _)) in HOSTS.iter().enumerate() {
        hosts = hosts.host(*name, config(host));
    }
    let quic = |hosts: VirtualHosts| {
        let acceptor = TlsAcceptor::from(hosts).on_handshake_failure(|failure| {
            let mut failures = FAILURES.lock().unwrap();
            failures.push((failure.reason(), failure.to_string()));
        });
        Arc::new(QuicTls::new(acceptor).unwrap())
    };
    Servers {
        alone: Arc::new(QuicServerConfig::try_from(config(0)).unwrap()),
        without_default: quic(hosts.clone().build().unwrap()),
        with_default: quic(hosts.default(config(DEFAULT)).build().unwrap()),
    }
});

/// What became of a session.
#[derive(Debug, Default)]
struct Outcome {
    /// The code of the error that ended it.
    error: Option<u64>,
    /// It has learnt something of the client.
    is_ready: bool,
    written: Vec<u8>,
    resolved: Vec<(usize, Option<String>)>,
    failures: Vec<(FailureReason, String)>,
}

/// Gives a session the octets in pieces, as quinn does, until it has keys for what comes next.
fn play(mut session: Box<dyn Session>, octets: &[u8], pieces: &[u8; 3]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut pieces = pieces.iter().cycle();
    let mut rest = octets;
    // In small pieces, as far as a run goes quickly.
    for turn in 0.. {
        let size = match *pieces.next().unwrap() {
            _ if turn > 300 => rest.len(),
            255 => rest.len(),
            size => 1 + usize::from(size) * 7,
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        match session.read_handshake(piece) {
            Ok(ready) => outcome.is_ready |= ready,
            Err(error) => {
                outcome.error = Some(code(error));
                break;
            }
        }
        let mut has_keys = false;
        loop {
            let before = outcome.written.len();
            let keys = session.write_handshake(&mut outcome.written);
            has_keys |= keys.is_some();
            if keys.is_none() && outcome.written.len() == before {
                break;
            }
        }
        if has_keys || rest.is_empty() {
            break;
        }
    }
    outcome.resolved = std::mem::take(&mut *RESOLVED.lock().unwrap());
    outcome.failures = std::mem::take(&mut *FAILURES.lock().unwrap());
    outcome
}

fn code(error: TransportError) -> u64 {
    error.code.into()
}

fn check(octets: &[u8], pieces: &[u8; 3]) {
    let servers = &*SERVERS;
    let params = TransportParameters::read(Side::Client, &mut &[][..]).unwrap();
    let play = |session| play(session, octets, pieces);
    let alone = play(servers.alone.clone().start_session(1, &params));
    let client = hello::client(octets);
    for (server, default) in [
        (&servers.without_default, None),
        (&servers.with_default, Some(DEFAULT)),
    ] {
        let ours = play(server.clone().start_session(1, &params));
        // It is not waited for the whole of what is no ClientHello, or longer than any.
        match octets {
            [kind, _, _, _, ..] if *kind != 1 => {
                assert_eq!(ours.error, Some(UNEXPECTED_MESSAGE));
                continue;
            }
            [_, high, _, _, ..] if *high > 0 => {
                assert_eq!(ours.error, Some(DECODE_ERROR));
                continue;
            }
            _ => {}
        }
        let host = client.as_ref().map(|client| host(client).or(default));
        if ours.error == Some(UNRECOGNIZED_NAME) && alone.error != ours.error {
            assert_eq!(host, Some(None), "{client:?}");
            assert!(ours.written.is_empty() && ours.resolved.is_empty());
            let [(FailureReason::UnrecognizedName, text)] = &ours.failures[..] else {
                panic!("{ours:?}");
            };
            assert!(
                text.len() <= 403 && text.bytes().all(|octet| (b' '..=b'~').contains(&octet)),
                "C6a: {text}"
            );
            continue;
        }
        match (ours.error, alone.error) {
            (ours, alone) if ours == alone => {}
            // For what rustls cannot read, it has this alert over TCP, and several or none over QUIC.
            (Some(DECODE_ERROR), Some(_)) => assert_eq!(alone.resolved, []),
            // It is quinn that has no alert then, and not the crate.
            (Some(0x100..), Some(PROTOCOL_VIOLATION)) => {}
            // Two things are wrong, and either comes first.
            (Some(_), Some(_))
                if !hello::split(octets).is_some_and(|(.., rest)| rest.is_empty()) => {}
            errors => panic!("{errors:x?}: {client:?}"),
        }
        assert_eq!(ours.is_ready, alone.is_ready, "{client:?}");
        assert_eq!(ours.failures, [], "C6");
        let kinds = |outcome: &Outcome| {
            messages(&outcome.written)
                .map(|(kind, _)| kind)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&ours), kinds(&alone));
        assert_eq!(ours.resolved.len(), alone.resolved.len());
        if ours.written.is_empty() {
            continue;
        }
        // A ClientHello that was accepted, or is to be said again.
        let client = client.as_ref().expect("tls-parser reads it too");
        let expected = host.flatten().expect("B9");
        for (found, name) in &ours.resolved {
            assert_eq!(*found, expected, "B9: {client:?}");
            assert_eq!(*name, server_name(client), "{client:?}");
        }
        let agreed = messages(&ours.written).find_map(|(_, message)| hello::agreed(message));
        if let Some(agreed) = agreed {
            let first = PROTOCOLS
                .into_iter()
                .find(|protocol| client.alpn.contains(protocol));
            assert_eq!(agreed.as_deref(), first, "{client:?}");
        }
    }
}

/// The messages in some octets, with their kinds.
fn messages(mut octets: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, _, rest) = hello::split(octets)?;
        let message = octets;
        octets = rest;
        Some((kind, message))
    })
}

/// The name that a client gave, in the spelling of rules: an address is none (RFC 6066 §3).
fn server_name(client: &hello::Client<'_>) -> Option<String> {
    let name = std::str::from_utf8(client.server_name?).ok()?;
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    (!is_address).then(|| name.to_ascii_lowercase())
}

fn host(client: &hello::Client<'_>) -> Option<usize> {
    let name = server_name(client)?;
    let name = name.strip_suffix('.').unwrap_or(&name);
    HOSTS.iter().position(|(_, matches)| matches(name))
}
