//! Every example, run as a user would run it.

mod pki;
mod program;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateRevocationListParams, RevokedCertParams, SerialNumber};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::program::{Directory, Running, run};
use crate::wire::http3::{connect_quic, ended_well, get3, http3, quic_client, send3};

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

#[tokio::test]
async fn quickstart_shows_the_main_job_and_ends() {
    let output = run("quickstart", &["--once"]).await;
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
    let mut example = Running::start("quickstart", &["--port", "0"]).await;
    let text = example.says("serving until Ctrl-C").await;
    assert!(
        text.contains(&format!(":{}:127.0.0.1", example.addr.port())),
        "{text}"
    );
    serves_its_names_only(example.addr).await;
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn quickstart_names_a_bad_argument() {
    for arguments in [&["--port"][..], &["--port", "70000"], &["--twice"]] {
        let output = run("quickstart", arguments).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("usage: quickstart")
        );
    }
}

/// The name of every example: a file, or a directory with a `main.rs`.
fn examples() -> Vec<String> {
    let examples = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let paths = examples.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.is_file() || path.join("main.rs").exists());
    paths
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_example_explains_its_arguments_and_refuses_others() {
    let examples = examples();
    assert!(examples.len() >= 9, "{examples:?}");
    for example in examples {
        let usage = format!("usage: {example}");
        for help in ["--help", "-h"] {
            let output = run(&example, &[help]).await;
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && text.contains(&usage), "{text}");
        }
        let output = run(&example, &["--no-such-option"]).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{example}: {errors}");
        assert!(
            errors.contains("`--no-such-option`") && errors.contains(&usage),
            "{errors}"
        );
    }
}

/// Runs an example that must fail, and returns what it says.
async fn failure(example: &str, arguments: &[&str]) -> String {
    let output = run(example, arguments).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success(),
        "{example} {arguments:?}: {errors}"
    );
    assert!(
        !errors.contains("Os {") && !errors.contains("Custom {"),
        "{errors}"
    );
    errors
}

#[tokio::test]
async fn examples_name_the_file_that_is_missing_or_wrong() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    directory.write_certificate("other.pem", "other-key.pem", &["app.localhost"]);
    directory.write("empty.pem", "");
    let path = |file: &str| directory.path(file);
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let (missing, empty, other) = (
        path("missing.pem"),
        path("empty.pem"),
        path("other-key.pem"),
    );
    for example in ["axum_server", "renewal"] {
        for (chain, key, named) in [
            (&missing, &key, &missing),
            (&chain, &missing, &missing),
            (&empty, &key, &empty),
            (&chain, &empty, &empty),
            (&chain, &other, &other),
        ] {
            let errors = failure(example, &[chain, key]).await;
            assert!(errors.contains(&**named), "{example}: {named} in {errors}");
        }
    }
    let errors = failure("client_certificates", &[&chain, &key, &chain, &missing]).await;
    assert!(errors.contains(&*missing), "{errors}");
}

#[tokio::test]
async fn examples_say_what_is_wrong_with_a_pem_file_and_the_fix() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    directory.write_certificate("other.pem", "other-key.pem", &["app.localhost"]);
    let section = |content: &str| {
        format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
    };
    directory.write("half.pem", &section("AAAA")[..30]);
    directory.write("symbols.pem", section("????"));
    directory.write("strange.pem", section("AAAA"));
    directory.write("empty.pem", "");
    let path = |file: &str| directory.path(file);
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    for (file, problem) in [
        ("missing.pem", "; check the path"),
        ("half.pem", " is not well-formed PEM: write the file again"),
        (
            "symbols.pem",
            " is not well-formed PEM: write the file again",
        ),
        ("empty.pem", ": give a PEM file with one"),
        ("strange.pem", " cannot be read: give "),
    ] {
        let file = path(file);
        let diagnosed = ["a.test", "--connect-to", "127.0.0.1:1"];
        for (example, arguments) in [
            ("axum_server", &[&*file, &key][..]),
            ("client_certificates", &[&chain, &key, &file, &chain]),
            (
                "reverse_proxy",
                &["--upstream", "https://127.0.0.1:1", "--ca", &file],
            ),
            ("diagnose", &[&diagnosed[..], &["--ca", &file]].concat()),
            (
                "diagnose",
                &[&diagnosed[..], &["--cert", &file, "--key", &key]].concat(),
            ),
        ] {
            let errors = failure(example, arguments).await;
            // Read in another order.
            if example == "client_certificates" && file.ends_with("empty.pem") {
                assert!(
                    errors.contains("there is no revocation list in "),
                    "{errors}"
                );
                continue;
            }
            assert!(
                errors.contains(&file) && errors.contains(problem),
                "{example}: {file}, {problem} in {errors}"
            );
            assert_eq!(errors.lines().count(), 1, "{example}: {errors}");
            for raw in ["[67", "InvalidCharacter", "BadEncoding", "peer", "(\""] {
                assert!(!errors.contains(raw), "{example}: {raw} in {errors}");
            }
        }
    }
    let other = path("other-key.pem");
    for (example, arguments) in [
        ("axum_server", &[&*chain, &other][..]),
        ("diagnose", &["a.test", "--cert", &chain, "--key", &other]),
    ] {
        let errors = failure(example, arguments).await;
        assert!(
            errors.contains("does not belong to the certificate in"),
            "{errors}"
        );
    }
}

