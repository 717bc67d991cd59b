//! A first look at the layer, with a certificate created in memory. The program serves HTTPS on 127.0.0.1, sends
//! requests to itself over TLS, prints a table of the answers, and then serves until Ctrl-C.
//!
//! ```sh
//! cargo run --example quickstart              # any free port
//! cargo run --example quickstart -- --port 8443
//! cargo run --example quickstart -- --once    # ends after the table, with an error if a row is wrong
//! ```

mod common;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, Version};
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, Outcome, Rejection, TlsListener,
};

use crate::common::Result;

/// The names of the certificate. It does not cover `other.localhost`.
const NAMES: [&str; 2] = ["app.localhost", "api.localhost"];

const USAGE: &str = "quickstart [--port PORT] [--once]";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut port, mut once) = (0, false);
    let mut arguments = common::Arguments::new(USAGE);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--once" => once = true,
            "--port" => port = arguments.value("--port", "a port number"),
            other => arguments.unexpected(other),
        }
    }
    common::run(run(port, once)).await
}

async fn run(port: u16, once: bool) -> Result<()> {
    let key = rcgen::generate_simple_self_signed(NAMES.map(String::from))?;
    let certificate = key.cert.der().clone();
    let private_key = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let tls = Arc::new(server_config(certificate.clone(), private_key)?);

    // An application needs only this.
    let app = Router::new()
        .fallback(hello)
        .layer(MisdirectedLayer::new().json());
    let addr = serve(app, port, tls.clone()).await?;
    println!("listening on https://127.0.0.1:{}", addr.port());
    println!("the certificate covers {}", NAMES.join(" and "));

    // The same application with a report-only layer.
    let reported = Arc::new(Mutex::new(None));
    let report = reported.clone();
    let layer = MisdirectedLayer::new()
        .report_only(true)
        .on_verdict(move |verdict| {
            if let Outcome::Refused(rejection) = verdict.outcome() {
                *report.lock().unwrap() = Some(rejection);
            }
        });
    let report_only = serve(Router::new().fallback(hello).layer(layer), 0, tls).await?;

    let client = Client::new(certificate)?;
    let as_expected = show_table(&client, addr, report_only, &reported).await?;
    if !once {
        show_commands(addr.port());
        println!("\nserving until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    match as_expected {
        true => Ok(()),
        false => Err("a row of the table is not what it should be".into()),
    }
}

/// Greets with the authority that the layer judged.
async fn hello(method: Method, authority: EffectiveAuthority) -> impl IntoResponse {
    match method {
        Method::CONNECT => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => format!("hello from {}\n", authority.host()).into_response(),
    }
}

async fn serve(app: Router, port: u16, tls: Arc<ServerConfig>) -> Result<SocketAddr> {
    let listener = TlsListener::bind(("127.0.0.1", port), tls).await?;
    let addr = listener.local_addr()?;
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(addr)
}

fn server_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = ["h2", "http/1.1", "http/1.0"].map(Into::into).into();
    Ok(config)
}

