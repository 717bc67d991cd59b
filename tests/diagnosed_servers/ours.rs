//! The example `virtual_hosts`, with a configuration file for each mistake. What the tool should say is not here.

/// The port that the others would have, and the file behind `listen`. The test replaces /srv/site.
pub const CONFIGURATIONS: &[(u16, &str)] = &[
    // Nothing is wrong. One certificate names both hosts, and they share one TLS configuration.
    (
        4101,
        r#"
[[host]]
id = "site"
names = ["a.test", "b.test"]
certificate = "/srv/site/ab.pem"
key = "/srv/site/ab.pem"
"#,
    ),
    // b.test has a certificate that names another host.
    (
        4102,
        r#"
[[host]]
id = "a"
names = ["a.test"]
certificate = "/srv/site/a.pem"
key = "/srv/site/a.pem"

[[host]]
id = "b"
names = ["b.test"]
certificate = "/srv/site/c.pem"
key = "/srv/site/c.pem"
"#,
    ),
    // A wildcard certificate for a host that wants client certificates, and for one that does not.
    (
        4105,
        r#"
[[host]]
id = "www"
names = ["www.w.test"]
certificate = "/srv/site/wild.pem"
key = "/srv/site/wild.pem"

[[host]]
id = "admin"
names = ["admin.w.test"]
certificate = "/srv/site/wild.pem"
key = "/srv/site/wild.pem"
client_ca = "/srv/site/ca.pem"
"#,
    ),
    // The same, and only the certificate is compared.
    (
        4106,
        r#"
coalescing = "certificate"

[[host]]
id = "www"
names = ["www.w.test"]
certificate = "/srv/site/wild.pem"
key = "/srv/site/wild.pem"

[[host]]
id = "admin"
names = ["admin.w.test"]
certificate = "/srv/site/wild.pem"
key = "/srv/site/wild.pem"
client_ca = "/srv/site/ca.pem"
"#,
    ),
    // b.test has no virtual host, so it gets the default.
    (
        4107,
        r#"
default = "default"

[[host]]
id = "default"
names = ["default.test"]
certificate = "/srv/site/default.pem"
key = "/srv/site/default.pem"

[[host]]
id = "a"
names = ["a.test"]
certificate = "/srv/site/a.pem"
key = "/srv/site/a.pem"
"#,
    ),
    // The certificate names both hosts, and each has a TLS configuration of its own.
    (
        4108,
        r#"
[[host]]
id = "a"
names = ["a.test"]
certificate = "/srv/site/ab.pem"
key = "/srv/site/ab.pem"

[[host]]
id = "b"
names = ["b.test"]
certificate = "/srv/site/ab.pem"
key = "/srv/site/ab.pem"
"#,
    ),
    // The level that compares names. An address is no server name, and 421 without one would be a mistake.
    (
        4109,
        r#"
coalescing = "never"
default = "site"

[[host]]
id = "site"
names = ["a.test", "b.test", "127.0.0.1"]
certificate = "/srv/site/ab.pem"
key = "/srv/site/ab.pem"
"#,
    ),
    // Two hosts behind proxies. Connections without a server name get the default.
    (
        4110,
        r#"
default = "default"

[[host]]
id = "default"
names = ["default.test"]
certificate = "/srv/site/default.pem"
key = "/srv/site/default.pem"

[[host]]
id = "a"
names = ["a.test"]
certificate = "/srv/site/ab.pem"
key = "/srv/site/ab.pem"

[[host]]
id = "b"
names = ["b.test"]
certificate = "/srv/site/ab.pem"
key = "/srv/site/ab.pem"
"#,
    ),
];
