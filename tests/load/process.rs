//! The server's process as the tests see it: started, asked, watched through `/proc`, and ended.

use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::Instant;

use crate::client::Client;
use crate::messages::{Command, Counts, Ready, Settings};
use crate::wire::PATIENCE;

/// The variable that makes this program a server.
pub const SETTINGS: &str = "MISDIRECTED_LOAD_SERVER";

pub struct Server {
    child: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it holds while it has no client at all.
    quiet: Holds,
}

/// What connections take, and give back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holds {
    tasks: usize,
    descriptors: usize,
}

impl Server {
    /// Starts it, and makes a client that knows where it is.
    pub async fn start(settings: Settings) -> (Self, Client) {
        // For the clients' ends, of which tests side by side have many.
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["serving::serves", "--exact", "--ignored", "--nocapture"])
            .env(SETTINGS, serde_json::to_string(&settings).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                // The loop over h3 says so of every client that goes in the middle.
                if !line.starts_with("HTTP/3: ") {
                    eprintln!("{line}");
                }
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Ready = message(&mut lines).await;
        let mut server = Self {
            commands: child.stdin.take().unwrap(),
            quiet: Holds::default(),
            child,
            lines,
        };
        server.quiet = server.holds().await;
        (server, Client::of(&ready))
    }

    pub async fn counts(&mut self) -> Counts {
        self.command(Command::Count).await
    }

    /// Leaves the server so many file descriptors.
    pub async fn hoard(&mut self, spare: usize) -> Counts {
        self.command(Command::Hoard { spare }).await
    }

    async fn command(&mut self, command: Command) -> Counts {
        let line = serde_json::to_string(&command).unwrap() + "\n";
        self.commands.write_all(line.as_bytes()).await.unwrap();
        message(&mut self.lines).await
    }

    /// Asks until the counts are like this.
    pub async fn until(&mut self, reached: impl Fn(&Counts) -> bool) -> Counts {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counts = self.counts().await;
            if reached(&counts) {
                return counts;
            }
            assert!(Instant::now() < deadline, "never reached: {counts:?}");
            breathe().await;
        }
    }

    async fn holds(&mut self) -> Holds {
        Holds {
            tasks: self.counts().await.tasks,
            descriptors: self.descriptors(),
        }
    }

    /// Waits until it holds so many handshakes, a task and a descriptor each, and nothing else of clients.
    pub async fn comes_to(&mut self, handshakes: usize) {
        let deadline = Instant::now() + PATIENCE;
        let expected = Holds {
            tasks: self.quiet.tasks + handshakes,
            descriptors: self.quiet.descriptors + handshakes,
        };
        loop {
            let holds = self.holds().await;
            if holds == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{holds:?}, never {expected:?}");
            breathe().await;
        }
    }

    /// How many connections are open over TCP, as far as descriptors tell.
    pub fn connections(&self) -> usize {
        self.descriptors() - self.quiet.descriptors
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Resident memory, in KiB.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse().unwrap()
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id().expect("it runs"))
    }

    /// Ends it, and tells what it counted. It has not panicked.
    pub async fn ends(mut self) -> Counts {
        let counts = self.counts().await;
        assert_eq!(counts.panics, 0);
        drop(self.commands);
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(status.expect("an end in time").unwrap().success());
        counts
    }
}

/// The next line that is a message; the test harness writes lines of its own.
async fn message<M: DeserializeOwned>(lines: &mut Lines<BufReader<ChildStdout>>) -> M {
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("a line in time").unwrap();
        let line = line.expect("the server has ended");
        if line.starts_with('{') {
            return serde_json::from_str(&line).expect(&line);
        }
    }
}

/// Between two looks at the server, which has something else to do too.
async fn breathe() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
