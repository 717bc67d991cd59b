//! A small server with virtual hosts, to try this crate with your own clients. It reads a TOML file, which
//! `examples/virtual_hosts/example.toml` explains. It answers every request with one line about the request:
//! `host=www.example.test vhost=www sni=www.example.test client=- addr=127.0.0.1`.
//!
//! ```sh
//! cargo run --release --example virtual_hosts --all-features -- FILE
//! ```
//!
//! On SIGHUP, the server reads the file again. On SIGTERM and Ctrl-C, it shuts down gracefully. If a reload changes the
//! TLS configuration of a host, connections for that host end gracefully. The server logs refusals and their reasons to
//! stderr. These commands create the files of `example.toml`, in its directory:
//!
//! ```sh
//! NEW="req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
//! openssl $NEW -subj /CN=www -addext subjectAltName=DNS:*.example.test -keyout www.key -out www.pem
//! openssl $NEW -subj /CN=clients -keyout clients-ca.key -out clients-ca.pem
//! openssl $NEW -CA clients-ca.pem -CAkey clients-ca.key -subj /CN=alice \
//!     -addext basicConstraints=critical,CA:FALSE -keyout alice.key -out alice.pem
//! curl -k --connect-to ::127.0.0.1:8443 --cert alice.pem --key alice.key https://admin.example.test/
//! curl -ki --connect-to ::127.0.0.1:8443 -H "Host: admin.example.test" https://www.example.test/ # 421
//! ```
//!
//! Do not use this server on the internet: like `axum::serve`, it has no time limit for idle connections and slow
//! requests.

mod app;
mod config;
mod pem;
mod reload;
mod serve;
mod signals;
mod tls;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::{Handle, Runtime};
use tokio_util::sync::CancellationToken;
use tower_misdirected::VirtualHosts;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Config, Problem};
use crate::reload::Server;
use crate::serve::Sockets;
use crate::signals::Hangups;

const USAGE: &str = "usage: virtual_hosts FILE";

fn main() -> ExitCode {
    log_to_stderr();
    let runtime = Runtime::new().map_err(|error| Problem::new(format!("no runtime: {error}")));
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(run());
        // Does not wait for tasks that have exceeded their time limit.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("virtual_hosts: {problem}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Problem> {
    let Some(file) = configuration_file()? else {
        say(USAGE);
        return Ok(());
    };
    // Handled first, so that an early SIGHUP does not end the process.
    let (hangups, mut terminations) = signals::handle()
        .map_err(|error| Problem::new(format!("cannot handle signals: {error}")))?;

    let config = Config::read(&file)?;
    let sockets = Sockets::bind(&config).await?;
    let addr = sockets.addr;
    let server = Server::load(config, addr.port())?;
    warn_of_overlaps(&server.hosts());

    let shutdown = CancellationToken::new();
    let serving = serve::start(
        sockets,
        server.hosts(),
        server.router(),
        server.drain(),
        server.proxy_protocol(),
        &shutdown,
    )?;
    say(&format!("listening on https://{addr}"));
    reload_on_hangup(server, hangups);

    terminations.next().await;
    shutdown.cancel();
    serving.wait().await;
    Ok(())
}

/// Warns of the first few pairs of virtual hosts that browsers will coalesce in vain.
fn warn_of_overlaps(hosts: &VirtualHosts) {
    for overlap in hosts.overlaps().take(5) {
        tracing::warn!(
            "{overlap}, so clients reuse connections and get 421; separate certificates avoid that"
        );
    }
}

/// Returns the only argument, or `None` for `--help`.
fn configuration_file() -> Result<Option<PathBuf>, Problem> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let asks = |argument: &PathBuf| *argument == *"-h" || *argument == *"--help";
    if arguments.iter().any(asks) {
        return Ok(None);
    }
    let is_option = |argument: &&PathBuf| argument.as_os_str().as_encoded_bytes().starts_with(b"-");
    if let Some(option) = arguments.iter().find(is_option) {
        let option = option.display();
        return Err(Problem::new(format!("unknown option `{option}`; {USAGE}")));
    }
    match &arguments[..] {
        [file] => Ok(Some(file.clone())),
        [] => Err(Problem::new(format!(
            "no configuration file given; {USAGE}"
        ))),
        [_, other, ..] => Err(Problem::new(format!(
            "`{}` is one argument too many; {USAGE}",
            other.display()
        ))),
    }
}

/// Runs in a separate thread, because reading thousands of files would block a worker of the runtime.
fn reload_on_hangup(mut server: Server, mut hangups: Hangups) {
    let runtime = Handle::current();
    std::thread::spawn(move || {
        loop {
            runtime.block_on(hangups.next());
            match server.reload() {
                Ok(()) => say("reloaded"),
                Err(problem) => {
                    let _ = writeln!(std::io::stderr(), "virtual_hosts: not reloaded: {problem}");
                }
            }
        }
    });
}

/// Prints a line, and ignores a closed stdout.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Logs refusals and their reasons, which have the level `info`. `RUST_LOG` can set another level.
fn log_to_stderr() {
    let level = std::env::var("RUST_LOG").ok();
    let level = level.and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