/// Sends the five requests, prints a row for each, and returns whether every answer was as expected.
async fn show_table(
    client: &Client,
    addr: SocketAddr,
    report_only: SocketAddr,
    reported: &Mutex<Option<Rejection>>,
) -> Result<bool> {
    let app = "app.localhost";
    let mut http2 = client.http2(addr, app).await?;
    let mut http1 = client.http1(addr, app).await?;
    let mut lenient = client.http2(report_only, app).await?;

    println!();
    print_row(["request", "HTTP", "SNI", "authority", "answer"]);

    let mut correct = true;
    let mut row = |name: &str, authority: &str, expected: StatusCode, answer: &Answer| {
        let version = match answer.head.version {
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        let status = answer.head.status;
        let mut text = status.to_string();
        if status != expected {
            correct = false;
            text = format!("{text}  <- should be {expected}");
        }
        print_row([name, version, app, authority, &text]);
    };

    let answer = http1.send(app).await?;
    row("normal", app, StatusCode::OK, &answer);

    let answer = http2.send("api.localhost").await?;
    row("coalesced", "api.localhost", StatusCode::OK, &answer);

    let refused = http2.send("other.localhost").await?;
    let misdirected = StatusCode::MISDIRECTED_REQUEST;
    row("misdirected", "other.localhost", misdirected, &refused);

    let userinfo = "me@app.localhost";
    let answer = http1.send(userinfo).await?;
    row("malformed", userinfo, StatusCode::BAD_REQUEST, &answer);

    let answer = lenient.send("other.localhost").await?;
    row("report-only", "other.localhost", StatusCode::OK, &answer);

    let reported = *reported.lock().unwrap();
    correct &= reported == Some(Rejection::NotInCertificate);
    match reported {
        Some(rejection) => println!(
            "\nthe report-only layer would have answered {} ({}): {rejection}",
            rejection.status(),
            rejection.as_str(),
        ),
        None => println!("\nthe report-only layer reported nothing, which is wrong"),
    }

    println!("\nthe misdirected request was answered");
    println!("  {}", refused.head.status);
    for (name, value) in &refused.head.headers {
        println!("  {name}: {}", value.to_str().unwrap_or("?"));
    }
    println!("\n  {}", refused.body);

    correct &= refused.head.headers["cache-control"] == "no-store";
    correct &= refused.body == r#"{"error":"misdirected_request"}"#;
    Ok(correct)
}

fn print_row([request, version, sni, authority, answer]: [&str; 5]) {
    println!("  {request:<12} {version:<5} {sni:<14} {authority:<17} {answer}");
}

fn show_commands(port: u16) {
    let curl = format!("curl -ik --resolve app.localhost:{port}:127.0.0.1");
    let url = format!("https://app.localhost:{port}/");
    println!("\ntry it yourself (-k, because the certificate is self-signed):");
    println!("  {curl} {url}");
    println!("  {curl} -H 'Host: api.localhost' {url}");
    println!("  {curl} -H 'Host: other.localhost' {url}");
    println!("  {curl} --http1.1 -H 'Host: me@app.localhost' {url}");
}

/// A client that trusts the certificate, and sets the server name and the authority separately.
struct Client(TlsConnector);

/// An open connection.
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

struct Answer {
    head: axum::http::response::Parts,
    body: String,
}

impl Client {
    fn new(certificate: CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    async fn connect(
        &self,
        addr: SocketAddr,
        server_name: &'static str,
        alpn: &str,
    ) -> Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
        let mut config = ClientConfig::clone(self.0.config());
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let tcp = TcpStream::connect(addr).await?;
        let name = ServerName::try_from(server_name)?;
        let connector = TlsConnector::from(Arc::new(config));
        Ok(TokioIo::new(connector.connect(name, tcp).await?))
    }

    async fn http1(&self, addr: SocketAddr, server_name: &'static str) -> Result<Sender> {
        let io = self.connect(addr, server_name, "http/1.1").await?;
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Sender::Http1(sender))
    }

    async fn http2(&self, addr: SocketAddr, server_name: &'static str) -> Result<Sender> {
        let io = self.connect(addr, server_name, "h2").await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Sender::Http2(sender))
    }
}

impl Sender {
    async fn send(&mut self, authority: &str) -> Result<Answer> {
        let response: Response<Incoming> = match self {
            Self::Http1(sender) => {
                let request = Request::get("/").header("host", authority);
                sender.ready().await?;
                sender.send_request(request.body(Body::empty())?).await?
            }
            Self::Http2(sender) => {
                let request = Request::get(format!("https://{authority}/"));
                sender.ready().await?;
                sender.send_request(request.body(Body::empty())?).await?
            }
        };
        let (head, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().into())?;
        Ok(Answer { head, body })
    }
}
