//! reqwest, and with it hyper-util's pooling client, which most Rust programs send their requests with.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Client;
use rustls::{ClientConfig, RootCertStore};

use crate::observed::{Http, compare_with_the_guide};
use crate::pki;
use crate::site::{ASIDE, NAMES, Site};

fn client(http: Http) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(pki::CA.0.clone()).unwrap();
    let mut tls = ClientConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(Arc::new(roots))
        .with_no_client_auth();
    tls.alpn_protocols = match http {
        Http::One => vec![b"http/1.1".to_vec()],
        Http::Two => vec![b"h2".to_vec()],
    };
    // The port is the URL's.
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let client = Client::builder().use_preconfigured_tls(tls).no_proxy();
    let names = NAMES.iter().chain([&ASIDE]);
    let client = names.fold(client, |client, name| client.resolve(name, addr));
    client.build().unwrap()
}

async fn reqwest(http: Http) {
    let visit = async |site: &Site, steps: &[&str]| {
        let client = client(http);
        let mut seen = Vec::new();
        for step in steps {
            let (url, authority) = step.split_once('=').unwrap_or((step, ""));
            let (host, path) = url.split_once('/').unwrap();
            let mut request = client.get(format!("{}{path}", site.url(host)));
            if !authority.is_empty() {
                request = request.header("host", format!("{authority}:{}", site.port()));
            }
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => {
                    eprintln!("{error:?}");
                    seen.push("error".to_owned());
                    continue;
                }
            };
            let cache_control = answer.headers().get("cache-control");
            let cache_control = cache_control.map_or("-", |value| value.to_str().unwrap());
            seen.push(format!("{} {cache_control}", answer.status().as_u16()));
            answer.bytes().await.unwrap();
        }
        seen
    };
    compare_with_the_guide("reqwest", "(as in Cargo.lock)", http, visit).await;
}

#[tokio::test]
async fn reqwest_over_http1() {
    reqwest(Http::One).await;
}

#[tokio::test]
async fn reqwest_over_http2() {
    reqwest(Http::Two).await;
}
