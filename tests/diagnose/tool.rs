//! Runs the example and reads its JSON output.

use std::net::SocketAddr;

use serde_json::Value;

use crate::pki;
use crate::program::{Directory, run};

/// What the program has printed.
pub struct Run {
    pub status: Option<i32>,
    pub report: Value,
    pub errors: String,
}

/// Asks the server at this address for hosts. The program trusts the test CA.
pub async fn diagnose(addr: SocketAddr, hosts: &[&str], more: &[&str]) -> Run {
    let directory = Directory::new();
    directory.write(
        "ca.pem",
        pem::encode(&pem::Pem::new("CERTIFICATE", &*pki::CA.0)),
    );
    let (addr, ca) = (addr.to_string(), directory.path("ca.pem"));
    let options = ["--json", "--connect-to", &*addr, "--ca", &ca];
    let output = run("diagnose", &[hosts, &options, more].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    // A terminal obeys nothing of what a server can put there. The section sign is the program's.
    assert!(
        text.chars().all(|c| matches!(c, ' '..='~' | '\n' | '§')),
        "{text:?}"
    );
    Run {
        status: output.status.code(),
        report: serde_json::from_str(&text).unwrap_or(Value::Null),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    pub fn connections(&self) -> &[Value] {
        self.report["connections"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", self.errors))
    }

    /// The connection over this version of HTTP with this server name.
    pub fn connection(&self, http: &str, server_name: Option<&str>) -> &Value {
        let mut connections = self.connections().iter();
        let found = connections.find(|connection| {
            connection["http"] == http && connection["server_name"].as_str() == server_name
        });
        found.unwrap_or_else(|| panic!("no {http} {server_name:?} in {}", self.report))
    }

    pub fn answer(&self, http: &str, server_name: Option<&str>, host: &str) -> &Value {
        let connection = self.connection(http, server_name);
        let mut answers = connection["answers"].as_array().unwrap().iter();
        let found = answers.find(|answer| answer["host"] == host);
        found.unwrap_or_else(|| panic!("no {host} in {connection}"))
    }

    /// The ids of what was found, with their severity.
    pub fn findings(&self) -> Vec<String> {
        let findings = self.report["findings"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", self.errors));
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let line = |finding| format!("{} {}", word(finding, "severity"), word(finding, "id"));
        findings.iter().map(line).collect()
    }

    pub fn requests(&self) -> u64 {
        let requests = self.report["requests"].as_u64();
        requests.unwrap_or_else(|| panic!("{}", self.errors))
    }
}
