//! The table of the README that compares servers: every cell must be what the server answers. Each server has the same
//! virtual hosts and no mistake; a server that is not installed is skipped. The example `diagnose` is not used here.

mod cells;
mod ours;
mod table;

use std::net::{Ipv4Addr, SocketAddr};

use crate::servers::{self, Kind, Server};

const NGINX: Kind = Kind {
    configuration: include_str!("compared/nginx.conf"),
    ..servers::NGINX
};

const HTTPD: Kind = Kind {
    configuration: include_str!("compared/httpd.conf"),
    ..servers::HTTPD
};

const CADDY: Kind = Kind {
    configuration: include_str!("compared/Caddyfile"),
    ..servers::CADDY
};

const TRAEFIK: Kind = Kind {
    configuration: include_str!("compared/traefik.yaml"),
    ..servers::TRAEFIK
};

const HAPROXY: Kind = Kind {
    configuration: include_str!("compared/haproxy.cfg"),
    files: &[(
        "certificates.list",
        // Connections without a server name get the first one.
        "/srv/site/ab.pem\n\
         /srv/site/c.pem\n\
         /srv/site/wild.pem www.w.test\n\
         /srv/site/wild.pem [verify required ca-file /srv/site/ca.pem] admin.w.test\n",
    )],
    ..servers::HAPROXY
};

const ENVOY: Kind = Kind {
    configuration: include_str!("compared/envoy.yaml"),
    ..servers::ENVOY
};

/// Compares a column of the table with the answers of a server, unless the server is not installed.
async fn holds_for_the_installed(column: &str, kind: &Kind) {
    // None of them is a proxy here.
    let no_origin = (Ipv4Addr::LOCALHOST, 9).into();
    if let Some(server) = Server::start(kind, &[], no_origin).await {
        holds(column, server.addr(4101)).await;
    }
}

/// Compares a column of the table with the answers of the server at this address. The failure shows all answers.
async fn holds(column: &str, addr: SocketAddr) {
    let stated = table::column(column);
    let measured = cells::measure(addr).await;
    let rows: Vec<_> = stated.iter().map(|(row, _)| row.as_str()).collect();
    let known: Vec<_> = measured.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, known, "the rows in README.md, and the rows tested");
    let mut report = String::new();
    for ((row, measured), (_, stated)) in measured.iter().zip(&stated) {
        report += &format!("{row}: {measured}");
        if measured != stated {
            report += &format!(" (README.md states {stated})");
        }
        report.push('\n');
    }
    let same = stated.iter().map(|(_, cell)| cell);
    let same = same.eq(measured.iter().map(|(_, cell)| cell));
    // Other versions may differ: the lines `ran:` above have the versions.
    assert!(
        same,
        "README.md is wrong about {column}. Measured:\n{report}"
    );
}

#[test]
fn the_table_has_one_column_for_each_server() {
    let servers = [
        "this crate",
        "nginx",
        "httpd",
        "Caddy",
        "Traefik",
        "HAProxy",
        "Envoy",
    ];
    assert_eq!(table::servers(), servers);
}

#[tokio::test]
async fn the_table_holds_for_this_crate() {
    holds("this crate", ours::start().await).await;
}

#[tokio::test]
async fn the_table_holds_for_nginx() {
    holds_for_the_installed("nginx", &NGINX).await;
}

#[tokio::test]
async fn the_table_holds_for_httpd() {
    holds_for_the_installed("httpd", &HTTPD).await;
}

#[tokio::test]
async fn the_table_holds_for_caddy() {
    holds_for_the_installed("Caddy", &CADDY).await;
}

#[tokio::test]
async fn the_table_holds_for_traefik() {
    holds_for_the_installed("Traefik", &TRAEFIK).await;
}

#[tokio::test]
async fn the_table_holds_for_haproxy() {
    holds_for_the_installed("HAProxy", &HAPROXY).await;
}

#[tokio::test]
async fn the_table_holds_for_envoy() {
    holds_for_the_installed("Envoy", &ENVOY).await;
}
