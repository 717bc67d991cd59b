//! Findings about hosts that get 421 on their own connection, so that no other connection helps.

use crate::cures::Cure;
use crate::findings::{Finding, Id, Severity, finding, names, software};
use crate::observation::{Answer, Observations};
use crate::text::list;
use crate::views::View;

/// Hosts that get 421 although the connection is their own and the certificate covers them, and IP addresses.
pub fn refused_on_their_own(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
    let (mut strict, mut silent, mut uncovered) = (vec![], vec![], vec![]);
    let (mut partly, mut covered) = (vec![], vec![]);
    let mut plain = views.iter().filter(|view| view.is_plain());
    let somebody_is_served = plain.any(View::answered_somehow);
    for view in views {
        let refused = view.refused_on_its_own();
        if !view.is_named() && (view.handshake_refused() || refused && view.served_by_another()) {
            silent.push(view);
        } else if !refused {
            continue;
        } else if somebody_is_served && view.is_spelled_otherwise(views) {
            strict.push(view);
        } else if !view.is_named() && view.lacks_certificate() {
            if somebody_is_served && refuses_without_server_name(views, seen) {
                strict.push(view);
            }
            uncovered.push(view);
        } else if !view.is_named() && somebody_is_served {
            strict.push(view);
        } else if view.lacks_certificate() {
            continue; // for `certificates`
        } else if view.answered_somehow() {
            partly.push(view);
        } else {
            covered.push(view);
        }
    }
    let cause = format!(
        "The server compares `Host` with the server name as text, and so refuses {}. A server name has no trailing \
         dot and no port and is never an IP address (RFC 6066 §3), so these never equal it.",
        names(&strict)
    );
    let strict = finding(Id::StrictSni, Severity::Mend, &strict, cause);
    let cause = format!(
        "The server refuses whoever sends no server name. A client of {} can send none, because it is an IP address \
         (RFC 6066 §3).",
        names(&silent)
    );
    let cure = Cure::of_address(&software(&silent));
    let silent =
        finding(Id::NoSni, Severity::Mend, &silent, cause).map(|found| Finding { cure, ..found });
    let cause = format!(
        "The certificate that the server presents without a server name does not cover {}.",
        names(&uncovered)
    );
    let uncovered = finding(Id::CertificateLacksHost, Severity::Mend, &uncovered, cause);
    let mut found: Vec<_> = strict.into_iter().chain(silent).chain(uncovered).collect();
    found.extend(over_some_versions(&partly));
    found.extend(refused_although_covered(views, &covered));
    found.extend(bad_gateway(views));
    found
}

