//! What is logged on a test's thread.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::DefaultGuard;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Gives this thread a subscriber, until the guard is dropped.
pub fn subscribe(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    // With one subscriber in the process, tracing asks that of the first thread that reaches an event whether anybody
    // wants the event, and remembers the answer for all threads. So every thread has one.
    static EVERY_THREAD: Once = Once::new();
    EVERY_THREAD.call_once(|| {
        let all = tracing_subscriber::registry().with(LevelFilter::DEBUG);
        tracing::subscriber::set_global_default(all).unwrap();
    });
    tracing::subscriber::set_default(subscriber)
}

/// The text that `tracing_subscriber::fmt` writes for this thread.
pub struct Log {
    octets: Octets,
    _guard: DefaultGuard,
}

impl Log {
    /// Writes events of this level and of more important ones.
    pub fn start(level: Level) -> Self {
        let octets = Octets::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(octets.clone());
        Self {
            octets,
            _guard: subscribe(subscriber.finish()),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.octets.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that contain this text.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let log = self.text();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }
}

#[derive(Clone, Default)]
struct Octets(Arc<Mutex<Vec<u8>>>);

impl io::Write for Octets {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Octets {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
