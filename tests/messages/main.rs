//! Every text with which the crate tells an operator that something is wrong: errors and log events. All of them are
//! made here and compared with the page `guide::errors`, so the page lists each of them and nothing else. The source is
//! read too, so that none can be forgotten.
#![cfg(unix)] // where each of them can be made

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod certificates;
mod events;
mod handshakes;
mod listeners;
mod page;
mod proxy_protocol;
mod requests;
mod settings;
mod source;

use std::error::Error;
use std::sync::LazyLock;

use crate::events::Event;

/// In place of a section: a value that is not on the page, and that must not reach a terminal as it is.
const HOSTILE: &str = "hostile";

/// One text, in one of the forms in which it can be printed.
#[derive(Debug)]
struct Message {
    /// The section of the page.
    section: &'static str,
    text: String,
    /// For an error: its type, and what a `main` that returns it prints, and its sources.
    error: Option<(&'static str, String, Vec<String>)>,
}

#[derive(Default)]
struct Messages(Vec<Message>);

impl Messages {
    fn text(&mut self, section: &'static str, text: impl ToString) {
        self.0.push(Message {
            section,
            text: text.to_string(),
            error: None,
        });
    }

    fn error<E: Error + 'static>(&mut self, section: &'static str, error: E) {
        let kind = std::any::type_name::<E>().rsplit("::").next().unwrap();
        let text = error.to_string();
        let error: Box<dyn Error> = error.into();
        let mut sources = Vec::new();
        let mut source = error.source();
        while let Some(error) = source {
            sources.push(error.to_string());
            source = error.source();
        }
        self.0.push(Message {
            section,
            text,
            error: Some((kind, format!("{error:?}"), sources)),
        });
    }

    /// A text that cannot be made on every machine. It is in the source, with these values for its placeholders.
    fn of_source(&mut self, section: &'static str, begins: &str, before: &str, values: &[&str]) {
        let files = source::files();
        let literals = files.iter().flat_map(|file| &file.literals);
        let found: Vec<_> = literals.filter(|text| text.starts_with(begins)).collect();
        let [literal] = found[..] else {
            panic!("{begins}: {found:?}");
        };
        let mut text = before.to_owned();
        let mut values = values.iter();
        for (number, part) in literal.split('{').enumerate() {
            match part.split_once('}') {
                Some((_, rest)) if number > 0 => {
                    text.push_str(values.next().unwrap());
                    text.push_str(rest);
                }
                _ => text.push_str(part),
            }
        }
        self.text(section, text);
    }
}

/// All texts, and all events that making them has logged.
static ALL: LazyLock<(Messages, Vec<Event>)> = LazyLock::new(|| {
    events::record();
    let mut messages = Messages::default();
    settings::make(&mut messages);
    certificates::make(&mut messages);
    requests::make(&mut messages);
    requests::extract(&mut messages);
    proxy_protocol::make(&mut messages);
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all();
        runtime
    };
    runtime().build().unwrap().block_on(async {
        listeners::make(&mut messages).await;
        handshakes::make(&mut messages).await;
        proxy_protocol::make_late(&mut messages).await;
        listeners::fail_to_accept().await;
    });
    let mut paused = runtime();
    let paused = paused.start_paused(true).build().unwrap();
    paused.block_on(certificates::renew());
    (messages, events::take())
});

/// What `Debug` writes of a value, and texts for people do not have.
const RAW: [&str; 9] = [
    "Os {", "Custom {", "Some(", "None", "Ok(", "Err(", "Other(", " { ", "kind:",
];

/// A terminal would act on it, or turn the line around.
fn is_unsafe(character: char) -> bool {
    character.is_control() || character == '\u{202e}'
}

#[test]
fn every_text_is_one_line_without_the_insides_of_values() {
    for message in &ALL.0.0 {
        let mut forms = vec![&message.text];
        if let Some((_, debug, sources)) = &message.error {
            forms.push(debug);
            forms.extend(sources);
        }
        for form in forms {
            assert!(!RAW.iter().any(|raw| form.contains(raw)), "{message:#?}");
            assert!(!form.chars().any(is_unsafe), "{message:#?}");
            assert!((3..=500).contains(&form.len()), "{message:#?}");
        }
    }
    for event in &ALL.1 {
        for (name, value) in &event.fields {
            assert!(!RAW.iter().any(|raw| value.contains(raw)), "{name}={value}");
            assert!(!value.chars().any(is_unsafe), "{name}={value}");
        }
    }
}

