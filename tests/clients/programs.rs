//! Programs that send what they are told to: curl, Python, Node, Java and Go. Each visits the site in the
//! same three ways, and what it does is its row in the guide. Clients with tests of their own are not here.

use std::path::Path;

use tokio::process::Command;

use crate::installed;
use crate::observed::{Http, compare_with_the_guide};
use crate::site::Site;

/// A program that takes the site's CA, its port, the version of HTTP and steps as its arguments, and prints
/// a line for each step.
async fn script(client: &str, version: &str, http: Http, command: impl Fn(&Site) -> Command) {
    let visit = async |site: &Site, steps: &[&str]| {
        let mut command = command(site);
        command
            .arg(site.ca_file())
            .arg(site.port().to_string())
            .arg(http.to_string())
            .args(steps);
        lines(&mut command).await
    };
    compare_with_the_guide(client, version, http, visit).await;
}

pub async fn lines(command: &mut Command) -> Vec<String> {
    let printed = installed::prints(command).await;
    printed.lines().map(str::to_owned).collect()
}

pub fn file(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What curl is told to make of the steps.
pub fn curl(program: &Path, http: Http, site: &Site, steps: &[&str]) -> Command {
    let port = site.port();
    let mut command = Command::new(program);
    for (index, step) in steps.iter().enumerate() {
        let (url, authority) = step.split_once('=').unwrap_or((step, ""));
        let (host, path) = url.split_once('/').unwrap();
        if index > 0 {
            command.arg("--next");
        }
        command
            .args(["--silent", "--output", "/dev/null", "--cacert"])
            .arg(site.ca_file())
            .arg(match http {
                Http::One => "--http1.1",
                Http::Two => "--http2",
            })
            .args(["--resolve", &format!("*:{port}:127.0.0.1")])
            .args(["--write-out", "%{http_code} %header{cache-control}\n"])
            .arg(format!("{}{path}", site.url(host)));
        if !authority.is_empty() {
            command.args(["--header", &format!("Host: {authority}:{port}")]);
        }
    }
    command
}

async fn curl_as_told(http: Http) {
    let Some(program) = installed::find(&["curl"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("--version")).await;
    let visit = async |site: &Site, steps: &[&str]| {
        let mut seen = lines(&mut curl(&program, http, site, steps)).await;
        for line in &mut seen {
            // curl prints nothing for a field that is absent.
            if line.ends_with(' ') {
                line.push('-');
            }
        }
        seen
    };
    compare_with_the_guide("curl", &version, http, visit).await;
}

#[tokio::test]
async fn curl_over_http1() {
    curl_as_told(Http::One).await;
}

#[tokio::test]
async fn curl_over_http2() {
    curl_as_told(Http::Two).await;
}

/// A Python that has httpx with HTTP/2: the one that `tests/clients/run` prepares, or the system's.
async fn python() -> Option<String> {
    for python in [
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/bin/python"),
        "python3",
    ] {
        let mut import = Command::new(python);
        let output = import.args(["-c", "import httpx, h2"]).output().await;
        if output.is_ok_and(|output| output.status.success()) {
            return Some(python.to_owned());
        }
    }
    eprintln!("skipped: python3 with httpx and h2 is not installed");
    None
}

async fn httpx(http: Http) {
    let Some(python) = python().await else {
        return;
    };
    let mut version = Command::new(&python);
    version.args(["-c", "import httpx; print(httpx.__version__)"]);
    let version = installed::version(&mut version).await;
    script("httpx", &version, http, |_| {
        let mut command = Command::new(&python);
        command.arg(file("client.py"));
        command
    })
    .await;
}

#[tokio::test]
async fn httpx_over_http1() {
    httpx(Http::One).await;
}

#[tokio::test]
async fn httpx_over_http2() {
    httpx(Http::Two).await;
}

async fn node(client: &str, http: Http) {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("--version")).await;
    script(client, &version, http, |site| {
        let mut command = Command::new(&program);
        command
            .env("NODE_EXTRA_CA_CERTS", site.ca_file())
            .arg(file("client.js"));
        command
    })
    .await;
}

#[tokio::test]
async fn node_fetch() {
    node("Node's `fetch` (undici)", Http::One).await;
}

#[tokio::test]
async fn node_http2() {
    node("Node's `http2`", Http::Two).await;
}

/// undici by itself, which `tests/clients/run` installs.
#[tokio::test]
async fn undici_over_http2() {
    let module = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/clients/node_modules/undici"
    );
    if !Path::new(module).exists() {
        eprintln!("skipped: undici is not installed in target/clients");
        return;
    }
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let mut version = Command::new(&program);
    version.args(["-p", &format!("require('{module}/package.json').version")]);
    let version = installed::version(&mut version).await;
    script("undici with `allowH2`", &version, Http::Two, |site| {
        let mut command = Command::new(&program);
        command
            .env("NODE_EXTRA_CA_CERTS", site.ca_file())
            .env("UNDICI", module)
            .arg(file("client.js"));
        command
    })
    .await;
}

async fn go(http: Http) {
    let Some(program) = installed::find(&["go"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("version")).await;
    script("Go's `net/http`", &version, http, |_| {
        let mut command = Command::new(&program);
        command.arg("run").arg(file("client.go"));
        command
    })
    .await;
}

#[tokio::test]
async fn go_over_http1() {
    go(Http::One).await;
}

#[tokio::test]
async fn go_over_http2() {
    go(Http::Two).await;
}

async fn java(http: Http) {
    let Some(program) = installed::find(&["java"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("--version")).await;
    script("Java's `HttpClient`", &version, http, |site| {
        let mut command = Command::new(&program);
        command
            .arg(format!("-Djdk.net.hosts.file={}", site.hosts_file()))
            .arg("-Djdk.httpclient.allowRestrictedHeaders=host")
            .arg(file("Client.java"));
        command
    })
    .await;
}

#[tokio::test]
async fn java_over_http1() {
    java(Http::One).await;
}

#[tokio::test]
async fn java_over_http2() {
    java(Http::Two).await;
}

async fn okhttp(http: Http) {
    let jars = ["/usr/share/java/okhttp.jar", "/usr/share/java/okio.jar"];
    let Some(program) = installed::find(&["java"]) else {
        return;
    };
    if !jars.iter().all(|jar| Path::new(jar).exists()) {
        eprintln!("skipped: OkHttp (libokhttp-java) is not installed");
        return;
    }
    script("OkHttp", "(of Debian)", http, |site| {
        let mut command = Command::new(&program);
        command
            .arg(format!("-Djdk.net.hosts.file={}", site.hosts_file()))
            .args(["-cp", &jars.join(":")])
            .arg(file("OkHttp.java"));
        command
    })
    .await;
}

#[tokio::test]
async fn okhttp_over_http1() {
    okhttp(Http::One).await;
}

#[tokio::test]
async fn okhttp_over_http2() {
    okhttp(Http::Two).await;
}
