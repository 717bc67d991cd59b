//! A rollout in report-only mode: the layer refuses nothing, and counters for Prometheus show what it would refuse and
//! why.
//!
//! ```sh
//! cargo run --example report_only   # counters under /metrics
//! ```
//!
//! If `misdirected_requests_total` counts no request that should be served, delete `.report_only(true)`.

mod common;

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use metrics::counter;
use metrics_exporter_prometheus::PrometheusBuilder;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tower_misdirected::{
    ConnectionInfo, HandshakeFailure, MisdirectedLayer, Outcome, TlsAcceptor, TlsListener, Verdict,
};

use crate::common::Result;

#[tokio::main]
async fn main() -> ExitCode {
    common::arguments("report_only", 0..=0);
    common::run(serve()).await
}

async fn serve() -> Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder()?;

    let app = Router::new()
        .route("/metrics", get(move || async move { metrics.render() }))
        .fallback(|| async { "hello\n" })
        .layer(MisdirectedLayer::new().report_only(true).on_verdict(count));

    let tls = TlsAcceptor::new(server_config()?).on_handshake_failure(count_failure);
    let listener = TlsListener::bind("127.0.0.1:0", tls).await?;
    let addr = listener.local_addr()?;
    println!("listening on https://{addr}");
    println!("the counters: curl -k --connect-to ::{addr} https://app.localhost/metrics");
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<ConnectionInfo>(),
    )
    .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
    .await?;
    Ok(())
}

/// Counts by labels with few values. Do not use `verdict.method()` or `verdict.authority()` as a label, because the
/// client chooses them and could create any number of counters.
fn count(verdict: &Verdict<'_>) {
    match verdict.outcome() {
        Outcome::Refused(rejection) => {
            counter!(
                "misdirected_requests_total",
                "reason" => rejection.as_str(),
                // `false` if clients cannot recover by themselves. Use it for an alert.
                "retry_can_help" => if rejection.retry_can_help() { "true" } else { "false" },
                "method" => verdict.method_name(),
                "http_version" => verdict.protocol_version(),
            )
            .increment(1);
        }
        Outcome::Coalesced => {
            let version = verdict.protocol_version();
            counter!("coalesced_requests_total", "http_version" => version).increment(1);
        }
        _ => {}
    }
}

/// Counts failed and refused handshakes by reason. The text of a failure is not a label, because the client can choose
/// it.
fn count_failure(failure: &HandshakeFailure<'_>) {
    counter!("tls_handshake_failures_total", "reason" => failure.reason().as_str()).increment(1);
}

fn server_config() -> Result<Arc<ServerConfig>> {
    let names = ["app.localhost", "api.localhost"].map(String::from);
    let key = rcgen::generate_simple_self_signed(names)?;
    let private_key = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private_key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
