//! PEM files: what the sections of one are, read by the crate pem, and files with odd things in them. RFC 7468 §2 allows
//! text between sections; what it leaves to readers is judged by nobody here.

use arbitrary::Arbitrary;

/// A section with its label.
pub type Section = (String, Vec<u8>);

/// The sections of a file. `None` if another reader may read it in another way.
pub fn read(text: &[u8]) -> Option<Vec<Section>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut open: Option<&str> = None;
    for line in text.split(['\n', '\r']) {
        let is_base64 = |octet: u8| octet.is_ascii_alphanumeric() || b"+/=".contains(&octet);
        match (open, boundary(line)) {
            (None, Some(("BEGIN", label))) => open = Some(label),
            (Some(label), Some(("END", end))) if label == end => open = None,
            // Neither what looks like a boundary and is none, nor what is no Base64 inside a section.
            (None, None) if !line.contains("--") => {}
            (Some(_), None) if line.bytes().all(is_base64) => {}
            _ => return None,
        }
    }
    if open.is_some() {
        return None;
    }
    let sections = pem::parse_many(text).ok()?;
    let section = |section: pem::Pem| (section.tag().to_owned(), section.into_contents());
    Some(sections.into_iter().map(section).collect())
}

/// `BEGIN` or `END` and the label, if the line is a boundary and nothing else.
fn boundary(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("-----")?.strip_suffix("-----")?;
    let (word, label) = line.split_once(' ')?;
    let is_plain = |label: &str| {
        label
            .bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet == b' ')
    };
    (is_plain(label) && !label.trim().is_empty()).then_some((word, label))
}

/// What a file is made of.
#[derive(Arbitrary, Debug)]
pub struct Made<'a> {
    parts: Vec<Part<'a>>,
    crlf: bool,
    narrow: bool,
    /// An octet that is another one, or is missing.
    spoilt: Option<(u16, Option<u8>)>,
}

#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Certificate(u8),
    Key(u8),
    Encrypted,
    EncryptedBefore,
    Parameters,
    Text(&'a str),
    Line(&'a str),
    Octets(&'a [u8]),
}

/// A certificate and its key, each in DER; the key under each label that there is for its kind.
pub struct Pair {
    pub certificate: Vec<u8>,
    pub keys: Vec<Section>,
}

impl Made<'_> {
    pub fn text(&self, pairs: &[Pair]) -> Vec<u8> {
        let mut text = Vec::new();
        for part in self.parts.iter().take(12) {
            match part {
                Part::Certificate(pair) => {
                    let pair = &pairs[usize::from(*pair) % pairs.len()];
                    text.extend(self.section("CERTIFICATE", &pair.certificate));
                }
                Part::Key(key) => {
                    let keys = pairs.iter().flat_map(|pair| &pair.keys);
                    let (label, der) = keys.cycle().nth((*key).into()).expect("there are some");
                    text.extend(self.section(label, der));
                }
                Part::Encrypted => {
                    text.extend(self.section("ENCRYPTED PRIVATE KEY", b"\x30\x03\x02\x01\x00"));
                }
                Part::EncryptedBefore => text.extend(
                    b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                      DEK-Info: AES-128-CBC,00\n\nMAMCAQA=\n-----END RSA PRIVATE KEY-----\n",
                ),
                Part::Parameters => text.extend(self.section("EC PARAMETERS", b"\x06\x01\x00")),
                Part::Text(part) => text.extend(part.as_bytes()),
                Part::Line(line) => text.extend(format!("\n{line}\n").into_bytes()),
                Part::Octets(octets) => text.extend(*octets),
            }
        }
        if let Some((at, octet)) = self.spoilt
            && !text.is_empty()
        {
            let at = usize::from(at) % text.len();
            text.splice(at..=at, octet);
        }
        text
    }

    fn section(&self, label: &str, der: &[u8]) -> Vec<u8> {
        let ending = match self.crlf {
            true => pem::LineEnding::CRLF,
            false => pem::LineEnding::LF,
        };
        let wrap = if self.narrow { 4 } else { 64 };
        let config = pem::EncodeConfig::new()
            .set_line_ending(ending)
            .set_line_wrap(wrap);
        pem::encode_config(&pem::Pem::new(label, der), config).into_bytes()
    }
}
