//! D6: which octets are a header, and what is read of it. Without connections.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::header::{
    ADDRESSES, ALPN, AUTHORITY, CLIENT, CRC32C, LOCAL, NETNS, NOOP, PROXY, SSL, UNIQUE_ID, V1,
    field, ssl, tcp4, v2, with_checksum,
};
use crate::oracle;

/// What follows a header.
pub const BEHIND: &[u8] = b"\x16\x03\x01 PROXY \r\n";

/// The text of an error is for a log.
pub fn check(error: &std::io::Error) {
    let text = error.to_string();
    assert!(text.starts_with("PROXY protocol header: "), "{text}");
    assert!(text.len() <= 400, "{}: {text}", text.len());
    let is_printable = |octet: u8| octet == b' ' || octet.is_ascii_graphic();
    assert!(text.bytes().all(is_printable), "{text}");
}

/// Reads the header however it arrives, and nothing behind it.
fn accepted(header: &[u8]) -> Option<SocketAddr> {
    let octets = [header, BEHIND].concat();
    let read = [1, 2, 3, 5, 16, usize::MAX].map(|piece| {
        let (result, taken) = oracle::read(&octets, piece);
        let client = result.unwrap_or_else(|error| panic!("{header:?}: {error}"));
        assert_eq!(taken, header.len(), "{piece}: {header:?}");
        client
    });
    let expected = oracle::header(&octets);
    assert_eq!(expected, Some((header.len(), read[0])), "{header:?}");
    assert!(read.iter().all(|client| *client == read[0]), "{read:?}");
    read[0]
}

/// Refuses the header however it arrives, and says why.
fn refused(header: &[u8]) -> String {
    assert_eq!(oracle::header(header), None, "{header:?}");
    let texts = [1, 7, usize::MAX].map(|piece| {
        let (result, taken) = oracle::read(header, piece);
        let error = result.expect_err("an invalid header");
        check(&error);
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(taken <= 4096, "{taken}");
        error.to_string()
    });
    let [text, ..] = texts;
    text
}

#[test]
fn d6_version_1_names_the_client() {
    assert_eq!(accepted(V1), Some(CLIENT.parse().unwrap()));
    for (line, client) in [
        ("TCP4 0.0.0.0 0.0.0.0 0 0", "0.0.0.0:0"),
        (
            "TCP4 255.255.255.255 255.255.255.255 65535 65535",
            "255.255.255.255:65535",
        ),
        ("TCP6 2001:DB8::7 ::1 49152 443", "[2001:db8::7]:49152"),
        ("TCP6 :: :: 0 0", "[::]:0"),
        (
            "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535",
        ),
    ] {
        let client = client.parse().unwrap();
        assert_eq!(
            accepted(format!("PROXY {line}\r\n").as_bytes()),
            Some(client)
        );
    }
}

#[test]
fn d6_version_1_may_not_know_the_client() {
    for line in [
        "UNKNOWN",
        "UNKNOWN ",
        "UNKNOWN ::1 ::2 1 2",
        "UNKNOWN a  b c d e f",
    ] {
        assert_eq!(accepted(format!("PROXY {line}\r\n").as_bytes()), None);
    }
    assert_eq!(accepted(b"PROXY UNKNOWN \xff\0\r\n"), None);
}

