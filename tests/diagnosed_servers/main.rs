//! The example `diagnose` on real servers, each with one mistake: the tool has to name the mistake first, the hosts
//! that it concerns, and the server's setting that mends it. What the tool prints beyond that is not here.
//!
//! [`compared`] runs the same servers without mistakes, and holds the table of the README against their answers.
#![cfg(unix)]

#[path = "../clients/installed.rs"]
mod installed;
#[path = "../clients/launched.rs"]
mod launched;
#[path = "../bypass/memory.rs"]
mod memory;
#[path = "../pki/mod.rs"]
mod pki;
#[path = "../ports/mod.rs"]
mod ports;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod cases;
mod certificates;
mod compared;
mod origin;
mod ours;
mod servers;
mod tool;
mod variations;

use crate::cases::Case;
use crate::servers::{Kind, Server};

/// Starts a server with these changes to its files, and runs the tool on it, and on a proxy in front of it.
async fn names_each_mistake(kind: &Kind, cases: &[Case], changes: &[(&'static str, &'static str)]) {
    let origin = origin::start(changes).await;
    let Some(server) = Server::start(kind, changes, origin).await else {
        return;
    };
    let behind_a_proxy = async {
        match cases.iter().any(|case| case.port == 4110) {
            true => wrong_behind_a_proxy(&server).await,
            false => Vec::new(),
        }
    };
    let (wrong, behind) = tokio::join!(server.wrong(cases), behind_a_proxy);
    assert!(wrong.is_empty(), "{}", wrong.concat());
    assert!(behind.is_empty(), "{}", behind.concat());
}

/// What is wrong with the tool's answers through a proxy that sends no server name, or a fixed one, to a server.
async fn wrong_behind_a_proxy(server: &Server) -> Vec<String> {
    let mut wrong = Vec::new();
    let proxy = Server::start(&servers::NGINX, &server.changes, server.addr(4110));
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
async fn each_mistake_of_nginx_is_named() {
    names_each_mistake(&servers::NGINX, cases::NGINX, &[]).await;
}

#[tokio::test]
async fn each_mistake_of_httpd_is_named() {
    names_each_mistake(&servers::HTTPD, cases::HTTPD, &[]).await;
}

#[tokio::test]
async fn each_mistake_of_caddy_is_named() {
    names_each_mistake(&servers::CADDY, cases::CADDY, &[]).await;
}

#[tokio::test]
async fn each_mistake_of_haproxy_is_named() {
    names_each_mistake(&servers::HAPROXY, cases::HAPROXY, &[]).await;
}

#[tokio::test]
async fn each_mistake_of_traefik_is_named() {
    names_each_mistake(&servers::TRAEFIK, cases::TRAEFIK, &[]).await;
}

#[tokio::test]
async fn each_mistake_of_this_crate_is_named() {
    let server = Server::ours(&[]).await;
    let (wrong, behind) = tokio::join!(server.wrong(cases::OURS), wrong_behind_a_proxy(&server));
    assert!(wrong.is_empty(), "{}", wrong.concat());
    assert!(behind.is_empty(), "{}", behind.concat());
}

#[tokio::test]
async fn each_mistake_of_envoy_is_named() {
    names_each_mistake(&servers::ENVOY, cases::ENVOY, &[]).await;
}
