//! Instructions of a request and of the choice of a configuration, among few virtual hosts and among many. callgrind
//! counts them: this program runs itself under it.

use std::hint::black_box;
use std::process::{Command, Stdio};

use http::StatusCode;

use crate::hosts;
use crate::requests;
use crate::results::{self, Bound, Row, number};

const KINDS: [(&str, &str); 2] = [
    (
        "request",
        "a request for another host of the connection's configuration",
    ),
    ("handshake", "the choice of a configuration in a handshake"),
];
const FEW: usize = 10;

/// How often each is done. The names differ, and with them the number of look-ups whose hashes begin alike.
const TIMES: usize = 200;

/// The arguments that make this program count.
pub const COUNT: &str = "count";

pub fn compare(many: usize) -> Vec<Row> {
    if let Err(why) = Command::new("valgrind").arg("--version").output() {
        return vec![Row::skipped("instructions", format!("valgrind: {why}"))];
    }
    let rows = KINDS.map(|(kind, what)| {
        let [few, many] = [FEW, many].map(|hosts| instructions(kind, hosts));
        let row = Row {
            case: format!("{what}, divided by the same among {FEW}"),
            value: many / few,
            unit: "ratio".into(),
            note: format!("{} and {} instructions", number(many), number(few)),
            ..Row::default()
        };
        row.exact(Bound::AtMost(1.05))
    });
    rows.into()
}

fn instructions(kind: &str, hosts: usize) -> f64 {
    let out = results::directory().join(format!("callgrind.{kind}-among-{hosts}.out"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counting::counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args([COUNT, kind, &hosts.to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = std::fs::read_to_string(&out).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: f64 = total.expect("callgrind's total").trim().parse().unwrap();
    assert!(total > 0.0, "callgrind has counted nothing: {errors}");
    total / TIMES as f64
}

/// The part that runs under callgrind.
pub fn count(kind: &str, number: usize) {
    let all = hosts::configs(1);
    let hosts = hosts::builder(number, &all[0], &all).build().unwrap();
    let connection = hosts::connection(&hosts, 0);
    let mut service = requests::service();
    // Once for the allocator and the caches, and then for the count.
    for counts in [false, true] {
        for time in 0..TIMES {
            let name = hosts::name(1 + time * (number - 1) / TIMES);
            let request = requests::request(&connection, &name);
            match (kind, counts) {
                ("request", true) => {
                    let status = counted(|| requests::answer(&mut service, request));
                    assert_eq!(status, StatusCode::OK);
                }
                ("request", false) => drop(requests::answer(&mut service, request)),
                (_, true) => assert!(counted(|| hosts.select(Some(&name)).is_some())),
                (_, false) => drop(hosts.select(Some(&name))),
            }
        }
    }
}

/// callgrind counts what happens in here, by this function's name.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}
