//! Parsing a host that a map probably contains, at a lower cost than the whole grammar. Looking up a parsed host lives
//! in `name_map`.

use super::grammar::split_ip;
use super::hash::hash_of_name;
use super::name::NameRef;
use super::name_map::NameMap;
use super::sought::{Base, Hashed, Sought};

impl<V> NameMap<V> {
    /// Parses a host without a port, if the map contains its address, its name, or a wildcard for one label that
    /// matches the name, and the name is in normal form. The grammar of a name in the map is not checked again.
    ///
    /// # Errors
    ///
    /// Returns the hashes of the text if it may be a name. The map then does not match the name, unless the name is not
    /// in normal form or the map has wildcards for several labels, which are not looked up here. An error without
    /// hashes does not tell anything about the map.
    #[inline]
    pub(crate) fn read<'a>(&self, text: &'a [u8]) -> Result<Sought<'a>, Option<Hashed<'a>>> {
        if let [b'[' | b'0'..=b'9', ..] = text {
            if let Some((ip, b"")) = split_ip(text) {
                let ip = Sought::new(ip);
                return self.get(&ip).is_some().then_some(ip).ok_or(None);
            }
        }
        let mut hashed = Hashed {
            text,
            hash: hash_of_name(text),
            base: None,
        };
        if self.exact.get(hashed.hash, |key| **key == *text).is_some() {
            return Ok(Sought::of_name(NameRef::known(text), &hashed));
        }
        if self.wildcard.is_empty() {
            return Err(Some(hashed));
        }
        let (name, base) = NameRef::below(text).ok_or(None)?;
        let hash = hash_of_name(base);
        let start = text.len() - base.len();
        hashed.base = Some(Base { start, hash });
        match self.wildcard.get(hash, |key| **key == *base) {
            Some(_) => Ok(Sought::of_name(name, &hashed)),
            None => Err(Some(hashed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::host::parse;
    use crate::host::pattern::Pattern;

    fn label() -> impl Strategy<Value = String> {
        let labels = [
            "a", "b", "1", "-", "_", "A", "", "*", "a b", "\0", "ä", "a1",
        ];
        let long = [62, 63, 64].map(|length| "x".repeat(length));
        let labels = labels.map(String::from).into_iter().chain(long);
        select(labels.collect::<Vec<_>>())
    }

    fn text() -> impl Strategy<Value = String> {
        let name = vec(label(), 0..6).prop_map(|labels| labels.join("."));
        let address = select(vec![
            "1.2.3.4",
            "1.2.3",
            "01.2.3.4",
            "[::1]",
            "::1",
            "[::ffff:1.2.3.4]",
        ]);
        let host = prop_oneof![8 => name, 1 => address.prop_map(String::from)];
        (host, select(vec!["", "", "", ".", ":", ":1"])).prop_map(|(host, end)| host + end)
    }

    proptest! {
        /// A name parsed by a map equals the host parsed by the grammar, and has the same hashes.
        #[test]
        fn a6_a_map_reads_what_the_grammar_reads(
            texts in vec(text(), 1..4),
            patterns in vec(text(), 0..4),
            stars in vec(select(vec!["", "", "*."]), 4),
        ) {
            // Every text, and the part after its first label, is also a pattern, so that many look-ups succeed.
            let bases = texts.iter().filter_map(|text| Some(text.split_once('.')?.1.to_owned()));
            let names = texts.iter().cloned().chain(bases).chain(patterns);
            let patterns = names.zip(stars.iter().cycle()).map(|(name, star)| star.to_string() + &name);
            let map: NameMap<()> = patterns.filter_map(|text| Some((Pattern::parse(&text).ok()?, ()))).collect();
            for text in &texts {
                let parsed = parse(text.as_bytes());
                let (host, found) = match map.read(text.as_bytes()) {
                    Ok(host) => (host, true),
                    Err(Some(hashed)) => match hashed.check() {
                        Some(host) => (host, false),
                        None => continue,
                    },
                    Err(None) => continue,
                };
                prop_assert_eq!(Ok((*host.host(), None)), parsed, "{}", text);
                let anew = Sought::new(*host.host());
                prop_assert_eq!(map.get(&anew).is_some(), found, "{}", text);
                prop_assert_eq!(map.get(&host).is_some(), found, "{}", text);
                let base = |host: &Sought<'_>| host.base().map(|(base, hash)| (base.text.to_vec(), hash));
                prop_assert_eq!((host.hash(), base(&host)), (anew.hash(), base(&anew)));
            }
        }
    }

    /// A text that resembles a name in the map, but with an invalid first label.
    #[test]
    fn a6_a_wildcard_in_a_map_vouches_for_what_follows_the_first_label_only() {
        let map: NameMap<()> = [(Pattern::parse("*.example").unwrap(), ())]
            .into_iter()
            .collect();
        for label in ["a", "_x-1", &"x".repeat(63)] {
            assert!(
                map.read(format!("{label}.example").as_bytes()).is_ok(),
                "{label}"
            );
        }
        for label in [
            "",
            "A",
            "a@b",
            "a/b",
            "ä",
            "*",
            "a:b",
            "\n",
            &"x".repeat(64),
        ] {
            assert!(
                map.read(format!("{label}.example").as_bytes()).is_err(),
                "{label}"
            );
        }
        let long = format!("{}.{}", "x".repeat(63), vec!["y".repeat(62); 3].join("."));
        let (short, base) = (&long[1..], &long[64..]);
        assert_eq!((short.len(), long.len()), (251, 252));
        let pattern = |base: &str| (Pattern::Wildcard(base.as_bytes().into()), ());
        let map: NameMap<()> = [pattern(base), pattern(&format!("zz.{base}"))]
            .into_iter()
            .collect();
        assert!(map.read(long.as_bytes()).is_ok());
        assert!(
            map.read(format!("{}.zz.{base}", "x".repeat(60)).as_bytes())
                .is_ok()
        );
        assert!(
            map.read(format!("{}.zz.{base}", "x".repeat(62)).as_bytes())
                .is_err()
        );
    }
}
