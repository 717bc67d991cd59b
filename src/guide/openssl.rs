use std::io::{self, Cursor, Read, Write};
use std::net::IpAddr;
use std::sync::LazyLock;

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::rand::rand_bytes;
use openssl::ssl::{ErrorCode, NameType, SniError, SslAlert, SslMethod};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslRef, SslStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tower_misdirected::{CertificateNames, ConnectionInfo, Selection, VirtualHosts};

/// Where an `Ssl` keeps the virtual host that its handshake selected.
static SELECTED: LazyLock<Index<Ssl, Selection<SslContext>>> =
    LazyLock::new(|| Ssl::new_ex_index().expect("a free index"));

/// Binds sessions to the context that is being built. Call this for every context.
pub fn bind_sessions(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    // A context resumes only sessions that have the id of the context, even if contexts
    // share ticket keys or a cache. OpenSSL also fails to resume any session with a client
    // certificate if its context has no id.
    let mut id = [0; 32];
    rand_bytes(&mut id)?;
    context.set_session_id_context(&id)
}

/// Returns a context that reads the ClientHello of every connection, and never completes a
/// handshake.
pub fn selector(hosts: VirtualHosts<SslContext>) -> Result<SslContext, ErrorStack> {
    let mut selector = SslContext::builder(SslMethod::tls())?;
    selector.set_servername_callback(move |ssl, alert| {
        match hosts.select(ssl.servername(NameType::HOST_NAME)) {
            Some(selection) => ssl.set_ex_data(*SELECTED, selection),
            None => *alert = SslAlert::UNRECOGNIZED_NAME,
        }
        // `set_ssl_context` would keep what the first context says about client certificates
        // and sessions. So this handshake ends here, and the selected context begins its own.
        Err(SniError::ALERT_FATAL)
    });
    Ok(selector.build())
}

/// Reads the ClientHello and selects a context. Returns an `Ssl` of that context for the
/// handshake, and the stream, from which the ClientHello can be read again.
pub async fn select<IO>(
    selector: &SslContext,
    mut io: IO,
) -> io::Result<(Ssl, impl AsyncRead + AsyncWrite + use<IO>)>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut hello = SslStream::new(Ssl::new(selector)?, Hello::default())?;
    // It wants to read more until the ClientHello is complete.
    while hello
        .accept()
        .is_err_and(|error| error.code() == ErrorCode::WANT_READ)
    {
        if io.read_buf(hello.get_mut().received.get_mut()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let Some(selection) = hello.ssl().ex_data(*SELECTED).cloned() else {
        io.write_all(&hello.get_ref().alert).await?;
        return Err(io::Error::other("the ClientHello selects no virtual host"));
    };
    let mut ssl = Ssl::new(selection.config())?;
    // `connection_info` needs this selection. A later one could differ.
    ssl.set_ex_data(*SELECTED, selection);
    let received = std::mem::take(hello.get_mut().received.get_mut());
    let (read, write) = tokio::io::split(io);
    let io = tokio::io::join(AsyncReadExt::chain(Cursor::new(received), read), write);
    Ok((ssl, io))
}

/// What the client has sent so far, and the alert for a client that is refused.
#[derive(Default)]
struct Hello {
    received: Cursor<Vec<u8>>,
    alert: Vec<u8>,
}

impl Read for Hello {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match Read::read(&mut self.received, buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

impl Write for Hello {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.alert, octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Describes a connection whose handshake is complete.
pub fn connection_info(ssl: &SslRef) -> ConnectionInfo {
    // The certificate that the selected context presented.
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
    let mut info = ConnectionInfo::tls()
        .certificate_names(CertificateNames::from_sans(dns_names, ips))
        .resumed(ssl.session_reused())
        .alpn(ssl.selected_alpn_protocol().unwrap_or_default());
    // Without a selection, the layer would refuse every request.
    if let Some(selection) = ssl.ex_data(*SELECTED) {
        info = info.selection(selection.clone());
    }
    // The selected context has verified this certificate, perhaps when the session began.
    let client = ssl.peer_certificate();
    if let Some(client) = client.and_then(|certificate| certificate.to_der().ok()) {
        let intermediates = ssl.peer_cert_chain().into_iter().flatten();
        let intermediates = intermediates.filter_map(|issuer| issuer.to_der().ok());
        info = info.client_certificates([client].into_iter().chain(intermediates));
    }
    info.build()
}
