//! Gathers what a verdict needs from a request. Fast paths skip the parsing of hosts that the connection already knows;
//! every path ends in `verdict::judge`. `service` acts on the verdict.

use http::Request;

use crate::authority::Stated;
use crate::connection::{ConnectionInfo, connection_info};
use crate::host::{Hashed, Sought};
use crate::malformed::Malformed;
use crate::verdict::{self, Evidence, Rejection, Rules};

/// Judges a request. Returns whether `Host` differs from the judged authority, and the reason if the request must be
/// refused.
///
/// Most requests name the server name of their connection, in normal form. Only such requests are judged here, so that
/// the common case keeps little on the stack.
#[inline(always)]
pub(super) fn judge<B>(rules: &Rules, request: &Request<B>) -> (bool, Option<Rejection>) {
    let connection = connection_info(request.extensions());
    let stated = Stated::of(request);
    if let (Ok(stated), Some(info)) = (&stated, connection) {
        if let Some(name) = info.server_name_host().filter(|_| info.is_tls()) {
            if let Some(port) = stated.port_after(name) {
                let host = Sought::new(name.as_ref());
                let evidence = Some(Evidence::of_server_name(info, name));
                let verdict = verdict::judge(stated, &host, port, evidence, rules);
                return (false, verdict.err());
            }
        }
    }
    judge_other(rules, stated, connection)
}

/// Judges a request that names another host than the server name, or the server name in another form.
#[inline(never)]
fn judge_other(
    rules: &Rules,
    stated: Result<Stated<'_>, Malformed>,
    connection: Option<&ConnectionInfo>,
) -> (bool, Option<Rejection>) {
    if let (Ok(stated), Some(info)) = (&stated, connection) {
        if let Some((text, port)) = stated.parts().filter(|_| info.is_tls()) {
            // The names of the certificate have been validated, so a host that equals one of them is valid. A host in
            // normal form that equals none of them is not looked up there again, and its hash is reused.
            let read = info.certificate_names().read(text);
            let covered = read.is_ok();
            let host = read.or_else(|hashed| hashed.as_ref().and_then(Hashed::check).ok_or(()));
            if let Ok(host) = &host {
                let evidence = Some(Evidence::of_other(info, host, covered, rules));
                let verdict = verdict::judge(stated, host, port, evidence, rules);
                return (false, verdict.err());
            }
        }
    }
    judge_in_full(rules, stated, connection)
}

