//! From what was seen to what it means. Pure functions: they open no connection and print nothing.

use serde::{Serialize, Serializer};

use crate::crossings;
use crate::cures::{Cure, Software};
use crate::observation::{Answer, Connection, Ended, Observations};
use crate::text::list;
use crate::views::{View, views};

#[derive(Serialize)]
pub struct Finding {
    pub id: Id,
    pub severity: Severity,
    pub hosts: Vec<String>,
    /// Whether every 421 of this finding becomes another answer on a connection of the host's own.
    pub heals: bool,
    pub cause: String,
    #[serde(serialize_with = "as_text")]
    pub cure: Cure,
}

fn as_text<S: Serializer>(cure: &Cure, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cure)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Id {
    Bypass,
    StrictSni,
    CertificateLacksHost,
    DefaultCertificate,
    UnknownHost,
    FixedSni,
    NoSni,
    #[serde(rename = "always-421")]
    Always421,
    UnverifiableCertificate,
    WildcardOverClientCertificates,
    Http2Reuse,
    #[serde(rename = "cacheable-421")]
    Cacheable421,
    ConnectionEnded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is set up wrong: clients fail.
    Mend,
    /// Something that the operator has to judge.
    Warning,
    /// All right, but good to know.
    Note,
}

impl Severity {
    pub fn passes(self) -> bool {
        self == Self::Note
    }
}

/// Finds causes, the likeliest first: bypasses, then what to mend, warnings and notes.
pub fn findings(seen: &Observations) -> Vec<Finding> {
    let views = views(seen);
    let mut findings = Vec::new();
    findings.extend(crossings::bypass(&views));
    findings.extend(certificates(&views, seen));
    findings.extend(refused_on_their_own(&views, seen));
    findings.extend(crossings::reused(&views));
    findings.extend(crossings::without_server_name(&views, seen));
    findings.extend(crossings::with_another_server_name(&views));
    findings.extend(cacheable(&views));
    findings.extend(ended(&views));
    // The sort is stable.
    findings.sort_by_key(|finding| match (finding.id, finding.severity) {
        (Id::Bypass, _) => 0,
        (_, Severity::Mend) => 1,
        (_, Severity::Warning) => 2,
        (_, Severity::Note) => 3,
    });
    findings
}

/// The pairs of hosts of which browsers reuse the first one's connection for the second, by its certificate.
pub fn coalesced(seen: &Observations) -> Vec<[String; 2]> {
    let mut pairs = Vec::new();
    let views = views(seen);
    for first in views.iter().filter(|view| view.is_plain()) {
        for second in views
            .iter()
            .filter(|view| view.is_plain() && view.given != first.given)
        {
            // Several requests at a time, and so reuse for another host, need HTTP/2 or HTTP/3.
            let mut parallel = first
                .connections
                .iter()
                .filter(|connection| connection.http != "1.1");
            let covers = |connection: &&Connection| {
                let certificate = connection.certificate.as_ref();
                certificate.is_some_and(|c| c.covers(first.host()) && c.covers(second.host()))
            };
            if parallel.any(|connection| covers(&connection)) {
                pairs.push([first.given.to_owned(), second.given.to_owned()]);
            }
        }
    }
    pairs
}

