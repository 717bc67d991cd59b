//! HTTP/2 by hand: frames as they are on the wire (RFC 9113 §4.1), written and read one by one.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::PATIENCE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self {
            kind,
            flags,
            stream,
            payload,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let length = self.payload.len() as u32;
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The GOAWAY that ends nothing that is under way: last stream 2^31-1, NO_ERROR (RFC 9113 §6.8).
    pub fn graceful_goaway() -> Self {
        Self::new(GOAWAY, 0, 0, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])
    }
}

/// A client's end of an HTTP/2 connection.
pub struct Raw<IO> {
    pub io: IO,
    /// Every frame that the server has sent, but for its acknowledgements.
    pub seen: Vec<Frame>,
    last_stream: u32,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<IO> {
    /// Sends the preface, and reads the server's SETTINGS.
    pub async fn begin(io: IO) -> Self {
        let mut raw = Self::new(io);
        raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        raw.send(Frame::new(SETTINGS, 0, 0, [])).await;
        let first = raw.next().await.unwrap();
        assert_eq!((first.kind, first.flags), (SETTINGS, 0), "{first:?}");
        raw.send(Frame::new(SETTINGS, ACK, 0, [])).await;
        raw
    }

    pub fn new(io: IO) -> Self {
        Self {
            io,
            seen: Vec::new(),
            last_stream: 0,
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
        self.io.flush().await.unwrap();
    }

    pub async fn send(&mut self, frame: Frame) {
        self.write(&frame.bytes()).await;
    }

    /// Sends a request's head and returns its stream.
    pub async fn request(&mut self, method: &str, host: &str, path: &str, flags: u8) -> u32 {
        let stream = self.next_stream();
        let fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", host),
            (":path", path),
        ];
        let head = Frame::new(HEADERS, END_HEADERS | flags, stream, literal(&fields));
        self.send(head).await;
        stream
    }

    /// Opens a WebSocket over HTTP/2, an extended CONNECT (RFC 8441 §4).
    pub async fn connect_protocol(&mut self, host: &str, path: &str) -> u32 {
        let stream = self.next_stream();
        let fields = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", host),
            (":path", path),
        ];
        let head = Frame::new(HEADERS, END_HEADERS, stream, literal(&fields));
        self.send(head).await;
        stream
    }

    fn next_stream(&mut self) -> u32 {
        self.last_stream = match self.last_stream {
            0 => 1,
            last => last + 2,
        };
        self.last_stream
    }

    /// The next frame that the server sends. `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let frame = tokio::time::timeout(PATIENCE, self.read());
        let frame = frame.await.expect("a frame in time")?;
        if frame.flags & ACK == 0 || !matches!(frame.kind, SETTINGS | PING) {
            self.seen.push(frame.clone());
        }
        Some(frame)
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(stream);
        Some(Frame::new(kind, flags, stream, payload))
    }

    /// Reads until a frame of this kind. No data is waited for behind an answer that is not 200.
    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            match self.next().await {
                Some(frame) if frame.kind == kind => return frame,
                Some(frame) if (kind, frame.kind) == (DATA, HEADERS) => {
                    assert!(is_ok(&frame.payload), "the answer is not 200");
                }
                Some(_) => {}
                None => panic!("the connection ended before a frame of kind {kind}"),
            }
        }
    }

    /// Reads one answer to its end: whether its status is 200, and its body.
    pub async fn answer(&mut self, stream: u32) -> (bool, Vec<u8>) {
        let (mut ok, mut body) = (false, Vec::new());
        loop {
            let Some(frame) = self.next().await else {
                panic!("the connection ended before the answer");
            };
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => ok |= is_ok(&frame.payload),
                DATA => {
                    body.extend(&frame.payload);
                    self.give_back(stream, frame.payload.len()).await;
                }
                RST_STREAM => return (ok, body),
                _ => {}
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return (ok, body);
            }
        }
    }

    pub async fn give_back(&mut self, stream: u32, length: usize) {
        if length > 0 {
            let length = (length as u32).to_be_bytes();
            self.send(Frame::new(WINDOW_UPDATE, 0, 0, length)).await;
            self.send(Frame::new(WINDOW_UPDATE, 0, stream, length))
                .await;
        }
    }

    pub async fn get(&mut self, host: &str, path: &str) -> (bool, Vec<u8>) {
        let stream = self.request("GET", host, path, END_STREAM).await;
        self.answer(stream).await
    }

    /// Reads what the server has sent before it answers a PING.
    pub async fn ping(&mut self) {
        self.send(Frame::new(PING, 0, 0, [7; 8])).await;
        while self.until(PING).await.flags & ACK == 0 {}
    }

    pub fn goaways(&self) -> usize {
        let goaways = self.seen.iter().filter(|frame| frame.kind == GOAWAY);
        goaways.count()
    }
}

/// A field block of literals without indexing (RFC 7541 §6.2.2).
fn literal(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Whether an answer's status is 200, which is an index of the static table and comes first (RFC 7541 appendix A).
fn is_ok(block: &[u8]) -> bool {
    block.first() == Some(&0x88)
}
