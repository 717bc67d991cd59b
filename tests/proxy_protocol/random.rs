//! D6: random octets near a header are read as other people's readers and the rule have it.

use std::net::SocketAddr;

use proptest::prelude::*;

use crate::grammar::{BEHIND, check};
use crate::header::{ADDRESSES, CRC32C, NETNS, PROXY, field, ssl, v2, with_checksum};
use crate::oracle;

/// Octets near a header: fields of all kinds, and a few octets that are others.
fn near_a_header() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![0_u8..6, 0x20_u8..0x26, Just(NETNS), any::<u8>()];
    let value = proptest::collection::vec(prop_oneof![b'a'..=b'z', any::<u8>()], 0..9);
    let one = (kind, value).prop_map(|(kind, value)| field(kind, &value));
    let fields = proptest::collection::vec(prop_oneof![one, Just(ssl())], 0..4);
    let family = prop_oneof![Just(0x11), 0_u8..0x34, any::<u8>()];
    let block = prop_oneof![Just(12), Just(36), Just(216), 0_usize..40];
    let binary = (
        prop_oneof![Just(PROXY), 0x1f_u8..0x24],
        family,
        block,
        fields,
        any::<bool>(),
    );
    let binary = binary.prop_map(|(command, family, block, fields, sum)| {
        let block = [&ADDRESSES[..], &[1; 204]].concat()[..block].to_vec();
        let fields = fields.concat();
        match sum {
            true => {
                let fields = [block, fields, field(CRC32C, &[0; 4])].concat();
                with_checksum(v2(command, family, &fields))
            }
            false => v2(command, family, &[block, fields].concat()),
        }
    });
    let ip = prop_oneof![
        "192\\.0\\.2\\.[0-9]{1,2}",
        "(1|25[0-7]|0?7)(\\.[0-9]{1,2}){3}",
        "[0-9a-fA-F]{0,4}(::?[0-9a-f]{1,4}){1,7}",
        "::"
    ];
    let port = "0|[1-9][0-9]{0,4}|0[0-9]|\\+1|65536|";
    let text = (
        "TCP4|TCP4|TCP6|UNKNOWN|UNKNOWN.|tcp4",
        ip.clone(),
        ip,
        port,
        port,
        "|| |( [a-z]{0,9}){0,9}",
    );
    let text = text.prop_map(|(protocol, source, destination, from, to, rest)| {
        format!("PROXY {protocol} {source} {destination} {from} {to}{rest}\r\n").into_bytes()
    });
    let faults = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3);
    (prop_oneof![binary, text], faults).prop_map(|(mut octets, faults)| {
        for (at, octet) in faults {
            let length = octets.len();
            octets[at.index(length)] = octet;
        }
        octets
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn d6_headers_are_read_as_other_readers_and_the_rule_have_it(header in near_a_header(), piece in 1_usize..60) {
        let octets = [&header[..], BEHIND].concat();
        let expected = oracle::header(&octets);
        let (result, taken) = oracle::read(&octets, piece);
        match result {
            Ok(client) => {
                let (length, expected) = expected.expect("a header that is refused");
                let canonical = expected.map(|it| SocketAddr::new(it.ip().to_canonical(), it.port()));
                prop_assert_eq!((taken, client), (length, canonical));
            }
            Err(error) => {
                check(&error);
                prop_assert!(expected.is_none(), "{}", error);
                prop_assert!(taken <= 4096);
            }
        }
    }
}
