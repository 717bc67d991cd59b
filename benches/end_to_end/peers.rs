//! Other servers, set up to answer the same few bytes by themselves, with their check and without.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::names::{MISDIRECTED, NAME};
use crate::ports::free_addr;
use crate::program::Program;
use crate::results;

pub struct Peer {
    pub name: &'static str,
    /// What makes it answer 421, for the report.
    pub check: &'static str,
    /// Starts slowly under callgrind, and its counts differ much, because it is written in Go.
    pub is_slow: bool,
    /// The arguments that make it tell its version.
    version: &'static [&'static str],
    /// The file of its configuration.
    file: &'static str,
    config: fn(&Setup) -> String,
    arguments: fn(&Setup) -> Vec<String>,
}

/// What a configuration is to say.
struct Setup {
    checks: bool,
    addr: SocketAddr,
    /// Where its files are.
    directory: PathBuf,
}

pub const ALL: &[Peer] = &[
    Peer {
        name: "nginx",
        check: "`if ($ssl_server_name != $host)`",
        is_slow: false,
        version: &["-v"],
        file: "nginx.conf",
        config: nginx,
        arguments: |setup| {
            let (prefix, config) = (setup.path(""), setup.path("nginx.conf"));
            ["-p", &prefix, "-c", &config, "-e", "stderr"]
                .map(String::from)
                .into()
        },
    },
    Peer {
        name: "haproxy",
        check: "`ssl_fc_sni` compared with `Host`",
        is_slow: false,
        version: &["-v"],
        file: "haproxy.cfg",
        config: haproxy,
        arguments: |setup| vec!["-db".into(), "-f".into(), setup.path("haproxy.cfg")],
    },
    Peer {
        name: "caddy",
        check: "`strict_sni_host`",
        is_slow: true,
        version: &["version"],
        file: "Caddyfile",
        config: caddy,
        arguments: |setup| {
            let config = setup.path("Caddyfile");
            ["run", "--adapter", "caddyfile", "--config", &config]
                .map(String::from)
                .into()
        },
    },
    Peer {
        name: "traefik",
        check: "hosts of different TLS options",
        is_slow: true,
        version: &["version", "--format={{.Version}}"],
        file: "routers.yaml",
        config: traefik,
        arguments: |setup| {
            let mut arguments = vec![
                format!("--entrypoints.tls.address={}", setup.addr),
                format!("--providers.file.filename={}", setup.path("routers.yaml")),
            ];
            let rest = [
                "--ping=true",
                "--ping.manualrouting=true",
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
            ];
            arguments.extend(rest.map(String::from));
            arguments
        },
    },
];

impl Setup {
    fn path(&self, file: &str) -> String {
        self.directory.join(file).to_str().unwrap().to_owned()
    }

    fn when_checked(&self, text: &'static str) -> &'static str {
        if self.checks { text } else { "" }
    }
}

impl Peer {
    /// The name and the version, or why there is none.
    pub fn version(&self) -> io::Result<String> {
        let output = Command::new(self.name).args(self.version).output();
        let output = output.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "is not installed".to_owned(),
                _ => error.to_string(),
            };
            io::Error::new(error.kind(), format!("{} {why}", self.name))
        })?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // Whatever stands around it.
        let mut words = text.split([' ', '/', '\n', '-', '+']);
        let version = words.find(|word| {
            let word = word.trim_start_matches('v');
            word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit())
        });
        let version = version.unwrap_or("of unknown version");
        Ok(format!("{} {}", self.name, version.trim_start_matches('v')))
    }
}

/// A peer with its check or without.
pub struct Configured {
    pub peer: &'static Peer,
    pub checks: bool,
}

impl Program for Configured {
    fn command(&self) -> io::Result<(Command, SocketAddr)> {
        let Self { peer, checks } = *self;
        let name = format!("{}-{}", peer.name, if checks { "on" } else { "off" });
        let setup = Setup {
            checks,
            addr: free_addr(),
            directory: results::directory().join(name),
        };
        std::fs::create_dir_all(&setup.directory)?;
        let names = [NAME, MISDIRECTED].map(String::from);
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        let (chain, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        std::fs::write(setup.path("both.pem"), format!("{chain}{key}"))?;
        std::fs::write(setup.path("chain.pem"), chain)?;
        std::fs::write(setup.path("key.pem"), key)?;
        std::fs::write(setup.path(peer.file), (peer.config)(&setup))?;
        let mut command = Command::new(peer.name);
        command
            .args((peer.arguments)(&setup))
            .env("HOME", &setup.directory);
        Ok((command, setup.addr))
    }

    fn checks(&self) -> bool {
        self.checks
    }
}

/// nginx checks by itself only for hosts with client certificates; this is what it takes for others.
fn nginx(setup: &Setup) -> String {
    let check = setup.when_checked("if ($ssl_server_name != $host) { return 421; }");
    let addr = setup.addr;
    format!(
        r#"daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {addr} ssl http2;
        ssl_certificate chain.pem;
        ssl_certificate_key key.pem;
        location / {{
            {check}
            return 200 "hello\n";
        }}
    }}
}}
"#
    )
}

fn haproxy(setup: &Setup) -> String {
    let check = setup.when_checked(
        "http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request deny deny_status 421 unless { ssl_fc_sni,lower,strcmp(txn.host) eq 0 }",
    );
    let (addr, pem) = (setup.addr, setup.path("both.pem"));
    format!(
        r#"global
    nbthread 1
defaults
    mode http
    timeout client 1m
    timeout connect 1m
    timeout server 1m
frontend tls
    bind {addr} ssl crt {pem} alpn h2,http/1.1
    {check}
    http-request return status 200 content-type text/plain string "hello\n"
"#
    )
}

fn caddy(setup: &Setup) -> String {
    let check = if setup.checks { "on" } else { "insecure_off" };
    let (chain, key) = (setup.path("chain.pem"), setup.path("key.pem"));
    let port = setup.addr.port();
    format!(
        r#"{{
    admin off
    auto_https off
    servers {{
        protocols h1 h2
        strict_sni_host {check}
    }}
}}
https://{NAME}:{port}, https://{MISDIRECTED}:{port} {{
    bind 127.0.0.1
    tls {chain} {key}
    respond "hello"
}}
"#
    )
}

/// Traefik always checks, and refuses hosts whose TLS options are others than those of the server name.
fn traefik(setup: &Setup) -> String {
    let options = if setup.checks { "other" } else { "default" };
    let (chain, key) = (setup.path("chain.pem"), setup.path("key.pem"));
    format!(
        r#"http:
  routers:
    asked:
      rule: Host(`{NAME}`)
      service: ping@internal
      tls: {{}}
    misdirected:
      rule: Host(`{MISDIRECTED}`)
      service: ping@internal
      tls:
        options: {options}
tls:
  certificates:
    - certFile: {chain}
      keyFile: {key}
  options:
    default:
      minVersion: VersionTLS12
    other:
      minVersion: VersionTLS13
"#
    )
}