#[tokio::test]
async fn examples_name_the_address_that_is_taken() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let (port, addr) = (addr.port().to_string(), addr.to_string());
    for (example, arguments) in [
        ("quickstart", &["--port", &*port][..]),
        ("axum_server", &[&*chain, &key, &addr]),
        ("renewal", &[&*chain, &key, &addr]),
    ] {
        let errors = failure(example, arguments).await;
        assert!(errors.contains(&addr), "{example}: {errors}");
    }
}

#[tokio::test]
async fn hyper_loop_serves_and_ends_gracefully() {
    let example = Running::start("hyper_loop", &[]).await;
    // Clients that say nothing or go away keep nobody waiting.
    let _silent = TcpStream::connect(example.addr).await.unwrap();
    drop(TcpStream::connect(example.addr).await.unwrap());
    serves_its_names_only(example.addr).await;
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn axum_server_serves_a_certificate_made_in_memory() {
    let mut example = Running::start("axum_server", &[]).await;
    serves_its_names_only(example.addr).await;
    if example.signal("-HUP") {
        example.says("reloaded").await;
        serves_its_names_only(example.addr).await;
    }
}

#[tokio::test]
async fn axum_server_reloads_its_files() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let arguments = [&*chain, &key];
    let mut example = Running::start("axum_server", &arguments).await;
    assert_eq!(get(example.addr, "new.localhost").await.status, 421);

    directory.write_certificate("chain.pem", "key.pem", &["app.localhost", "new.localhost"]);
    if example.signal("-HUP") {
        example.says("reloaded").await;
        assert_eq!(get(example.addr, "new.localhost").await.status, 200);
        example.ends_on_ctrl_c().await;
    }
}

