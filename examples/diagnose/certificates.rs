//! Findings about certificates: those that lack a host, those of a default, those that clients refuse, and server names
//! that the server refuses.

use crate::findings::{Finding, Id, Severity, finding, names};
use crate::observation::{Connection, Observations};
use crate::views::View;

/// Certificates that clients refuse, and server names that the server refuses.
pub fn certificates(views: &[View<'_>], seen: &Observations) -> Vec<Finding> {
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
            (false, _) => {
                found.extend(lacking);
                found.extend(by_default);
            }
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
