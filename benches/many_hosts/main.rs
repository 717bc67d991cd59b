//! What 100,000 virtual hosts cost: memory and time to build them, instructions of a request among them, and how long
//! others wait while they are replaced.

mod counting;
mod hosts;
#[path = "../in_memory/mod.rs"]
mod in_memory;
#[path = "../../tests/pki/mod.rs"]
mod pki;
mod replacing;
mod requests;
#[path = "../results/mod.rs"]
mod results;
mod sizes;

use self::results::Row;

const NAMES: usize = 10_000;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments
        .iter()
        .position(|argument| argument == counting::COUNT)
    {
        return counting::count(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let (number, rounds) = match results::is_short() {
        true => (20_000, 9),
        false => (100_000, 21),
    };
    let what = format!(
        "A server with {} virtual hosts. Each has one name, of about 22 octets. Each replacement gives all of them but \
         ten another configuration. Meanwhile, 1,000 connections wait to become outdated, and another thread works \
         without a pause. Medians and quartiles of {rounds} replacements.",
        results::number(number as f64),
    );
    println!("{what}");
    let mut rows = Vec::new();
    let mut add = |group: &str, new: Vec<Row>| {
        for mut row in new {
            row.group = group.into();
            println!("{row}");
            rows.push(row);
        }
    };
    for configs in [1, 1_000] {
        let sizes = sizes::of_hosts(number, &hosts::configs(configs));
        add("Memory and time", sizes.into());
    }
    add("Memory and time", sizes::of_a_certificate(NAMES).into());
    add("Instructions", counting::compare(number));
    add("During a replacement", replacing::compare(number, rounds));
    results::write("many_hosts", &what, &rows);
}
