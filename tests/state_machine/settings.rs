//! What the server under test is told: its virtual hosts, and the settings of its layer.

use std::sync::Arc;

use rustls::ServerConfig;
use tower_misdirected::{MisdirectedLayer, VirtualHosts, VirtualHostsBuilder};

use crate::sequence::{ByDefault, Limits, Map, Mistake};

/// The virtual hosts of a map, under the latest build of each configuration.
pub fn builder(map: &Map, configs: &[Vec<Arc<ServerConfig>>]) -> VirtualHostsBuilder {
    let latest = |config: usize| configs[config].last().unwrap().clone();
    let identify = |builder: VirtualHostsBuilder, config: usize| match map.ids[config] {
        Some(id) => builder.config_id(&latest(config), id),
        None => builder,
    };
    let mut builder = VirtualHosts::builder();
    for entry in &map.entries {
        let names = entry.names.iter().map(|name| name.text());
        builder = builder.virtual_host(entry.id, names, latest(entry.config));
        builder = identify(builder, entry.config);
    }
    builder = match map.default {
        ByDefault::Nobody => builder,
        ByDefault::Own { config } => identify(builder.default(latest(config)), config),
        ByDefault::Entry(entry) => builder.default_to(map.entries[entry].id),
    };
    let first = &map.entries[0];
    let config = latest(0);
    match map.mistake {
        None => builder,
        Some(Mistake::NameTwice) => builder.host(first.names[0].plain, config),
        Some(Mistake::IdTwice) => builder.virtual_host(first.id, ["once-more.test"], config),
        Some(Mistake::NoSuchDefault) => builder.default_to("nobody"),
        Some(Mistake::TwoConfigIds) => {
            let config = latest(first.config);
            builder.config_id(&config, "x").config_id(&config, "y")
        }
    }
}

pub fn layer(limits: &Limits) -> MisdirectedLayer {
    let mut layer = MisdirectedLayer::new()
        .check_certificate(limits.check_certificate)
        .strict_scheme(limits.strict_scheme)
        .require_tls(limits.require_tls);
    if let Some(hosts) = &limits.hosts {
        let hosts = hosts.iter().map(|host| host.text());
        layer = layer.allowed_hosts(hosts).unwrap();
    }
    if let Some(ports) = &limits.ports {
        layer = layer.ports(ports.iter().copied()).unwrap();
    }
    layer
}