#[test]
fn d6_version_1_is_read_exactly() {
    for (line, problem) in [
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 +1 443\r\n",
            "`+1` is not a port",
        ),
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 01 443\r\n",
            "`01` is not a port",
        ),
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 1 00\r\n",
            "`00` is not a port",
        ),
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 1 65536\r\n",
            "`65536` is not a port",
        ),
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 1 \r\n",
            "`` is not a port",
        ),
        ("PROXY TCP4 192.0.2.7 203.0.113.1 1\r\n", "`` is not a port"),
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 1 2 3\r\n",
            "more than six fields",
        ),
        (
            "PROXY TCP4 192.0.2.7 203.0.113.1 1 2 \r\n",
            "more than six fields",
        ),
        (
            "PROXY TCP4  192.0.2.7 203.0.113.1 1 2\r\n",
            "`` is not an IPv4 address",
        ),
        (
            "PROXY TCP4 192.0.2.07 203.0.113.1 1 2\r\n",
            "`192.0.2.07` is not an IPv4 address",
        ),
        (
            "PROXY TCP4 192.0.2 203.0.113.1 1 2\r\n",
            "`192.0.2` is not an IPv4 address",
        ),
        (
            "PROXY TCP4 ::1 203.0.113.1 1 2\r\n",
            "`::1` is not an IPv4 address",
        ),
        (
            "PROXY TCP4 192.0.2.7 ::1 1 2\r\n",
            "`::1` is not an IPv4 address",
        ),
        (
            "PROXY TCP6 192.0.2.7 ::1 1 2\r\n",
            "`192.0.2.7` is not an IPv6 address",
        ),
        (
            "PROXY TCP6 fe80::1%1 ::1 1 2\r\n",
            "`fe80::1%1` is not an IPv6 address",
        ),
        (
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "`[::1]` is not an IPv6 address",
        ),
        (
            "PROXY UDP4 192.0.2.7 203.0.113.1 1 2\r\n",
            "`UDP4` is not a protocol",
        ),
        (
            "PROXY tcp4 192.0.2.7 203.0.113.1 1 2\r\n",
            "`tcp4` is not a protocol",
        ),
        ("PROXY UNKNOWNx\r\n", "`UNKNOWNx` is not a protocol"),
        ("PROXY TCP4 192.0.2.7 203.0.113.1 1 2\n\r\n", "CR and LF"),
        ("PROXY TCP4 192.0.2.7 203.0.113.1 1 2\r\r\n", "CR and LF"),
        ("PROXY TCP4 192.0.2.7\r203.0.113.1 1 2\r\n", "CR and LF"),
        ("PROXY UNKNOWN a\nb\r\n", "CR and LF"),
        ("PROXY UNKNOWN\n\r\n", "CR and LF"),
        (
            "PROXYxTCP4 192.0.2.7 203.0.113.1 1 2\r\n",
            "begins with `PROXYx",
        ),
        ("proxy TCP4 192.0.2.7 203.0.113.1 1 2\r\n", "begins with `p"),
        ("GET / HTTP/1.1\r\n\r\n", "begins with `G"),
        ("\x16\x03\x01\x02\x03", "begins with `\\x16"),
        ("P\r\n", "begins with `P\\r"),
    ] {
        let text = refused(line.as_bytes());
        assert!(text.contains(problem), "{line:?}: {text}");
    }
}

#[test]
fn d6_version_1_has_at_most_107_octets() {
    let line = |length: usize| format!("PROXY UNKNOWN {:x<width$}\r\n", "", width = length - 16);
    assert_eq!(line(107).len(), 107);
    assert_eq!(accepted(line(107).as_bytes()), None);
    assert!(refused(line(108).as_bytes()).contains("longer than 107 octets"));
    let endless = [b"PROXY ", &[b'x'; 5000][..]].concat();
    assert!(refused(&endless).contains("longer than 107 octets"));
    assert!(oracle::read(&endless, usize::MAX).1 <= 107);
}

#[test]
fn d6_version_2_names_the_client() {
    let client = Some(CLIENT.parse().unwrap());
    assert_eq!(accepted(&tcp4(&[])), client);
    let ip: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    let addresses = [&ip.octets()[..], &[9; 16], &[0xc0, 0, 1, 0xbb]].concat();
    let expected = Some((ip, 49152).into());
    assert_eq!(accepted(&v2(PROXY, 0x21, &addresses)), expected);
    let fields = [
        field(ALPN, b"\x02h2"),
        field(AUTHORITY, "münchen.test".as_bytes()),
        field(NOOP, &[7; 300]),
        field(UNIQUE_ID, &[0xff; 128]),
        ssl(),
        // The common name of a client certificate in another encoding than UTF-8.
        field(
            SSL,
            &[&[7, 0, 0, 0, 0][..], &field(0x22, b"M\xfcller")].concat(),
        ),
        field(NETNS, b"blue"),
        field(0xe0, &[0xff]),
    ];
    assert_eq!(accepted(&tcp4(&fields.concat())), client);
    for one in &fields {
        let header = tcp4(&[&one[..], &field(CRC32C, &[0; 4])].concat());
        assert_eq!(accepted(&with_checksum(header)), client);
    }
}

#[test]
fn d6_a_mapped_client_is_an_ipv4_client() {
    let line = b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:203.0.113.1 49152 443\r\n";
    let (client, _) = oracle::read(line, usize::MAX);
    assert_eq!(client.unwrap(), Some(CLIENT.parse().unwrap()));
}

#[test]
fn d6_version_2_may_not_know_the_client() {
    for header in [
        v2(LOCAL, 0, &[]),
        // The family of LOCAL is ignored, and so is everything behind it.
        v2(LOCAL, 0x11, &[]),
        v2(LOCAL, 0x11, &ADDRESSES),
        v2(LOCAL, 0xff, &[1, 2, 3]),
        v2(
            LOCAL,
            0x11,
            &[&ADDRESSES[..], &field(CRC32C, &[0; 4])].concat(),
        ),
        v2(PROXY, 0x00, &[]),
        v2(PROXY, 0x00, &ADDRESSES),
        v2(PROXY, 0x01, &[1]),
        v2(PROXY, 0x10, &ADDRESSES),
        // UDP and Unix sockets.
        v2(PROXY, 0x12, &ADDRESSES),
        v2(PROXY, 0x22, &[1; 36]),
        v2(PROXY, 0x31, &[b'/'; 216]),
        v2(PROXY, 0x32, &[&[0; 216][..], &ssl()].concat()),
    ] {
        assert_eq!(accepted(&header), None);
    }
}

