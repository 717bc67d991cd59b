//! W4: `is_outdated` and the future, for WebSockets, server-sent events and loops of one's own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use tower_misdirected::{ConnectionInfo, Outdated, VirtualHosts};

/// What another TLS stack might have as a configuration.
struct Config;

fn hosts(config: &Arc<Config>) -> VirtualHosts<Config> {
    let hosts = VirtualHosts::builder().host("a.test", config.clone());
    hosts.host("kept.test", Arc::new(Config)).build().unwrap()
}

fn accepted(hosts: &VirtualHosts<Config>, server_name: &str) -> ConnectionInfo {
    let selection = hosts.select(Some(server_name)).unwrap();
    ConnectionInfo::tls().selection(selection).build()
}

fn give(hosts: &VirtualHosts<Config>, config: &Arc<Config>) {
    let kept = hosts.get(&"kept.test".parse().unwrap()).unwrap();
    let kept = kept.config::<Config>().unwrap().clone();
    let next = VirtualHosts::builder().host("a.test", config.clone());
    hosts.replace(next.host("kept.test", kept)).unwrap();
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll(future: &mut Outdated, count: &Arc<Count>) -> Poll<()> {
    let waker = Waker::from(count.clone());
    std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn w4_it_is_ready_when_the_configuration_changes_and_not_before() {
    let [one, two] = [Config, Config].map(Arc::new);
    let hosts = hosts(&one);
    let (info, kept) = (accepted(&hosts, "a.test"), accepted(&hosts, "kept.test"));
    let (count, kept_count) = (Arc::<Count>::default(), Arc::<Count>::default());
    let (mut outdated, mut kept_outdated) = (info.outdated(), kept.outdated());
    assert!(poll(&mut outdated, &count).is_pending());
    assert!(poll(&mut kept_outdated, &kept_count).is_pending());
    // A replacement that changes nothing wakes nobody.
    give(&hosts, &one);
    assert_eq!(count.0.load(SeqCst), 0);
    assert!(!info.is_outdated());

    give(&hosts, &two);
    assert!(info.is_outdated() && !kept.is_outdated());
    assert_eq!((count.0.load(SeqCst), kept_count.0.load(SeqCst)), (1, 0));
    assert!(poll(&mut outdated, &count).is_ready());
    assert!(poll(&mut kept_outdated, &kept_count).is_pending());
    // One that is made afterwards need not wait.
    assert!(poll(&mut info.outdated(), &count).is_ready());
    // And a connection that began afterwards is not outdated.
    assert!(!accepted(&hosts, "a.test").is_outdated());
}

#[test]
fn w4_a_configuration_that_comes_back_makes_the_connection_current_again() {
    let [one, two] = [Config, Config].map(Arc::new);
    let hosts = hosts(&one);
    let info = accepted(&hosts, "a.test");
    let (mut outdated, count) = (info.outdated(), Arc::<Count>::default());
    for round in 1..4 {
        assert!(poll(&mut outdated, &count).is_pending());
        give(&hosts, &two);
        assert_eq!(count.0.load(SeqCst), round);
        assert!(info.is_outdated());
        give(&hosts, &one);
        assert!(!info.is_outdated());
    }
    assert!(poll(&mut outdated, &count).is_pending());
    give(&hosts, &two);
    assert!(poll(&mut outdated, &count).is_ready());
}

#[test]
fn w4_the_last_task_that_waits_is_woken() {
    let [one, two] = [Config, Config].map(Arc::new);
    let hosts = hosts(&one);
    let info = accepted(&hosts, "a.test");
    let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
    let mut outdated = info.outdated();
    assert!(poll(&mut outdated, &first).is_pending());
    assert!(poll(&mut outdated, &last).is_pending());
    // Another future waits for itself.
    let mut other = info.outdated();
    let other_count = Arc::<Count>::default();
    assert!(poll(&mut other, &other_count).is_pending());
    give(&hosts, &two);
    let counts = [&first, &last, &other_count].map(|count| count.0.load(SeqCst));
    assert_eq!(counts, [0, 1, 1]);
}

/// Whatever is replaced by what, those and only those are woken whose look-up gives another configuration.
#[test]
fn w2_random_replacements_wake_whom_they_concern() {
    let mut random = fastrand::Rng::with_seed(421);
    let configs: Vec<_> = (0..3).map(|_| Arc::new(Config)).collect();
    // Octets before and after a dot in ASCII, and as many labels as a name can have.
    let bases = [
        "t", "a.t", "b.t", "a.a.t", "b.a.t", "a.b.a.t", "xa.t", "-.t", "_-.t",
    ];
    let longest = "a.".repeat(126) + "t";
    let names = [
        "a.t",
        "b.t",
        "a.a.t",
        "b.a.t",
        "c.a.t",
        "a.b.a.t",
        "c.b.a.t",
        "b.a.b.a.t",
        "xa.t",
        "a.xa.t",
        "-.t",
        "a.-.t",
        "a-.t",
        "0.-.t",
        "a._-.t",
        &longest,
    ];
    let addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
    let mut outcomes = [0; 2];
    for _ in 0..400 {
        // Few changes at a time, so that most entries stay.
        let mut entries = std::collections::BTreeMap::new();
        let change = |random: &mut fastrand::Rng,
                      entries: &mut std::collections::BTreeMap<_, _>| {
            for _ in 0..random.usize(1..4) {
                let base = bases[random.usize(..bases.len())];
                let entry = match random.u8(..5) {
                    0 => base.to_owned(),
                    1 => format!("*.{base}"),
                    2 => format!("**.{base}"),
                    3 => addresses[random.usize(..addresses.len())].to_owned(),
                    _ => String::new(),
                };
                match random.bool() {
                    true => entries.insert(entry, random.usize(..configs.len())),
                    false => entries.remove(&entry),
                };
            }
        };
        let build = |entries: &std::collections::BTreeMap<String, usize>| {
            // Something nobody asks for, so that it is never empty.
            let hosts = VirtualHosts::builder().host("never.example", configs[0].clone());
            entries
                .iter()
                .fold(hosts, |hosts, (entry, &config)| match &**entry {
                    "" => hosts.default(configs[config].clone()),
                    entry => hosts.host(entry, configs[config].clone()),
                })
        };
        for _ in 0..8 {
            change(&mut random, &mut entries);
        }
        let hosts = build(&entries).build().unwrap();
        let mut waiting: Vec<(ConnectionInfo, Outdated, Arc<Count>, bool)> = Vec::new();
        for _ in 0..8 {
            for _ in 0..6 {
                let selection = match random.u8(..4) {
                    0 => hosts.select_at(
                        None,
                        addresses[random.usize(..addresses.len())].parse().unwrap(),
                    ),
                    1 => hosts.select(None),
                    _ => hosts.select(Some(names[random.usize(..names.len())])),
                };
                if let Some(selection) = selection {
                    let info = ConnectionInfo::tls().selection(selection).build();
                    waiting.push((info.clone(), info.outdated(), Arc::default(), false));
                }
            }
            // Some go.
            waiting.retain(|_| random.u8(..8) > 0);
            for (info, outdated, count, was) in &mut waiting {
                count.0.store(0, SeqCst);
                *was = info.is_outdated();
                assert_eq!(poll(outdated, count).is_ready(), *was);
            }
            change(&mut random, &mut entries);
            hosts.replace(build(&entries)).unwrap();
            for (info, outdated, count, was) in &mut waiting {
                let is = info.is_outdated();
                let woken = count.0.load(SeqCst);
                assert_eq!(woken, usize::from(is && !*was), "{info:?} {entries:?}");
                assert_eq!(poll(outdated, count).is_ready(), is);
                outcomes[usize::from(is)] += 1;
            }
        }
    }
    assert!(outcomes.into_iter().min().unwrap() > 10_000, "{outcomes:?}");
}

#[test]
fn w4_without_virtual_hosts_it_is_never_ready() {
    let builders = [
        ConnectionInfo::plaintext(),
        ConnectionInfo::trusted_gateway(),
    ];
    let single = ConnectionInfo::tls()
        .server_name("a.test")
        .single_tls_config();
    for builder in builders.into_iter().chain([single]) {
        let info = builder.build();
        assert!(!info.is_outdated());
        assert!(poll(&mut info.outdated(), &Arc::default()).is_pending());
    }
}

#[test]
fn w4_who_waits_no_longer_keeps_nothing_alive() {
    let [one, two] = [Config, Config].map(Arc::new);
    let hosts = hosts(&one);
    let count = Arc::<Count>::default();
    let mut waiting: Vec<_> = (0..1_000)
        .map(|_| {
            let info = accepted(&hosts, "a.test");
            let mut outdated = info.outdated();
            assert!(poll(&mut outdated, &count).is_pending());
            outdated
        })
        .collect();
    // One reference for each, in its future and in what wakes it.
    assert_eq!(Arc::strong_count(&count), 1 + 2 * 1_000);
    waiting.truncate(1);
    assert_eq!(Arc::strong_count(&count), 1 + 2);
    give(&hosts, &two);
    assert_eq!(count.0.load(SeqCst), 1);
    // Those that wait keep their configuration, as the connection does. When they have gone, nothing does.
    let weak = Arc::downgrade(&one);
    drop(one);
    assert_eq!(weak.strong_count(), 1);
    drop(waiting);
    assert_eq!((weak.strong_count(), Arc::strong_count(&count)), (0, 1));
}

/// A waker whose drop asks the virtual hosts something would wait for ever for a lock that its dropper holds.
#[test]
fn w4_no_lock_is_held_while_a_waker_is_woken_or_dropped() {
    struct Meddler(VirtualHosts<Config>, Arc<Config>);
    impl Wake for Meddler {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Meddler {
        fn drop(&mut self) {
            let info = accepted(&self.0, "kept.test");
            let mut outdated = pin!(info.outdated());
            let _ = outdated
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            give(&self.0, &self.1);
        }
    }
    let [one, two] = [Config, Config].map(Arc::new);
    let hosts = hosts(&one);
    let meddler = || Waker::from(Arc::new(Meddler(hosts.clone(), two.clone())));
    let info = accepted(&hosts, "kept.test");
    let mut outdated = info.outdated();
    let mut poll = |waker: Waker| {
        let _ = std::pin::Pin::new(&mut outdated).poll(&mut Context::from_waker(&waker));
    };
    let meddles = std::thread::spawn({
        let hosts = hosts.clone();
        let (meddler, one, two) = (meddler(), one.clone(), two.clone());
        move || {
            // Dropped in place of another, woken by a replacement, and dropped with its future.
            let mut outdated = accepted(&hosts, "a.test").outdated();
            let mut poll = |waker: &Waker| {
                let _ = std::pin::Pin::new(&mut outdated).poll(&mut Context::from_waker(waker));
            };
            poll(&meddler);
            drop(meddler);
            poll(Waker::noop());
            give(&hosts, &one);
            give(&hosts, &two);
        }
    });
    poll(meddler());
    poll(meddler());
    let end = std::time::Instant::now() + crate::wire::PATIENCE;
    while !meddles.is_finished() {
        assert!(std::time::Instant::now() < end, "somebody waits for a lock");
        std::thread::yield_now();
    }
    meddles.join().unwrap();
}

/// The local address counts only if it has chosen the configuration.
#[test]
fn w2_an_address_that_chose_nothing_changes_nothing() {
    let [default, one, two] = [Config, Config, Config].map(Arc::new);
    let with = |address: &Arc<Config>| {
        VirtualHosts::builder()
            .default(default.clone())
            .host("192.0.2.1", address.clone())
            .host("192.0.2.2", default.clone())
    };
    let hosts = with(&one).build().unwrap();
    let addr = "192.0.2.1:443".parse().unwrap();
    let other = "192.0.2.2:443".parse().unwrap();
    let ip = std::net::IpAddr::from([192, 0, 2, 1]);
    // Selected without an address, which the info has all the same.
    let selected = || ConnectionInfo::tls().selection(hosts.select(None).unwrap());
    let before = || ConnectionInfo::tls().local_addr(addr);
    let infos = [
        selected().local_addr(addr).build(),
        before().selection(hosts.select(None).unwrap()).build(),
    ];
    // Selected by an address. That of the listener says less.
    let at = || hosts.select_at(None, ip).unwrap();
    let by_address = [
        ConnectionInfo::tls()
            .selection(at())
            .local_addr(other)
            .build(),
        ConnectionInfo::tls()
            .local_addr(other)
            .selection(at())
            .build(),
        ConnectionInfo::tls()
            .selection(at())
            .local_addr(addr)
            .build(),
    ];
    let count = Arc::<Count>::default();
    let mut all: Vec<_> = infos
        .iter()
        .chain(&by_address)
        .map(ConnectionInfo::outdated)
        .collect();
    for outdated in &mut all {
        assert!(poll(outdated, &count).is_pending());
    }
    hosts.replace(with(&two)).unwrap();
    for (info, outdated) in infos.iter().zip(&mut all) {
        assert!(!info.is_outdated() && poll(outdated, &count).is_pending());
    }
    for (info, outdated) in by_address.iter().zip(&mut all[infos.len()..]) {
        assert!(info.is_outdated() && poll(outdated, &count).is_ready());
    }
}
