//! The example `diagnose` on real servers, each with one mistake: the tool has to name the mistake first, the hosts
//! that it concerns, and the server's setting that mends it. What the tool prints beyond that is not here.
#![cfg(unix)]

#[path = "../clients/installed.rs"]
mod installed;
#[path = "../clients/launched.rs"]
mod launched;
#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod cases;
mod certificates;
mod origin;
mod ours;
mod servers;
mod tool;
mod variations;

use crate::cases::Case;
use crate::servers::{Kind, Server};

async fn names_each_mistake(kind: &Kind, cases: &[Case]) {
    no_mistake_is_missed(kind, cases, &[]).await;
}

async fn no_mistake_is_missed(
    kind: &Kind,
    cases: &[Case],
    changes: &[(&'static str, &'static str)],
) {
    let origin = origin::start(changes).await;
    let Some(server) = Server::start(kind, changes, origin).await else {
        return;
    };
    let mut wrong = server.wrong(cases).await;
    if cases.iter().any(|case| case.port == 4110) {
        wrong.extend(wrong_behind_a_proxy(&server).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// What is wrong with the tool's answers through a proxy that sends no server name, or a fixed one, to a server.
async fn wrong_behind_a_proxy(server: &Server) -> Vec<String> {
    let mut wrong = Vec::new();
    let proxy = Server::start(&servers::NGINX, &[], server.addr(4110));
    if let Some(proxy) = proxy.await {
        let seen = proxy.wrong(cases::PROXIES).await;
        wrong.extend(
            seen.iter()
                .map(|wrong| format!("{}, behind {wrong}", server.name)),
        );
    }
    wrong
}

#[tokio::test]
async fn nginx() {
    names_each_mistake(&servers::NGINX, cases::NGINX).await;
}

#[tokio::test]
async fn apache_httpd() {
    names_each_mistake(&servers::HTTPD, cases::HTTPD).await;
}

#[tokio::test]
async fn caddy() {
    names_each_mistake(&servers::CADDY, cases::CADDY).await;
}

#[tokio::test]
async fn haproxy() {
    names_each_mistake(&servers::HAPROXY, cases::HAPROXY).await;
}

#[tokio::test]
async fn traefik() {
    names_each_mistake(&servers::TRAEFIK, cases::TRAEFIK).await;
}

#[tokio::test]
async fn this_crate() {
    let server = Server::ours(&[]).await;
    let mut wrong = server.wrong(cases::OURS).await;
    wrong.extend(wrong_behind_a_proxy(&server).await);
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// Envoy compares nothing by itself.
#[tokio::test]
async fn envoy() {
    names_each_mistake(&servers::ENVOY, cases::ENVOY).await;
}
