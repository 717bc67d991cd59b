//! The relation of a host to a connection. The relation is a fact and not a verdict: `verdict` decides what each level
//! refuses.

/// The relation of the virtual host of a request to the virtual host that accepted the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// No virtual host matches the host, and there is no default.
    Nobodys,
    /// The host has another TLS configuration than the connection, or its configuration is unknown.
    OtherConfig,
    /// Another virtual host matches the host, with the TLS configuration of the connection.
    SameConfig,
    /// The virtual host that accepted the connection matches the host, with the same TLS configuration.
    SameVirtualHost,
}
