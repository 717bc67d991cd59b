//! A server as a process of its own. Which servers there are lives in `ours` and `peers`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Stream};

use crate::cores::{Side, pinned};
use crate::names::NAME;
use crate::pki;
use crate::program::Program;

/// Long enough for any server to start, under callgrind and on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server that runs, and ends when this is dropped.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
}

impl Server {
    /// Starts a program on the core of servers.
    pub fn start(program: &dyn Program) -> io::Result<Self> {
        let (command, addr) = program.command()?;
        Self::start_command(pinned(command, Side::Server), addr)
    }

    /// Starts a program that is to serve on `addr`, and waits until it does.
    pub fn start_command(mut command: Command, addr: SocketAddr) -> io::Result<Self> {
        let mut server = Self {
            child: command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
            addr,
        };
        let begin = Instant::now();
        while !serves(addr).unwrap_or(false) {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("ended at once: {status}")));
            }
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other("does not serve"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Some listen before they have read what they are to serve.
fn serves(addr: SocketAddr) -> io::Result<bool> {
    let mut tcp = TcpStream::connect(addr)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let client = ClientConnection::new(Arc::new(pki::client(&["http/1.1"])), name);
    let mut client = client.map_err(io::Error::other)?;
    let mut tls = Stream::new(&mut client, &mut tcp);
    write!(tls, "GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n")?;
    let mut status = [0; 12];
    tls.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}
