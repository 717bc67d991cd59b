//! A browser without a window: it trusts the site's authority, opens one page, takes a picture of it when it
//! has loaded, and ends. Its home is made for the occasion.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::http::Version;
use tokio::process::Command;

use crate::installed::{find, prints, version};
use crate::program::Directory;
use crate::site::{self, Site, Tls};

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
    /// More of them, for a visit over HTTP/3, if it can be made to.
    pub http3: Option<fn(&Site) -> Vec<String>>,
}

/// A browser that is installed.
pub struct Browser {
    kind: &'static Kind,
    program: PathBuf,
    certutil: PathBuf,
    http3: Option<fn(&Site) -> Vec<String>>,
}

impl Browser {
    pub fn find(kind: &'static Kind) -> Option<Self> {
        Some(Self {
            kind,
            program: find(kind.programs)?,
            certutil: find(&["certutil"])?,
            http3: None,
        })
    }

    /// A browser that visits sites over HTTP/3.
    pub fn find_http3(kind: &'static Kind) -> Option<Self> {
        let http3 = kind.http3;
        Some(Self {
            http3,
            ..Self::find(kind)?
        })
    }

    /// The site for it to visit.
    pub fn kind(&self, tls: Tls) -> site::Kind {
        site::Kind {
            http3: self.http3.is_some(),
            ..tls.into()
        }
    }

    pub fn version(&self) -> Version {
        match self.http3 {
            Some(_) => Version::HTTP_3,
            None => Version::HTTP_2,
        }
    }

    /// The version of HTTP that the browser speaks, as the guide's table has it.
    pub fn http(&self) -> &'static str {
        match self.http3 {
            Some(_) => "3",
            None => "2",
        }
    }

    pub fn name(&self) -> &'static str {
        self.kind.name
    }

    /// Says that it takes part, and its version.
    pub async fn announce(&self) {
        let version = version(Command::new(&self.program).arg("--version")).await;
        eprintln!("ran: {} {version}, HTTP/{}", self.kind.name, self.http());
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
        let more = self.http3.map(|http3| http3(site)).unwrap_or_default();
        let mut browser = Command::new(&self.program)
            .args((self.kind.arguments)(&home.path(""), &picture))
            .args(more)
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
