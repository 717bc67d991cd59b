//! The tool, run as a user would run it, and what of its answer is compared. Which answer is right is not here.

use serde_json::Value;

use crate::program;

/// Runs the tool on one server, and returns the JSON that it prints.
pub async fn diagnose(arguments: &[&str]) -> Value {
    let output = program::run("diagnose", arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}: {errors}", output.status));
    let exit = output.status.code().map(Value::from);
    assert_eq!(exit.as_ref(), Some(&report["exit"]), "{report:#}");
    report
}

/// What the tool should find.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Nothing at all that anybody has to do.
    Well,
    /// The same, and a note.
    Note(Finding),
    /// The most important of the findings.
    First(Finding),
}

#[derive(Clone, Copy, Debug)]
pub struct Finding {
    pub id: &'static str,
    pub hosts: &'static [&'static str],
    /// The cure has to name one of these settings.
    pub settings: &'static [&'static str],
}

impl Expected {
    /// Why the tool's answer is not the expected one. `rename` maps each host to the one that the tool was asked for.
    pub fn missing_in(&self, report: &Value, rename: impl Fn(&str) -> String) -> Option<String> {
        let findings = report["findings"].as_array().expect("findings");
        let mut to_do = findings.iter().filter(|found| found["severity"] != "note");
        let first = to_do.next();
        if matches!(self, Self::Well | Self::Note(_)) {
            if let Some(first) = first {
                return Some(format!("should be well, not {}", first["id"]));
            }
            if report["exit"] != 0 {
                return Some("should be well".into());
            }
        }
        match self {
            Self::Well => None,
            Self::Note(expected) => {
                let named = findings.iter().find(|found| found["id"] == expected.id);
                expected.missing_in(named, rename)
            }
            Self::First(_) if report["exit"] != 1 => Some("should be an error".into()),
            Self::First(expected) => expected.missing_in(first, rename),
        }
    }
}

impl Finding {
    fn missing_in(&self, found: Option<&Value>, rename: impl Fn(&str) -> String) -> Option<String> {
        let Some(found) = found else {
            return Some(format!("should name {}, and names nothing", self.id));
        };
        if found["id"] != self.id {
            return Some(format!("should name {}, not {}", self.id, found["id"]));
        }
        let hosts = found["hosts"].as_array().expect("hosts").iter();
        let mut hosts: Vec<_> = hosts.map(|host| host.as_str().expect("a host")).collect();
        hosts.sort();
        let mut expected: Vec<_> = self.hosts.iter().map(|host| rename(host)).collect();
        expected.sort();
        if hosts != expected {
            return Some(format!("{} should name {expected:?}", self.id));
        }
        let cure = found["cure"].as_str().expect("a cure");
        let named = self.settings.iter().any(|setting| cure.contains(setting));
        (!named && !self.settings.is_empty())
            .then(|| format!("the cure should name one of {:?}: {cure}", self.settings))
    }
}
