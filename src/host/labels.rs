//! The labels of a valid name. The grammar lives in `name`.

/// Returns the part of a name after its first label.
pub(crate) fn after_first_label(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().position(|&byte| byte == b'.')?;
    Some(&name[dot + 1..])
}

/// Returns the number of labels of a name, which is at most 127.
pub(crate) fn labels(name: &[u8]) -> u32 {
    let dots = name.iter().filter(|&&octet| octet == b'.');
    dots.fold(1, |labels, _| labels + 1)
}
