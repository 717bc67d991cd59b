//! curl, wget, nghttp and Node, each with what is peculiar to it: what a refusal looks like, what repeats, and
//! where the server name comes from. Uploads are not here.

use axum::http::Version;
use tokio::process::Command;
use tower_misdirected::MisdirectedLayer;

use crate::installed;
use crate::observed::{Http, REFUSED, Row, SERVED, assert_row, outcome};
use crate::programs::{curl, file, lines, told};
use crate::site::{self, Kind, Record, Site, Tls};

/// Whether these all came over one connection.
fn one_connection(records: &[Record]) -> bool {
    records
        .iter()
        .all(|record| record.connection == records[0].connection)
}

fn hosts_and_statuses(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::line).collect()
}

/// Has a client that resolves names by the system alone ask for one host twice and for another at the same
/// address, whatever their certificates and answers, and tells whether the other takes the open connection.
async fn coalesces(site: &Site, command: &mut Command) -> bool {
    let urls = ["127.0.0.1", "127.0.0.1", "localhost"].map(|host| site.url(host));
    installed::output(command.args([&urls[0], &format!("{}again", urls[1]), &urls[2]])).await;
    let records = site.take();
    let other = records
        .iter()
        .position(|record| record.authority.starts_with("localhost"));
    assert_eq!(other, Some(2));
    assert!(one_connection(&records[..2]));
    one_connection(&records)
}

