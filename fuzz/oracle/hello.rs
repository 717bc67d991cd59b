//! What the hellos of TLS say (RFC 8446 §4.1), read by tls-parser, and how they are written.

use tls_parser::{TlsExtension, parse_tls_extension_unknown};

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const ENCRYPTED_EXTENSIONS: u8 = 8;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;

/// Why nothing is known of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is another one, or not whole.
    NoServerHello,
    Malformed,
}

/// A handshake message.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (body.len() as u32).to_be_bytes();
    [&[kind], &length[..], body].concat()
}

pub fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u16;
    [&kind.to_be_bytes(), &length.to_be_bytes(), content].concat()
}

/// The first of some messages, its kind and its body, and what follows.
pub fn split(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [kind, a, b, c, rest @ ..] = octets else {
        return None;
    };
    let (body, rest) = rest.split_at_checked(u32::from_be_bytes([0, *a, *b, *c]) as usize)?;
    Some((*kind, body, rest))
}

/// Whether a ServerHello resumes a session.
pub fn server(octets: &[u8]) -> Result<bool, Unread> {
    let Some((SERVER_HELLO, body, _)) = split(octets) else {
        return Err(Unread::NoServerHello);
    };
    let Ok(([], hello)) = tls_parser::parse_tls_handshake_server_hello(body) else {
        return Err(Unread::Malformed);
    };
    let extensions = extensions(hello.ext.ok_or(Unread::Malformed)?).ok_or(Unread::Malformed)?;
    Ok(extensions.iter().any(|(kind, _)| *kind == PRE_SHARED_KEY))
}

/// What a ClientHello asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The first name of the list. It is of the kind `host_name`.
    pub server_name: Option<&'a [u8]>,
    pub alpn: Vec<&'a [u8]>,
}

/// Reads the ClientHello that some messages begin with.
pub fn client(octets: &[u8]) -> Option<Client<'_>> {
    let (CLIENT_HELLO, body, _) = split(octets)? else {
        return None;
    };
    let (_, hello) = tls_parser::parse_tls_handshake_client_hello(body).ok()?;
    let extensions = extensions(hello.ext.unwrap_or_default())?;
    let mut client = Client {
        server_name: None,
        alpn: Vec::new(),
    };
    for (kind, content) in extensions {
        match kind {
            SERVER_NAME => {
                let read = tls_parser::parse_tls_extension_sni_content(content);
                if let Ok((_, TlsExtension::SNI(names))) = read {
                    let name = names.first().filter(|(kind, _)| kind.0 == 0);
                    client.server_name = name.map(|(_, name)| *name);
                }
            }
            ALPN => client.alpn = alpn(content),
            _ => {}
        }
    }
    Some(client)
}

/// The protocol that EncryptedExtensions agree to, which some messages begin with. `None` if they are others.
pub fn agreed(octets: &[u8]) -> Option<Option<Vec<u8>>> {
    let (ENCRYPTED_EXTENSIONS, [_, _, body @ ..], _) = split(octets)? else {
        return None;
    };
    let extensions = extensions(body)?;
    let content = extensions.iter().find(|(kind, _)| *kind == ALPN);
    Some(content.and_then(|(_, content)| Some(alpn(content).first()?.to_vec())))
}

fn alpn(content: &[u8]) -> Vec<&[u8]> {
    match tls_parser::parse_tls_extension_alpn_content(content) {
        Ok((_, TlsExtension::ALPN(protocols))) => protocols,
        _ => Vec::new(),
    }
}

/// All extensions with their kinds, or `None` if they do not end where they should.
fn extensions(mut octets: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut extensions = Vec::new();
    while !octets.is_empty() {
        let Ok((rest, TlsExtension::Unknown(kind, content))) = parse_tls_extension_unknown(octets)
        else {
            return None;
        };
        extensions.push((kind.0, content));
        octets = rest;
    }
    Some(extensions)
}