#[tokio::test]
async fn report_only_counts_by_reason() {
    let example = Running::start("report_only", &[]).await;
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
    // C6a: clients that make up methods do not make counters.
    for method in ["MADE-UP", "get", "xyz"] {
        let request = format!("{method} / HTTP/1.1\nHost: other.localhost\n\n");
        assert_eq!(wire::exchange(&mut io, &request).await.status, 200);
    }
    let mut stranger = TcpStream::connect(example.addr).await.unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // The server may report the failure after it has closed the connection.
    let end = std::time::Instant::now() + wire::PATIENCE;
    let metrics = loop {
        let request = "GET /metrics HTTP/1.1\nHost: app.localhost\n\n";
        let metrics = wire::exchange(&mut io, request).await.body;
        if metrics.contains("tls_handshake_failures_total{") || std::time::Instant::now() > end {
            break metrics;
        }
    };
    for line in [
        r#"misdirected_requests_total{reason="not_in_certificate",retry_can_help="true",method="GET",http_version="1.1"} 2"#,
        r#"misdirected_requests_total{reason="not_in_certificate",retry_can_help="true",method="_OTHER",http_version="1.1"} 3"#,
        r#"misdirected_requests_total{reason="invalid_host",retry_can_help="false",method="GET",http_version="1.1"} 1"#,
        r#"coalesced_requests_total{http_version="1.1"} 1"#,
        r#"tls_handshake_failures_total{reason="tls"} 1"#,
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
}

#[tokio::test]
async fn plain_http_hosts_keeps_rebinding_away() {
    let example = Running::start("plain_http_hosts", &[]).await;
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

#[tokio::test]
async fn http3_serves_every_version_and_tells_of_itself_over_tcp() {
    let example = Running::start("http3", &[]).await;
    serves_its_names_only(example.addr).await;
    let alt_svc = format!("h3=\":{}\"; ma=86400", example.addr.port());
    for (host, expected) in [
        ("api.localhost", Some(&*alt_svc)),
        ("other.localhost", None),
    ] {
        let answer = get(example.addr, host).await;
        assert_eq!(answer.header("alt-svc"), expected, "{host}");
        let answer = get2(example.addr, host).await;
        let found = answer.headers().get("alt-svc");
        assert_eq!(
            found.map(|value| value.to_str().unwrap()),
            expected,
            "{host}"
        );
    }

    let endpoint = quic_client();
    let client = pki::client(&[]);
    let quic = connect_quic(&endpoint, example.addr, client, Some("app.localhost")).await;
    let quic = quic.unwrap();
    let client = http3(quic.clone()).await;
    for (host, status, body) in [
        ("app.localhost", 200, "hello from app.localhost\n"),
        ("api.localhost", 200, "hello from api.localhost\n"),
        ("other.localhost", 421, r#"{"error":"misdirected_request"}"#),
    ] {
        let answer = get3(&client, host).await;
        assert_eq!((answer.status().as_u16(), &**answer.body()), (status, body));
    }

    // More fields than there may be: 431 (RFC 6585 §5), before anything of ours.
    let request = http::Request::get("https://app.localhost/").header("large", "x".repeat(70_000));
    let answer = send3(&client, request.body(()).unwrap()).await;
    assert!(answer.is_err() || answer.unwrap().status() == 431);

    // With an idle connection over QUIC, which is ended as RFC 9114 §5.2 has it and not by a time limit.
    example.ends_on_ctrl_c().await;
    assert!(ended_well(&quic).await);
}

#[tokio::test]
async fn renewal_presents_the_new_certificate_and_refuses_nothing() {
    const NAMES: &[&str] = &["app.localhost", "api.localhost"];
    let directory = Directory::new();
    let old = directory.write_certificate("chain.pem", "key.pem", NAMES);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let mut example = Running::start("renewal", &[&*chain, &key]).await;

    let connect = async |addr| {
        let io = wire::connect(addr, pki::client(&["h2"]), Some("app.localhost")).await;
        let presented = io.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        (wire::http2(io).await, presented)
    };
    let (open, presented) = connect(example.addr).await;
    assert_eq!(presented, old);

    // Half of it: the new certificate with the old key.
    let new = directory.write_certificate("chain.pem", "new.pem", NAMES);
    example
        .complains("not renewed, the old certificate stays")
        .await;
    assert_eq!(connect(example.addr).await.1, old);

    // The other half, by a rename.
    std::fs::rename(directory.path("new.pem"), &key).unwrap();
    example.says("renewed").await;
    let (after, presented) = connect(example.addr).await;
    assert_eq!(presented, new);
    for client in [&open, &after] {
        for (host, status) in [
            ("app.localhost", 200),
            ("api.localhost", 200),
            ("x.test", 421),
        ] {
            let answer = wire::send2(client, wire::get2(Some(host), &[])).await;
            assert_eq!(answer.status(), status, "{host}");
        }
    }
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn renewal_reads_its_files_on_sighup() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let mut example = Running::start("renewal", &[&*chain, &key]).await;
    // It serves, so it handles Ctrl-C as well.
    assert_eq!(get(example.addr, "app.localhost").await.status, 200);
    if example.signal("-HUP") {
        example.says("nothing has changed").await;
        example.ends_on_ctrl_c().await;
    }
}

#[tokio::test]
async fn renewal_wants_two_files() {
    let output = run("renewal", &[]).await;
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("usage: renewal CHAIN.pem KEY.pem"),
        "{errors}"
    );
}

#[tokio::test]
async fn tonic_serves_a_host_on_its_own_connection_and_ends_gracefully() {
    let mut example = Running::start("tonic", &[]).await;
    let text = example.says("serving until Ctrl-C").await;
    for line in [
        "app.localhost on a connection for app.localhost: hello world, without a client certificate",
        "admin.localhost on a connection for admin.localhost: hello world, with a client certificate",
        "admin.localhost on a connection for app.localhost: Unavailable, misdirected request",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let errors = example
        .complains("on a connection for Some(\"admin.localhost\")")
        .await;
    assert_eq!(errors.lines().count(), 2, "{errors}");
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn pem_files_serves_both_versions_and_renews() {
    const NAMES: &[&str] = &["app.localhost", "api.localhost"];
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", NAMES);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let mut example = Running::start("pem_files", &[&*chain, &key]).await;
    serves_its_names_only(example.addr).await;

    directory.write("key.pem", "");
    example
        .complains("not renewed, the old certificate stays")
        .await;
    serves_its_names_only(example.addr).await;

    directory.write_certificate("chain.pem", "key.pem", &["app.localhost", "new.localhost"]);
    example.says("renewed").await;
    assert_eq!(get2(example.addr, "new.localhost").await.status(), 200);
    assert_eq!(get2(example.addr, "api.localhost").await.status(), 421);
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn pem_files_says_what_is_wrong() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let none = directory.path("none.pem");
    for (arguments, code, text) in [
        (&[&*chain][..], 2, "usage: pem_files CHAIN.pem KEY.pem"),
        (&[&chain, &none], 1, "none.pem` does not exist: check"),
        (&[&key, &chain], 1, "the two files are swapped: "),
        (
            &[&chain, &key, "nowhere"],
            1,
            "cannot listen on \"nowhere\": ",
        ),
    ] {
        let output = run("pem_files", arguments).await;
        assert_eq!(output.status.code(), Some(code), "{text}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(text) && !errors.contains("{ "), "{errors}");
    }
}

/// What one client needs, which keeps its sessions.
struct Holder {
    config: Arc<rustls::ClientConfig>,
    serial_number: SerialNumber,
}

impl Holder {
    fn new() -> Self {
        let serial_number = SerialNumber::from(fastrand::u64(1..));
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(serial_number.clone());
        let config = pki::client_with_certificate(&["http/1.1"], &pki::sign(params));
        Self {
            config: Arc::new(config),
            serial_number,
        }
    }

    /// What the example says, or nothing if it refuses the certificate.
    async fn visit(&self, addr: SocketAddr, host: &str) -> Option<String> {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let io = wire::handshake(tcp, self.config.clone(), Some(host)).await;
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::try_exchange(&mut io.ok()?, &request).await.ok()?;
        assert_eq!(answer.status, 200);
        Some(answer.body)
    }

    /// The same with a client that has no sessions yet.
    async fn visit_anew(&self, addr: SocketAddr, host: &str) -> Option<String> {
        let mut config = (*self.config).clone();
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let anew = Self {
            config: Arc::new(config),
            serial_number: self.serial_number.clone(),
        };
        anew.visit(addr, host).await
    }
}

/// A list of the test CA, in PEM.
fn revocation_list(number: u64, revoked: &[&Holder]) -> String {
    let revoked = revoked.iter().map(|holder| RevokedCertParams {
        serial_number: holder.serial_number.clone(),
        revocation_time: rcgen::date_time_ymd(2025, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2025, 1, 1),
        next_update: rcgen::date_time_ymd(4000, 1, 1),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    list.signed_by(&pki::CA.1).unwrap().pem().unwrap()
}

#[tokio::test]
async fn client_certificates_refuses_a_revoked_certificate_and_disturbs_nobody_else() {
    let directory = Directory::new();
    let hosts = ["app.localhost", "admin.localhost"];
    directory.write_certificate("chain.pem", "key.pem", &hosts);
    let ca = pem::encode(&pem::Pem::new("CERTIFICATE", &*pki::CA.0));
    directory.write("ca.pem", ca);
    let (good, bad) = (Holder::new(), Holder::new());
    directory.write("crl.pem", revocation_list(1, &[]));
    let files = ["chain.pem", "key.pem", "ca.pem", "crl.pem"].map(|file| directory.path(file));
    let files = files.each_ref().map(|file| &**file);
    let mut example = Running::start("client_certificates", &files).await;
    let addr = example.addr;

    let says = |host: &str, resumed: bool| Some(format!("hello from {host}, resumed: {resumed}\n"));
    let [app, admin] = hosts;
    for client in [&good, &bad] {
        for resumed in [false, true] {
            assert_eq!(client.visit(addr, app).await, says(app, resumed));
            assert_eq!(client.visit(addr, admin).await, says(admin, false));
        }
    }

    // A file that is half written changes nothing.
    directory.write("crl.pem", "");
    example
        .complains("not refreshed, the old lists stay: there is no revocation list")
        .await;
    assert_eq!(bad.visit(addr, admin).await, says(admin, false));

    directory.write("crl.pem", revocation_list(2, &[&bad]));
    example.says("refreshed").await;
    assert_eq!(good.visit(addr, app).await, says(app, true));
    assert_eq!(good.visit(addr, admin).await, says(admin, false));
    assert_eq!(good.visit_anew(addr, app).await, says(app, false));
    // The session goes on where sessions are resumed.
    assert_eq!(bad.visit(addr, app).await, says(app, true));
    assert_eq!(bad.visit_anew(addr, app).await, None);
    assert_eq!(bad.visit(addr, admin).await, None);
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn client_certificates_wants_four_files() {
    let output = run("client_certificates", &["chain.pem"]).await;
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    let usage = "usage: client_certificates CHAIN.pem KEY.pem CLIENT_CA.pem CRL.pem";
    assert!(errors.contains(usage), "{errors}");
}
