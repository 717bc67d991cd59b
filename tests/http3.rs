//! HTTP/3 on quinn: the same layer, the same rules, and the certificate that the QUIC handshake presented.

mod pki;
mod server;
mod wire;

use tower_misdirected::MisdirectedLayer;

use crate::server::Calls;
use crate::wire::http3::{connect_quic, get3, http3, quic_client};

#[tokio::test]
async fn a_certificate_serves_its_names() {
    let calls = Calls::default();
    let app = server::echo(&calls).layer(MisdirectedLayer::new().json());
    let mut config = pki::leaf(&["a.test", "*.b.test"]).server_config();
    config.alpn_protocols = vec![b"h3".to_vec()];
    let addr = server::quic(app, std::sync::Arc::new(config)).await;
    let endpoint = quic_client();
    let connection = connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"))
        .await
        .unwrap();
    let client = http3(connection).await;
    for (host, status) in [
        ("a.test", 200),
        ("A.test.:443", 200),
        ("x.b.test", 200),
        ("b.test", 421),
        ("c.test", 421),
    ] {
        let answer = get3(&client, host).await;
        assert_eq!(answer.status(), status, "{host}");
    }
    assert_eq!(calls.count(), 3);
}
