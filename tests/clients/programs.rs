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
        lines(told(&mut command(site), site, http, steps)).await
    };
    compare_with_the_guide(client, version, http, visit).await;
}

/// The arguments that every script takes.
pub fn told<'a>(
    command: &'a mut Command,
    site: &Site,
    http: Http,
    steps: &[&str],
) -> &'a mut Command {
    command
        .arg(site.ca_file())
        .arg(site.port().to_string())
        .arg(http.to_string())
        .args(steps)
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
        // If a transfer fails, curl goes on with the next.
        let output = installed::output(&mut curl(&program, http, site, steps)).await;
        let printed = String::from_utf8(output.stdout).unwrap();
        let seen = printed.lines().map(|line| match line {
            "000 " => "error".to_owned(),
            // curl prints nothing for a field that is absent.
            line if line.ends_with(' ') => format!("{line}-"),
            line => line.to_owned(),
        });
        seen.collect()
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
pub async fn python() -> Option<String> {
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

#[tokio::test]
async fn node_fetch() {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("--version")).await;
    let client = match version.starts_with("18.") {
        true => "Node 18's `fetch`",
        false => "Node's `fetch`",
    };
    node(client, &program, &version, Http::One, None).await;
}

#[tokio::test]
async fn node_http2() {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("--version")).await;
    node("Node's `http2`", &program, &version, Http::Two, None).await;
}

/// undici by itself, which `tests/clients/run` installs.
#[tokio::test]
async fn undici_over_http2() {
    let Some(program) = installed::find(&["node", "nodejs"]) else {
        return;
    };
    let module = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/clients/node_modules/undici"
    );
    let mut version = Command::new(&program);
    let script_of_version =
        format!("require('{module}'); require('{module}/package.json').version");
    version.args(["-p", &script_of_version]);
    if !installed::output(&mut version).await.status.success() {
        eprintln!("skipped: undici is not in target/clients, or not for this Node");
        return;
    }
    let version = installed::version(&mut version).await;
    let client = "undici with `allowH2`";
    node(client, &program, &version, Http::Two, Some(module)).await;
}

async fn node(client: &str, program: &Path, version: &str, http: Http, undici: Option<&str>) {
    script(client, version, http, |_| {
        let mut command = Command::new(program);
        command
            .envs(undici.map(|undici| ("UNDICI", undici)))
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

/// A source file, run by Java as a script.
async fn java(client: &str, version: &str, source: &str, http: Http, options: &[&str]) {
    let (Some(program), Some(_compiler)) =
        (installed::find(&["java"]), installed::find(&["javac"]))
    else {
        return;
    };
    script(client, version, http, |site| {
        let mut command = Command::new(&program);
        command
            .arg(format!("-Djdk.net.hosts.file={}", site.hosts_file()))
            .args(options)
            .arg(file(source));
        command
    })
    .await;
}

async fn java_itself(http: Http) {
    let Some(program) = installed::find(&["java"]) else {
        return;
    };
    let version = installed::version(Command::new(&program).arg("--version")).await;
    let options = ["-Djdk.httpclient.allowRestrictedHeaders=host"];
    java(
        "Java's `HttpClient`",
        &version,
        "Client.java",
        http,
        &options,
    )
    .await;
}

#[tokio::test]
async fn java_over_http1() {
    java_itself(Http::One).await;
}

#[tokio::test]
async fn java_over_http2() {
    java_itself(Http::Two).await;
}

async fn okhttp(http: Http) {
    let jars = Path::new("/usr/share/java").read_dir().ok();
    let mut jars = jars
        .into_iter()
        .flatten()
        .map(|jar| jar.unwrap().file_name());
    let version = jars.find_map(|jar| {
        let version = jar
            .to_str()?
            .strip_prefix("okhttp-")?
            .strip_suffix(".jar")?;
        version
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| version.to_owned())
    });
    let Some(version) = version else {
        eprintln!("skipped: OkHttp is not installed in /usr/share/java");
        return;
    };
    let path = "/usr/share/java/okhttp.jar:/usr/share/java/okio.jar";
    java("OkHttp", &version, "OkHttp.java", http, &["-cp", path]).await;
}

#[tokio::test]
async fn okhttp_over_http1() {
    okhttp(Http::One).await;
}

#[tokio::test]
async fn okhttp_over_http2() {
    okhttp(Http::Two).await;
}
