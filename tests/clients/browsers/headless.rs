//! A browser without a window: it trusts the site's authority, opens one page, takes a picture of it when it
//! has loaded, and ends. Its home is made for the occasion.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::installed::{announce, find, prints};
use crate::program::Directory;
use crate::site::Site;

/// Browsers start slowly on a busy machine. What takes longer never ends, and is a failure and no hang.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the browsers differ in.
pub struct Kind {
    pub name: &'static str,
    pub programs: &'static [&'static str],
    /// Where under its home it keeps the authorities that it trusts.
    pub trust: &'static str,
    /// A file under its home, and what to write there.
    pub preferences: Option<(&'static str, &'static str)>,
    /// All but the URL, for this home and with a picture to be taken there.
    pub arguments: fn(&str, &Path) -> Vec<String>,
}

/// A browser that is installed.
pub struct Browser {
    kind: &'static Kind,
    program: PathBuf,
    certutil: PathBuf,
}

impl Browser {
    pub fn find(kind: &'static Kind) -> Option<Self> {
        Some(Self {
            kind,
            program: find(kind.programs)?,
            certutil: find(&["certutil"])?,
        })
    }

    pub fn name(&self) -> &'static str {
        self.kind.name
    }

    /// Says that it takes part, and its version.
    pub async fn announce(&self) {
        announce(self.kind.name, Command::new(&self.program).arg("--version")).await;
    }

    /// Opens a page of the site, and returns when the picture of it is taken.
    pub async fn open(&self, site: &Site, url: &str, picture: &str) {
        let home = Directory::new();
        self.trust(&home.path(self.kind.trust), &site.ca_file())
            .await;
        if let Some((file, text)) = self.kind.preferences {
            home.write(file, text);
        }
        let picture = pictures().join(picture);
        let _ = fs::remove_file(&picture);

        let log = home.path("log");
        let mut browser = Command::new(&self.program)
            .args((self.kind.arguments)(&home.path(""), &picture))
            .arg(url)
            .env("HOME", home.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let family = Family(browser.id().expect("it runs"));
        let status = tokio::time::timeout(PATIENCE, browser.wait()).await;
        drop(family);

        let log = fs::read_to_string(&log).unwrap();
        let status = status
            .unwrap_or_else(|_| panic!("no end in time: {log}"))
            .unwrap();
        assert!(status.success() && picture.exists(), "{status}: {log}");
        println!("screenshot: {}", picture.display());
    }

    /// Both browsers read the database that certutil writes.
    async fn trust(&self, directory: &str, authority: &str) {
        fs::create_dir_all(directory).unwrap();
        let database = format!("sql:{directory}");
        let certutil = |arguments: &[&str]| {
            let mut command = Command::new(&self.certutil);
            command.args(["-d", &database]).args(arguments);
            command
        };
        prints(&mut certutil(&["-N", "--empty-password"])).await;
        let add = ["-A", "-a", "-n", "test", "-t", "C,,", "-i", authority];
        prints(&mut certutil(&add)).await;
    }
}

/// A directory that outlives the tests.
fn pictures() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The process group of a browser, all of which ends with this.
struct Family(u32);

impl Drop for Family {
    fn drop(&mut self) {
        let group = format!("-{}", self.0);
        let _ = std::process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}