#[tokio::test]
async fn c1_c2_c3_curl_shows_the_whole_refusal() {
    let Some(program) = installed::find(&["curl"]) else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    for (http, expected) in [
        (
            Http::One,
            "HTTP/1.1 421 Misdirected Request\ncontent-type: application/json\ncontent-length: 31\n\
             cache-control: no-store\nallow: \nconnection: close\n",
        ),
        (
            Http::Two,
            "HTTP/2 421 \ncontent-type: application/json\ncontent-length: 31\ncache-control: no-store\nallow: \n",
        ),
    ] {
        let mut command = curl(&program, http, &site, &["one.test/=two.test"]);
        let head = lines(command.args(["--dump-header", "-"])).await;
        // Then there is a line between, and what the command prints of its own.
        let head = head.iter().take_while(|line| !line.is_empty());
        let told: String = head
            .filter(|line| !line.starts_with("date: "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn curl_repeats_only_if_told_and_over_http2_in_vain() {
    let Some(program) = installed::find(&["curl"]) else {
        return;
    };
    for http in [Http::One, Http::Two] {
        let site = Site::start(Tls::Apart).await;
        let mut command = curl(&program, http, &site, &["one.test/=two.test"]);
        command.args(["--fail", "--retry", "1", "--retry-delay", "0"]);
        installed::output(&mut command).await;
        assert_eq!(
            hosts_and_statuses(&site.take()),
            ["two.test 421"],
            "--retry alone"
        );

        installed::output(command.arg("--retry-all-errors")).await;
        let records = site.take();
        assert_eq!(
            hosts_and_statuses(&records),
            ["two.test 421", "two.test 421"]
        );
        assert_eq!(one_connection(&records), http == Http::Two);
        assert!(
            records
                .iter()
                .all(|record| record.server_name.as_deref() == Some("one.test"))
        );
    }
}

/// W2, W6: what draining is for.
#[tokio::test]
async fn w2_without_draining_curl_stays_on_its_connection_and_is_refused() {
    let Some(program) = installed::find(&["curl"]) else {
        return;
    };
    let kind = Kind {
        drain: None,
        ..Tls::Apart.into()
    };
    let site = Site::start(kind).await;
    let steps = ["one.test/change", "one.test/again", "one.test/later"];
    installed::output(&mut curl(&program, Http::Two, &site, &steps)).await;
    let records = site.take();
    let statuses: Vec<_> = records.iter().map(|record| record.status).collect();
    assert_eq!(statuses, [200, 421, 421]);
    assert!(one_connection(&records));
}

/// What a health check should do in place of `-H 'Host: …'`.
#[tokio::test]
async fn curl_sends_the_right_server_name_with_connect_to_and_resolve() {
    let Some(program) = installed::find(&["curl"]) else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    let port = site.port();
    for (option, place) in [
        ("--connect-to", format!("::127.0.0.1:{port}")),
        ("--resolve", format!("two.test:{port}:127.0.0.1")),
    ] {
        let mut command = Command::new(&program);
        command.args(["--silent", "--cacert", &site.ca_file()]);
        command.args([option, &place, &site.url("two.test")]);
        assert_eq!(installed::prints(&mut command).await, "two.test\n");
        let records = site.take();
        assert_eq!(hosts_and_statuses(&records), ["two.test 200"]);
        assert_eq!(records[0].server_name.as_deref(), Some("two.test"));
    }
}

/// wget resolves names by the system alone, so it comes by address, and without a server name.
#[tokio::test]
async fn wget_hands_over_and_repeats_on_a_new_connection_if_told() {
    let Some(program) = installed::find(&["wget"]) else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    let wget = |options: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args([
                "--no-config",
                "--quiet",
                "--output-document=-",
                "--ca-certificate",
            ])
            .arg(site.ca_file())
            .args(options)
            .arg(site.url("127.0.0.1"));
        command
    };
    assert_eq!(installed::prints(&mut wget(&[])).await, "127.0.0.1\n");
    site.take();

    let host = "--header=Host: two.test";
    let output = installed::output(&mut wget(&[host])).await;
    assert_eq!(output.status.code(), Some(8), "an error from the server");
    assert_eq!(hosts_and_statuses(&site.take()), ["two.test 421"]);

    let repeat = [
        "--retry-on-http-error=421",
        "--tries=2",
        "--waitretry=0",
        host,
    ];
    installed::output(&mut wget(&repeat)).await;
    let records = site.take();
    assert_eq!(
        hosts_and_statuses(&records),
        ["two.test 421", "two.test 421"]
    );
    assert!(!one_connection(&records));
    assert!(records.iter().all(|record| record.server_name.is_none()));
    let mut several = Command::new(&program);
    several.args([
        "--no-config",
        "--quiet",
        "--output-document=-",
        "--no-check-certificate",
    ]);
    let coalesces = coalesces(&site, &mut several).await;

    // The configuration changes during the first request. wget keeps one connection, which is then idle.
    let mut command = wget(&["--server-response"]);
    for path in ["change", "again", "later"] {
        command.arg(format!("{}{path}", site.url("127.0.0.1")));
    }
    let output = installed::output(&mut command).await;
    let printed = String::from_utf8(output.stderr).unwrap();
    let statuses = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("HTTP/1.1 "));
    let seen: Vec<_> = statuses.map(|status| &status[..3]).collect();
    let records = site.take();
    assert_eq!(records.len(), 4, "{records:?}");
    assert!(one_connection(&records[..3]) && !one_connection(&records[2..]));
    let seen = [
        ("/change", seen[1]),
        ("/again", seen[2]),
        ("/later", seen[3]),
    ]
    .map(|(path, seen)| outcome(seen, &records, path));
    let idle = format!("{}, then {}", seen[1], seen[2]);
    let row = Row {
        coalesces,
        // As above: the request for the other host, and the one before it.
        refused: "421, then 200".to_owned(),
        under_way: seen[0].clone(),
        unaware: idle.clone(),
        // Nobody tells a client over HTTP/1.1.
        idle,
    };
    installed::announce("wget", Command::new(&program).arg("--version")).await;
    row.assert("wget", "1.1");
}

/// So nghttp is never misdirected. It is refused where no certificate covers what it asks for (B5).
#[tokio::test]
async fn nghttps_server_name_is_its_authority() {
    let Some(program) = installed::find(&["nghttp"]) else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    for (host, server_name, status) in [
        (None, None, 200),
        (Some("two.test"), Some("two.test"), 200),
        (Some("other.test"), Some("other.test"), 421),
    ] {
        let mut command = Command::new(&program);
        command.args([
            "--no-verify-peer",
            "--null-out",
            "--multiply=3",
            &site.url("127.0.0.1"),
        ]);
        if let Some(host) = host {
            command.arg(format!("--header=:authority: {host}"));
        }
        installed::prints(&mut command).await;
        let records = site.take();
        assert_eq!(records.len(), 3);
        assert!(one_connection(&records));
        for record in records {
            assert_eq!(record.server_name.as_deref(), server_name);
            assert_eq!((record.status, record.version), (status, Version::HTTP_2));
        }
    }
    let mut several = Command::new(&program);
    several.args(["--no-verify-peer", "--null-out"]);
    assert!(!coalesces(&site, &mut several).await);

    // It ends with the answers, so its next request opens another connection.
    for path in ["change", "again"] {
        let mut command = Command::new(&program);
        let url = format!("{}{path}", site.url("127.0.0.1"));
        command.args(["--no-verify-peer", "--null-out", &url]);
        installed::prints(&mut command).await;
    }
    let records = site.take();
    assert!(records.iter().all(|record| record.status == 200));
    assert!(!one_connection(&records));
    let anew = "opens a new one";
    let cells = ["no", "sends it as server name", "200", anew, anew];
    installed::announce("nghttp", Command::new(&program).arg("--version")).await;
    assert_row("nghttp", "2", &cells);
}

/// The fetch standard has it repeat on a new connection ("HTTP-network-or-cache fetch", status 421). It repeats on
/// whichever comes next, and that is a new one if the server closes the old.
#[tokio::test]
async fn c3_nodes_fetch_needs_the_connection_closed() {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    for (close, seen, status) in [(true, SERVED, 200), (false, REFUSED, 421)] {
        let layer = MisdirectedLayer::new().json().close_http1(close);
        let site = Site::serve(Tls::Apart, site::pages().layer(layer)).await;
        let mut command = Command::new(&program);
        command.arg(file("client.js"));
        let steps = ["one.test/change", "one.test/again"];
        let command = told(&mut command, &site, Http::One, &steps);
        assert_eq!(lines(command).await, [SERVED, seen]);
        let records = site.take();
        let statuses: Vec<_> = records.iter().map(|record| record.status).collect();
        assert_eq!(statuses, [200, 421, status]);
        assert_eq!(one_connection(&records), !close);
    }
}
