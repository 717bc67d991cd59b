//! Observations, written as a table:
//!
//! ```text
//! a.test    ? | a.test *.b.test | 200 421x
//! - 1.1       | a.test          | 200 421cx
//! x.test      | refused         |
//! ```
//!
//! A row is a connection: its server name or `-`, the version of HTTP if it is not 2, `?` if the server asks for a client
//! certificate or `!` if it was sent one, the names of the certificate, and the answers for the hosts in their order. An
//! answer is a status or `-`, and `c` if a cache may keep it, `f` if it says for how long, `k`, `g` or `x` if the
//! connection ends with `Connection: close`, GOAWAY or without a word.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use tower_misdirected::CertificateNames;

use crate::observation::{Answer, Certificate, Connection, Ended, Observations};
use crate::subject::Subject;

pub fn seen(hosts: &[&str], table: &str) -> Observations {
    let rows = table.lines().map(str::trim).filter(|line| !line.is_empty());
    Observations {
        target: "192.0.2.1:443".to_owned(),
        hosts: hosts.iter().map(ToString::to_string).collect(),
        connections: rows.map(|line| connection(hosts, line)).collect(),
    }
}

fn connection(hosts: &[&str], line: &str) -> Connection {
    let [opened, names, answers] = line.split('|').collect::<Vec<_>>().try_into().expect(line);
    let mut opened = opened.split_whitespace();
    let name = opened.next().filter(|name| *name != "-");
    let mut connection = Connection {
        server_name: name.map(str::to_owned),
        http: "2",
        handshake: "ok".to_owned(),
        ..Connection::default()
    };
    for word in opened {
        match word {
            "1.1" => connection.http = "1.1",
            "3" => connection.http = "3",
            "?" => connection.asks_client_certificate = true,
            "!" => {
                connection.asks_client_certificate = true;
                connection.sent_client_certificate = true;
            }
            other => panic!("`{other}` in {line}"),
        }
    }
    if names.trim() == "refused" {
        connection.refused = true;
        connection.handshake = "the server sent the TLS alert unrecognized_name".to_owned();
        return connection;
    }
    let certificate = certificate(names, name);
    for (host, words) in hosts.iter().zip(answers.split_whitespace()) {
        let subject: Subject = host.parse().unwrap();
        let digits = words.trim_end_matches(char::is_alphabetic);
        let has = |flag: char| words[digits.len()..].contains(flag);
        let ended = [('k', Ended::Close), ('g', Ended::Goaway), ('x', Ended::Eof)];
        let ended = ended.into_iter().find(|(flag, _)| has(*flag));
        let status = digits.parse().ok();
        connection.answers.push(Answer {
            host: host.to_string(),
            status,
            error: status.is_none().then(|| "no answer".to_owned()),
            covered: certificate.covers(subject.host()),
            cacheable: has('c') || has('f'),
            fresh: has('f'),
            ended: ended.map(|(_, ended)| ended),
            own: subject.server_name() == name,
            software: Vec::new(),
        });
    }
    connection.certificate = Some(certificate);
    connection
}

/// A certificate with these names; with `untrusted` among them, nobody trusts it.
fn certificate(names: &str, server_name: Option<&str>) -> Certificate {
    let mut id = DefaultHasher::new();
    names.trim().hash(&mut id);
    let trusted = !names.contains("untrusted");
    let names = names.split_whitespace().filter(|name| *name != "untrusted");
    let (ips, names): (Vec<_>, Vec<_>) = names.partition(|name| name.parse::<IpAddr>().is_ok());
    let all = CertificateNames::from_sans(&names, ips.iter().map(|ip| ip.parse().unwrap()));
    let names = all.to_strings();
    let mut certificate = Certificate {
        names,
        id: id.finish(),
        all: Some(all),
        ..Certificate::default()
    };
    let named = server_name.is_none_or(|name| certificate.covers(&name.parse().unwrap()));
    certificate.error = match (trusted, named) {
        (false, _) => Some("no trusted authority has issued the certificate".to_owned()),
        (true, false) => Some("the certificate does not cover the server name".to_owned()),
        (true, true) => None,
    };
    certificate.only_name_differs = trusted && !named;
    certificate.verified = certificate.error.is_none();
    certificate
}
