use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls_acme::{AcmeState, EventOk};
use tower_misdirected::{TlsAcceptor, VirtualHosts};

/// Makes the TLS configuration of hosts whose certificates come from the ACME server. Hosts
/// that require client certificates use a verifier in place of `with_no_client_auth`.
pub fn config<EC: Debug + 'static, EA: Debug + 'static>(
    state: &AcmeState<EC, EA>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(state.resolver());
    Ok(Arc::new(config))
}

/// Serves the hosts, and answers the challenges for their names.
pub fn acceptor<EC: Debug + 'static, EA: Debug + 'static>(
    state: &AcmeState<EC, EA>,
    hosts: VirtualHosts,
    provider: Arc<CryptoProvider>,
) -> TlsAcceptor {
    let challenges = state.challenge_rustls_config_with_provider(provider);
    TlsAcceptor::from(hosts).acme_challenges(challenges)
}

/// Orders the certificates and renews them. Run it in a task of its own.
pub async fn keep<EC: Debug + 'static, EA: Debug + 'static>(
    mut state: AcmeState<EC, EA>,
    on_certificate: impl Fn(),
) {
    while let Some(event) = state.next().await {
        match event {
            Ok(EventOk::DeployedNewCert) => on_certificate(),
            Ok(_) => {}
            Err(error) => eprintln!("{error:?}"),
        }
    }
}