#[test]
fn a_main_that_returns_an_error_prints_its_text() {
    for message in &ALL.0.0 {
        match &message.error {
            // A reason, which is a name in a program and in the debug form of a verdict.
            Some(("Malformed", debug, _)) => {
                assert!(debug.chars().all(char::is_alphanumeric), "{debug}");
            }
            Some((_, debug, _)) => assert_eq!(*debug, message.text),
            None => {}
        }
    }
}

#[test]
fn no_chain_of_errors_says_anything_twice() {
    let mut kinds = Vec::new();
    for message in &ALL.0.0 {
        let Some((kind, _, sources)) = &message.error else {
            continue;
        };
        match &sources[..] {
            [] => {}
            [source] => {
                assert!(!message.text.contains(&**source), "{message:#?}");
                kinds.push(*kind);
            }
            _ => panic!("{message:#?}"),
        }
    }
    kinds.dedup();
    assert_eq!(kinds, ["BindError"]);
}

#[test]
fn every_error_type_of_the_source_is_among_them() {
    // Not printed by themselves: `Ended` is in an `io::Error`, and a `Rejection` is in an event and in a verdict.
    let mut listed = vec!["Ended", "Rejection"];
    listed.extend(
        ALL.0
            .0
            .iter()
            .filter_map(|message| Some(message.error.as_ref()?.0)),
    );
    listed.sort_unstable();
    listed.dedup();
    let files = source::files();
    let mut found: Vec<_> = files.iter().flat_map(source::File::error_types).collect();
    found.sort_unstable();
    assert_eq!(listed, found);
}

/// Sentences in the source that tell nobody that something is wrong, or that cannot occur.
const EXEMPT: [(&str, &str); 13] = [
    ("src/answer/grpc.rs", "internal server error"), // for clients
    ("src/certificate/names.rs", "none that a client would match"), // the value of a field
    ("src/certificate/names.rs", " more"),
    (
        "src/pem/content.rs",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    ), // read from files
    ("src/proxy_protocol/v1.rs", "PROXY TCP4 0.0.0.0"), // for its length
    ("src/proxy_protocol/v1.rs", "PROXY TCP6 ::"),
    ("src/proxy_protocol/v2.rs", "QUIT"), // the signature
    ("src/tls/lingering.rs", "0r"),       // the end of a chunked body
    ("src/virtual_hosts/overlaps.rs", " covers "), // for `overlaps`
    ("src/virtual_hosts/overlaps.rs", "the certificate of "),
    ("src/virtual_hosts/overlaps.rs", " of "),
    (
        "src/virtual_hosts/overlaps.rs",
        ", whose TLS configuration differs",
    ),
    (
        "src/virtual_hosts/overlaps.rs",
        ", and so do clients that reuse a connection in the other direction",
    ),
];

/// Sentences for headers that are checked once more when they are complete.
const IMPOSSIBLE: [(&str, &str); 3] = [
    ("src/proxy_protocol/v1.rs", "has octets behind its end"),
    ("src/proxy_protocol/v2.rs", "is cut off"),
    (
        "src/proxy_protocol/v2.rs",
        "has another length than it says",
    ),
];

#[test]
fn every_sentence_of_the_source_is_in_a_text() {
    let mut unused: Vec<_> = EXEMPT.iter().chain(&IMPOSSIBLE).collect();
    let mut missing = Vec::new();
    let events = ALL.1.iter().flat_map(|event| &event.fields);
    let events: Vec<_> = events.map(|(_, value)| value).collect();
    for file in source::files() {
        for part in file
            .literals
            .iter()
            .flat_map(|literal| source::parts(literal))
        {
            let part = part.trim_matches(['`', ':', ';', ' ']);
            let is_exempt =
                |(path, text): &(&str, &str)| *path == file.path && part.contains(text.trim());
            if EXEMPT.iter().chain(&IMPOSSIBLE).any(is_exempt) {
                unused.retain(|exempt| !is_exempt(exempt));
                continue;
            }
            let texts = ALL.0.0.iter().map(|message| &message.text);
            if !texts
                .chain(events.iter().copied())
                .any(|text| text.contains(part))
            {
                missing.push(format!("{}: {part}", file.path));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "make these texts too, or say why not: {missing:#?}"
    );
    assert!(unused.is_empty(), "no longer in the source: {unused:#?}");
}

#[test]
fn every_log_call_of_the_source_is_made() {
    let mut found = Vec::new();
    for file in source::files() {
        found.extend(file.log_calls().map(|line| (file.path.clone(), line)));
    }
    let mut made: Vec<_> = ALL.1.iter().map(|event| event.place.clone()).collect();
    for places in [&mut found, &mut made] {
        places.sort_unstable();
        places.dedup();
    }
    assert_eq!(found, made);
}
