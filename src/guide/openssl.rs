use std::net::IpAddr;

use openssl::ssl::{NameType, SslRef};
use tower_misdirected::{CertificateNames, ConnectionInfo};

/// What is known of a connection whose handshake is complete.
pub fn connection_info(ssl: &SslRef) -> ConnectionInfo {
    // The certificate that this connection presented, whichever context its server name chose.
    let sans = ssl
        .certificate()
        .and_then(|presented| presented.subject_alt_names());
    let ip = |octets: &[u8]| match octets.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?)),
        _ => Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)),
    };
    let dns_names = sans.iter().flatten().filter_map(|name| name.dnsname());
    let ips = sans
        .iter()
        .flatten()
        .filter_map(|name| ip(name.ipaddress()?));
    ConnectionInfo::tls()
        .server_name(ssl.servername(NameType::HOST_NAME))
        .certificate_names(CertificateNames::from_sans(dns_names, ips))
        .alpn(ssl.selected_alpn_protocol().unwrap_or_default())
        .build()
}
