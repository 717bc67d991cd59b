//! Servers that misbehave: the program ends, says so, and reads no more than its bounds.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::pki::{leaf, provider};
use crate::tool::diagnose;

const HOST: &[&str] = &["one.test"];

/// Hands every TCP connection to `serve`.
async fn tcp<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    addr
}

/// Hands every TLS connection over `alpn` to `serve`.
async fn tls<F: Future<Output = ()> + Send + 'static>(
    alpn: &str,
    serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let mut config = leaf(&["one.test", "two.test"]).server_config();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tcp(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

/// Reads a request over HTTP/1.1; false at the end of the connection.
async fn request(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => return false,
        }
    }
    true
}

/// Writes over and over again, until the client has gone.
async fn endlessly(mut stream: TlsStream<TcpStream>, text: &str) {
    while stream.write_all(text.as_bytes()).await.is_ok() {}
}

#[tokio::test]
async fn a_server_that_completes_no_handshake_is_unreachable() {
    let addr = tcp(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let run = diagnose(addr, HOST, &["--timeout", "2"]).await;
    assert_eq!(run.status, Some(3));
    assert!(
        run.errors
            .contains("the handshake was not complete within 2 s"),
        "{}",
        run.errors
    );
    assert!(run.report.is_null());
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let run = diagnose(addr, HOST, &[]).await;
    assert_eq!(run.status, Some(3));
    let expected = format!("cannot connect to 127.0.0.1 port {}: ", addr.port());
    assert!(run.errors.starts_with(&expected), "{}", run.errors);
}

#[tokio::test]
async fn a_server_without_tls_is_unreachable() {
    let addr = tcp(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let run = diagnose(addr, HOST, &[]).await;
    assert_eq!(run.status, Some(3), "{}", run.report);
    assert!(run.errors.contains("answers no request"), "{}", run.errors);
}

#[tokio::test]
async fn a_server_that_never_answers_is_asked_three_times_at_most() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let addr = tls("http/1.1", move |mut stream| {
        let count = count.clone();
        async move {
            count.fetch_add(usize::from(request(&mut stream).await), Ordering::SeqCst);
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await;
    let hosts = ["one.test", "two.test", "three.test", "four.test"];
    let run = diagnose(addr, &hosts, &["--timeout", "2"]).await;
    assert_eq!(run.status, Some(3), "{}", run.report);
    let expected = format!("{addr} answers no request: ");
    let fix = " within 2 s; check that it serves HTTPS on this port\n";
    assert!(run.errors.starts_with(&expected) && run.errors.ends_with(fix));
    assert!(asked.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let addr = tls("http/1.1", |mut stream| async move {
        if request(&mut stream).await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            endlessly(
                stream,
                "X-Padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            )
            .await;
        }
    })
    .await;
    let run = diagnose(addr, HOST, &[]).await;
    assert_eq!(run.status, Some(3), "{}", run.report);
    assert!(!run.errors.contains("within"), "{}", run.errors);
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let addr = tls("http/1.1", |mut stream| async move {
        if request(&mut stream).await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            endlessly(
                stream,
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            )
            .await;
        }
    })
    .await;
    let run = diagnose(addr, &["one.test", "two.test"], &["--timeout", "60"]).await;
    assert_eq!((run.status, run.requests()), (Some(0), 6), "{}", run.report);
    assert_eq!(run.answer("1.1", None, "one.test")["status"], 200);
}

#[tokio::test]
async fn a_body_that_stops_costs_no_more_than_the_time_limit() {
    let addr = tls("http/1.1", |mut stream| async move {
        if request(&mut stream).await {
            let head = b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 10\r\n\r\n123";
            let _ = stream.write_all(head).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await;
    let run = diagnose(addr, HOST, &["--timeout", "2", "--http", "1.1"]).await;
    assert_eq!(
        run.answer("1.1", Some("one.test"), "one.test")["status"],
        421
    );
    assert_eq!(run.findings()[..2], ["mend no-sni", "mend always-421"]);
}

#[tokio::test]
async fn a_connection_that_ends_without_a_word_is_opened_again() {
    let addr = tls("http/1.1", |mut stream| async move {
        if request(&mut stream).await {
            let answer = b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let run = diagnose(addr, &["one.test", "two.test"], &[]).await;
    for name in [Some("one.test"), Some("two.test"), None] {
        for host in ["one.test", "two.test"] {
            let answer = run.answer("1.1", name, host);
            assert_eq!(
                (&answer["status"], &answer["ended"]),
                (&421.into(), &"eof".into()),
                "{}",
                run.report
            );
            assert_eq!(answer["cacheable"], true);
        }
    }
    assert!(run.findings().contains(&"note connection-ended".to_owned()));
    // As announced: 3 versions, 3 server names, and 2 hosts, of which one may be repeated.
    assert!((6..=27).contains(&run.requests()));
}

#[tokio::test]
async fn a_host_is_judged_by_the_first_answer_of_a_connection_of_its_own() {
    let addr = tls("http/1.1", |mut stream| async move {
        let mut status = "200 OK";
        while request(&mut stream).await {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            status = "421 Misdirected Request";
        }
    })
    .await;
    let hosts = ["one.test", "one.test.", "two.test"];
    let run = diagnose(addr, &hosts, &["--http", "1.1"]).await;
    for (name, host, status) in [
        ("one.test", "one.test", 200),
        ("one.test", "one.test.", 200),
        ("one.test", "two.test", 421),
        ("two.test", "two.test", 200),
    ] {
        let answer = run.answer("1.1", Some(name), host);
        assert_eq!(answer["status"], status, "{}", run.report);
    }
    // Asked in another order, but shown in this one.
    let answers = run.connection("1.1", Some("two.test"))["answers"].as_array();
    let order: Vec<_> = answers
        .unwrap()
        .iter()
        .map(|answer| answer["host"].as_str().unwrap())
        .collect();
    assert_eq!(order, hosts);
}

#[tokio::test]
async fn a_goaway_is_told_from_an_end() {
    let addr = tls("h2", |stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let answer = http::Response::builder().status(421).body(()).unwrap();
            let mut body = respond.send_response(answer, false).unwrap();
            let _ = body.send_data(Bytes::new(), true);
            connection.graceful_shutdown();
        }
    })
    .await;
    let run = diagnose(addr, &["one.test", "two.test"], &[]).await;
    for name in [Some("one.test"), Some("two.test"), None] {
        for host in ["one.test", "two.test"] {
            let answer = run.answer("2", name, host);
            assert_eq!(
                (&answer["status"], &answer["ended"]),
                (&421.into(), &"goaway".into()),
                "{}",
                run.report
            );
        }
    }
    assert_eq!(
        run.connection("1.1", None)["handshake"],
        "the server sent the TLS alert no_application_protocol"
    );
}

/// Presents what is no certificate, with a key that fits nothing.
#[derive(Debug)]
struct Garbage(Arc<CertifiedKey>);

impl ResolvesServerCert for Garbage {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_reported() {
    let key = leaf(HOST).certified_key().key.clone();
    let garbage = CertifiedKey::new(vec![CertificateDer::from(&b"\x1b[31mgarbage"[..])], key);
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Garbage(Arc::new(garbage))));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let addr = tcp(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            while request(&mut stream).await {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let run = diagnose(addr, HOST, &[]).await;
    assert_eq!(run.status, Some(1), "{}", run.errors);
    let own = run.connection("1.1", Some("one.test"));
    assert_eq!(
        own["certificate"]["error"],
        "the certificate cannot be read"
    );
    assert_eq!(own["certificate"]["names"], serde_json::json!([]));
    assert!(
        run.findings()
            .contains(&"warning unverifiable-certificate".to_owned()),
        "{}",
        run.report
    );
    assert_eq!(
        run.connection("2", Some("one.test"))["handshake"],
        "the server does not offer HTTP/2"
    );
}
