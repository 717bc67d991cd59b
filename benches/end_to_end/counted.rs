//! A server under callgrind, which counts the instructions of the whole process. Those of the kernel are not among
//! them.

use std::cell::Cell;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::Program;
use crate::results;
use crate::server::Server;

/// A server whose instructions are counted.
pub struct Counted {
    pub server: Server,
    out: PathBuf,
    dumps: Cell<u32>,
}

/// How long callgrind may take to hear an order.
const UNHEARD: Duration = Duration::from_secs(2);

/// Returns the version of valgrind, or the error of starting it.
pub fn version() -> io::Result<String> {
    let output = Command::new("valgrind").arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Counted {
    pub fn start(program: &dyn Program) -> io::Result<Self> {
        let (command, addr) = program.command()?;
        let out = results::directory().join(format!("callgrind.{}.out", addr.port()));
        let mut callgrind = Command::new("valgrind");
        callgrind
            .args(["--tool=callgrind", "--dump-line=no"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(command.get_program())
            .args(command.get_args())
            // Go's runtime interrupts its threads by signals, which callgrind does not survive.
            .env("GODEBUG", "asyncpreemptoff=1")
            // Its garbage collector makes counts that differ by more than a check.
            .env("GOGC", "off")
            .env("GOMAXPROCS", "1");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                callgrind.env(name, value);
            }
        }
        let server = Server::start_command(callgrind, addr)?;
        Ok(Self {
            server,
            out,
            dumps: Cell::new(0),
        })
    }

    /// Returns the instructions that the server executes while `work` runs.
    pub fn during(&self, work: impl FnOnce()) -> io::Result<f64> {
        self.control("zero")?;
        work();
        self.control("dump")?;
        // callgrind numbers its dumps.
        self.dumps.set(self.dumps.get() + 1);
        let dump = format!("{}.{}", self.out.display(), self.dumps.get());
        let text = std::fs::read_to_string(&dump)?;
        std::fs::remove_file(&dump)?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse().ok());
        total.ok_or_else(|| io::Error::other("callgrind's dump has no total"))
    }

    fn control(&self, order: &str) -> io::Result<()> {
        let mut vgdb = Command::new("vgdb");
        // A server that waits for requests does not hear the order, and is interrupted after this time.
        vgdb.arg("--max-invoke-ms=1")
            .arg(format!("--pid={}", self.server.pid()))
            .arg(order)
            .stderr(Stdio::piped())
            .stdout(Stdio::null());
        let mut vgdb = vgdb.spawn()?;
        let begun = Instant::now();
        while vgdb.try_wait()?.is_none() {
            // Sometimes the interruption fails, and vgdb waits for ever. A connection wakes the server too.
            if begun.elapsed() > UNHEARD {
                drop(TcpStream::connect(self.server.addr));
                sleep(UNHEARD / 10);
            }
            if begun.elapsed() > 10 * UNHEARD {
                vgdb.kill()?;
            }
            sleep(Duration::from_millis(2));
        }
        let output = vgdb.wait_with_output()?;
        match output.status.success() {
            true => Ok(()),
            false => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(io::Error::other(format!("vgdb {order}: {text}")))
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // callgrind creates it at once, and a server that is killed never fills it.
        let _ = std::fs::remove_file(&self.out);
    }
}
