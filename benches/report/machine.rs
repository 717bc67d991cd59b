//! Which machine and which programs the numbers are from.

use std::fmt::Write;
use std::process::Command;

pub fn table() -> String {
    let mut text = String::from("## Measured on\n\n| | |\n|---|---|\n");
    let facts = [
        ("date", first_line("date", &["-u", "+%F"])),
        ("processor", processor()),
        ("system", first_line("uname", &["-srm"])),
        ("compiler", first_line("rustc", &["--version"])),
        ("valgrind", first_line("valgrind", &["--version"])),
        ("h2load", first_line("h2load", &["--version"])),
    ];
    for (name, fact) in facts {
        let fact = fact.unwrap_or_else(|| "none".to_owned());
        writeln!(text, "| {name} | {fact} |").unwrap();
    }
    text
}

fn processor() -> Option<String> {
    let cores = std::thread::available_parallelism().ok()?;
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = text.lines().find(|line| line.starts_with("model name"))?;
    let (_, model) = model.split_once(": ")?;
    Some(format!("{model}, {cores} cores for this"))
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.to_owned())
}
