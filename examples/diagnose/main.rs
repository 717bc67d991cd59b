//! Finds the causes of 421s of any HTTPS server. The program requests every host on connections with every server name,
//! prints the answers, and explains what is wrong and how to fix it.
//!
//! ```sh
//! cargo run --example diagnose -- one.example two.example
//! cargo run --example diagnose -- one.example two.example --connect-to 192.0.2.1:8443 --ca ca.pem
//! cargo run --example diagnose -- --help
//! ```

mod arguments;
mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod crossings;
mod cures;
mod deadline;
mod failure;
mod findings;
mod http1;
mod http2;
mod http3;
mod matrix;
mod observation;
mod probe;
mod refusals;
mod request;
mod response;
mod software;
mod subject;
mod text;
mod tls;
mod transport;
mod views;
mod watched;

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::arguments::{Options, Version};
use crate::common::Result;
use crate::findings::Finding;
use crate::observation::{Answer, Connection, Observations};
use crate::probe::{Plan, Probe};
use crate::tls::Tls;
use crate::transport::Transport;

/// The exit status if a file on the command line cannot be used.
const WRONG_ARGUMENTS: u8 = 2;
/// The exit status if there are no answers to report.
const UNREACHABLE: u8 = 3;

/// The JSON output.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    seen: &'a Observations,
    coalesced: Vec<[String; 2]>,
    findings: Vec<Finding>,
    requests: usize,
    exit: u8,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::read();
    let credentials = options.credentials.as_ref();
    let tls = Tls::new(
        options.ca.as_deref(),
        credentials.map(|(cert, key)| (&**cert, &**key)),
    );
    let status = match tls {
        Err(error) => failed(&*error, WRONG_ARGUMENTS),
        Ok(tls) => match diagnose(&options, tls).await {
            Ok(status) => status,
            Err(error) => failed(&*error, UNREACHABLE),
        },
    };
    ExitCode::from(status)
}

fn failed(error: &dyn std::error::Error, status: u8) -> u8 {
    eprintln!("{error}");
    status
}

async fn diagnose(options: &Options, tls: Tls) -> Result<u8> {
    let (address, port) = options.target();
    let plan = Plan::new(options);
    if !options.json {
        let Plan {
            connections,
            requests,
            ..
        } = &plan;
        println!(
            "{address} port {port}: at most {requests} requests on {connections} connections\n"
        );
    }
    let tcp = options.http != Some(Version::Http3);
    let transport = Transport::find((&address, port), options.timeout, tcp, tls).await;
    let transport = transport.map_err(|failure| {
        let fix = "check the name and the port, or give --connect-to";
        format!("{}; {fix}", failure.text)
    })?;
    let mut probe = Probe::new(&transport, options);
    let connections = probe.run(&plan).await;
    let requests = probe.requests;
    let target = match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    };
    let hosts = options.hosts.iter().map(ToString::to_string).collect();
    let seen = Observations {
        target,
        hosts,
        connections,
    };
    let findings = findings::findings(&seen);
    let exit = findings::exit(&findings);
    if exit == 0 && nothing_answered(&seen) {
        return Err(silence(&seen).into());
    }
    let coalesced = findings::coalesced(&seen);
    let output = match options.json {
        true => {
            let report = Report {
                seen: &seen,
                coalesced,
                findings,
                requests,
                exit,
            };
            serde_json::to_string(&report)? + "\n"
        }
        false => matrix::print(&seen, &coalesced, &findings),
    };
    // A reader such as `head` may have gone.
    let _ = std::io::stdout().write_all(output.as_bytes());
    Ok(exit)
}

fn answers(connections: &[Connection]) -> impl Iterator<Item = &Answer> {
    connections
        .iter()
        .flat_map(|connection| &connection.answers)
}

fn nothing_answered(seen: &Observations) -> bool {
    answers(&seen.connections).all(|answer| answer.status.is_none())
}

/// Why nothing was answered, by the first connection.
fn silence(seen: &Observations) -> String {
    let handshakes = seen
        .connections
        .iter()
        .map(|connection| &*connection.handshake);
    let errors = answers(&seen.connections).filter_map(|answer| answer.error.as_deref());
    let reason = handshakes
        .filter(|handshake| *handshake != "ok")
        .chain(errors)
        .next();
    format!(
        "{} answers no request: {}; check that it serves HTTPS on this port",
        seen.target,
        reason.unwrap_or("nothing was asked")
    )
}
