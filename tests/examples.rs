//! Every example, run as a user would run it.

mod pki;
mod wire;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tokio::net::TcpStream;

/// The program of an example. Cargo builds examples along with the tests and puts them beside.
fn program(name: &str) -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run the whole of `cargo test`",
        path.display()
    );
    Command::new(path)
}

/// A running example, ended when the test ends.
struct Running {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    addr: SocketAddr,
}

impl Running {
    /// Starts an example and waits until it says where it listens.
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = program(name);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on http").expect(&line);
        let addr = addr.trim_start_matches("s").trim_start_matches("://");
        let addr = addr.parse().expect(&line);
        Self {
            child,
            output,
            addr,
        }
    }

    /// Reads on up to a line that begins with this, and returns all of it.
    fn read_to(&mut self, prefix: &str) -> String {
        let mut text = String::new();
        while !text
            .lines()
            .last()
            .is_some_and(|line| line.starts_with(prefix))
        {
            assert!(self.output.read_line(&mut text).unwrap() > 0, "{text}");
        }
        text
    }

    /// Sends a signal; false where there are none.
    fn signal(&self, signal: &str) -> bool {
        let pid = self.child.id().to_string();
        cfg!(unix)
            && Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
    }
}

/// Asks an example to end, by Ctrl-C, and waits until it has.
async fn ends_on_ctrl_c(mut example: Running) {
    if example.signal("-INT") {
        let wait = move || example.child.wait().unwrap();
        // The clients' tasks run on meanwhile and close their connections.
        let status = tokio::task::spawn_blocking(wait).await.unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// GET / over TLS with the server name `app.localhost`.
async fn get(addr: SocketAddr, host: &str) -> wire::Answer {
    let client = pki::client(&["http/1.1"]);
    let mut io = wire::connect(addr, client, Some("app.localhost")).await;
    wire::exchange(&mut io, &format!("GET / HTTP/1.1\nHost: {host}\n\n")).await
}

async fn get2(addr: SocketAddr, host: &str) -> http::Response<String> {
    let io = wire::connect(addr, pki::client(&["h2"]), Some("app.localhost")).await;
    wire::send2(&wire::http2(io).await, wire::get2(Some(host), &[])).await
}

/// What the TLS examples have in common.
async fn serves_its_names_only(addr: SocketAddr) {
    for (host, status, body) in [
        ("app.localhost", 200, "hello from app.localhost\n"),
        ("api.localhost", 200, "hello from api.localhost\n"),
        ("other.localhost", 421, r#"{"error":"misdirected_request"}"#),
        ("me@app.localhost", 400, r#"{"error":"bad_request"}"#),
    ] {
        let answer = get(addr, host).await;
        assert_eq!((answer.status, &*answer.body), (status, body));
        let answer = get2(addr, host).await;
        assert_eq!((answer.status().as_u16(), &**answer.body()), (status, body));
    }
}

#[test]
fn quickstart_shows_the_main_job_and_ends() {
    let output = program("quickstart").arg("--once").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let rows: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        &[
            "normal",
            "1.1",
            "app.localhost",
            "app.localhost",
            "200",
            "OK",
        ][..],
        &[
            "coalesced",
            "2",
            "app.localhost",
            "api.localhost",
            "200",
            "OK",
        ],
        &[
            "misdirected",
            "2",
            "app.localhost",
            "other.localhost",
            "421",
            "Misdirected",
            "Request",
        ],
        &[
            "malformed",
            "1.1",
            "app.localhost",
            "me@app.localhost",
            "400",
            "Bad",
            "Request",
        ],
        &[
            "report-only",
            "2",
            "app.localhost",
            "other.localhost",
            "200",
            "OK",
        ],
        &["cache-control:", "no-store"],
        &[r#"{"error":"misdirected_request"}"#],
    ] {
        assert!(rows.iter().any(|found| found == row), "{row:?} in {text}");
    }
    assert!(text.contains("would have answered 421 Misdirected Request (not_in_certificate)"));
}

#[tokio::test]
async fn quickstart_keeps_serving() {
    let mut example = Running::start("quickstart", &["--port", "0"]);
    let text = example.read_to("serving until Ctrl-C");
    assert!(
        text.contains(&format!(":{}:127.0.0.1", example.addr.port())),
        "{text}"
    );
    serves_its_names_only(example.addr).await;
    ends_on_ctrl_c(example).await;
}

#[test]
fn quickstart_names_a_bad_argument() {
    for arguments in [&["--port"][..], &["--port", "70000"], &["--twice"]] {
        let output = program("quickstart").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("usage: quickstart")
        );
    }
}

#[tokio::test]
async fn hyper_loop_serves_and_ends_gracefully() {
    let example = Running::start("hyper_loop", &[]);
    // Clients that say nothing or go away keep nobody waiting.
    let _silent = TcpStream::connect(example.addr).await.unwrap();
    drop(TcpStream::connect(example.addr).await.unwrap());
    serves_its_names_only(example.addr).await;
    ends_on_ctrl_c(example).await;
}

#[tokio::test]
async fn axum_server_serves_a_certificate_made_in_memory() {
    let example = Running::start("axum_server", &[]);
    serves_its_names_only(example.addr).await;
}

#[tokio::test]
async fn axum_server_reloads_its_files() {
    let directory = std::env::temp_dir().join(format!("misdirected-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (chain, key) = (directory.join("chain.pem"), directory.join("key.pem"));
    let write = |names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(&chain, certified.cert.pem()).unwrap();
        std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    };
    write(&["app.localhost"]);
    let arguments = [chain.to_str().unwrap(), key.to_str().unwrap()];
    let mut example = Running::start("axum_server", &arguments);
    assert_eq!(get(example.addr, "new.localhost").await.status, 421);

    write(&["app.localhost", "new.localhost"]);
    if example.signal("-HUP") {
        example.read_to("reloaded");
        assert_eq!(get(example.addr, "new.localhost").await.status, 200);
        ends_on_ctrl_c(example).await;
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn report_only_counts_by_reason() {
    let example = Running::start("report_only", &[]);
    for host in [
        "app.localhost",
        "api.localhost",
        "other.localhost",
        "other.localhost",
        "a b",
    ] {
        let answer = get(example.addr, host).await;
        assert_eq!((answer.status, &*answer.body), (200, "hello\n"), "{host}");
    }
    let client = pki::client(&["http/1.1"]);
    let mut io = wire::connect(example.addr, client, Some("app.localhost")).await;
    let request = "GET /metrics HTTP/1.1\nHost: app.localhost\n\n";
    let metrics = wire::exchange(&mut io, request).await.body;
    for line in [
        r#"misdirected_requests_total{reason="not_in_certificate"} 2"#,
        r#"misdirected_requests_total{reason="invalid_host"} 1"#,
        "coalesced_requests_total 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
}

#[tokio::test]
async fn plain_http_hosts_keeps_rebinding_away() {
    let example = Running::start("plain_http_hosts", &[]);
    for (host, status) in [
        ("localhost", 200),
        ("app.localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.0.2.1", 421),
    ] {
        let mut tcp = TcpStream::connect(example.addr).await.unwrap();
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        assert_eq!(
            wire::exchange(&mut tcp, &request).await.status,
            status,
            "{host}"
        );
    }
}
