//! Reads the dNSName and iPAddress entries of a certificate in DER. webpki decides whether a client can parse the
//! certificate. It lists no IP addresses and no wildcards before a single label, so the entries are read here. `names`
//! decides which entries can match a host.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use untrusted::{EndOfInput, Input, Reader};
use webpki::EndEntityCert;

use super::names::CertificateNames;

impl CertificateNames {
    /// Reads the names of a certificate in DER.
    ///
    /// Returns [unknown](Self::unknown) names in three cases:
    ///
    /// - webpki, and so a rustls client, rejects the form of the certificate. Examples are an X.509 version other than
    ///   3 and an unknown critical extension.
    /// - An entry of subjectAltName is not valid DER.
    /// - subjectAltName is absent, or has neither a dNSName nor an iPAddress. A client that accepts such a certificate
    ///   decides by other means, such as a pinned key or a SPIFFE ID.
    ///
    /// If no client would match any entry, such as an iPAddress of five octets, the names are
    /// known and cover nothing.
    ///
    /// ```
    /// use tower_misdirected::CertificateNames;
    ///
    /// let names = vec!["app.example".to_owned(), "192.0.2.1".to_owned()];
    /// let certificate = rcgen::generate_simple_self_signed(names)?.cert;
    /// let names = CertificateNames::from_der(certificate.der());
    /// assert_eq!(names.to_strings(), ["app.example", "192.0.2.1"]);
    ///
    /// assert!(!CertificateNames::from_der(b"not a certificate").is_known());
    /// # Ok::<_, rcgen::Error>(())
    /// ```
    pub fn from_der(der: &[u8]) -> Self {
        let certificate = CertificateDer::from(der);
        if EndEntityCert::try_from(&certificate).is_err() {
            return Self::unknown();
        }
        match entries(der) {
            Ok(entries) if entries.name_hosts => Self::of_entries(
                entries.dns_names.into_iter(),
                entries.ip_addresses.into_iter(),
            ),
            Ok(_) | Err(EndOfInput) => Self::unknown(),
        }
    }
}

// The DER tags (X.690 §8.1.2) of the parts of a certificate (RFC 5280 §4.1).
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// The other kinds of GeneralName (RFC 5280 §4.2.1.6).
const OTHER_NAMES: [u8; 7] = [0xa0, 0x81, 0xa3, 0xa4, 0xa5, 0x86, 0x88];

/// 2.5.29.17 (RFC 5280 §4.2.1.6).
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The entries of the subjectAltName extension that may cover a host.
#[derive(Default)]
struct Entries<'a> {
    dns_names: Vec<&'a str>,
    ip_addresses: Vec<IpAddr>,
    /// Whether the extension has a dNSName or an iPAddress, even one that covers nothing.
    name_hosts: bool,
}

/// Returns the entries of a certificate. webpki stops at an entry that it cannot parse, so a client ignores the names
/// after that entry. Such a certificate is an error here.
fn entries(der: &[u8]) -> Result<Entries<'_>, EndOfInput> {
    let mut entries = Entries::default();
    let Some(names) = subject_alt_names(der)? else {
        return Ok(entries);
    };
    let mut names = Reader::new(names);
    while !names.at_end() {
        let (tag, value) = element(&mut names)?;
        let value = value.as_slice_less_safe();
        entries.name_hosts |= matches!(tag, DNS_NAME | IP_ADDRESS);
        if tag == DNS_NAME {
            // A dNSName is ASCII. Other text matches no host, whatever its encoding.
            entries.dns_names.extend(std::str::from_utf8(value));
        } else if tag == IP_ADDRESS {
            // An entry of another length is invalid here. A range of addresses is only allowed in name constraints.
            let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from));
            entries.ip_addresses.extend(ip);
        } else if !OTHER_NAMES.contains(&tag) {
            return Err(EndOfInput);
        }
    }
    Ok(entries)
}

/// Returns the content of the subjectAltName extension.
fn subject_alt_names(der: &[u8]) -> Result<Option<Input<'_>>, EndOfInput> {
    let mut certificate = Reader::new(expect(&mut Reader::new(Input::from(der)), SEQUENCE)?);
    let mut tbs = Reader::new(expect(&mut certificate, SEQUENCE)?);
    if tbs.peek(VERSION) {
        element(&mut tbs)?;
    }
    while !tbs.at_end() {
        let (tag, value) = element(&mut tbs)?;
        if tag != EXTENSIONS {
            continue;
        }
        let mut extensions = Reader::new(expect(&mut Reader::new(value), SEQUENCE)?);
        while !extensions.at_end() {
            let mut extension = Reader::new(expect(&mut extensions, SEQUENCE)?);
            let id = expect(&mut extension, OBJECT_IDENTIFIER)?;
            if extension.peek(BOOLEAN) {
                element(&mut extension)?;
            }
            let value = expect(&mut extension, OCTET_STRING)?;
            if id.as_slice_less_safe() == SUBJECT_ALT_NAME {
                return expect(&mut Reader::new(value), SEQUENCE).map(Some);
            }
        }
    }
    Ok(None)
}

fn expect<'a>(reader: &mut Reader<'a>, wanted: u8) -> Result<Input<'a>, EndOfInput> {
    match element(reader)? {
        (tag, value) if tag == wanted => Ok(value),
        _ => Err(EndOfInput),
    }
}

/// Reads the next tag and its value. A length must have the shortest form (X.690 §10.1) and at most three
/// octets, as in webpki.
fn element<'a>(reader: &mut Reader<'a>) -> Result<(u8, Input<'a>), EndOfInput> {
    let tag = reader.read_byte()?;
    let (length, shortest) = match reader.read_byte()? {
        short @ 0..=0x7f => (u16::from(short), 0),
        0x81 => (u16::from(reader.read_byte()?), 0x80),
        0x82 => {
            let octets = [reader.read_byte()?, reader.read_byte()?];
            (u16::from_be_bytes(octets), 0x100)
        }
        _ => return Err(EndOfInput),
    };
    if length < shortest {
        return Err(EndOfInput);
    }
    Ok((tag, reader.read_bytes(length.into())?))
}
