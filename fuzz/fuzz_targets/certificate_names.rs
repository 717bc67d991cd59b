//! Rule B5: the names read from a certificate are those that x509-parser lists and clients match. An
//! input that begins like DER is taken as a certificate; any other makes one with odd names in it.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use oracle::certificate::{self, Covers, Extension, SUBJECT_ALT_NAME, UNKNOWN, element};
use oracle::grammar;
use oracle::pattern::Pattern;
use tower_misdirected::{CertificateNames, Host};

fuzz_target!(|data: &[u8]| {
    match data.first() {
        Some(0x30) => check(data),
        _ => {
            if let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) {
                check(&recipe.certificate());
            }
        }
    }
});

/// A certificate's subjectAltName, and what is around it.
#[derive(Arbitrary)]
struct Recipe<'a> {
    critical: bool,
    /// An extension that nobody knows: where, and whether critical.
    unknown: Option<(bool, bool)>,
    twice: bool,
    /// What follows the names inside the extension.
    rest: &'a [u8],
    names: Vec<Name<'a>>,
}

#[derive(Arbitrary)]
enum Name<'a> {
    Dns(Vec<Label>),
    Raw {
        tag: Tag,
        value: &'a [u8],
    },
    Address4([u8; 4]),
    Address6([u8; 16]),
    /// With a length in more octets than DER allows.
    Long {
        tag: Tag,
        value: [u8; 3],
    },
    Octets(&'a [u8]),
}

#[derive(Arbitrary)]
enum Label {
    A,
    Test,
    Capital,
    Star,
    StarA,
    HyphenFirst,
    HyphenLast,
    Underscore,
    Digits,
    Empty,
    Long,
}

#[derive(Arbitrary)]
struct Tag(u8);

impl Tag {
    /// Those of GeneralName before the others.
    fn octet(&self) -> u8 {
        match self.0 {
            tag @ 0..0x20 => 0x80 | (tag & 0x0f) | ((tag & 0x10) << 1),
            other => other,
        }
    }
}

impl Recipe<'_> {
    fn certificate(&self) -> Vec<u8> {
        let mut names: Vec<u8> = self.names.iter().flat_map(Name::der).collect();
        names.extend(self.rest);
        names.truncate(2000);
        let sans = || Extension {
            id: SUBJECT_ALT_NAME,
            critical: self.critical,
            content: element(0x30, &names),
        };
        let unknown = |critical| Extension {
            id: UNKNOWN,
            critical,
            content: vec![5, 0],
        };
        let mut extensions = vec![sans()];
        if self.twice {
            extensions.push(sans());
        }
        if let Some((first, critical)) = self.unknown {
            extensions.insert(if first { 0 } else { extensions.len() }, unknown(critical));
        }
        certificate::make(extensions)
    }
}

impl Name<'_> {
    fn der(&self) -> Vec<u8> {
        match self {
            Self::Dns(labels) => {
                let labels: Vec<_> = labels.iter().map(Label::text).collect();
                element(0x82, labels.join(".").as_bytes())
            }
            Self::Raw { tag, value } => element(tag.octet(), &value[..value.len().min(300)]),
            Self::Address4(octets) => element(0x87, octets),
            Self::Address6(octets) => element(0x87, octets),
            Self::Long { tag, value } => [&[tag.octet(), 0x81, 3], &value[..]].concat(),
            Self::Octets(octets) => octets.to_vec(),
        }
    }
}

impl Label {
    fn text(&self) -> &'static str {
        match self {
            Self::A => "a",
            Self::Test => "test",
            Self::Capital => "B",
            Self::Star => "*",
            Self::StarA => "*a",
            Self::HyphenFirst => "-x",
            Self::HyphenLast => "a-",
            Self::Underscore => "_a",
            Self::Digits => "1",
            Self::Empty => "",
            Self::Long => "a63456789012345678901234567890123456789012345678901234567890123",
        }
    }
}

fn check(der: &[u8]) {
    let names = CertificateNames::from_der(der);
    let never = grammar::host(certificate::NEVER).expect("a host");
    if !names.is_known() {
        // Unknown is what a client cannot read, and what names no hosts.
        let covers = certificate::covers(der, &never);
        assert!(matches!(covers, Covers::Unreadable | Covers::NamesNoHosts));
        assert_eq!(names.to_strings(), [""; 0]);
        assert_eq!(names.covers(&"a.test".parse().unwrap()), None);
        return;
    }
    assert_eq!(certificate::covers(der, &never), Covers::No);

    let ours = names.to_strings();
    let listed = certificate::names(der);
    if let Some(listed) = &listed {
        for name in &ours {
            assert!(listed.contains(name), "{name} is not among {listed:?}");
        }
    }
    let asked = ours.iter().chain(listed.iter().flatten()).take(40);
    let fixed = [
        "a.test",
        "b.a.test",
        "192.0.2.1",
        "[::1]",
        "localhost",
        "test",
    ];
    let mut hosts: Vec<String> = fixed.map(str::to_owned).to_vec();
    for name in asked {
        hosts.push(name.clone());
        hosts.extend(Pattern::read(name).iter().flat_map(Pattern::neighbours));
    }
    for text in hosts {
        let Some(host) = grammar::host(&text) else {
            continue;
        };
        let covered = names.covers(&text.parse::<Host>().expect("A6"));
        let expected = certificate::covers(der, &host) == Covers::Yes;
        assert_eq!(covered, Some(expected), "{text} by {ours:?}");
    }
}
