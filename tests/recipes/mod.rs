//! What a recipe for another TLS stack has to get right.

use std::net::{TcpListener, TcpStream};

use tower_misdirected::ConnectionInfo;

use crate::pki::{self, Leaf};
use crate::wire;

/// Runs `accept` as the server of handshakes with and without a server name.
pub async fn check(accept: fn(TcpStream, &Leaf) -> ConnectionInfo) {
    for sni in [Some("a.test"), None] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::task::spawn_blocking(move || {
            let leaf = pki::leaf(&["a.test", "*.w.test", "192.0.2.1", "2001:db8::1"]);
            accept(listener.accept().unwrap().0, &leaf)
        });
        let _client = wire::connect(addr, pki::client(&["h2"]), sni).await;
        let info = server.await.unwrap();

        assert!(info.is_tls());
        assert_eq!(info.server_name(), sni);
        assert_eq!(info.alpn(), Some(&b"h2"[..]));
        let names = ["a.test", "*.w.test", "192.0.2.1", "[2001:db8::1]"];
        assert_eq!(info.certificate_names().to_strings(), names);
    }
}
