//! The text output: a table for each HTTP version, and the findings below it.

use std::fmt::Write;

use crate::findings::{Finding, Severity};
use crate::observation::{Answer, Connection, Ended, Observations};
use crate::text::list;
use crate::views::{View, views};

/// The width of the output, as far as words allow.
const WIDTH: usize = 100;

pub fn print(seen: &Observations, coalesced: &[[String; 2]], findings: &[Finding]) -> String {
    let mut out = String::new();
    hosts(&mut out, seen);
    for http in ["1.1", "2", "3"] {
        table(&mut out, seen, http);
    }
    shared(&mut out, coalesced);
    untested(&mut out, seen);
    without_port(&mut out, seen);
    for (place, finding) in findings.iter().enumerate() {
        self::finding(&mut out, finding, &findings[..place]);
    }
    let count = |severity| {
        let found = findings.iter();
        found.filter(|finding| finding.severity == severity).count()
    };
    let _ = match (
        count(Severity::Mend),
        count(Severity::Warning),
        count(Severity::Note),
    ) {
        (0, 0, 0) => writeln!(out, "\nNothing to mend, and nothing to note."),
        (0, 0, notes) => writeln!(out, "\nNothing to mend; notes: {notes}."),
        (mend, warnings, notes) => {
            writeln!(
                out,
                "\nTo mend: {mend}, warnings: {warnings}, notes: {notes}."
            )
        }
    };
    out
}

/// A hint if hosts were asked for without the port that clients send (RFC 9110 §7.2).
fn without_port(out: &mut String, seen: &Observations) {
    let Some((_, port)) = seen
        .target
        .rsplit_once(':')
        .filter(|(_, port)| *port != "443")
    else {
        return;
    };
    if let Some(View { given, .. }) = views(seen).iter().find(|view| !view.has_port()) {
        let _ = writeln!(
            out,
            "Clients of port {port} also send the port. To see what they get, ask for {given}:{port}"
        );
    }
}

/// The hosts whose own connections got no answer, because they ask for a client certificate.
fn untested(out: &mut String, seen: &Observations) {
    let untested = |connection: &&Connection| {
        connection.asks_client_certificate
            && !connection.sent_client_certificate
            && connection.answers.is_empty()
    };
    let mut names: Vec<_> = seen.connections.iter().filter(untested).map(name).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        let names = list(&names);
        let _ = writeln!(
            out,
            "Without a client certificate (--cert, --key) there is no connection for: {names}"
        );
    }
}

fn finding(out: &mut String, finding: &Finding, earlier: &[Finding]) {
    let severity = match finding.severity {
        Severity::Mend => "MEND",
        Severity::Warning => "WARNING",
        Severity::Note => "note",
    };
    let (id, hosts) = (id(finding), list(&finding.hosts));
    let heals = match finding.heals || finding.severity == Severity::Note {
        true => "",
        false => ", does not heal",
    };
    let _ = writeln!(out, "\n{severity}: {id}: {hosts}{heals}");
    wrapped(out, "  cause: ", &finding.cause);
    let cure = finding.cure.to_string();
    if let Some(same) = earlier
        .iter()
        .find(|earlier| earlier.cure.to_string() == cure)
    {
        let _ = writeln!(out, "  cure:  as for {}", self::id(same));
        return;
    }
    wrapped(out, "  cure:  ", finding.cure.what);
    for setting in &finding.cure.settings {
        wrapped(out, "         - ", setting);
    }
}

