//! Signals: SIGHUP asks for a reload, SIGTERM and Ctrl-C for the end. Where there are no such signals,
//! Ctrl-C is all there is.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Requests for a reload.
pub struct Hangups(#[cfg(unix)] Signal);

/// Requests for the end.
pub struct Terminations(#[cfg(unix)] Signal);

/// From here on SIGHUP and SIGTERM no longer end the process by themselves.
pub fn handle() -> io::Result<(Hangups, Terminations)> {
    #[cfg(unix)]
    return Ok((
        Hangups(signal(SignalKind::hangup())?),
        Terminations(signal(SignalKind::terminate())?),
    ));
    #[cfg(not(unix))]
    Ok((Hangups(), Terminations()))
}

impl Hangups {
    /// The next one. Several that come before anyone looks are one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

impl Terminations {
    pub async fn next(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        tokio::select! {
            _ = self.0.recv() => return Ok(()),
            interrupted = tokio::signal::ctrl_c() => return interrupted,
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    }
}
