//! Ports for programs that cannot say which one they were given.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Each test program keeps the first port of its range, so that no other one takes ports of that range. HAProxy and
/// Envoy share a port with another server that listens on it, and each server gets some of the connections.
const RANGE: u16 = 500;

/// An address that nobody uses. Linux gives connections ports from 32768 on, so none of them takes this one meanwhile.
pub fn free_addr() -> SocketAddr {
    static PORTS: LazyLock<(TcpListener, AtomicU16)> = LazyLock::new(|| {
        let mut starts = (10_000..30_000).step_by(RANGE.into());
        let ports = starts.find_map(|start| Some((listen(start)?, AtomicU16::new(start + 1))));
        ports.expect("a free range of ports")
    });
    let (first, next) = &*PORTS;
    let end = first.local_addr().unwrap().port() + RANGE;
    loop {
        let port = next.fetch_add(1, Ordering::Relaxed);
        assert!(port < end, "all ports were tried");
        if let Some(listener) = listen(port) {
            return listener.local_addr().unwrap();
        }
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}
