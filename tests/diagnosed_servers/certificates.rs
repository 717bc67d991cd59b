//! The certificates of the servers, in PEM files. Which server presents which is not here.

use crate::pki::{self, Leaf};
use crate::program::Directory;

/// The files, and the names of their certificates.
const FILES: &[(&str, &[&str])] = &[
    ("a.pem", &["a.test"]),
    ("ab.pem", &["a.test", "b.test", "127.0.0.1"]),
    (
        "abcde.pem",
        &["a.test", "b.test", "c.test", "d.test", "e.test"],
    ),
    ("b.pem", &["b.test"]),
    // What b.test had once.
    ("c.pem", &["old.test"]),
    ("default.pem", &["default.test"]),
    ("wild.pem", &["*.w.test"]),
];

/// Writes every certificate together with its key, the authority, and a client's certificate. `rename` gives each
/// name another.
pub fn write(directory: &Directory, rename: impl Fn(&str) -> String) {
    directory.write("ca.pem", pki::pem("CERTIFICATE", &pki::CA.0));
    for (file, names) in FILES {
        let names: Vec<_> = names.iter().map(|name| rename(name)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        write_leaf(directory, file, &pki::leaf(&names));
    }
    write_leaf(directory, "client.pem", &pki::leaf(&["client.test"]));
}

fn write_leaf(directory: &Directory, file: &str, leaf: &Leaf) {
    let chain = pki::pem("CERTIFICATE", &leaf.der);
    directory.write(file, chain + &pki::key(leaf));
}
