//! The sentences in the source of the crate, its log calls and its error types. Comments, attributes and test modules
//! do not count.

use std::fs;
use std::path::Path;

/// One file of the source.
pub struct File {
    /// The path from the root of the package, such as `src/peers.rs`.
    pub path: String,
    text: String,
    /// String literals, as the compiler reads them, and the rest of the code without them.
    pub literals: Vec<String>,
    pub code: String,
}

/// Every file that is not documentation.
pub fn files() -> Vec<File> {
    let mut files = Vec::new();
    find(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(),
        &mut files,
    );
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn find(directory: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            let relative = relative.to_str().unwrap().replace('\\', "/");
            // `models.rs` has tests only.
            if !relative.starts_with("src/guide/") && !relative.ends_with("/models.rs") {
                files.push(File::read(relative, fs::read_to_string(&path).unwrap()));
            }
        }
    }
}

impl File {
    fn read(path: String, text: String) -> Self {
        let (literals, code) = split(&text);
        Self {
            path,
            text,
            literals,
            code,
        }
    }

    /// The lines with a log call, counted from 1.
    pub fn log_calls(&self) -> impl Iterator<Item = u32> {
        let is_call = |line: &str| {
            let levels = ["error", "warn", "info", "debug", "trace"];
            let by_level = |level: &&str| line.contains(&format!("tracing::{level}!("));
            // `event!` is a macro of the file itself. Its definition calls `tracing::event!`.
            levels.iter().any(by_level) || line.contains(" event!(Level::")
        };
        let lines = (1..).zip(self.text.lines());
        lines.filter_map(move |(number, line)| is_call(line).then_some(number))
    }

    /// The types that implement `Error`.
    pub fn error_types(&self) -> impl Iterator<Item = &str> {
        self.code.lines().filter_map(|line| {
            let (_, name) = line.split_once("Error for ")?;
            let is_impl = line.starts_with("impl");
            is_impl.then(|| name.split(|c: char| !c.is_alphanumeric()).next().unwrap())
        })
    }
}

/// The fixed parts of a literal with at least three words, without the placeholders of a format string.
pub fn parts(literal: &str) -> Vec<String> {
    if literal.split_whitespace().count() < 3 {
        return Vec::new();
    }
    let mut parts = vec![String::new()];
    let mut inside = false;
    for character in literal.chars() {
        match character {
            '{' => {
                inside = true;
                parts.push(String::new());
            }
            '}' => inside = false,
            _ if inside => {}
            _ => parts.last_mut().unwrap().push(character),
        }
    }
    parts.retain(|part| part.chars().any(char::is_alphabetic));
    parts
}

/// Splits code into its string literals and the rest.
fn split(text: &str) -> (Vec<String>, String) {
    let mut rest = text;
    let (mut literals, mut code) = (Vec::new(), String::new());
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("#[") || rest.starts_with("#![") {
            let (attribute, after) = bracketed(rest, '[', ']');
            rest = match attribute {
                "#[cfg(test)]" => after_item(after),
                _ => after,
            };
        } else if first == '"' {
            let (literal, after) = literal(rest);
            literals.push(literal);
            rest = after;
        } else if first == '\'' {
            rest = after_quote(rest);
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    (literals, code)
}

/// What is behind a character literal or the quote of a lifetime.
fn after_quote(text: &str) -> &str {
    let mut characters = text[1..].char_indices();
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let behind = 1 + at + escaped.len_utf8();
            let end = text[behind..].find('\'').unwrap();
            &text[behind + end + 1..]
        }
        (Some(_), Some((at, '\''))) => &text[1 + at + 1..],
        _ => &text[1..],
    }
}

/// Reads a literal at the beginning of a text, and returns what is behind it.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (literal, &text[at + 1..]),
            '\\' => match characters.next().unwrap() {
                (at, '\n') => {
                    let skipped = text[at..].len() - text[at..].trim_start().len();
                    for _ in 1..skipped {
                        characters.next();
                    }
                }
                (_, 'n') => literal.push('\n'),
                // Other escapes do not occur in sentences.
                (_, other) => literal.push(other),
            },
            other => literal.push(other),
        }
    }
    panic!("a literal without an end: {text}");
}

/// Reads up to the bracket that closes the first one. Strings do not count.
fn bracketed(text: &str, open: char, close: char) -> (&str, &str) {
    let mut depth = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = literal(rest).1;
            continue;
        }
        if first == '\'' {
            rest = after_quote(rest);
            continue;
        }
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        rest = &rest[first.len_utf8()..];
        if first == open {
            depth += 1;
        } else if first == close {
            depth -= 1;
            if depth == 0 {
                return text.split_at(text.len() - rest.len());
            }
        }
    }
    panic!("a bracket without an end: {text}");
}

/// What is behind the next item.
fn after_item(text: &str) -> &str {
    match text.find(['{', ';']) {
        Some(at) if text[at..].starts_with('{') => bracketed(&text[at..], '{', '}').1,
        Some(at) => &text[at + 1..],
        None => "",
    }
}

#[test]
fn sentences_are_found_in_code_and_nowhere_else() {
    let code = r#"
//! "no words of a comment"
#[must_use = "no words of an attribute"]
fn a<'a>(b: &'a str) -> char {
    let quote = ['"', '\'', '\n'];
    f("one \
       line with {value:?} and \"quotes\"", 'x', "two words");
}
impl<T: std::error::Error> std::error::Error for One<T> {}
impl Error for Two {}
#[cfg(test)]
mod tests {
    const BRACE: &str = "} no words of a test";
}
const LAST: &str = "the very last literal";
"#;
    let file = File::read(String::new(), code.to_owned());
    let found: Vec<_> = file.literals.iter().flat_map(|text| parts(text)).collect();
    assert_eq!(
        found,
        ["one line with ", " and \"quotes\"", "the very last literal"]
    );
    assert_eq!(file.error_types().collect::<Vec<_>>(), ["One", "Two"]);
}
