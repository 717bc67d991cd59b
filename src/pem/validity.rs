//! The period in which a certificate is valid. Clients decide what follows: rustls presents expired certificates too.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

/// Returns the first and the last second at which the certificate is valid, or `None` if webpki cannot parse it.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<RangeInclusive<SystemTime>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    // webpki has no accessor for the times, but its errors contain them. It checks them first, so neither the usage nor
    // the missing trust anchors matter.
    let judged_at = |seconds| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let usage = KeyUsage::server_auth();
        certificate
            .verify_for_usage(&[], &[], &[], time, usage, None, None)
            .err()
    };
    let end = match judged_at(u64::MAX)? {
        Error::CertExpired { not_after, .. } => not_after,
        _ => return None,
    };
    let start = match judged_at(0)? {
        Error::CertNotValidYet { not_before, .. } => not_before,
        _ => UnixTime::since_unix_epoch(Duration::ZERO),
    };
    Some(system_time(start)?..=system_time(end)?)
}

fn system_time(time: UnixTime) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_are_read_whatever_else_is_wrong_with_the_certificate() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 9, 9);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.self_signed(&key).unwrap();
        let found = validity(certificate.der()).unwrap();
        let seconds = |time: &SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs()
        };
        assert_eq!(seconds(found.start()), 999_993_600);
        assert_eq!(seconds(found.end()), 2_840_140_800);
    }

    #[test]
    fn a_certificate_that_is_valid_from_the_epoch_on_is_read_too() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        let found = validity(certificate.der()).unwrap();
        assert_eq!(*found.start(), SystemTime::UNIX_EPOCH);
        assert_eq!(
            validity(&CertificateDer::from(&b"no certificate"[..])),
            None
        );
    }
}
