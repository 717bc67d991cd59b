//! The current state of the server, and its replacement after a change of the file. A reload changes everything or
//! nothing.

use axum::Router;
use tower_misdirected::{Peers, VirtualHosts, VirtualHostsBuilder, VirtualHostsError};

use crate::app::{self, App};
use crate::config::{Config, Drain, Problem, Tls};
use crate::tls::{Common, Tlses};

pub struct Server {
    config: Config,
    common: Common,
    hosts: VirtualHosts,
    app: App,
    /// The port of TCP, and of UDP if the server has HTTP/3.
    port: u16,
}

impl Server {
    /// `port` is the actual port, which may differ from the configured port.
    pub fn load(config: Config, port: u16) -> Result<Self, Problem> {
        let common = Common::new(config.http3)?;
        let hosts = virtual_hosts(&config, &common.load(&config)?).build();
        let hosts = hosts.map_err(|error| problem(error, &config))?;
        let app = App::new(app::router(&config, hosts.clone(), port));
        Ok(Self {
            config,
            common,
            hosts,
            app,
            port,
        })
    }

    /// A handle to the virtual hosts, which sees every reload.
    pub fn hosts(&self) -> VirtualHosts {
        self.hosts.clone()
    }

    /// The setting for ending outdated connections. A reload does not change it.
    pub fn drain(&self) -> Drain {
        self.config.drain
    }

    /// The peers that send a PROXY protocol header. A reload does not change them.
    pub fn proxy_protocol(&self) -> Option<Peers> {
        self.config.proxy_protocol.clone()
    }

    /// The application, which sees every reload.
    pub fn router(&self) -> Router {
        self.app.router()
    }

    /// Reads the file again. If it has an error, nothing changes.
    pub fn reload(&mut self) -> Result<(), Problem> {
        let config = Config::read(&self.config.file)?;
        if config.listen != self.config.listen {
            return Err(config.problem(format_args!(
                "listen = `{}` was `{}`: change it back, or restart the server",
                config.listen, self.config.listen
            )));
        }
        if config.http3 != self.config.http3 {
            return Err(config.problem(format_args!(
                "http3 = `{}` was `{}`: change it back, or restart the server",
                config.http3, self.config.http3
            )));
        }
        if config.drain != self.config.drain {
            return Err(config.problem(format_args!(
                "drain = `{}` was `{}`: change it back, or restart the server",
                config.drain, self.config.drain
            )));
        }
        if config.proxy_protocol != self.config.proxy_protocol {
            return Err(
                config.problem("proxy_protocol has changed: change it back, or restart the server")
            );
        }
        let tlses = self.common.load(&config)?;
        self.hosts
            .replace(virtual_hosts(&config, &tlses))
            .map_err(|error| problem(error, &config))?;
        // From here on nothing can fail.
        let router = app::router(&config, self.hosts.clone(), self.port);
        self.app.replace(router);
        self.config = config;
        Ok(())
    }
}

fn virtual_hosts(config: &Config, tlses: &Tlses) -> VirtualHostsBuilder {
    let mut hosts = VirtualHosts::builder();
    for host in &config.hosts {
        let owner = match &host.tls {
            Tls::Own(_) => &host.id,
            Tls::SharedWith(owner) => owner,
        };
        let tls = &tlses[owner];
        hosts = hosts
            .virtual_host(&*host.id, &host.names, tls.config.clone())
            .config_id(&tls.config, tls.id);
    }
    match &config.default {
        Some(id) => hosts.default_to(id),
        None => hosts,
    }
}

/// Converts an error of the builder, and adds the hosts that it is about.
fn problem(error: VirtualHostsError, config: &Config) -> Problem {
    let with_name = |name: &str| -> Vec<_> {
        let undotted = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let name = undotted(name);
        let same = |other: &&String| undotted(other) == name;
        let hosts = config.hosts.iter();
        let hosts = hosts.flat_map(|host| host.names.iter().filter(same).map(|_| &*host.id));
        hosts.collect()
    };
    match &error {
        VirtualHostsError::DuplicateName(name) => match with_name(name)[..] {
            [one, other, ..] if one == other => config.problem(format_args!(
                "host `{one}`: it has the name `{name}` twice: leave one out"
            )),
            [one, other, ..] => config.problem(format_args!(
                "hosts `{one}` and `{other}`: both have the name `{name}`: leave it to one of them"
            )),
            _ => config.problem(error),
        },
        VirtualHostsError::InvalidName(invalid) => config.problem(format_args!(
            "host `{}`: {error}",
            with_name(invalid.name()).first().unwrap_or(&"?")
        )),
        _ => config.problem(error),
    }
}
