//! nginx, Apache httpd, Caddy, HAProxy, Traefik, Envoy and the example `virtual_hosts`: started with a configuration
//! file on loopback, and asked. What is wrong with a configuration is not here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::cases::Case;
use crate::launched::{self, Program};
use crate::ports::free_addr;
use crate::program::{Directory, Running};
use crate::tool::diagnose;
use crate::{certificates, ours, pki, wire};

/// A server that is a program of its own.
pub struct Kind {
    pub program: Program,
    /// Its configuration file, with a port for each mistake.
    pub configuration: &'static str,
    /// More files of its own.
    pub files: &'static [(&'static str, &'static str)],
}

pub const NGINX: Kind = Kind {
    program: launched::NGINX,
    configuration: include_str!("nginx.conf"),
    files: &[],
};

pub const HTTPD: Kind = Kind {
    program: launched::HTTPD,
    configuration: include_str!("httpd.conf"),
    files: &[("page", "site\n")],
};

pub const CADDY: Kind = Kind {
    program: launched::CADDY,
    configuration: include_str!("Caddyfile"),
    files: &[],
};

pub const HAPROXY: Kind = Kind {
    program: launched::HAPROXY,
    configuration: include_str!("haproxy.cfg"),
    files: &[
        (
            "another_certificate.list",
            "/srv/site/a.pem\n/srv/site/c.pem b.test\n",
        ),
        (
            "client_certificates.list",
            "/srv/site/wild.pem www.w.test\n\
             /srv/site/wild.pem [verify required ca-file /srv/site/ca.pem] admin.w.test\n",
        ),
    ],
};

pub const TRAEFIK: Kind = Kind {
    program: launched::TRAEFIK,
    configuration: include_str!("traefik.yaml"),
    files: &[],
};

pub const ENVOY: Kind = Kind {
    program: launched::ENVOY,
    configuration: include_str!("envoy.yaml"),
    files: &[],
};

pub const STRANGE_NGINX: Kind = Kind {
    configuration: include_str!("strange_nginx.conf"),
    ..NGINX
};

pub const STRANGE_HAPROXY: Kind = Kind {
    configuration: include_str!("strange_haproxy.cfg"),
    ..HAPROXY
};

/// The files of a server, and the ports that it has in place of those in its configuration file.
struct Setup {
    directory: Directory,
    ports: Ports,
}

/// The port of the server behind a proxy, in the proxies' configuration files.
const ORIGIN: u16 = 4199;

/// A free port for each port of a configuration file.
#[derive(Default)]
struct Ports(BTreeMap<u16, u16>);

impl Setup {
    /// Writes everything that the server reads.
    fn write(
        directory: Directory,
        kind: &Kind,
        changes: &[(&str, &str)],
        origin: SocketAddr,
    ) -> Self {
        let configuration = changed(kind.configuration, changes);
        let mut ports = Ports::default();
        let origin = origin.port().to_string();
        let configuration = configuration.replace(&ORIGIN.to_string(), &origin);
        let configuration = ports.put_into(&configuration);
        let place = directory.path("");
        let place = place.trim_end_matches('/');
        directory.write("settings.yaml", configuration.replace("/srv/site", place));
        for (file, content) in kind.files {
            directory.write(file, changed(content, changes).replace("/srv/site", place));
        }
        certificates::write(&directory, |name| changed(name, changes));
        Self { directory, ports }
    }
}

impl Ports {
    /// Replaces 4101 to 4198.
    fn put_into(&mut self, text: &str) -> String {
        let mut replaced = String::new();
        for word in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
            // Digits, and the one character behind them.
            let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            match digits.parse() {
                Ok(port @ 4101..ORIGIN) => {
                    let free = self.0.entry(port).or_insert_with(|| free_addr().port());
                    replaced += &word.replacen(digits, &free.to_string(), 1);
                }
                _ => replaced += word,
            }
        }
        replaced
    }
}

/// The text with each first word replaced by its second.
pub fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in changes {
        text = text.replace(from, to);
    }
    text
}

/// A running server, ended when the test ends.
pub struct Server {
    pub name: &'static str,
    pub changes: Vec<(&'static str, &'static str)>,
    // They end before their files go.
    _child: Option<Child>,
    _examples: Vec<Running>,
    setup: Setup,
}

