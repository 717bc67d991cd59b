//! Signals: SIGHUP requests a reload, and SIGTERM and Ctrl-C request a shutdown. On systems without signals, only
//! Ctrl-C works.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Requests for a reload.
pub struct Hangups(#[cfg(unix)] Signal);

/// Requests for a shutdown.
pub struct Terminations {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

/// After this call, these signals no longer end the process.
#[cfg(unix)]
pub fn handle() -> io::Result<(Hangups, Terminations)> {
    let terminations = Terminations {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    Ok((Hangups(signal(SignalKind::hangup())?), terminations))
}

#[cfg(not(unix))]
pub fn handle() -> io::Result<(Hangups, Terminations)> {
    Ok((Hangups(), Terminations {}))
}

impl Hangups {
    /// Waits for the next signal. Several signals before the call count as one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

impl Terminations {
    pub async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
