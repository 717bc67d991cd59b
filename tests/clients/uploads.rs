//! Uploads that are refused: nobody reads them (C4), and what that does to clients.

use axum::http::Method;
use tokio::process::Command;

use crate::installed;
use crate::observed::{Http, REFUSED};
use crate::program::Directory;
use crate::programs::{curl, file, lines, python, told};
use crate::site::{Site, Tls};

/// More than clients may send before somebody reads.
const MUCH: usize = 8 << 20;

const MISDIRECTED: &[&str] = &["one.test/=two.test"];

pub fn assert_refused_unread(site: &Site) {
    let records = site.take();
    let [refused] = &records[..] else {
        panic!("one request: {records:?}");
    };
    assert_eq!((&refused.method, refused.status), (&Method::POST, 421));
    assert_eq!(refused.body_length(), 0);
}

/// Over HTTP/2 curl 7.88 takes the RST_STREAM that ends a body nobody reads (RFC 9113 §8.1) for a failure,
/// unless all of the body was there first.
#[tokio::test]
async fn c4_curl_hands_over_or_reports_a_stream_error() {
    let Some(program) = installed::find(&["curl"]) else {
        return;
    };
    let files = Directory::new();
    files.write("upload", vec![b'x'; MUCH]);
    let site = Site::start(Tls::Apart).await;
    for http in [Http::One, Http::Two] {
        for upload in ["few bytes".to_owned(), format!("@{}", files.path("upload"))] {
            let mut command = curl(&program, http, &site, MISDIRECTED);
            let output = installed::output(command.args(["--data-binary", &upload])).await;
            let handed_over = output.stdout == b"421 no-store\n";
            let stream_error = http == Http::Two && output.status.code() == Some(92);
            assert!(handed_over || stream_error, "{output:?}");
            assert_refused_unread(&site);
        }
    }
}

#[tokio::test]
async fn c4_nodes_http2_hands_over() {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    let mut command = Command::new(&program);
    command
        .env("UPLOAD", MUCH.to_string())
        .arg(file("client.js"));
    let command = told(&mut command, &site, Http::Two, MISDIRECTED);
    assert_eq!(lines(command).await, [REFUSED]);
    assert_refused_unread(&site);
}

/// httpx waits for room that a stream that has ended does not get.
#[tokio::test]
async fn c4_httpx_hands_over_or_times_out() {
    let Some(python) = python().await else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    for (upload, may_time_out) in [(11, false), (MUCH, true)] {
        let mut command = Command::new(&python);
        command
            .env("UPLOAD", upload.to_string())
            .arg(file("client.py"));
        let output = installed::output(told(&mut command, &site, Http::Two, MISDIRECTED)).await;
        let handed_over = output.stdout == b"421 no-store\n";
        let errors = String::from_utf8_lossy(&output.stderr);
        let timed_out = may_time_out && errors.contains("httpx.ReadTimeout");
        assert!(handed_over || timed_out, "{output:?}");
        assert_refused_unread(&site);
    }
}

/// Node 18 tries to, and has the body no more.
#[tokio::test]
async fn c4_nodes_fetch_sends_its_body_again() {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let site = Site::start(Tls::Apart).await;
    let mut command = Command::new(&program);
    command.env("UPLOAD", "11").arg(file("client.js"));
    let steps = ["one.test/change", "one.test/again"];
    let output = installed::output(told(&mut command, &site, Http::One, &steps)).await;

    let records = site.take();
    let statuses_and_lengths = records
        .iter()
        .map(|record| (record.status, record.body_length()));
    let seen: Vec<_> = statuses_and_lengths.collect();
    assert_eq!(seen[..2], [(200, 11), (421, 0)]);
    if output.stdout == b"200 -\n200 -\n" {
        assert_eq!(seen[2..], [(200, 11)]);
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains("UND_ERR_REQ_CONTENT_LENGTH_MISMATCH"),
            "{errors}"
        );
        assert!(seen[2..].iter().all(|(_, length)| *length == 0), "{seen:?}");
    }
}
