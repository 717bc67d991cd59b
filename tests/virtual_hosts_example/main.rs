//! The example `virtual_hosts`, run as a user would run it: what it answers, what a reload changes, how it
//! ends, and what it says of a bad configuration.
#![cfg(unix)]

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../wire/mod.rs"]
mod wire;

mod answers;
mod levels;
mod mistakes;
mod proxy_protocol;
mod reload;
mod shutdown;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pki::Leaf;
use crate::program::{Directory, Running};
use crate::wire::http3::{Client3, connect_quic, http3, quic_client};

/// Everything that the certificate `site.pem` covers.
const NAMES: &[&str] = &[
    "www.test",
    "www2.test",
    "shop.test",
    "other.test",
    "admin.test",
];

/// A directory with certificates, and the configuration file `site.toml`.
struct Site(Directory);

/// `[[host]]` with the certificate and key `site`.
fn host(id: &str) -> String {
    own(id, "site")
}

/// `[[host]]` with a certificate and key of this name.
fn own(id: &str, pem: &str) -> String {
    format!(
        "[[host]]\nid = \"{id}\"\nnames = [\"{id}.test\"]\n\
         certificate = \"{pem}.pem\"\nkey = \"{pem}.key\"\n"
    )
}

/// `[[host]]` with the configuration of another.
fn sharing(id: &str, with: &str) -> String {
    format!("[[host]]\nid = \"{id}\"\nnames = [\"{id}.test\"]\nshare_tls_with = \"{with}\"\n")
}

impl Site {
    fn new() -> Self {
        let site = Self(Directory::new());
        site.certificate("site", NAMES);
        site
    }

    /// Writes a certificate and its key, and returns it in DER.
    fn certificate(&self, pem: &str, names: &[&str]) -> Vec<u8> {
        let (chain, key) = (format!("{pem}.pem"), format!("{pem}.key"));
        self.0.write_certificate(&chain, &key, names)
    }

    /// Writes an authority's certificate.
    fn authority(&self, pem: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, pem);
        let certificate = params.self_signed(&key).unwrap();
        self.0.write(&format!("{pem}.pem"), certificate.pem());
        Authority(Issuer::new(params, key))
    }

    /// Writes the configuration, on any free port.
    fn configure(&self, configuration: &str) -> String {
        let text = format!("listen = \"127.0.0.1:0\"\n{configuration}");
        self.0.write("site.toml", text);
        self.0.path("site.toml")
    }

    async fn serve(&self, configuration: &str) -> Running {
        Running::start("virtual_hosts", &[&self.configure(configuration)]).await
    }

    /// Has another configuration read, and waits until it is in use.
    async fn reload(&self, example: &mut Running, configuration: &str) {
        self.configure(configuration);
        assert!(example.signal("-HUP"));
        example.says("reloaded").await;
    }

    /// Has another configuration refused, and returns the reason.
    async fn refuse(&self, example: &mut Running, configuration: &str) -> String {
        self.configure(configuration);
        assert!(example.signal("-HUP"));
        let mut text = example.complains("virtual_hosts: not reloaded: ").await;
        // What was logged before is a warning of overlaps, at the start.
        let line = text.find("virtual_hosts: not").unwrap();
        let logged: String = text.drain(..line).collect();
        assert!(
            logged.lines().all(|line| line.contains(" WARN ")),
            "{logged}"
        );
        text
    }
}

/// What signs client certificates.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    fn client(&self, common_name: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let der = params.signed_by(&key, &self.0).unwrap().der().clone();
        Leaf {
            der,
            key: rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }
}

/// The line that tells what a request was.
fn line(host: &str, vhost: &str, sni: &str, client: &str) -> String {
    format!("host={host} vhost={vhost} sni={sni} client={client} addr=127.0.0.1\n")
}

/// Opens a connection for HTTP/2.
async fn open(
    addr: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
    sni: Option<&str>,
) -> SendRequest<Bytes> {
    wire::http2(wire::connect(addr, config, sni).await).await
}

/// The same without a client certificate.
async fn open_for(addr: SocketAddr, sni: &str) -> SendRequest<Bytes> {
    open(addr, pki::client(&["h2"]), Some(sni)).await
}

async fn get(client: &SendRequest<Bytes>, host: &str) -> Response<String> {
    wire::send2(client, wire::get2(Some(host), &[])).await
}

async fn status(client: &SendRequest<Bytes>, host: &str) -> u16 {
    get(client, host).await.status().as_u16()
}

/// Opens a connection for HTTP/3; it lives as long as the endpoint.
async fn open3(
    addr: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
    sni: &str,
) -> (Client3, quinn::Connection, quinn::Endpoint) {
    let endpoint = quic_client();
    let quic = connect_quic(&endpoint, addr, config, Some(sni)).await;
    let quic = quic.unwrap();
    (http3(quic.clone()).await, quic, endpoint)
}

/// Whether no request gets through: the handshake fails, or what comes after it, as TLS 1.3 has it where a
/// client certificate is missing (RFC 8446 §4.4.2.4).
async fn kept_out(
    addr: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
    sni: Option<&str>,
) -> bool {
    let attempt = async {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let Ok(mut io) = wire::handshake(tcp, config, sni).await else {
            return true;
        };
        let request = "GET / HTTP/1.1\r\nHost: admin.test\r\n\r\n";
        let _ = io.write_all(request.as_bytes()).await;
        !matches!(io.read(&mut [0; 1]).await, Ok(1))
    };
    let attempt = tokio::time::timeout(Duration::from_secs(60), attempt);
    attempt.await.expect("an answer or an end in time")
}
