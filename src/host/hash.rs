//! The hash of a host, for all maps. The maps themselves live in `name_map`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// The seed of the process. It is secret and random, because tenants may choose names in maps, through a certificate or
/// their own domain. Without the seed, nobody can choose names that all collide.
struct Seed {
    first: u64,
    shared: SharedSeed,
}

static SEED: LazyLock<Seed> = LazyLock::new(|| Seed {
    first: random(),
    shared: SharedSeed::from_u64(random()),
});

/// Returns random bits from the operating system. foldhash's own seed would rely on addresses and the time.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[inline]
fn hasher() -> FoldHasher<'static> {
    let seed = &*SEED;
    FoldHasher::with_seed(seed.first, &seed.shared)
}

/// Hashes a name in lower case.
#[inline(always)]
pub(super) fn hash_of_name(name: &[u8]) -> u64 {
    let mut hasher = hasher();
    hasher.write(name);
    hasher.finish()
}

/// Hashes an address, including its version. Otherwise `192.0.2.1` and `::192.0.2.1` would have the same hash.
#[inline]
pub(super) fn hash_of_ip(ip: IpAddr) -> u64 {
    let (version, bits) = match ip {
        IpAddr::V4(ip) => (4, ip.to_bits().into()),
        IpAddr::V6(ip) => (6, ip.to_bits()),
    };
    let mut hasher = hasher();
    hasher.write_u128(bits);
    hasher.write_u8(version);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const TELL: &str = "TELL_THE_HASH";

    /// With 10,000 colliding names, a look-up would cost thousands of times more, and a tenant could cause this with a
    /// certificate.
    #[test]
    fn b10_nobody_can_tell_beforehand_which_names_collide() {
        let hash = format!("hash={:x}.", hash_of_name(b"www.test"));
        if std::env::var_os(TELL).is_some() {
            return println!("{hash}");
        }
        let this = std::env::current_exe().unwrap();
        let test = "host::hash::tests::b10_nobody_can_tell_beforehand_which_names_collide";
        let told = Command::new(this)
            .args([test, "--exact", "--nocapture"])
            .env(TELL, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stdout);
        assert!(told.contains("hash="), "{told}");
        assert!(!told.contains(&hash), "{told}");
    }

    #[test]
    fn b10_a_process_has_one_seed() {
        let here = hash_of_name(b"www.test");
        let there = std::thread::spawn(|| hash_of_name(b"www.test"));
        assert_eq!(there.join().unwrap(), here);
        assert_ne!(random(), random());
    }

    #[test]
    fn a8_an_address_and_another_of_the_same_bits_have_different_hashes() {
        let hash = |ip: &str| hash_of_ip(ip.parse().unwrap());
        assert_eq!(hash("192.0.2.1"), hash("192.0.2.1"));
        assert_ne!(hash("192.0.2.1"), hash("::192.0.2.1"));
        assert_ne!(hash("192.0.2.1"), hash("::ffff:192.0.2.1"));
    }
}
