//! Derives findings from observations. Only pure functions: they open no connection and print nothing.

use serde::{Serialize, Serializer};

use crate::cures::Cure;
use crate::observation::{Answer, Connection, Ended, Observations};
use crate::software::Software;
use crate::text::list;
use crate::views::{View, views};
use crate::{certificates, crossings, refusals};

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

/// The exit status: 0 if there is nothing but notes.
pub fn exit(findings: &[Finding]) -> u8 {
    u8::from(
        findings
            .iter()
            .any(|finding| finding.severity != Severity::Note),
    )
}

/// Finds causes, the likeliest first: bypasses, then what to mend, warnings and notes.
pub fn findings(seen: &Observations) -> Vec<Finding> {
    let views = views(seen);
    let mut findings = Vec::new();
    findings.extend(crossings::bypass(&views));
    findings.extend(certificates::certificates(&views, seen));
    findings.extend(refusals::refused_on_their_own(&views, seen));
    findings.extend(crossings::maybe_bypass(&views));
    findings.extend(crossings::silently_reused(&views));
    findings.extend(crossings::reused(&views));
    findings.extend(crossings::without_server_name(&views, seen));
    findings.extend(crossings::with_another_server_name(&views));
    findings.extend(cacheable(&views));
    findings.extend(ended(&views));
    // The sort is stable.
    findings.sort_by_key(|finding| match (finding.id, finding.severity) {
        (Id::Bypass, Severity::Warning) => 0,
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
            if parallel.any(covers) {
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
    let software = software(views);
    Some(Finding {
        id,
        severity,
        hosts: views.iter().map(|view| view.given.to_owned()).collect(),
        heals: id != Id::Bypass && views.iter().all(|view| view.heals()),
        cause,
        cure: Cure::of(id, &software),
    })
}

/// What the servers of these hosts call themselves.
pub fn software(views: &[&View<'_>]) -> Vec<Software> {
    let answers = views.iter().flat_map(|view| view.answers());
    Software::of(answers.flat_map(|(_, answer)| &answer.software))
}

pub fn names(views: &[&View<'_>]) -> String {
    list(&views.iter().map(|view| view.given).collect::<Vec<_>>())
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
