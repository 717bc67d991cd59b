//! Findings about requests for a host on a connection for another host: requests that should not be served, and 421s
//! from which clients recover.

use crate::cures::Cure;
use crate::findings::{Finding, Id, Severity, finding, names, software};
use crate::observation::{Answer, Connection, Observations};
use crate::views::View;

const NOT_FOUND: u16 = 404;

/// Whether the host wants a client certificate, and a connection without one gets an answer for it that passes `test`.
fn answers_without_certificate(view: &View<'_>, test: impl Fn(&Answer) -> bool) -> bool {
    let guarded = view.wants_client_certificate() || view.sent_client_certificate();
    let mut crossings = view.crossings();
    guarded
        && crossings.any(|(connection, answer)| test(answer) && !connection.sent_client_certificate)
}

/// Hosts that want a client certificate, and are served on a connection without one.
pub fn bypass(views: &[View<'_>]) -> Option<Finding> {
    let bypassed = |view: &&View<'_>| answers_without_certificate(view, Answer::served);
    let bypassed: Vec<_> = views.iter().filter(bypassed).collect();
    let caveat = match bypassed.iter().any(|view| view.sent_client_certificate()) {
        true => {
            " If the certificate is optional, this is all right: to see, run this again without --cert."
        }
        false => "",
    };
    let cause = format!(
        "{} asks for a client certificate on a connection of its own, and is served without one on a connection that \
         was opened for another host or without a server name. This looks like a bypass: anyone who opens such a \
         connection gets past the certificate.{caveat}",
        names(&bypassed)
    );
    finding(Id::Bypass, Severity::Warning, &bypassed, cause)
}

/// Hosts that want a client certificate, and give the same answer without one on other connections, which is no content
/// though: the path may exist nowhere, or the host may.
pub fn maybe_bypass(views: &[View<'_>]) -> Option<Finding> {
    let answers = |view: &&View<'_>| {
        let with_certificate = view.own_answers().find_map(|answer| answer.status);
        let not_found = |answer: &Answer| answer.status == Some(NOT_FOUND);
        !with_certificate.is_some_and(|status| (200..400).contains(&status))
            && answers_without_certificate(view, not_found)
            && !answers_without_certificate(view, Answer::served)
    };
    let concerned: Vec<_> = views.iter().filter(answers).collect();
    let cause = format!(
        "{} asks for a client certificate on a connection of its own, and answers 404 without one on a connection that \
         was opened for another host or without a server name. Whether the host itself answers there, which would be a \
         bypass, shows only with a path that it serves: run this again with --path.",
        names(&concerned)
    );
    finding(Id::Bypass, Severity::Note, &concerned, cause)
}

/// The host that a connection was opened for.
fn opener<'v, 'a>(views: &'v [View<'a>], connection: &Connection) -> Option<&'v View<'a>> {
    let mut plain = views.iter().filter(|view| view.is_plain());
    plain.find(|view| {
        view.connections
            .iter()
            .any(|own| std::ptr::eq(*own, connection))
    })
}

/// 421s that browsers meet because certificates cover several hosts.
pub fn reused(views: &[View<'_>]) -> Vec<Finding> {
    let (mut guarded, mut beside, mut shared) = (Vec::new(), Vec::new(), Vec::new());
    let heals = |view: &&View<'_>| view.is_plain() && view.heals();
    for view in views.iter().filter(heals) {
        for (connection, answer) in view.crossings() {
            let Some(opener) = opener(views, connection) else {
                continue;
            };
            // Browsers open no connection under a certificate that does not cover its own host.
            if !answer.misdirected() || !answer.covered || !opener.has_certificate() {
                continue;
            }
            let asks = [opener, view].map(View::asks_client_certificate);
            match asks {
                [true, false] => {
                    guarded.push(opener.given);
                    beside.push(view.given);
                }
                [false, true] => {
                    guarded.push(view.given);
                    beside.push(opener.given);
                }
                _ if connection.http == "1.1" => {}
                _ => shared.extend([opener.given, view.given]),
            }
        }
    }
    let among = |given: Vec<&str>| -> Vec<&View<'_>> {
        let among = views.iter().filter(|view| given.contains(&view.given));
        among.collect()
    };
    let (guarded, beside, shared) = (among(guarded), among(beside), among(shared));
    let cause = format!(
        "{} asks for client certificates, and shares a certificate with {}, by a wildcard or by name. So browsers \
         reuse a connection for the other host. The server rightly answers 421, because the handshake has not checked \
         what the other host requires. Browsers then repeat the request on a connection of the host's own.",
        names(&guarded),
        names(&beside),
    );
    let guarded = finding(
        Id::WildcardOverClientCertificates,
        Severity::Note,
        &guarded,
        cause,
    );
    let cause = format!(
        "The certificate of one of {} covers another one, so browsers reuse the connection. Another virtual host or \
         another TLS configuration serves the other host, so the server answers 421. Browsers repeat the request on a \
         connection of its own, which costs a round trip and a handshake.",
        names(&shared)
    );
    let shared = finding(Id::Http2Reuse, Severity::Note, &shared, cause);
    guarded.into_iter().chain(shared).collect()
}

