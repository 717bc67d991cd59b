//! What a client was seen to do, told by the server's record, and held against its row in the guide's table.
//! How a client is run is not here.

use std::fmt;

use crate::site::{Record, Site, Tls};

/// The page of the guide that tells what clients do.
const GUIDE: &str = include_str!("../../src/guide/clients.md");

/// A version of HTTP, as clients, ALPN and the guide's table name it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "1.1",
            Self::Two => "2",
        })
    }
}

/// The answer to a step as the client's program sees it, where it was not refused and where it was.
pub const SERVED: &str = "200 -";
pub const REFUSED: &str = "421 no-store";

/// Has one client visit the site three times, and compares what it does with its row in the guide.
///
/// `visit` runs the client with a list of steps, each `HOST/PATH` or `HOST/PATH=AUTHORITY`, which share one
/// pool of connections, and returns what the client saw of each: its status and `Cache-Control`.
pub async fn compare_with_the_guide(
    client: &str,
    version: &str,
    http: Http,
    visit: impl AsyncFn(&Site, &[&str]) -> Vec<String>,
) {
    eprintln!("ran: {client} {version}, HTTP/{http}");
    let coalesces = coalesces(http, &visit).await;
    let told_another_host = told_another_host(http, &visit).await;
    let change = after_a_change(http, &visit).await;
    let cells = [
        yes_or_no(coalesces),
        told_another_host,
        &change.on_421,
        &change.seen,
        change.afterwards,
    ];
    assert_row(client, &http.to_string(), &cells);
}

/// Whether a request for another host of the certificate takes the open connection.
async fn coalesces(http: Http, visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>) -> bool {
    let site = Site::start(Tls::Shared).await;
    let seen = visit(&site, &["one.test/", "one.test/", "two.test/"]).await;
    assert_eq!(seen, [SERVED; 3]);

    let records = site.take();
    let [first, second, other] = &records[..] else {
        panic!("three requests: {records:?}");
    };
    assert_eq!(first.connection, second.connection, "it keeps connections");
    let version = match http {
        Http::One => http::Version::HTTP_11,
        Http::Two => http::Version::HTTP_2,
    };
    assert!(records.iter().all(|record| record.version == version));
    assert_eq!(first.server_name.as_deref(), Some("one.test"));
    let coalesces = other.connection == first.connection;
    let server_name = if coalesces { "one.test" } else { "two.test" };
    assert_eq!(other.server_name.as_deref(), Some(server_name));
    coalesces
}

/// What a `Host` or `:authority` that differs from the URL comes to, where the hosts are kept apart.
async fn told_another_host(
    http: Http,
    visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>,
) -> &'static str {
    let site = Site::start(Tls::Apart).await;
    let seen = visit(
        &site,
        &["one.test/", "one.test/other=two.test", "one.test/"],
    )
    .await;
    let records = site.take();
    assert_eq!((&*seen[0], &*seen[2]), (SERVED, SERVED), "{records:?}");
    let told = &records[1];
    let kept = records[0].connection == told.connection;
    match (&*seen[1], &*told.line(), kept) {
        (SERVED, "two.test 200", false) => {
            assert_eq!(told.server_name.as_deref(), Some("two.test"));
            "takes it for its server name"
        }
        (REFUSED, "two.test 421", true) => {
            assert_eq!(on_421(&records[1..]), "hands it over");
            // A refusal ends a connection of HTTP/1.1 and no other (C3).
            let kept = records[2].connection == told.connection;
            assert_eq!(kept, http == Http::Two);
            "421"
        }
        // `:authority` is the URL's, and `Host` differs (A1).
        ("400 no-store", "one.test 400", true) => "400",
        (SERVED, "one.test 200", true) => "ignores it",
        other => panic!("{other:?}, {records:?}"),
    }
}

struct AfterAChange {
    on_421: String,
    /// The status that the program sees in the end.
    seen: String,
    /// What becomes of the next request to the same host.
    afterwards: &'static str,
}

/// What happens when the host of an open connection has got a new configuration.
async fn after_a_change(
    http: Http,
    visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>,
) -> AfterAChange {
    let site = Site::start(Tls::Apart).await;
    let steps = ["one.test/change", "one.test/again", "one.test/later"];
    let seen = visit(&site, &steps).await;
    let records = site.take();
    assert_eq!(seen[0], SERVED);
    assert_eq!(records[1].connection, records[0].connection, "{records:?}");
    assert_eq!((&*records[1].path, records[1].status), ("/again", 421));

    let last = &records[records.len() - 1];
    assert_eq!(last.path, "/later");
    let same = last.connection == records[0].connection;
    AfterAChange {
        on_421: on_421(&records[1..]),
        seen: seen[1].split(' ').next().unwrap().to_owned(),
        afterwards: match (same, &*seen[2], http) {
            (false, SERVED, _) => "on a new connection",
            (true, REFUSED, Http::Two) => "on the same, and refused",
            // After a refusal over HTTP/1.1 the server closes (C3).
            _ => panic!("{seen:?}, {records:?}"),
        },
    }
}

/// What the client did about the first of these records, a 421.
pub fn on_421(records: &[Record]) -> String {
    let refused = &records[0];
    let mut later = records[1..].iter();
    match later.find(|later| later.path == refused.path) {
        Some(again) => {
            let same = again.connection == refused.connection;
            let which = if same { "the same" } else { "a new" };
            format!("repeats it on {which} connection")
        }
        None => "hands it over".to_owned(),
    }
}

pub fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}

/// Holds the guide to what was seen. Its table has a client, the version that was seen, the version of HTTP,
/// and then these cells.
pub fn assert_row(client: &str, http: &str, cells: &[&str]) {
    let rows = GUIDE.lines().filter(|line| line.starts_with('|'));
    let mut rows = rows.map(|line| line.trim_matches('|').split('|').map(str::trim));
    let row = rows.find_map(|row| {
        let row: Vec<_> = row.collect();
        (row[0] == client && row[2] == http).then_some(row)
    });
    let row = row.unwrap_or_else(|| panic!("no row of {client}, HTTP/{http}: {cells:?}"));
    assert_eq!(
        row[3..],
        *cells,
        "{client}, HTTP/{http}: the guide, and what was seen"
    );
}

/// Holds the settings of a proxy in the guide to the configuration that its tests use.
pub fn assert_settings(proxy: &str, configuration: &str) {
    let mut blocks = GUIDE
        .split("```")
        .filter_map(|block| block.strip_prefix(proxy));
    let used: Vec<_> = configuration.lines().map(str::trim).collect();
    let told: Vec<_> = blocks
        .by_ref()
        .flat_map(str::lines)
        .map(str::trim)
        .collect();
    assert!(!told.is_empty(), "the guide has no settings for {proxy}");
    for line in told.into_iter().filter(|line| !line.is_empty()) {
        assert!(used.contains(&line), "not tested: {line}");
    }
}
