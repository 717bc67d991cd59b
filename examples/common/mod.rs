//! What the examples have in common: arguments, and errors that name the file or the address. None of it is needed to
//! use the crate.
#![allow(dead_code, reason = "each example uses its part")]

use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{ExitCode, exit};
use std::str::FromStr;

pub type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The arguments of an example, one after the other. `--help` and mistakes print the usage and end the program.
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

    /// Prints what is wrong with the arguments and the usage, and ends the program.
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

/// Returns the arguments of an example without options, whose number is within `count`.
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

/// Runs an example, and prints its error as a sentence. A `main` that returns the error would print its debug form.
pub async fn run(example: impl Future<Output = Result<()>>) -> ExitCode {
    match example.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a file, whose name is in the error.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let content = std::fs::read(path);
    content.map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}
