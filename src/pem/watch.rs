//! The task that looks at the files at an interval. `store` decides what to do with their content.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

use super::error::CertificateFilesError;
use super::files::CertificateFiles;
use super::store::Look;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The time for which files must stay unchanged before they count as written, if the interval is not shorter.
const SETTLE: Duration = Duration::from_secs(1);

impl CertificateFiles {
    /// Starts a task that reads the files at this interval and presents renewed certificates. An interval below
    /// 10 milliseconds counts as 10 milliseconds.
    ///
    /// The task compares the content of the files, not their modification times, so it notices copies, renames and
    /// changed symbolic links. It uses new content only after two reads in a row have found the same content, so that
    /// it does not use half-written files. The second read follows after one second, or after the interval if that is
    /// shorter. The task reads the files on [threads that may block](spawn_blocking).
    ///
    /// If the files cannot be used, the previous certificate stays, and the task tries again at the next interval. With
    /// the feature `tracing`, the task logs each renewal at info level, repeated errors only once at error level, and a
    /// warning when the certificate has expired. [`watch_with`](Self::watch_with) also calls a function.
    ///
    /// The task ends when it is [aborted](JoinHandle::abort), or within an interval after the last clone of the `Arc`
    /// has been dropped. Dropping the handle does not end the task.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with a timer, as [`tokio::spawn`] does.
    pub fn watch(self: &Arc<Self>, interval: Duration) -> JoinHandle<()> {
        self.watch_with(interval, |_| {})
    }

    /// Starts a task like [`watch`](Self::watch), which also calls `report` after each renewal and for each error. Of
    /// equal errors in a row, only the first is reported. `report` must neither block nor panic.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use tower_misdirected::CertificateFiles;
    ///
    /// # fn start(certificate: &Arc<CertificateFiles>) {
    /// certificate.watch_with(Duration::from_secs(60), |renewed| match renewed {
    ///     Ok(()) => println!("renewed"),
    ///     Err(error) => eprintln!("the old certificate stays: {error}"),
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with a timer, as [`tokio::spawn`] does.
    pub fn watch_with(
        self: &Arc<Self>,
        interval: Duration,
        report: impl FnMut(Result<(), &CertificateFilesError>) + Send + 'static,
    ) -> JoinHandle<()> {
        tokio::spawn(run(Arc::downgrade(self), interval, report))
    }
}

async fn run(
    files: Weak<CertificateFiles>,
    interval: Duration,
    mut report: impl FnMut(Result<(), &CertificateFilesError>),
) {
    let interval = interval.max(SHORTEST_INTERVAL);
    let mut last = None;
    let mut reported = None;
    let mut pause = interval;
    loop {
        tokio::time::sleep(pause).await;
        let Some(files) = files.upgrade() else {
            return;
        };
        // Fails only if the runtime shuts down.
        let looking = spawn_blocking(move || (files.0.look(last), files));
        let Ok((look, files)) = looking.await else {
            return;
        };
        files.0.warn_if_invalid();
        pause = interval;
        match look {
            Look::Same => {
                last = None;
                reported = None;
            }
            Look::Changed(digest) => {
                last = Some(digest);
                pause = interval.min(SETTLE);
            }
            Look::Renewed => {
                reported = None;
                #[cfg(feature = "tracing")]
                tracing::info!(chain = ?files.0.paths().chain, "certificate renewed");
                report(Ok(()));
            }
            Look::Unusable(error) => {
                let text = error.to_string();
                if reported.as_ref() != Some(&text) {
                    #[cfg(feature = "tracing")]
                    tracing::error!(%error, "certificate not renewed, so the previous one stays");
                    report(Err(&error));
                    reported = Some(text);
                }
            }
        }
    }
}
