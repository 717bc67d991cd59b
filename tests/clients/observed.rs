//! What a client was seen to do, told by the server's record, and held against its row in the guide's table.
//! How a client is run is not here.

use std::fmt;
use std::time::Duration;

use crate::site::{ASIDE, Kind, Record, Site, Tls};

/// The page of the guide that tells what clients do.
const GUIDE: &str = include_str!("../../src/guide/clients.md");

/// The page that tells what gRPC clients do.
const GRPC: &str = include_str!("../../src/guide/grpc.md");

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

/// The `drain` of a site that does not tell idle connections in time.
pub const LATE: Duration = Duration::from_secs(100_000);

/// What a client does, as its row in the guide says.
#[derive(Debug)]
pub struct Row {
    pub coalesces: bool,
    /// What comes of a refused request, and of the next one.
    pub refused: String,
    /// What comes of a request that is under way when the configuration changes.
    pub under_way: String,
    /// What comes of a request whose client does not know of the change yet, and of the next one.
    pub unaware: String,
    /// What comes of a request whose client was told of the change while it was idle, and of the next one.
    pub idle: String,
}

impl Row {
    /// Holds the guide to it.
    pub fn assert(&self, client: &str, http: &str) {
        let cells = [
            if self.coalesces { "yes" } else { "no" },
            &self.refused,
            &self.under_way,
            &self.unaware,
            &self.idle,
        ];
        assert_row(client, http, &cells);
    }
}

