//! Programs that may be installed or not: which there are, and what they say when they are run. Which program
//! is asked for what is not here.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

/// Compilers and virtual machines start slowly. What takes longer never ends, and is a failure and no hang.
const PATIENCE: Duration = Duration::from_secs(180);

/// The first of these programs that is installed. Says so where there is none, which is all that its test
/// then does.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where only root looks.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let places: Vec<_> = places.collect();
    let mut candidates = names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)));
    let found = candidates.find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: {} is not installed", names.join(" or "));
    }
    found
}

/// Runs a program to its end.
pub async fn output(command: &mut Command) -> Output {
    let output = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    output.expect("an end in time").unwrap()
}

/// The same for a program that must succeed, and what it printed.
pub async fn prints(command: &mut Command) -> String {
    let output = output(command).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Says that a program takes part, and its version.
pub async fn announce(name: &str, command: &mut Command) {
    eprintln!("ran: {name} {}", version(command).await);
}

/// The version that a program tells of itself, somewhere in what it prints.
pub async fn version(command: &mut Command) -> String {
    let output = output(command).await;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split([' ', '/', '\n']);
    let version = words.find_map(|word| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let is = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
        is.then(|| word.to_owned())
    });
    version.unwrap_or_else(|| panic!("{command:?} tells no version: {text}"))
}
