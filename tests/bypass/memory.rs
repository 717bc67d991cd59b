//! What a client remembers: sessions, offered whatever the server name.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tokio::sync::watch;

/// Sessions, for whatever server.
#[derive(Debug, Default)]
pub struct Sessions {
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
    tls13: Mutex<Vec<Tls13ClientSessionValue>>,
    /// How many there are.
    pub kept: watch::Sender<usize>,
    /// How often one was offered.
    pub offered: AtomicUsize,
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        *self.tls12.lock().unwrap() = Some(session);
        self.kept.send_replace(1);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let session = self.tls12.lock().unwrap().clone()?;
        self.offered.fetch_add(1, Ordering::SeqCst);
        Some(session)
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        *self.tls12.lock().unwrap() = None;
        self.kept.send_replace(0);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, session: Tls13ClientSessionValue) {
        let mut sessions = self.tls13.lock().unwrap();
        sessions.push(session);
        self.kept.send_replace(sessions.len());
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut sessions = self.tls13.lock().unwrap();
        // The newest first.
        let session = sessions.pop()?;
        self.kept.send_replace(sessions.len());
        self.offered.fetch_add(1, Ordering::SeqCst);
        Some(session)
    }
}