/// Has one client visit the site, and compares what it does with its row in the guide.
///
/// `visit` runs the client with a list of steps, each `HOST/PATH` or `HOST/PATH=AUTHORITY`, which share one
/// pool of connections, and returns what the client saw of each: its status and `Cache-Control`, or `error`.
pub async fn compare_with_the_guide(
    client: &str,
    version: &str,
    http: Http,
    visit: impl AsyncFn(&Site, &[&str]) -> Vec<String>,
) {
    eprintln!("ran: {client} {version}, HTTP/{http}");
    let coalesces = coalesces(http, &visit).await;
    let refused = match coalesces {
        true => coalesced_and_refused(&visit).await,
        false => told_another_host(http, &visit).await,
    };
    let row = Row {
        coalesces,
        refused,
        under_way: under_way(&visit).await,
        unaware: unaware(http, &visit).await,
        idle: idle(http, &visit).await,
    };
    row.assert(client, &http.to_string());
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

/// What becomes of a request that the client coalesces, where the hosts are kept apart.
async fn coalesced_and_refused(visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>) -> String {
    let site = Site::start(Tls::Apart).await;
    let seen = visit(&site, &["one.test/", "two.test/other", "two.test/later"]).await;
    let records = site.take();
    assert_eq!(records[1].line(), "two.test 421", "{records:?}");
    assert_eq!(records[1].connection, records[0].connection, "{records:?}");
    pair(&seen[1..], &records, ["/other", "/later"])
}

/// What a `Host` or `:authority` that differs from the URL comes to, where the hosts are kept apart.
async fn told_another_host(
    http: Http,
    visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>,
) -> String {
    let site = Site::start(Tls::Apart).await;
    let steps = ["one.test/", "one.test/other=two.test", "one.test/later"];
    let seen = visit(&site, &steps).await;
    let records = site.take();
    assert_eq!((&*seen[0], &*seen[2]), (SERVED, SERVED), "{records:?}");
    let told = &records[1];
    let kept = records[0].connection == told.connection;
    let cell = match (&*seen[1], &*told.line(), kept) {
        (SERVED, "two.test 200", false) => {
            assert_eq!(told.server_name.as_deref(), Some("two.test"));
            "sends it as server name"
        }
        (REFUSED, "two.test 421", true) => {
            assert_eq!(records.len(), 3, "it is not repeated: {records:?}");
            // A refusal ends a connection of HTTP/1.1 and no other (C3).
            let kept = records[2].connection == told.connection;
            assert_eq!(kept, http == Http::Two);
            return pair(&seen[1..], &records, ["/other", "/later"]);
        }
        // `:authority` is the URL's, and `Host` differs (A1).
        ("400 no-store", "one.test 400", true) => {
            return pair(&seen[1..], &records, ["/other", "/later"]);
        }
        (SERVED, "one.test 200", true) => "ignores it",
        other => panic!("{other:?}, {records:?}"),
    };
    cell.to_owned()
}

/// W2: what becomes of a request that is under way when the host of its connection gets a new configuration.
async fn under_way(visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>) -> String {
    let site = Site::start(Tls::Apart).await;
    let seen = visit(&site, &["one.test/", "one.test/change"]).await;
    let records = site.take();
    assert_eq!(records[1].connection, records[0].connection, "{records:?}");
    outcome(&seen[1], &records, "/change")
}

/// W6: the host of an open connection gets a new configuration, and the client does not know yet.
async fn unaware(http: Http, visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>) -> String {
    let kind = Kind {
        drain: Some(LATE),
        ..Tls::Apart.into()
    };
    let site = Site::start(kind).await;
    let aside = format!("{ASIDE}/change");
    let seen = visit(
        &site,
        &["one.test/", &aside, "one.test/again", "one.test/later"],
    )
    .await;
    let records = site.take();
    let again = records
        .iter()
        .find(|record| record.path == "/again")
        .unwrap();
    assert_eq!(again.connection, records[0].connection, "{records:?}");
    assert_eq!(again.status, 421);
    // The answer, or the GOAWAY before it, ends the connection.
    let later = records
        .iter()
        .find(|record| record.path == "/later")
        .unwrap();
    assert_ne!(
        later.connection, again.connection,
        "HTTP/{http}: {records:?}"
    );
    pair(&seen[2..], &records, ["/again", "/later"])
}

/// W6: the host of an idle connection gets a new configuration.
async fn idle(http: Http, visit: &impl AsyncFn(&Site, &[&str]) -> Vec<String>) -> String {
    let site = Site::start(Tls::Apart).await;
    let aside = format!("{ASIDE}/tell");
    let seen = visit(
        &site,
        &["one.test/", &aside, "one.test/again", "one.test/later"],
    )
    .await;
    let records = site.take();
    let later = records
        .iter()
        .find(|record| record.path == "/later")
        .unwrap();
    assert_ne!(
        later.connection, records[0].connection,
        "HTTP/{http}: {records:?}"
    );
    pair(&seen[2..], &records, ["/again", "/later"])
}

/// What came of two requests, as the guide says it: what the program saw.
pub fn pair(seen: &[String], records: &[Record], paths: [&str; 2]) -> String {
    let [first, then] = [0, 1].map(|at| outcome(&seen[at], records, paths[at]));
    format!("{first}, then {then}")
}

/// What the program saw of a request. If it saw an answer, the server's last record of the request agrees.
pub fn outcome(seen: &str, records: &[Record], path: &str) -> String {
    let status = seen.split(' ').next().unwrap();
    if status == "error" {
        return "an error".to_owned();
    }
    let mut records = records.iter().rev();
    let record = records.find(|record| record.path == path);
    let record = record.unwrap_or_else(|| panic!("no record of {path}"));
    assert_eq!(status, record.status.to_string(), "{record:?}");
    status.to_owned()
}

/// The cells of a row.
fn cells_of(line: &str) -> Option<Vec<&str>> {
    let cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|');
    Some(cells.map(str::trim).collect())
}

/// The rows of the page of clients: a client, its version, the version of HTTP, whether the client coalesces, and the
/// other cells. The first three are one cell on the page, and each kind of client has a table.
fn rows_of_clients() -> Vec<Vec<&'static str>> {
    let mut rows = Vec::new();
    let mut coalesces = "";
    for line in GUIDE.lines() {
        match line {
            "### Clients that coalesce" => coalesces = "yes",
            "### Other clients" => coalesces = "no",
            _ => {}
        }
        let Some(cells) = cells_of(line) else {
            continue;
        };
        let Some((name, http)) = cells[0].split_once(", HTTP/") else {
            continue;
        };
        let version = name.rsplit_once(' ');
        let version =
            version.filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
        let (client, version) = version.unwrap_or((name, ""));
        let mut row = vec![client, version, http, coalesces];
        row.extend(&cells[1..]);
        rows.push(row);
    }
    rows
}

/// Holds the guide to what was seen of a client: whether it coalesces, and then what the page has. The table of gRPC
/// clients has a client, the version that was seen, the version of HTTP, and then these cells.
pub fn assert_row(client: &str, http: &str, cells: &[&str]) {
    let grpc = GRPC.lines().filter_map(cells_of);
    let mut rows = rows_of_clients().into_iter().chain(grpc);
    let row = rows.find(|row| row[0] == client && row[2] == http);
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

/// W6: after a refusal, the client's next request succeeds. The guide names the clients that have a bug of their own.
#[test]
fn w6_every_next_request_succeeds() {
    let mut in_vain = Vec::new();
    let mut pairs = 0;
    for cells in rows_of_clients() {
        for (column, cell) in cells.iter().enumerate() {
            if let Some((_, next)) = cell.split_once(", then ") {
                pairs += 1;
                if next != "200" {
                    in_vain.push((cells[0], cells[2], column));
                }
            }
        }
    }
    assert!(pairs > 50, "only {pairs}");
    assert_eq!(in_vain, [("OkHttp", "2", 4)]);
}