/// Whether every host that the certificate without a server name covers gets 421 there. A server that compares names
/// does that.
fn refuses_without_server_name(views: &[View<'_>], seen: &Observations) -> bool {
    let without = seen
        .connections
        .iter()
        .filter(|connection| connection.server_name.is_none());
    let answers = without.flat_map(|connection| &connection.answers);
    let plain = |host: &str| {
        views
            .iter()
            .any(|view| view.is_plain() && view.given == host)
    };
    let mut answers = answers
        .filter(|answer| answer.covered && plain(&answer.host))
        .peekable();
    answers.peek().is_some() && answers.all(Answer::misdirected)
}

/// Hosts that get 421 over one version of HTTP, and not over another.
fn over_some_versions(refused: &[&View<'_>]) -> Option<Finding> {
    let versions = ["1.1", "2", "3"].into_iter().filter(|http| {
        let mut answers = refused.iter().flat_map(|view| view.answers());
        answers.any(|(connection, answer)| {
            connection.http == *http && answer.own && answer.misdirected()
        })
    });
    let versions: Vec<_> = versions.map(|http| format!("HTTP/{http}")).collect();
    let cause = format!(
        "Over {}, the server answers 421 to {} on connections of the host's own. Over other versions of HTTP it does \
         not. So the server name is not known there, or compared in another way. An update of the server may help; if \
         not, turn {} off.",
        list(&versions),
        names(refused),
        list(&versions),
    );
    finding(Id::Always421, Severity::Mend, refused, cause)
}

fn refused_although_covered(views: &[View<'_>], refused: &[&View<'_>]) -> Vec<Finding> {
    let served = views
        .iter()
        .filter(|view| view.is_plain() && view.answered_on_its_own());
    let served: Vec<_> = served.collect();
    let everywhere = refused.iter().all(|view| view.refused_by_all());
    // A proxy that opens connections of its own sends the same server name whatever the client's was.
    let misdirected = |view: &&View<'_>| view.answers().any(|(_, answer)| answer.misdirected());
    let server_name_matters = served.iter().any(misdirected);
    let mend = |id, cause| finding(id, Severity::Mend, refused, cause);
    let (hosts, those) = (names(refused), names(&served));
    let by_another = match everywhere {
        true => "on every connection",
        false => "on connections of its own, and not on those of another host",
    };
    let always = format!(
        "The server answers 421 to {hosts} {by_another}, although the certificate covers {}. It may allow only other \
         hosts, or see another host than the client sent, or take the connection for insecure because a proxy in front \
         has terminated TLS.",
        if refused.len() == 1 { "it" } else { "them" },
    );
    if !everywhere || server_name_matters {
        return mend(Id::Always421, always).into_iter().collect();
    }
    if served.is_empty() {
        let silent = format!(
            "Every request for {hosts} gets 421, whatever server name it comes with. So a proxy in front probably sends \
             no server name to the server behind it, or one that is none of these hosts. To be sure, run this again \
             with --connect-to and the address of the server behind: if it serves the hosts, the proxy is the cause."
        );
        let found = mend(Id::NoSni, silent).into_iter();
        let found = found.chain(compared_with_port(refused));
        return found.chain(mend(Id::Always421, always)).collect();
    }
    if served.len() > 1 {
        let fixed = format!(
            "Or a proxy in front sends the same server name to the server behind it for every host, and one connection \
             may serve {those} there. To be sure, run this again with --connect-to and the address of the server \
             behind: if it serves {hosts}, the proxy is the cause."
        );
        let found = mend(Id::Always421, always).into_iter();
        return found.chain(mend(Id::FixedSni, fixed)).collect();
    }
    let fixed = format!(
        "{those} gets an answer and {hosts} gets 421, whatever server name the client sends. So a proxy in front \
         probably sends the same server name to the server behind it for every host."
    );
    let silent = format!(
        "Or the proxy sends no server name, and {those} is what the server behind it serves by default. To tell the two \
         apart, run this again with --connect-to and the address of the server behind: if it refuses {those} without a \
         server name, the proxy sends a fixed one."
    );
    let unknown = format!(
        "Or there is no such proxy, and the server allows {those} and not {hosts}. Its configuration and its log tell."
    );
    let found = mend(Id::FixedSni, fixed).into_iter();
    let found = found.chain(mend(Id::NoSni, silent));
    // Where several hosts are refused, it is rarely because the server knows none of them.
    let alone = mend(Id::Always421, unknown).filter(|_| refused.len() == 1);
    found.chain(alone).collect()
}

/// Hosts with a port, which a server may compare as well.
fn compared_with_port(refused: &[&View<'_>]) -> Option<Finding> {
    if !refused.iter().all(|view| view.has_port()) {
        return None;
    }
    let cause = format!(
        "Or the server compares `Host` with the server name as text, and so refuses {}. A server name has no port \
         (RFC 6066 §3). To tell, ask for the host without its port as well.",
        names(refused)
    );
    finding(Id::StrictSni, Severity::Mend, refused, cause)
}

/// Answers of a proxy that gets no connection to the server behind it.
const BAD_GATEWAY: [u16; 3] = [500, 502, 503];

/// Hosts that a proxy cannot reach, perhaps because the server behind it refuses handshakes without a server name.
fn bad_gateway(views: &[View<'_>]) -> Option<Finding> {
    let plain: Vec<_> = views.iter().filter(|view| view.is_plain()).collect();
    let bad = |view: &&View<'_>| {
        let mut answers = view.own_answers().peekable();
        let of_proxy = |answer: &Answer| {
            answer
                .status
                .is_some_and(|status| BAD_GATEWAY.contains(&status))
        };
        answers.peek().is_some() && answers.all(of_proxy)
    };
    if !plain.iter().all(bad) {
        return None;
    }
    let cause = format!(
        "Every request for {} fails with a server error. If this is a proxy, it gets no connection to the server behind \
         it, which may refuse handshakes without a server name. To be sure, run this again with --connect-to and the \
         address of the server behind: if it refuses handshakes without a server name, the proxy has to send one.",
        names(&plain)
    );
    finding(Id::NoSni, Severity::Warning, &plain, cause)
}