impl Server {
    /// Starts a server, unless it is not installed. Each of `changes` replaces a text in its files. `origin` is the
    /// server behind the proxies.
    pub async fn start(
        kind: &Kind,
        changes: &[(&'static str, &'static str)],
        origin: SocketAddr,
    ) -> Option<Self> {
        let program = &kind.program;
        let directory = Directory::new();
        let mut command = program.command(&directory.path("settings.yaml")).await?;
        let setup = Setup::write(directory, kind, changes, origin);
        command
            .env("HOME", setup.directory.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if program.name == "traefik" {
            command.args(["--ping=true", "--ping.manualrouting=true"]);
            for port in setup.ports.0.values() {
                command.arg(format!("--entrypoints.p{port}.address=127.0.0.1:{port}"));
            }
        }
        let mut server = Self {
            name: program.name,
            setup,
            changes: changes.to_vec(),
            _child: None,
            _examples: Vec::new(),
        };
        let serves = async || server.serves().await;
        let child = program.start(&mut command, serves).await;
        server._child = Some(child);
        Some(server)
    }

    /// Starts the example `virtual_hosts` for each of its configurations.
    pub async fn ours(changes: &[(&'static str, &'static str)]) -> Self {
        let directory = Directory::new();
        certificates::write(&directory, |name| changed(name, changes));
        let (mut ports, mut examples) = (Ports::default(), Vec::new());
        for (port, configuration) in ours::CONFIGURATIONS {
            let configuration = changed(configuration, changes);
            let configuration = format!("listen = \"127.0.0.1:0\"\n{configuration}");
            let place = directory.path("");
            let place = place.trim_end_matches('/');
            directory.write("site.toml", configuration.replace("/srv/site", place));
            let example = Running::start("virtual_hosts", &[&directory.path("site.toml")]).await;
            ports.0.insert(*port, example.addr.port());
            examples.push(example);
        }
        Self {
            name: "this crate",
            setup: Setup { directory, ports },
            changes: changes.to_vec(),
            _child: None,
            _examples: examples,
        }
    }

    /// Whether the port without a mistake serves. The others then serve too.
    async fn serves(&self) -> bool {
        let host = changed("a.test", &self.changes);
        let Ok(tcp) = TcpStream::connect(self.addr(4101)).await else {
            return false;
        };
        let client = pki::client(&["http/1.1"]);
        let Ok(mut io) = wire::handshake(tcp, client, Some(&host)).await else {
            return false;
        };
        let request = format!("GET / HTTP/1.1\nHost: {host}\nConnection: close\n\n");
        let answer = wire::try_exchange(&mut io, &request).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Where it has this port of its configuration file.
    pub fn addr(&self, port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.setup.ports.0[&port]).into()
    }

    /// What is wrong with the tool's answers. The tool mostly waits, so the cases run side by side.
    pub async fn wrong(&self, cases: &[Case]) -> Vec<String> {
        let wrong = cases.iter().map(async |case| {
            let report = self.diagnose(case).await;
            let missing = case
                .expected
                .missing_in(&report, |host| self.spelled(case, host));
            missing.map(|why| {
                let (name, port, asked) = (self.name, case.port, case.asked);
                format!("{name}, port {port}, {asked:?}: {why}\n{report:#}\n")
            })
        });
        join_all(wrong).await.into_iter().flatten().collect()
    }

    /// The host as the tool is asked for it.
    fn spelled(&self, case: &Case, host: &str) -> String {
        let host = changed(host, &self.changes);
        match case.port_in_host {
            true => format!("{host}:{}", self.addr(case.port).port()),
            false => host,
        }
    }

    /// What the tool says about one of its ports.
    async fn diagnose(&self, case: &Case) -> Value {
        let addr = self.addr(case.port);
        let asked = case.asked.iter().map(|host| self.spelled(case, host));
        let mut arguments: Vec<_> = asked.collect();
        // Long, as the machine may be slow. The tool gives up after three steps that take longer, before the test does,
        // so its report says which ones.
        arguments.extend(["--json", "--timeout", "15", "--ca"].map(String::from));
        arguments.push(self.setup.directory.path("ca.pem"));
        arguments.extend(["--connect-to".into(), addr.to_string()]);
        if case.certificate {
            let client = self.setup.directory.path("client.pem");
            arguments.extend(["--cert".into(), client.clone(), "--key".into(), client]);
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        diagnose(&arguments).await
    }
}
