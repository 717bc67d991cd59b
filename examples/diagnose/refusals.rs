//! Findings about hosts that get 421 on a connection of their own, where no other connection helps.

use crate::findings::{Finding, Id, Severity, finding, names};
use crate::observation::{Answer, Observations};
use crate::views::View;

/// Hosts that get 421 although the connection is their own and the certificate covers them, and IP addresses.
pub fn refused_on_their_own(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
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