#[test]
fn d6_version_2_is_read_exactly() {
    let mut bad_sum = with_checksum(tcp4(&field(CRC32C, &[0; 4])));
    bad_sum[40 - 9] ^= 1;
    let mut other_port = with_checksum(tcp4(&field(CRC32C, &[0; 4])));
    other_port[25] ^= 1;
    let two_sums = [field(CRC32C, &[0; 4]), field(CRC32C, &[0; 4])].concat();
    let ssl_of = |inner: &[u8]| tcp4(&field(SSL, &[&[1, 0, 0, 0, 0], inner].concat()));
    for (header, problem) in [
        (v2(0x11, 0x11, &ADDRESSES), "version 0x1"),
        (v2(0x31, 0x11, &ADDRESSES), "version 0x3"),
        (v2(0x22, 0x11, &ADDRESSES), "command 0x2"),
        (v2(0x2f, 0x11, &ADDRESSES), "command 0xf"),
        (v2(PROXY, 0x13, &ADDRESSES), "0x13"),
        (v2(PROXY, 0x41, &[0; 36]), "0x41"),
        (v2(PROXY, 0x40, &[0; 36]), "0x40"),
        (v2(PROXY, 0x03, &[]), "0x03"),
        (v2(PROXY, 0x11, &ADDRESSES[..11]), "11 octets are too few"),
        (v2(PROXY, 0x12, &ADDRESSES[..11]), "11 octets are too few"),
        (v2(PROXY, 0x21, &[0; 35]), "35 octets are too few"),
        (v2(PROXY, 0x21, &[]), "0 octets are too few"),
        (v2(PROXY, 0x31, &[0; 215]), "215 octets are too few"),
        (tcp4(&[NOOP]), "too short for a field"),
        (tcp4(&[NOOP, 0]), "too short for a field"),
        (
            tcp4(&[NOOP, 0, 9, 1]),
            "field 0x04 has 9 octets, and 1 are left",
        ),
        // The first field reaches into the second.
        (tcp4(&[NOOP, 0, 2, 1, NOOP, 0, 0]), "too short for a field"),
        (
            tcp4(&[NOOP, 0xff, 0xff, NOOP, 0, 0]),
            "field 0x04 has 65535 octets",
        ),
        (bad_sum, "checksum"),
        (other_port, "checksum"),
        (tcp4(&field(CRC32C, &[0; 3])), "field 0x03"),
        (tcp4(&two_sums), "two checksums"),
        (tcp4(&field(UNIQUE_ID, &[1; 129])), "field 0x05"),
        (tcp4(&field(AUTHORITY, b"\xff")), "field 0x02"),
        (tcp4(&field(NETNS, b"\xff")), "field 0x30"),
        (tcp4(&field(SSL, &[0; 4])), "field 0x20"),
        (
            ssl_of(&[0x21, 0, 9, 1]),
            "field 0x21 has 9 octets, and 1 are left",
        ),
        (ssl_of(&[0x21, 0]), "too short for a field"),
        (ssl_of(&field(0x21, b"\xff")), "field 0x21"),
        (b"\r\n\r\n\0\r\nQUIT \x21\x11\0\0".to_vec(), "begins with"),
        (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), "begins with"),
    ] {
        let text = refused(&header);
        assert!(text.contains(problem), "{header:?}: {text}");
    }
}

#[test]
fn d6_a_header_has_at_most_4_kib() {
    let padded = |length: usize| tcp4(&field(NOOP, &vec![7; length - 31]));
    assert_eq!(padded(4096).len(), 4096);
    assert_eq!(accepted(&padded(4096)), Some(CLIENT.parse().unwrap()));
    let text = refused(&padded(4097));
    assert!(text.contains("4097 octets, and 4096 are allowed"), "{text}");
    for command in [LOCAL, PROXY] {
        let mut longest = v2(command, 0x11, &[0; 5000]);
        longest[14..16].fill(0xff);
        assert!(refused(&longest).contains("65551 octets"));
        // Nothing behind the length is read.
        assert_eq!(oracle::read(&longest, usize::MAX).1, 16);
    }
}

#[test]
fn d6_a_connection_that_ends_in_the_header_is_refused() {
    for header in [V1.to_vec(), tcp4(&ssl()), v2(LOCAL, 0, &[])] {
        for length in 0..header.len() {
            let (result, _) = oracle::read(&header[..length], usize::MAX);
            let error = result.expect_err("a part of a header");
            check(&error);
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert!(
                error
                    .to_string()
                    .contains(&format!("after {length} octets"))
            );
        }
    }
}
