//! Findings about certificates: certificates that lack a host, that belong to a default or that clients refuse, and
//! server names that the server refuses.

use crate::findings::{Finding, Id, Severity, finding, names};
use crate::observation::Observations;
use crate::views::View;

pub fn certificates(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
    let mut found = lacking(views, seen);
    found.extend(turned_away(views));
    found.extend(unverifiable(views));
    found
}

/// Hosts that their certificate does not cover.
fn lacking(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
    let mut without = seen
        .connections
        .iter()
        .filter(|connection| connection.server_name.is_none());
    let default = without.find_map(|connection| connection.certificate.as_ref());
    let default = default.map(|certificate| certificate.id);
    let of_default = |view: &View<'_>| default.is_some() && view.certificate_id() == default;
    // With a single certificate, nothing shows whether the server knows the server name.
    let several = views
        .iter()
        .any(|view| view.has_certificate() && !of_default(view));

    let (mut known, mut unknown, mut unclear, mut addresses) = (vec![], vec![], vec![], vec![]);
    for view in views.iter().filter(|view| view.lacks_certificate()) {
        let place = match view.is_named() {
            false if view.refused_on_its_own() => continue,
            false => &mut addresses,
            true if view.not_found() || several && of_default(view) => &mut unknown,
            true if of_default(view) => &mut unclear,
            true => &mut known,
        };
        place.push(view);
    }

    let mut found = Vec::new();
    let mend = |id, views: &[&View<'_>], cause| finding(id, Severity::Mend, views, cause);
    found.extend(mend(Id::CertificateLacksHost, &known, lacks(&known)));
    found.extend(mend(Id::DefaultCertificate, &unknown, by_default(&unknown)));
    let refused = |view: &&View<'_>| view.refused_on_its_own();
    let nobody: Vec<_> = unknown.iter().copied().filter(refused).collect();
    let elsewhere = format!(
        "Or nobody serves {} here, and the name should lead elsewhere. Whether the server's configuration names the \
         host tells the two apart.",
        names(&nobody)
    );
    found.extend(mend(Id::UnknownHost, &nobody, elsewhere));
    let not_found: Vec<_> = unknown
        .iter()
        .copied()
        .filter(|view| view.not_found())
        .collect();
    let known_after_all = format!(
        "Or the server knows {}, with a certificate that does not cover it, and has nothing at this path. Another \
         --path tells the two apart.",
        names(&not_found)
    );
    found.extend(mend(Id::CertificateLacksHost, &not_found, known_after_all));
    found.extend(mend(Id::CertificateLacksHost, &unclear, lacks(&unclear)));
    let default = format!(
        "Or the server does not know the server name of {}, and presents the certificate of its default. Whether the \
         server's configuration names the host tells the two apart.",
        names(&unclear)
    );
    found.extend(mend(Id::DefaultCertificate, &unclear, default));
    // Who asks for an address often knows that no certificate covers it.
    found.extend(finding(
        Id::CertificateLacksHost,
        Severity::Note,
        &addresses,
        lacks(&addresses),
    ));
    found
}

fn lacks(views: &[&View<'_>]) -> String {
    let refused = views.iter().any(|view| view.refused_on_its_own());
    format!(
        "The certificate that the server presents for {}{} does not cover {}. Clients that check certificates refuse \
         it{}. A wildcard stands for exactly one label.",
        names(views),
        naming(views),
        if views.len() == 1 {
            "this host"
        } else {
            "these hosts"
        },
        if refused {
            ", and the server answers 421 to the others"
        } else {
            ""
        },
    )
}

fn by_default(views: &[&View<'_>]) -> String {
    format!(
        "The server does not know the server name of {}, or has no certificate for it. It presents the certificate of a \
         default{}, and clients that check certificates refuse that.",
        names(views),
        naming(views),
    )
}

/// The names of the certificate, if the hosts have the same one.
fn naming(views: &[&View<'_>]) -> String {
    match views {
        [first, others @ ..]
            if others
                .iter()
                .all(|other| other.certificate_id() == first.certificate_id()) =>
        {
            format!(" (for {})", first.certificate_names())
        }
        _ => String::new(),
    }
}

/// Hosts whose server name the server refuses in the handshake.
fn turned_away(views: &[View<'_>]) -> Vec<Finding> {
    let refused = |view: &&View<'_>| view.is_named() && view.handshake_refused();
    let refused: Vec<_> = views.iter().filter(refused).collect();
    // Connections for other hosts may serve them, by a configuration that takes every host.
    let (served, unknown): (Vec<_>, Vec<_>) = refused
        .into_iter()
        .partition(|view| view.served_by_another());
    let finding = |views: &[&View<'_>], consequence| {
        let reason = views.first().map_or("", |view| view.handshake_error());
        let cause = format!(
            "The server refuses handshakes with the server name of {}, so {consequence}: {reason}.",
            names(views)
        );
        finding(Id::UnknownHost, Severity::Mend, views, cause)
    };
    let found = [
        finding(&unknown, "nobody serves it here"),
        finding(
            &served,
            "it has no certificate for it, and clients can only reach it on connections for other hosts",
        ),
    ];
    found.into_iter().flatten().collect()
}

fn unverifiable(views: &[View<'_>]) -> Vec<Finding> {
    let mut errors: Vec<&str> = views.iter().filter_map(View::unverifiable).collect();
    errors.sort_unstable();
    errors.dedup();
    let findings = errors.into_iter().filter_map(|error| {
        let concerned = |view: &&View<'_>| view.unverifiable() == Some(error);
        let concerned: Vec<_> = views.iter().filter(concerned).collect();
        let cause = format!(
            "Clients refuse the certificate of {}: {error}.",
            names(&concerned)
        );
        finding(
            Id::UnverifiableCertificate,
            Severity::Warning,
            &concerned,
            cause,
        )
    });
    findings.collect()
}
