//! The verdict: one pure function over the evidence and the rules. It takes no lock, does no I/O and reads no
//! clock; the first rule that fails is the reason.

use super::coalescing::Coalescing;
use super::evidence::{Evidence, ServerName};
use super::rejection::Rejection;
use super::rules::Rules;
use crate::authority::Scheme;
use crate::connection::Security;
use crate::virtual_hosts::Relation;

#[inline(always)]
pub(crate) fn judge(evidence: &Evidence, rules: &Rules) -> Result<(), Rejection> {
    if !evidence.host_allowed {
        return Err(Rejection::UnknownHost);
    }
    if !evidence.port_allowed {
        return Err(Rejection::UnknownPort);
    }

    let Some(security) = evidence.security else {
        return match rules.need_connection() {
            true => Err(Rejection::NoConnectionInfo),
            false => Ok(()),
        };
    };

    let plaintext = security == Security::Plaintext && rules.need_connection();
    if plaintext && (rules.require_tls || may_be_https(evidence.scheme)) {
        return Err(Rejection::InsecureConnection);
    }
    if rules.strict_scheme && !scheme_fits(evidence.scheme, security) {
        return Err(Rejection::SchemeMismatch);
    }
    if security != Security::Tls {
        return Ok(());
    }

    let level = rules.coalescing;
    if level >= Coalescing::Certificate && !evidence.covered {
        return Err(Rejection::NotInCertificate);
    }
    if level >= Coalescing::SameTlsConfig {
        match evidence.relation {
            Relation::Nobodys => return Err(Rejection::UnknownHost),
            Relation::OtherConfig => return Err(Rejection::DifferentTlsConfig),
            Relation::SameConfig if level >= Coalescing::SameVirtualHost => {
                return Err(Rejection::OtherVirtualHost);
            }
            Relation::SameConfig | Relation::SameVirtualHost => {}
        }
    }
    if level >= Coalescing::Never && evidence.server_name == ServerName::Different {
        return Err(Rejection::ServerNameMismatch);
    }
    Ok(())
}

/// A scheme that is lost on the way here may have been `https`.
fn may_be_https(scheme: Option<Scheme>) -> bool {
    matches!(scheme, Some(Scheme::Https | Scheme::Unseen))
}

/// Returns whether the scheme is the connection's (RFC 9110 §7.4). Behind a gateway both schemes fit, because
/// some gateways name the client's scheme and others that of the plaintext hop.
fn scheme_fits(scheme: Option<Scheme>, security: Security) -> bool {
    match (scheme, security) {
        (None, _) => true,
        (Some(Scheme::Http), security) => security != Security::Tls,
        (Some(Scheme::Https), security) => security != Security::Plaintext,
        (Some(Scheme::Other | Scheme::Unseen), _) => false,
    }
}
