//! The common parts of the examples: arguments, and errors that name the file or the address. You do not need them to
//! use the crate.
#![allow(dead_code, reason = "each example uses its part")]

use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{ExitCode, exit};
use std::str::FromStr;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The arguments of an example. `--help` and mistakes print the usage and end the program.
pub struct Arguments {
    usage: &'static str,
    given: std::env::ArgsOs,
}

impl Arguments {
    pub fn new(usage: &'static str) -> Self {
        let mut given = std::env::args_os();
        given.next(); // the program
        Self { usage, given }
    }

    /// Returns the value of an option.
    pub fn value<T: FromStr>(&mut self, option: &str, expected: &str) -> T {
        let Some(value) = self.next() else {
            self.misused(format_args!("{option}: expected {expected}"));
        };
        let parsed = value.parse();
        parsed
            .unwrap_or_else(|_| self.misused(format_args!("{option}: `{value}` is not {expected}")))
    }

    pub fn unexpected(&self, argument: &str) -> ! {
        self.misused(format_args!("unexpected argument `{argument}`"))
    }

    /// Prints the mistake in the arguments and the usage, and ends the program.
    pub fn misused(&self, problem: impl Display) -> ! {
        eprintln!("{problem}\nusage: {}", self.usage);
        exit(2)
    }
}

impl Iterator for Arguments {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let argument = self.given.next()?;
        match argument.to_str() {
            Some("-h" | "--help") => {
                println!("usage: {}", self.usage);
                exit(0)
            }
            Some(argument) => Some(argument.to_owned()),
            None => self.misused(format_args!("{argument:?} is not UTF-8")),
        }
    }
}

/// Returns the arguments of an example without options. The number of arguments must be within `count`.
pub fn arguments(usage: &'static str, count: RangeInclusive<usize>) -> Vec<String> {
    let mut arguments = Arguments::new(usage);
    let mut values = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument.starts_with('-') || values.len() == *count.end() {
            arguments.unexpected(&argument);
        }
        values.push(argument);
    }
    if values.len() < *count.start() {
        arguments.misused("an argument is missing");
    }
    values
}

/// Runs an example, and prints its error as a sentence. A `main` function that returned the error would print its debug
/// form.
pub async fn run(example: impl Future<Output = Result<()>>) -> ExitCode {
    match example.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the certificates of a PEM file. There is at least one.
pub fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let content = read(path)?;
    let certificates: Result<Vec<_>, _> = rustls_pemfile::certs(&mut &*content).collect();
    let certificates = certificates.map_err(|_| not_pem(path))?;
    match certificates.is_empty() {
        true => Err(format!("there is no certificate in {path}: give a PEM file with one").into()),
        false => Ok(certificates),
    }
}

/// Reads the private key of a PEM file.
pub fn private_key(path: &str) -> Result<PrivateKeyDer<'static>> {
    let content = read(path)?;
    let key = rustls_pemfile::private_key(&mut &*content).map_err(|_| not_pem(path))?;
    key.ok_or_else(|| {
        let fix = "give a PEM file with one that is not encrypted";
        format!("there is no private key in {path}: {fix}").into()
    })
}

/// Reads certificates of authorities from a PEM file.
pub fn authorities(path: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        add_authority(&mut roots, certificate, path)?;
    }
    Ok(roots)
}

/// Adds the certificate of an authority, which came from this file.
pub fn add_authority(
    roots: &mut RootCertStore,
    certificate: CertificateDer<'_>,
    path: impl AsRef<Path>,
) -> Result<()> {
    // rustls says no more than that.
    roots.add(certificate).map_err(|_| {
        let path = path.as_ref().display();
        format!(
            "a certificate in {path} cannot be read: give certificates of authorities, in X.509"
        )
        .into()
    })
}

/// Says why a chain and a key cannot be used.
pub fn unusable(chain: &str, key: &str, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => format!(
            "the private key in {key} does not belong to the certificate in {chain}: give the key that the \
             certificate was issued for"
        ),
        rustls::Error::InvalidCertificate(_) => {
            format!("the first certificate in {chain} cannot be read: give another one, in X.509")
        }
        other => format!("cannot use {chain} with {key}: {other}"),
    }
}

/// Says which file is not PEM.
pub fn not_pem(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().display();
    format!("{path} is not well-formed PEM: write the file again, in full")
}

/// Reads a file, whose name is in the error.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    std::fs::read(path).map_err(|error| cannot_read(path, &error).into())
}

/// Says which file cannot be read.
pub fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!(
        "cannot read {}: {error}; check the path and its permissions",
        path.display()
    )
}
