//! A host as a request spells it, compared without a copy. Parsing lives in `grammar`.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

use super::name::NameRef;

/// A host borrowed from a request, in the spelling of the request. A struct and not an enum, because the layer passes
/// it in registers for every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostRef<'a> {
    kind: KindRef,
    /// A name without its trailing dot; empty for an address.
    pub(super) name: &'a [u8],
    /// The bits of an address; 0 for a name.
    address: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)] // as wide as the other fields, so that no padding is copied
enum KindRef {
    LowerCaseName,
    Name,
    V4,
    V6,
}

impl<'a> HostRef<'a> {
    #[inline]
    pub(super) fn of_name(name: NameRef<'a>) -> Self {
        Self {
            kind: match name.lowercase {
                true => KindRef::LowerCaseName,
                false => KindRef::Name,
            },
            name: name.text,
            address: [0; 2],
        }
    }

    #[inline]
    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        let (kind, address) = match ip {
            IpAddr::V4(ip) => (KindRef::V4, ip.to_bits().into()),
            IpAddr::V6(ip) => (KindRef::V6, ip.to_bits()),
        };
        let address = [(address >> 64) as u64, address as u64];
        Self {
            kind,
            name: b"",
            address,
        }
    }

    #[inline]
    pub(super) fn name(self) -> Option<NameRef<'a>> {
        let lowercase = self.kind == KindRef::LowerCaseName;
        let name = lowercase || self.kind == KindRef::Name;
        name.then_some(NameRef {
            text: self.name,
            lowercase,
        })
    }

    #[inline]
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self.kind {
            KindRef::LowerCaseName | KindRef::Name => None,
            // The bits were created from 32 bits.
            KindRef::V4 => Some(Ipv4Addr::from_bits(self.address[1] as u32).into()),
            KindRef::V6 => {
                let [high, low] = self.address.map(u128::from);
                Some(Ipv6Addr::from_bits(high << 64 | low).into())
            }
        }
    }
}

impl HostRef<'_> {
    /// Calls `look_up` with the displayed normal form of the host, without allocating.
    pub(crate) fn with_text<T>(self, look_up: impl FnOnce(&str) -> T) -> T {
        match self.name() {
            // A name is ASCII.
            Some(name) => name.lowered(|name| look_up(str::from_utf8(name).unwrap_or_default())),
            None => {
                let mut text = AddressText {
                    buffer: [0; 8 * 4 + 7 + 2],
                    length: 0,
                };
                // The buffer has space for every address.
                let _ = write!(text, "{self}");
                let written = text.buffer.get(..text.length).unwrap_or_default();
                look_up(str::from_utf8(written).unwrap_or_default())
            }
        }
    }
}

/// An address as text.
struct AddressText {
    /// The longest text is an IPv6 address of eight groups, in brackets.
    buffer: [u8; 8 * 4 + 7 + 2],
    length: usize,
}

impl fmt::Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let free = self.buffer.get_mut(self.length..end).ok_or(fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl PartialEq for HostRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.name(), other.name()) {
            (Some(a), Some(b)) if a.lowercase && b.lowercase => a.text == b.text,
            (Some(a), Some(b)) => a.text.eq_ignore_ascii_case(b.text),
            (None, None) => (self.kind, self.address) == (other.kind, other.address),
            _ => false,
        }
    }
}

impl fmt::Display for HostRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.ip()) {
            (Some(name), _) => name.fmt(f),
            (None, Some(IpAddr::V6(ip))) => write!(f, "[{ip}]"),
            (None, Some(IpAddr::V4(ip))) => ip.fmt(f),
            (None, None) => Ok(()),
        }
    }
}
