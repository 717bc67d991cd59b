//! Records the events of the crate, whichever thread logs them.

use std::fmt;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};

#[derive(Clone, Debug)]
pub struct Event {
    pub level: Level,
    /// The file and line of the call.
    pub place: (String, u32),
    /// The names of all fields, those without a value included.
    pub names: Vec<&'static str>,
    /// The values, in the form in which `tracing_subscriber::fmt` writes them.
    pub fields: Vec<(&'static str, String)>,
}

impl Event {
    pub fn message(&self) -> &str {
        let message = self.fields.iter().find(|(name, _)| *name == "message");
        message.map_or("", |(_, value)| value)
    }
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }
}

static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());

struct Recorder;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Recorder {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if !metadata.target().starts_with("tower_misdirected") {
            return;
        }
        let names = metadata.fields().iter().map(|field| field.name());
        let mut recorded = Event {
            level: *metadata.level(),
            place: (
                metadata.file().unwrap().replace('\\', "/"),
                metadata.line().unwrap(),
            ),
            names: names.filter(|name| *name != "message").collect(),
            fields: Vec::new(),
        };
        event.record(&mut recorded);
        EVENTS.lock().unwrap().push(recorded);
    }
}

/// Records from now on, in the whole process.
pub fn record() {
    let subscriber = tracing_subscriber::registry().with(Recorder);
    tracing::subscriber::set_global_default(subscriber).unwrap();
}

pub fn any(is_it: impl Fn(&Event) -> bool) -> bool {
    EVENTS.lock().unwrap().iter().any(is_it)
}

/// Replaces a part of every value.
pub fn replace(from: &str, to: &str) {
    for event in EVENTS.lock().unwrap().iter_mut() {
        for (_, value) in &mut event.fields {
            *value = value.replace(from, to);
        }
    }
}

pub fn take() -> Vec<Event> {
    std::mem::take(&mut EVENTS.lock().unwrap())
}