/// The id as in the JSON output.
fn id(finding: &Finding) -> String {
    let id = serde_json::to_value(finding.id).ok();
    id.and_then(|id| id.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The hosts with the numbers that stand above the columns, and the certificates of their connections.
fn hosts(out: &mut String, seen: &Observations) {
    for (number, host) in (1..).zip(&seen.hosts) {
        let _ = writeln!(out, "[{number}] {host}");
    }
}

fn table(out: &mut String, seen: &Observations, http: &str) {
    let of = || {
        seen.connections
            .iter()
            .filter(move |connection| connection.http == http)
    };
    let rows: Vec<_> = of()
        .map(|connection| (name(connection), connection))
        .collect();
    let Some(width) = rows.iter().map(|(name, _)| name.len()).max() else {
        return;
    };
    let title = format!("HTTP/{http}, server name");
    let width = width.max(title.len());
    let _ = write!(out, "\n{title:<width$}");
    for number in 1..=seen.hosts.len() {
        let _ = write!(out, "  {:<7}", format!("[{number}]"));
    }
    end_line(out);
    for (name, connection) in rows {
        let _ = write!(out, "{name:<width$}");
        if !connection.established() {
            let _ = writeln!(out, "  {}", connection.handshake);
            continue;
        }
        for host in &seen.hosts {
            let _ = write!(
                out,
                "  {:<7}",
                connection.answer(host).map_or_else(String::new, cell)
            );
        }
        let mut remarks = Vec::new();
        if connection.asks_client_certificate {
            remarks.push(match connection.sent_client_certificate {
                true => "client certificate sent",
                false => "asks for a client certificate",
            });
        }
        let error = connection
            .certificate
            .as_ref()
            .and_then(|certificate| certificate.error.as_deref());
        remarks.extend(error);
        let _ = write!(out, "  {}", remarks.join("; "));
        end_line(out);
    }
    let any = |test: fn(&Answer) -> bool| of().flat_map(|row| &row.answers).any(test);
    let legend = [
        (
            "= on a connection of the host's own",
            any(|answer| answer.own),
        ),
        (
            "+ on another's, whose certificate covers it",
            any(|answer| answer.covered && !answer.own),
        ),
        ("c a cache may keep it", any(|answer| answer.cacheable)),
        (
            "x the connection ends",
            any(|answer| answer.ended.is_some_and(|end| end != Ended::Goaway)),
        ),
        (
            "g GOAWAY",
            any(|answer| answer.ended == Some(Ended::Goaway)),
        ),
    ];
    let legend = legend.iter().filter(|(_, present)| *present);
    let legend: Vec<_> = legend.map(|(meaning, _)| *meaning).collect();
    wrapped(out, "", &legend.join(", "));
    errors(out, of());
}

/// Ends a line without spaces at its end.
fn end_line(out: &mut String) {
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn name(connection: &Connection) -> String {
    connection
        .server_name
        .clone()
        .unwrap_or_else(|| "(none)".to_owned())
}

fn cell(answer: &Answer) -> String {
    let mut cell = match answer.status {
        Some(status) => status.to_string(),
        None => "-".to_owned(),
    };
    match (answer.own, answer.covered) {
        (true, _) => cell.push('='),
        (false, true) => cell.push('+'),
        (false, false) => {}
    }
    if answer.cacheable {
        cell.push('c');
    }
    match answer.ended {
        Some(Ended::Goaway) => cell.push('g'),
        Some(_) => cell.push('x'),
        None => {}
    }
    cell
}

/// Why there is no answer, once for each reason.
fn errors<'a>(out: &mut String, connections: impl Iterator<Item = &'a Connection>) {
    let answers = connections.flat_map(|connection| &connection.answers);
    let mut errors: Vec<_> = answers
        .filter_map(|answer| answer.error.as_deref())
        .collect();
    errors.sort_unstable();
    errors.dedup();
    for error in errors {
        let _ = writeln!(out, "- {error}");
    }
}

fn shared(out: &mut String, coalesced: &[[String; 2]]) {
    let _ = writeln!(out);
    if coalesced.is_empty() {
        let _ = writeln!(out, "Browsers share no connection between these hosts.");
        return;
    }
    let mut text = Vec::new();
    for (place, [first, second]) in coalesced.iter().enumerate() {
        let reverse = |[other, one]: &[String; 2]| (one, other) == (first, second);
        match coalesced.iter().position(reverse) {
            Some(earlier) if earlier < place => {}
            Some(_) => text.push(format!("{first} <-> {second}")),
            None => text.push(format!("{first} -> {second}")),
        }
    }
    wrapped(out, "Browsers share connections: ", &text.join(", "));
}

/// Writes words behind a label, in lines that begin under the first word.
fn wrapped(out: &mut String, label: &str, text: &str) {
    let mut line = label.to_owned();
    let indent = " ".repeat(label.len());
    for word in text.split(' ') {
        if line.len() + word.len() > WIDTH && line.len() > indent.len() {
            let _ = writeln!(out, "{}", line.trim_end());
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}
