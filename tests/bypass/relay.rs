//! What stands between a client and the server, and changes how ClientHellos arrive, or what they say.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What happens to a ClientHello on its way.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    /// It is written so many octets at a time.
    Writes(usize),
    /// It is put into TLS records of so many octets (RFC 8446 §5.1).
    Records(usize),
}

/// Passes TCP on, ClientHellos changed.
pub struct TcpRelay {
    pub addr: SocketAddr,
    hello: Arc<Mutex<Vec<u8>>>,
}

impl TcpRelay {
    pub async fn new(
        to: SocketAddr,
        cut: Cut,
        rewrite: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let hello = Arc::new(Mutex::new(Vec::new()));
        let last = hello.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut server = TcpStream::connect(to).await.unwrap();
                server.set_nodelay(true).unwrap();
                let mut header = [0; 5];
                client.read_exact(&mut header).await.unwrap();
                let [HANDSHAKE, _, _, high, low] = header else {
                    panic!("no handshake");
                };
                let length = u16::from_be_bytes([high, low]);
                let mut hello = vec![0; length.into()];
                client.read_exact(&mut hello).await.unwrap();
                rewrite(&mut hello);
                *last.lock().unwrap() = hello.clone();
                for piece in cut.pieces(&hello) {
                    server.write_all(&piece).await.unwrap();
                    server.flush().await.unwrap();
                }
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { addr, hello }
    }

    /// The last ClientHello that passed.
    pub fn hello(&self) -> Vec<u8> {
        self.hello.lock().unwrap().clone()
    }
}

const HANDSHAKE: u8 = 22;

impl Cut {
    fn pieces(self, hello: &[u8]) -> Vec<Vec<u8>> {
        let record = |payload: &[u8]| {
            let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
            [&[HANDSHAKE, 3, 1, high, low], payload].concat()
        };
        match self {
            Self::Whole => vec![record(hello)],
            Self::Writes(size) => record(hello).chunks(size).map(<[u8]>::to_vec).collect(),
            Self::Records(size) => hello.chunks(size).map(record).collect(),
        }
    }
}

/// Lets no two octets be read at once.
pub struct OctetByOctet(pub DuplexStream);

impl AsyncRead for OctetByOctet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut octet = [0; 1];
        let mut one = ReadBuf::new(&mut octet);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OctetByOctet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Passes UDP on, the first datagrams of the client in reverse.
pub async fn shuffling_relay(to: SocketAddr, datagrams: usize) -> SocketAddr {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    far.connect(to).await.unwrap();
    let addr = near.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        let mut client = to;
        let mut held = Vec::new();
        while held.len() < datagrams {
            let (length, from) = near.recv_from(&mut up).await.unwrap();
            client = from;
            held.push(up[..length].to_vec());
        }
        for datagram in held.into_iter().rev() {
            far.send(&datagram).await.unwrap();
        }
        loop {
            tokio::select! {
                Ok((length, _)) = near.recv_from(&mut up) => {
                    let _ = far.send(&up[..length]).await;
                }
                Ok(length) = far.recv(&mut down) => {
                    let _ = near.send_to(&down[..length], client).await;
                }
            }
        }
    });
    addr
}