/// Judges any request on any connection. The slow path.
#[inline(never)]
fn judge_in_full(
    rules: &Rules,
    stated: Result<Stated<'_>, Malformed>,
    connection: Option<&ConnectionInfo>,
) -> (bool, Option<Rejection>) {
    let target = stated.and_then(|stated| {
        let likely = connection.and_then(ConnectionInfo::server_name_host);
        Ok((stated, stated.read(likely)?))
    });
    let (stated, target) = match target {
        Ok(target) => target,
        Err(malformed) => return (false, Some(Rejection::Malformed(malformed))),
    };
    let (host, port) = (Sought::new(target.authority.host), target.authority.port);
    let evidence = connection.map(|info| Evidence::gather(info, &host, rules));
    let verdict = verdict::judge(&stated, &host, port, evidence, rules);
    (target.host_differs, verdict.err())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt;
    use std::sync::Arc;

    use http::Version;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::certificate::CertificateNames;
    use crate::verdict::{Coalescing, HostSet};
    use crate::virtual_hosts::VirtualHosts;

    const NAMES: [&str; 4] = ["www.test", "*.test", "a.b.test", "*.b.test"];

    fn authority() -> impl Strategy<Value = String> {
        let hosts = [
            "www.test",
            "WWW.test",
            "www.test.",
            "a.test",
            "a.b.test",
            "c.b.test",
            "c.b.B.test",
            "test",
            ".test",
            "a@b.test",
            "-_.test",
            "other",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.01",
            "[2001:db8::1]",
            "[2001:DB8:0::1]",
            "",
        ];
        let ports = ["", "", ":", ":443", ":80", ":8443", ":99999", ":+1", ":1:1"];
        (select(hosts.to_vec()), select(ports.to_vec()))
            .prop_map(|(host, port)| host.to_owned() + port)
    }

    /// A connection, with a description of it.
    fn connection() -> impl Strategy<Value = (String, Option<ConnectionInfo>)> {
        let server_name = select(vec![
            None,
            Some("www.test"),
            Some("a.b.test"),
            Some("other"),
        ]);
        let names = select(vec![None, Some(0), Some(1), Some(4)]);
        let kinds = ["none", "plaintext", "gateway", "one", "hosts", "unknown"];
        (server_name, names, select(kinds.to_vec())).prop_map(|(server_name, names, kind)| {
            let words = format!("{kind} {server_name:?} {names:?}");
            (words, made(kind, server_name, names))
        })
    }

    fn made(kind: &str, server_name: Option<&str>, names: Option<usize>) -> Option<ConnectionInfo> {
        let mut tls = ConnectionInfo::tls();
        if let Some(count) = names {
            let ips = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
            tls = tls.certificate_names(CertificateNames::from_sans(&NAMES[..count], ips));
        }
        let named = |tls: crate::connection::ConnectionInfoBuilder| match server_name {
            Some(name) => tls.server_name(name),
            None => tls,
        };
        match kind {
            "none" => None,
            "plaintext" => Some(ConnectionInfo::plaintext().build()),
            "gateway" => Some(ConnectionInfo::trusted_gateway().build()),
            "one" => Some(named(tls).single_tls_config().build()),
            "unknown" => Some(named(tls).build()),
            _ => {
                let (one, other) = (Arc::new(1), Arc::new(2));
                let hosts = VirtualHosts::builder()
                    .host("www.test", one.clone())
                    .host("*.test", one.clone())
                    .host("**.b.test", other)
                    .host("192.0.2.1", one.clone())
                    .default(one);
                let hosts = hosts.build().unwrap();
                Some(tls.selection(hosts.select(server_name)?).build())
            }
        }
    }

    struct Only(&'static str);

    impl fmt::Debug for Only {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl HostSet for Only {
        fn contains(&self, host: &Sought<'_>) -> bool {
            host.host().with_text(|text| text.ends_with(self.0))
        }
    }

    fn rules() -> impl Strategy<Value = Rules> {
        let levels = [
            Coalescing::Unchecked,
            Coalescing::Certificate,
            Coalescing::SameTlsConfig,
            Coalescing::SameVirtualHost,
            Coalescing::Never,
        ];
        let ends = select(vec![None, None, Some("test")]);
        let flags = any::<[bool; 4]>();
        (select(levels.to_vec()), ends, flags).prop_map(|(coalescing, end, flags)| {
            let [check_certificate, listed, strict_scheme, require_tls] = flags;
            Rules {
                coalescing,
                check_certificate,
                allowed_hosts: end.map(|end| Arc::new(Only(end)) as Arc<dyn HostSet>),
                ports: listed.then(|| [443].into()),
                strict_scheme,
                require_tls,
                gateways: None,
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// The fast paths must not change any verdict.
        #[test]
        fn every_way_to_the_verdict_gives_the_same_verdict(
            authority in authority(),
            beside in select(vec![None, None, Some("www.test"), Some("a.test"), Some("A.test:443")]),
            (words, connection) in connection(),
            rules in rules(),
            http2 in any::<bool>(),
        ) {
            let request = match http2 {
                true => Request::get(format!("https://{authority}/")).version(Version::HTTP_2),
                false => Request::get("/").header("host", &authority),
            };
            let request = match beside.filter(|_| http2) {
                Some(beside) => request.header("host", beside),
                None => request,
            };
            let Ok(mut request) = request.body(()) else {
                return Ok(());
            };
            if let Some(connection) = &connection {
                request.extensions_mut().insert(connection.clone());
            }
            let full = judge_in_full(&rules, Stated::of(&request), connection.as_ref());
            prop_assert_eq!(judge(&rules, &request), full, "{} on {}", authority, words);
        }
    }

    #[test]
    fn the_test_of_every_way_meets_every_verdict() {
        use proptest::strategy::ValueTree;
        use proptest::test_runner::TestRunner;

        let mut runner = TestRunner::deterministic();
        let mut verdicts = HashSet::new();
        for _ in 0..4096 {
            let case = (authority(), connection(), rules()).new_tree(&mut runner);
            let (authority, (_, connection), rules) = case.unwrap().current();
            let mut request = Request::get("/")
                .header("host", authority)
                .body(())
                .unwrap();
            if let Some(connection) = connection {
                request.extensions_mut().insert(connection);
            }
            verdicts.insert(judge(&rules, &request).1);
        }
        // All verdicts except `SchemeMismatch`, which an origin-form without a scheme cannot cause, and malformed
        // requests that do not depend on the text of the authority.
        assert_eq!(verdicts.len(), 12, "{verdicts:?}");
    }
}
