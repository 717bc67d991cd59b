//! A listener that always has a connection, as a user would write it over a queue that knows nothing of tokio.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::serve::Listener;
use tokio::io::{self, DuplexStream};
use tower_misdirected::TlsListener;

use crate::pki;

/// More than a listener may accept before other tasks run. There is an end, so that a fault cannot hang the test.
const CONNECTIONS: usize = 10_000;

struct Flood(Arc<AtomicUsize>);

impl Listener for Flood {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        if self.0.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            std::future::pending::<()>().await;
        }
        // The client has gone, so the handshake fails at once.
        (tokio::io::duplex(1).0, ())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn d5_a_listener_that_always_has_a_connection_lets_other_tasks_run() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut listener = TlsListener::over(Flood(accepted.clone()), pki::server(&["a.test"]));
    let serving = tokio::spawn(async move { listener.accept().await.1 });
    tokio::task::yield_now().await;
    let accepted = accepted.load(Ordering::Relaxed);
    assert!((1..1000).contains(&accepted), "{accepted}");
    serving.abort();
}
