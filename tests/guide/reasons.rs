//! The table of reasons in `guide::troubleshooting` has every reason, and says of each whether a retry can help.

use std::collections::BTreeMap;

use tower_misdirected::{Malformed, Rejection};

use crate::{read, rows};

const REASONS: [Rejection; 16] = [
    Rejection::Malformed(Malformed::MissingAuthority),
    Rejection::Malformed(Malformed::SeveralHosts),
    Rejection::Malformed(Malformed::InvalidHost),
    Rejection::Malformed(Malformed::InvalidPort),
    Rejection::Malformed(Malformed::ConflictingAuthorities),
    Rejection::Malformed(Malformed::InvalidTarget),
    Rejection::UnknownHost,
    Rejection::UnknownPort,
    Rejection::NoConnectionInfo,
    Rejection::InsecureConnection,
    Rejection::SchemeMismatch,
    Rejection::NotInCertificate,
    Rejection::ServerNameNotInCertificate,
    Rejection::DifferentTlsConfig,
    Rejection::OtherVirtualHost,
    Rejection::ServerNameMismatch,
];

/// The names that `as_str` can return, from the source, because both enums may grow and a test cannot see that.
fn names_in(source: &str) -> Vec<String> {
    let arms = source.lines().filter_map(|line| {
        let (variant, name) = line.trim().split_once(" => \"")?;
        let name = name.strip_suffix("\",")?;
        let snake_case = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (variant.starts_with("Self::") && snake_case).then(|| name.to_owned())
    });
    arms.collect()
}

#[test]
fn w1_the_table_has_every_reason_and_says_whether_it_heals() {
    let reasons: BTreeMap<_, _> = REASONS
        .iter()
        .map(|reason| (reason.as_str().to_owned(), reason.retry_can_help()))
        .collect();
    let mut names = names_in(&read("src/verdict/rejection.rs"));
    names.extend(names_in(&read("src/malformed.rs")));
    names.sort();
    assert!(
        reasons.keys().eq(&names),
        "`REASONS` lacks one of {names:?}"
    );

    let page = read("src/guide/troubleshooting.md");
    let table = page
        .split("\n\n")
        .find(|text| text.starts_with("| `error.type`"))
        .expect("a table of reasons");
    let mut listed = BTreeMap::new();
    for row in rows(table).skip(1) {
        let [reason, cure, heals] = row[..] else {
            panic!("not three cells: {row:?}");
        };
        let (reason, cause) = reason.split_once("<br>").expect("a reason and a cause");
        assert!(!cause.is_empty() && !cure.is_empty(), "{row:?}");
        let heals = match heals.split([',', ' ']).next() {
            Some("yes") => true,
            Some("no") => false,
            _ => panic!("neither yes nor no: {row:?}"),
        };
        let reason = reason.split('`').nth(1).expect("the reason in backticks");
        let before = listed.insert(reason.to_owned(), heals);
        assert!(before.is_none(), "{reason} twice");
    }
    assert_eq!(listed, reasons);
}
