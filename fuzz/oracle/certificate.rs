//! What a certificate covers, by rule B5: webpki judges it, as in rustls, except for wildcards before a single label,
//! which webpki rejects and other clients accept. And certificates to ask about.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, CustomExtension, PKCS_ED25519, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::grammar::Host;

/// What clients make of a certificate and a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    Yes,
    No,
    /// It has neither a dNSName nor an iPAddress, not even a malformed one.
    NamesNoHosts,
    /// It cannot read the certificate, or not as far as it would have to.
    Unreadable,
}

/// A name in no certificate.
pub const NEVER: &str = "never.in.any.certificate.invalid";

pub fn covers(octets: &[u8], host: &Host) -> Covers {
    let der = CertificateDer::from(octets);
    let Ok(certificate) = EndEntityCert::try_from(&der) else {
        return Covers::Unreadable;
    };
    let name = match host {
        Host::Ip(ip) => ServerName::from(*ip),
        Host::Name(name) => match reference(name) {
            Some(name) => name,
            // No certificate covers what webpki takes as no name, so another one that none covers stands in for it.
            None => return covers(octets, &Host::Name(NEVER.to_owned())),
        },
    };
    match certificate.verify_is_valid_for_subject_name(&name) {
        Ok(()) => Covers::Yes,
        Err(webpki::Error::CertNotValidForName(context)) => {
            match has_single_label_wildcard(&context.presented, host) {
                true => Covers::Yes,
                false if names_hosts(&context.presented) => Covers::No,
                false => Covers::NamesNoHosts,
            }
        }
        Err(_) => Covers::Unreadable,
    }
}

/// Returns whether some of the names that webpki read in the certificate is a name or an address of a host.
fn names_hosts(presented: &[String]) -> bool {
    let kinds = ["DnsName(", "IpAddress("];
    let mut names = presented.iter();
    names.any(|name| kinds.iter().any(|kind| name.starts_with(kind)))
}

/// Returns whether the names that webpki read in the certificate contain a wildcard before a single label that covers
/// the host. webpki has already accepted that label in a reference name.
fn has_single_label_wildcard(presented: &[String], host: &Host) -> bool {
    let Host::Name(name) = host else {
        return false;
    };
    let labels: Vec<_> = name.split('.').collect();
    let [_, base] = labels[..] else {
        return false;
    };
    let wildcard = format!("*.{base}");
    let mut names = presented.iter().filter_map(|name| {
        let name = name.strip_prefix("DnsName(\"")?;
        name.strip_suffix("\")")
    });
    names.any(|name| name.eq_ignore_ascii_case(&wildcard))
}

/// What to ask webpki for. It takes no label with a hyphen at its begin or end, while a wildcard stands for
/// any label that A6 allows (RFC 9525 §6.3): so another label stands in for such a first one.
fn reference(name: &str) -> Option<ServerName<'_>> {
    let stand_in = || {
        let (first, base) = name.split_once('.')?;
        let in_place = format!("no-name-of-its-own.{base}");
        // It must not make a long name too long.
        let as_long = || ServerName::try_from(format!("{}.{base}", "q".repeat(first.len())));
        ServerName::try_from(in_place).or_else(|_| as_long()).ok()
    };
    ServerName::try_from(name).ok().or_else(stand_in)
}

/// The dNSName and iPAddress entries that x509-parser lists, as text in lower case; `None` where it
/// cannot read the certificate.
pub fn names(der: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let extension = certificate.subject_alternative_name().ok()??;
    let names = extension.value.general_names.iter();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            Some(Host::Ip(ip.ok()?).to_string())
        }
        _ => None,
    };
    Some(names.filter_map(text).collect())
}

/// An extension of a certificate to make.
pub struct Extension {
    pub id: &'static [u64],
    pub critical: bool,
    pub content: Vec<u8>,
}

/// 2.5.29.17
pub const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
/// 1.3.6.1.4.1.99999.1, which nobody knows.
pub const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 99999, 1];

/// A certificate with these extensions. Its signature is none, which nobody here looks at.
pub fn make(extensions: impl IntoIterator<Item = Extension>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    for extension in extensions {
        let mut custom = CustomExtension::from_oid_content(extension.id, extension.content);
        custom.set_criticality(extension.critical);
        params.custom_extensions.push(custom);
    }
    let certificate = params.self_signed(&NoKey).expect("nothing can fail");
    certificate.der().to_vec()
}

/// A tag, a length in the shortest form, and a value.
pub fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short names");
    let [high, low] = length.to_be_bytes();
    let mut element = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    element.extend(value);
    element
}

/// Signs at no cost.
struct NoKey;

impl PublicKeyData for NoKey {
    fn der_bytes(&self) -> &[u8] {
        &[0; 32]
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for NoKey {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0; 64])
    }
}
