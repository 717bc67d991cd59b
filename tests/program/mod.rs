//! Examples as programs: started, read, sent signals, and ended with the test.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Long enough for any machine: what takes longer never comes, and is a failure and no hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program of an example. Cargo builds examples along with the tests and puts them beside.
fn program(name: &str) -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run the whole of `cargo test`",
        path.display()
    );
    Command::new(path)
}

/// Runs an example that ends by itself.
pub async fn run(name: &str, arguments: &[&str]) -> Output {
    let output = tokio::process::Command::from(program(name))
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let Ok(output) = output else {
        panic!("{name} {arguments:?} did not end in time");
    };
    output.unwrap()
}

/// A running example, ended when the test ends.
pub struct Running {
    child: Child,
    output: UnboundedReceiver<String>,
    errors: UnboundedReceiver<String>,
    pub addr: SocketAddr,
}

impl Running {
    /// Starts an example and waits until it says where it listens.
    pub async fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = tokio::process::Command::from(program(name))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = lines(child.stdout.take().unwrap());
        let mut errors = lines(child.stderr.take().unwrap());
        let Some(line) = next(&mut output).await else {
            panic!("ended early: {:?}", rest(&mut errors).await);
        };
        let addr = line.strip_prefix("listening on http").expect(&line);
        let addr = addr.trim_start_matches("s").trim_start_matches("://");
        let addr = addr.parse().expect(&line);
        Self {
            child,
            output,
            errors,
            addr,
        }
    }

    /// Reads its output up to a line that begins with this, and returns all of it.
    pub async fn says(&mut self, prefix: &str) -> String {
        read_to(&mut self.output, prefix).await
    }

    /// The same with its errors.
    pub async fn complains(&mut self, prefix: &str) -> String {
        read_to(&mut self.errors, prefix).await
    }

    /// Sends a signal; false where there are none.
    pub fn signal(&self, signal: &str) -> bool {
        let pid = self.child.id().expect("it runs").to_string();
        cfg!(unix)
            && Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
    }

    /// Waits until it has ended, and returns the errors that nobody has read.
    pub async fn ends(mut self) -> (ExitStatus, Vec<String>) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("an end in time").unwrap();
        (status, rest(&mut self.errors).await)
    }

    /// Asks it to end, by Ctrl-C, and waits until it has.
    pub async fn ends_on_ctrl_c(self) {
        if self.signal("-INT") {
            let (status, errors) = self.ends().await;
            assert!(status.success(), "{status}: {errors:?}");
        }
    }
}

/// The lines of a stream, read whether or not anyone waits for them, so that no program is held up.
fn lines(stream: impl AsyncRead + Unpin + Send + 'static) -> UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = sender.send(line);
        }
    });
    receiver
}

async fn next(lines: &mut UnboundedReceiver<String>) -> Option<String> {
    let line = tokio::time::timeout(PATIENCE, lines.recv());
    line.await.expect("a line in time, or an end")
}

async fn rest(lines: &mut UnboundedReceiver<String>) -> Vec<String> {
    let mut rest = Vec::new();
    while let Some(line) = next(lines).await {
        rest.push(line);
    }
    rest
}

async fn read_to(lines: &mut UnboundedReceiver<String>, prefix: &str) -> String {
    let mut text = String::new();
    loop {
        let Some(line) = next(lines).await else {
            panic!("no line begins with {prefix:?}: {text}");
        };
        text.push_str(&line);
        text.push('\n');
        if line.starts_with(prefix) {
            return text;
        }
    }
}

/// A directory for one test, which goes when the test ends.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("misdirected-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(file), content).unwrap();
    }

    /// Writes a self-signed certificate and its key, and returns the certificate in DER.
    pub fn write_certificate(&self, chain: &str, key: &str, names: &[&str]) -> Vec<u8> {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        self.write(chain, certified.cert.pem());
        self.write(key, certified.signing_key.serialize_pem());
        certified.cert.der().to_vec()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
