//! Clients that set the server name, the authority, `Host` and the form of the request target apart.
//! HTTP/1 is written by hand, HTTP/2 goes through the h2 crate, HTTP/3 through h3.
#![allow(dead_code, reason = "each test crate uses its part")]

pub mod frames;
pub mod http3;
pub mod proxy;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, Response, Uri, Version};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_misdirected::TlsAcceptor;

/// Long enough for any machine: what takes longer never comes, and is a failure and no hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a TLS connection with this server name, or with none.
pub async fn connect(
    addr: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
    sni: Option<&str>,
) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    let handshake = tokio::time::timeout(PATIENCE, handshake(tcp, config, sni));
    handshake.await.expect("a handshake in time").unwrap()
}

pub async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(
    io: IO,
    config: impl Into<Arc<ClientConfig>>,
    sni: Option<&str>,
) -> std::io::Result<TlsStream<IO>> {
    let mut config = Arc::unwrap_or_clone(config.into());
    config.enable_sni = sni.is_some();
    let name = ServerName::try_from(sni.unwrap_or("unused.invalid").to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, io).await
}

/// What came back over HTTP/1.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends `request`, in which `\n` stands for CRLF, and reads one answer.
pub async fn exchange<IO>(io: &mut IO, request: &str) -> Answer
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let request = request.replace('\n', "\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    read_answer(io, request.starts_with("HEAD ")).await
}

/// As [`exchange`], where the other end may close instead.
pub async fn try_exchange<IO>(io: &mut IO, request: &str) -> std::io::Result<Answer>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let request = request.replace('\n', "\r\n");
    io.write_all(request.as_bytes()).await?;
    let answer = read_to_end_of_answer(io, request.starts_with("HEAD "));
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.expect("an answer in time")
}

pub async fn read_answer<IO: AsyncRead + Unpin>(io: &mut IO, to_head: bool) -> Answer {
    let answer = tokio::time::timeout(PATIENCE, read_to_end_of_answer(io, to_head)).await;
    answer
        .expect("an answer in time")
        .expect("the whole of an answer")
}

async fn read_to_end_of_answer<IO: AsyncRead + Unpin>(
    io: &mut IO,
    to_head: bool,
) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(io.read_u8().await?);
    }
    let head = String::from_utf8(bytes).unwrap().to_lowercase();
    let mut answer = Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body: String::new(),
    };
    let length = answer.header("content-length").unwrap_or("0");
    if !to_head {
        let mut body = vec![0; length.parse().unwrap()];
        io.read_exact(&mut body).await?;
        answer.body = String::from_utf8(body).unwrap();
    }
    Ok(answer)
}

/// Whether the other end closes without sending anything more.
pub async fn closes<IO: AsyncRead + Unpin>(io: &mut IO) -> bool {
    matches!(io.read(&mut [0; 1]).await, Ok(0) | Err(_))
}

/// Begins HTTP/2 on a connection.
pub async fn http2<IO>(io: IO) -> SendRequest<Bytes>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A GET with this `:authority`, or none, and these `Host` fields.
pub fn get2(authority: Option<&str>, hosts: &[&str]) -> Request<()> {
    request2(Method::GET, "https", authority, hosts)
}

pub fn request2(
    method: Method,
    scheme: &str,
    authority: Option<&str>,
    hosts: &[&str],
) -> Request<()> {
    let mut uri = Uri::builder().path_and_query("/");
    if let Some(authority) = authority {
        uri = uri.scheme(scheme).authority(authority);
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri.build().unwrap();
    // h2 sends a request without `:authority` only if it does not claim to be HTTP/2.
    *request.version_mut() = match authority {
        Some(_) => Version::HTTP_2,
        None => Version::HTTP_11,
    };
    for host in hosts {
        let value = host.parse().unwrap();
        request.headers_mut().append("host", value);
    }
    request
}

/// Sends a request without a body and reads the whole answer.
pub async fn send2(client: &SendRequest<Bytes>, request: Request<()>) -> Response<String> {
    try_send2(client, request).await.unwrap()
}

/// As [`send2`], where the stream or the connection may end instead.
pub async fn try_send2(
    client: &SendRequest<Bytes>,
    request: Request<()>,
) -> Result<Response<String>, h2::Error> {
    let mut client = client.clone().ready().await?;
    let (response, _) = client.send_request(request, true)?;
    try_read2(response.await?).await
}

pub async fn read2(response: Response<h2::RecvStream>) -> Response<String> {
    try_read2(response).await.unwrap()
}

async fn try_read2(response: Response<h2::RecvStream>) -> Result<Response<String>, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let body = String::from_utf8(body).unwrap();
    Ok(Response::from_parts(parts, body))
}

/// Runs a handshake with a client, which must fail, and returns its error.
pub async fn refused<F: Future<Output = ()>>(
    acceptor: &TlsAcceptor,
    client: impl FnOnce(DuplexStream) -> F,
) -> io::Error {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let client = async {
        client(theirs).await;
        std::future::pending().await
    };
    let accepted = tokio::select! {
        accepted = acceptor.accept(ours) => accepted,
        () = client => unreachable!(),
        () = tokio::time::sleep(PATIENCE) => panic!("no end in time"),
    };
    accepted.expect_err("a failure")
}

/// Speaks TLS with this configuration, until the server has had enough.
pub async fn visit(io: DuplexStream, config: ClientConfig, server_name: Option<&str>) {
    if let Ok(mut io) = handshake(io, config, server_name).await {
        let _ = io.read_u8().await;
    }
}