/// Hosts that are served on connections of their own, while the connection of another host, which browsers reuse, has
/// an error for them that is no 421.
pub fn silently_reused(views: &[View<'_>]) -> Option<Finding> {
    let statuses = |view: &View<'_>| {
        let errors = view.crossings().filter_map(|(connection, answer)| {
            let reused = opener(views, connection).is_some_and(View::can_be_reused);
            let status = answer.status.filter(|status| (400..500).contains(status))?;
            let browsers = reused && answer.covered && connection.http != "1.1";
            // Without the certificate, the error may be about that.
            let complete =
                !connection.asks_client_certificate || connection.sent_client_certificate;
            (browsers && complete && !answer.misdirected()).then_some(status)
        });
        errors.collect::<Vec<_>>()
    };
    let served = |view: &&View<'_>| {
        let mut own = view.own_answers().peekable();
        view.is_plain() && own.peek().is_some() && own.all(Answer::served)
    };
    let concerned = views.iter().filter(served);
    let concerned: Vec<_> = concerned
        .filter(|view| !statuses(view).is_empty())
        .collect();
    let status = concerned
        .first()
        .and_then(|view| statuses(view).first().copied());
    let cause = format!(
        "{} gets an answer on connections of the host's own, and {} on the connection of another host whose certificate \
         covers it too. Browsers reuse that connection, and only a 421 makes them repeat the request elsewhere.",
        names(&concerned),
        status.unwrap_or_default(),
    );
    let mut found = finding(Id::Http2Reuse, Severity::Warning, &concerned, cause)?;
    found.cure = Cure::of_silent_reuse(&software(&concerned));
    Some(found)
}

/// 421s and failing handshakes of clients that send no server name.
pub fn without_server_name(views: &[View<'_>], seen: &Observations) -> Option<Finding> {
    // A server that refuses every handshake over one version of HTTP does not speak it.
    let spoken = |http| {
        let mut connections = seen.connections.iter();
        connections.any(|connection| connection.http == http && connection.established())
    };
    let mut without = seen
        .connections
        .iter()
        .filter(|connection| connection.server_name.is_none());
    let handshakes = without.any(|connection| connection.refused && spoken(connection.http));
    let concerned = views
        .iter()
        .filter(|view| view.is_plain() && view.answered_on_its_own());
    let concerned: Vec<_> = concerned
        .filter(|view| {
            let crossings = view
                .crossings()
                .filter(|(connection, _)| connection.server_name.is_none());
            handshakes
                || crossings
                    .into_iter()
                    .any(|(_, answer)| answer.misdirected())
        })
        .collect();
    let cause = format!(
        "Whoever connects without a server name {} for {}. Browsers always send one. A proxy in front of this server \
         has to be told to send it, and so have some health checks.",
        if handshakes {
            "gets no connection"
        } else {
            "gets 421"
        },
        names(&concerned)
    );
    finding(Id::NoSni, Severity::Note, &concerned, cause)
}

/// 421s that no browser meets, because the certificate does not cover the host, but proxies do.
pub fn with_another_server_name(views: &[View<'_>]) -> Option<Finding> {
    let concerned = views
        .iter()
        .filter(|view| view.is_plain() && view.answered_on_its_own());
    let concerned: Vec<_> = concerned
        .filter(|view| {
            view.crossings().any(|(connection, answer)| {
                let for_another = connection.server_name.is_some() && answer.misdirected();
                let reused = opener(views, connection).is_some_and(View::can_be_reused);
                for_another && !(answer.covered && reused)
            })
        })
        .collect();
    let cause = format!(
        "Whoever connects with the server name of another host gets 421 for {}. Browsers do that only where the \
         certificate covers both. A proxy that always sends the same server name gets it every time.",
        names(&concerned)
    );
    finding(Id::FixedSni, Severity::Note, &concerned, cause)
}
