//! What the clients that people use do with a 421, as the server saw it. Each test runs one program, and is
//! skipped where the program is not installed.
#![cfg(unix)]

#[path = "../log/mod.rs"]
mod log;
#[path = "../pki/mod.rs"]
mod pki;
#[path = "../ports/mod.rs"]
mod ports;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../retry_misdirected/visitor.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod visitor;
#[path = "../wire/mod.rs"]
mod wire;

mod big_uploads;
mod browsers;
mod command_lines;
mod gateways;
mod grpc;
mod installed;
mod launched;
mod observed;
mod programs;
mod proxies;
mod proxy_protocol;
mod retry_misdirected;
mod rust;
mod site;
mod uploads;

use http::Version;

use crate::site::{Site, Tls};

/// The record itself: one connection, two hosts, both configurations.
#[tokio::test]
async fn the_site_records_what_it_serves_and_what_it_refuses() {
    for (tls, status) in [(Tls::Shared, 200), (Tls::Apart, 421)] {
        let site = Site::start(tls).await;
        let io = wire::connect(site.addr, pki::client(&["h2"]), Some("one.test")).await;
        let client = wire::http2(io).await;
        for host in ["one.test", "two.test"] {
            wire::send2(&client, wire::get2(Some(host), &[])).await;
        }

        let records = site.take();
        let lines: Vec<_> = records.iter().map(|record| record.line()).collect();
        assert_eq!(lines, ["one.test 200", &format!("two.test {status}")]);
        assert!(records.iter().all(|record| {
            record.connection == records[0].connection
                && record.server_name.as_deref() == Some("one.test")
                && record.version == Version::HTTP_2
        }));
    }
}
