//! Errors of settings and of virtual hosts: found when they are built.

use std::sync::Arc;

use tower_misdirected::{
    AllowedHosts, EffectiveAuthority, MisdirectedLayer, Peers, VirtualHosts, VirtualHostsBuilder,
    VirtualHostsError,
};

use crate::{HOSTILE, Messages};

const LAYER: &str = "When the layer is built";
const HOSTS: &str = "When virtual hosts are built";

pub fn make(messages: &mut Messages) {
    layer(messages);
    virtual_hosts(messages);
}

fn layer(messages: &mut Messages) {
    let layer = MisdirectedLayer::new;
    for host in [
        "app.example:443",
        "*",
        "",
        "bücher.example",
        "https://app.example",
        "app example",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "2001:db8::/",
    ] {
        messages.error(LAYER, layer().allowed_hosts([host]).unwrap_err());
    }
    let hostile = "a\n\u{1b}[31m\u{202e}";
    messages.error(HOSTILE, layer().allowed_hosts([hostile]).unwrap_err());
    messages.error(HOSTILE, layer().default_host(hostile).unwrap_err());
    messages.error(HOSTILE, Peers::new([hostile]).unwrap_err());
    messages.error(LAYER, layer().allowed_hosts([""; 0]).unwrap_err());
    messages.error(LAYER, layer().ports([]).unwrap_err());
    messages.error(LAYER, layer().default_host("*.example").unwrap_err());
    messages.error(LAYER, AllowedHosts::new([""; 0]).unwrap_err());
    for peer in ["load-balancer.internal", "10.0.0.1/8", "10.0.0.0/33"] {
        messages.error(LAYER, Peers::new([peer]).unwrap_err());
    }
    messages.error(LAYER, Peers::new([""; 0]).unwrap_err());
    let authority = "user@app.example".parse::<EffectiveAuthority>();
    messages.error(crate::requests::SECTION, authority.unwrap_err());
}

/// Stands for a TLS configuration. Virtual hosts take those of any TLS stack.
struct Config;

fn virtual_hosts(messages: &mut Messages) {
    let config = || Arc::new(Config);
    let one = config();
    let hosts = VirtualHosts::<Config>::builder;
    let www = || hosts().host("www.example", one.clone());
    let mut refused = |builder: VirtualHostsBuilder<Config>| {
        messages.error(HOSTS, builder.build().unwrap_err());
    };
    for name in [
        "www.example:443",
        "*",
        "",
        "bücher.example",
        "https://www.example",
        "www example",
        "::ffff:192.0.2.1",
    ] {
        refused(hosts().host(name, config()));
    }
    refused(hosts());
    refused(hosts().virtual_host("admin", [""; 0], config()));
    refused(www().virtual_host("b", ["WWW.example."], config()));
    refused(www().virtual_host("www.example", ["b.example"], config()));
    refused(www().default_to("admin"));
    refused(www().default_to("www.example").default(config()));
    refused(www().config_id(&one, ""));
    refused(www().config_id(&one, "x".repeat(65)));
    refused(
        www()
            .config_id(&one, "public")
            .config_id(&one, "internal\n"),
    );
    refused(www().config_id(&config(), "public"));
    let Err(VirtualHostsError::InvalidName(invalid)) = hosts().host("*", config()).build() else {
        panic!("`*` is a name")
    };
    messages.error(HOSTS, invalid);
}