/// A finding, unless it concerns no host.
pub fn finding(id: Id, severity: Severity, views: &[&View<'_>], cause: String) -> Option<Finding> {
    if views.is_empty() {
        return None;
    }
    let answers = views.iter().flat_map(|view| view.answers());
    let software = Software::of(answers.flat_map(|(_, answer)| &answer.software));
    Some(Finding {
        id,
        severity,
        hosts: views.iter().map(|view| view.given.to_owned()).collect(),
        heals: id != Id::Bypass && views.iter().all(|view| !view.refused_on_its_own()),
        cause,
        cure: Cure::of(id, &software),
    })
}

pub fn names(views: &[&View<'_>]) -> String {
    list(&views.iter().map(|view| view.given).collect::<Vec<_>>())
}

/// Certificates that clients refuse, and server names that the server refuses.
fn certificates(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
    let mut found = Vec::new();
    let default = |connection: &&Connection| connection.server_name.is_none();
    let default = seen
        .connections
        .iter()
        .filter(default)
        .find_map(|c| c.certificate.as_ref());
    let default = default.map(|certificate| certificate.id);
    let has_another = |view: &View<'_>| view.certificate_id().is_some_and(|id| Some(id) != default);
    let several = views
        .iter()
        .any(|view| view.has_certificate() && has_another(view));

    let lacking: Vec<_> = views
        .iter()
        .filter(|view| view.is_named() && view.lacks_certificate())
        .collect();
    let (unknown, known): (Vec<_>, Vec<_>) = lacking
        .into_iter()
        .partition(|view| default.is_some() && view.certificate_id() == default);
    let refused = |views: &[&View<'_>]| views.iter().any(|view| view.refused_on_its_own());
    let lacks = |views: &[&View<'_>]| {
        let shown = views[0].certificate_names();
        format!(
            "The certificate that the server presents for {} names {shown} and does not cover {}. Clients that check \
             certificates refuse it{}. A wildcard stands for exactly one label.",
            names(views),
            if views.len() == 1 { "it" } else { "them" },
            if refused(views) {
                ", and the server answers 421 to the others"
            } else {
                ""
            },
        )
    };
    if !known.is_empty() {
        found.extend(finding(
            Id::CertificateLacksHost,
            Severity::Mend,
            &known,
            lacks(&known),
        ));
    }
    if !unknown.is_empty() {
        let by_default = format!(
            "The server presents the same certificate for {} as for no server name at all, and it names {}: the \
             certificate of a default that does not cover {}. So the server does not know the server name, or has no \
             certificate for it.",
            names(&unknown),
            unknown[0].certificate_names(),
            if unknown.len() == 1 { "it" } else { "them" },
        );
        let nobody = format!(
            "Or nobody serves {} here, and the name should lead elsewhere. Whether the server's configuration names \
             the host tells the two apart.",
            names(&unknown)
        );
        let by_default = finding(Id::DefaultCertificate, Severity::Mend, &unknown, by_default);
        let lacking = finding(
            Id::CertificateLacksHost,
            Severity::Mend,
            &unknown,
            lacks(&unknown),
        );
        match (several, refused(&unknown)) {
            (true, true) => {
                found.extend(by_default);
                found.extend(finding(Id::UnknownHost, Severity::Mend, &unknown, nobody));
            }
            (true, false) => found.extend(by_default),
            // With a single certificate, a host that the server knows looks the same.
            (false, true) => {
                found.extend(lacking);
                found.extend(by_default);
            }
            (false, false) => found.extend(lacking),
        }
    }

    let addresses: Vec<_> = views
        .iter()
        .filter(|view| !view.is_named() && view.lacks_certificate() && !view.refused_on_its_own())
        .collect();
    if !addresses.is_empty() {
        found.extend(finding(
            Id::CertificateLacksHost,
            Severity::Note,
            &addresses,
            lacks(&addresses),
        ));
    }

    let turned_away: Vec<_> = views
        .iter()
        .filter(|view| view.is_named() && view.handshake_refused())
        .collect();
    let cause = format!(
        "The server refuses handshakes with the server name of {}, so nobody serves it here: {}.",
        names(&turned_away),
        turned_away
            .first()
            .map_or("", |view| view.handshake_error()),
    );
    found.extend(finding(
        Id::UnknownHost,
        Severity::Mend,
        &turned_away,
        cause,
    ));

    let mut errors: Vec<&str> = views
        .iter()
        .filter_map(|view| view.unverifiable())
        .collect();
    errors.sort_unstable();
    errors.dedup();
    for error in errors {
        let concerned: Vec<_> = views
            .iter()
            .filter(|view| view.unverifiable() == Some(error))
            .collect();
        let cause = format!(
            "Clients refuse the certificate of {}: {error}.",
            names(&concerned)
        );
        found.extend(finding(
            Id::UnverifiableCertificate,
            Severity::Warning,
            &concerned,
            cause,
        ));
    }
    found
}

/// Hosts that get 421 although the connection is their own and the certificate covers them, and IP addresses.
fn refused_on_their_own(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
    let mut found = Vec::new();
    let (mut strict, mut silent, mut uncovered, mut covered) = (vec![], vec![], vec![], vec![]);
    let plain = || views.iter().filter(|view| view.is_plain());
    let nobody_is_served = plain().next().is_some() && plain().all(View::refused_on_its_own);
    for view in views {
        let refused = view.refused_on_its_own();
        if !view.is_named() && (view.handshake_refused() || refused && view.served_by_another()) {
            silent.push(view);
        } else if refused && !nobody_is_served && view.is_spelled_otherwise(views) {
            strict.push(view);
        } else if refused && !view.is_named() && view.lacks_certificate() {
            // A server that compares names also refuses hosts that the certificate of this connection covers.
            let without = seen
                .connections
                .iter()
                .filter(|connection| connection.server_name.is_none());
            let named = without.flat_map(|connection| &connection.answers);
            let named = named
                .filter(|answer| answer.covered && plain().any(|plain| plain.given == answer.host));
            let mut named = named.peekable();
            if named.peek().is_some() && named.all(Answer::misdirected) && !nobody_is_served {
                strict.push(view);
            }
            uncovered.push(view);
        } else if refused && !view.is_named() && !nobody_is_served {
            strict.push(view);
        } else if refused && !view.lacks_certificate() {
            covered.push(view);
        }
    }
    let cause = format!(
        "The server compares `Host` with the server name as text, and so refuses {}. A server name has no trailing \
         dot and no port and is never an IP address (RFC 6066 §3), so these never equal it.",
        names(&strict)
    );
    found.extend(finding(Id::StrictSni, Severity::Mend, &strict, cause));
    let cause = format!(
        "The server refuses whoever sends no server name. A client of {} can send none, because it is an IP address \
         (RFC 6066 §3).",
        names(&silent)
    );
    found.extend(finding(Id::NoSni, Severity::Mend, &silent, cause));
    let cause = format!(
        "The certificate that the server presents without a server name does not cover {}.",
        names(&uncovered)
    );
    found.extend(finding(
        Id::CertificateLacksHost,
        Severity::Mend,
        &uncovered,
        cause,
    ));
    found.extend(refused_although_covered(views, &covered));
    found
}

fn refused_although_covered(views: &[View<'_>], refused: &[&View<'_>]) -> Vec<Finding> {
    let served: Vec<_> = views
        .iter()
        .filter(|view| view.is_plain() && view.answered_on_its_own())
        .collect();
    let everywhere = refused.iter().all(|view| view.refused_by_all());
    // A proxy that opens connections of its own sends the same server name whatever the client's was.
    let server_name_matters = served
        .iter()
        .any(|view| view.answers().any(|(_, answer)| answer.misdirected()));
    let always = format!(
        "The server answers 421 to {} on every connection, although the certificate covers {}. It may allow only \
         other hosts, or see another host than the client sent, or take the connection for insecure because a proxy \
         in front has terminated TLS.",
        names(refused),
        if refused.len() == 1 { "it" } else { "them" },
    );
    let always = |severity| finding(Id::Always421, severity, refused, always.clone());
    let mut found = Vec::new();
    if served.is_empty() && everywhere {
        let cause = format!(
            "Every request for {} gets 421, whatever server name it comes with. So a proxy in front probably sends no \
             server name to the server behind it. To be sure, run this again with --connect-to and the address of the \
             server behind: if it serves the hosts, the proxy is the cause.",
            names(refused)
        );
        found.extend(finding(Id::NoSni, Severity::Mend, refused, cause));
        found.extend(always(Severity::Mend));
    } else if everywhere && !server_name_matters {
        let cause = format!(
            "{} gets an answer and {} gets 421, whatever server name the client sends. So a proxy in front probably \
             sends the same server name to the server behind it for every host.",
            names(&served),
            names(refused)
        );
        found.extend(finding(Id::FixedSni, Severity::Mend, refused, cause));
        let cause = format!(
            "Or the proxy sends no server name, and {} is what the server behind it serves by default. To tell the two \
             apart, run this again with --connect-to and the address of the server behind: if it refuses {} without a \
             server name, the proxy sends a fixed one.",
            names(&served),
            names(&served)
        );
        found.extend(finding(Id::NoSni, Severity::Mend, refused, cause));
    } else {
        found.extend(always(Severity::Mend));
    }
    found
}

/// 421s that a cache may give to later requests.
fn cacheable(views: &[View<'_>]) -> Option<Finding> {
    let any = |test: fn(&Answer) -> bool| -> Vec<_> {
        let concerned = views
            .iter()
            .filter(|view| view.answers().any(|(_, answer)| test(answer)));
        concerned.collect()
    };
    let concerned = any(|answer| answer.cacheable);
    let fresh = any(|answer| answer.cacheable && answer.fresh);
    let (severity, how) = match fresh.is_empty() {
        true => (
            Severity::Note,
            "Some clients cache it (RFC 7540 §9.1.2 allowed that)",
        ),
        false => (
            Severity::Warning,
            "It says for how long it is fresh, so Chromium and others cache it",
        ),
    };
    let cause = format!(
        "The 421 for {} does not say `Cache-Control: no-store`. {how}, and then answer with it where the connection is \
         the right one.",
        names(&concerned)
    );
    finding(Id::Cacheable421, severity, &concerned, cause)
}

/// 421s that end the connection.
fn ended(views: &[View<'_>]) -> Option<Finding> {
    let ends = |answer: &Answer| answer.misdirected() && answer.ended.is_some();
    let concerned: Vec<_> = views
        .iter()
        .filter(|view| view.answers().any(|(_, answer)| ends(answer)))
        .collect();
    // Without GOAWAY, the client does not know which of the other requests were processed.
    let abrupt = concerned
        .iter()
        .flat_map(|view| view.answers())
        .any(|(connection, answer)| {
            answer.misdirected() && connection.http != "1.1" && answer.ended == Some(Ended::Eof)
        });
    let (severity, cost) = match abrupt {
        true => (
            Severity::Warning,
            "Over HTTP/2 or HTTP/3, this ends the requests for other hosts as well",
        ),
        false => (Severity::Note, "The next request costs a new handshake"),
    };
    let cause = format!(
        "The server ends the connection with its 421 for {}. {cost}.",
        names(&concerned)
    );
    finding(Id::ConnectionEnded, severity, &concerned, cause)
}
