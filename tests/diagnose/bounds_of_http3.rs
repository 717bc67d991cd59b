//! Servers that misbehave over HTTP/3.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;

use crate::pki::leaf;
use crate::tool::diagnose;

/// Hands every QUIC connection to `serve`.
fn quic<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(quinn::Connection) -> F + Send + 'static,
) -> SocketAddr {
    let mut config = leaf(&["one.test", "two.test"]).server_config();
    config.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicServerConfig::try_from(config).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = endpoint.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            if let Ok(connection) = incoming.await {
                tokio::spawn(serve(connection));
            }
        }
    });
    addr
}

#[tokio::test]
async fn a_head_without_end_over_http3_is_given_up() {
    let addr = quic(|connection| async move {
        while let Ok((mut send, _receive)) = connection.accept_bi().await {
            // A HEADERS frame of 2^62 - 1 octets (RFC 9114 §7.1).
            let mut frame = vec![1];
            frame.extend([0xff; 8]);
            while send.write_all(&frame).await.is_ok() {
                frame = vec![0; 1024];
            }
        }
    });
    let run = diagnose(addr, &["one.test"], &["--http", "3", "--timeout", "60"]).await;
    assert_eq!(run.status, Some(3), "{}", run.report);
    assert!(
        run.errors.contains("the answer is too long"),
        "{}",
        run.errors
    );
}

#[tokio::test]
async fn a_body_without_end_over_http3_is_cut_off() {
    let addr = quic(|connection| async move {
        let quic = h3_quinn::Connection::new(connection);
        let mut connection = h3::server::Connection::<_, Bytes>::new(quic).await.unwrap();
        while let Ok(Some(resolver)) = connection.accept().await {
            tokio::spawn(async move {
                let (_, mut stream) = resolver.resolve_request().await.unwrap();
                let answer = http::Response::new(());
                let _ = stream.send_response(answer).await;
                while stream
                    .send_data(Bytes::from_static(&[0; 1024]))
                    .await
                    .is_ok()
                {}
            });
        }
    });
    let run = diagnose(
        addr,
        &["one.test", "two.test"],
        &["--http", "3", "--timeout", "60"],
    )
    .await;
    assert_eq!((run.status, run.requests()), (Some(0), 6), "{}", run.report);
}

#[tokio::test]
async fn a_goaway_over_http3_is_told_from_an_end() {
    let addr = quic(|connection| async move {
        let quic = h3_quinn::Connection::new(connection);
        let mut connection = h3::server::Connection::<_, Bytes>::new(quic).await.unwrap();
        let mut first = true;
        while let Ok(Some(resolver)) = connection.accept().await {
            if first {
                let _ = connection.shutdown(0).await;
            }
            first = false;
            let (_, mut stream) = resolver.resolve_request().await.unwrap();
            let answer = http::Response::builder().status(421).body(()).unwrap();
            let _ = stream.send_response(answer).await;
            let _ = stream.finish().await;
        }
    });
    let run = diagnose(addr, &["one.test", "two.test"], &["--http", "3"]).await;
    for name in [Some("one.test"), Some("two.test"), None] {
        let answers = run.connection("3", name)["answers"].as_array().unwrap();
        assert!(
            answers.iter().all(|answer| answer["status"] == 421),
            "{}",
            run.report
        );
        // After the last answer, nothing shows a GOAWAY.
        assert!(
            answers.iter().any(|answer| answer["ended"] == "goaway"),
            "{}",
            run.report
        );
    }
}
