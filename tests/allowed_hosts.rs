//! B1, B10: lists of allowed hosts: the preset for loopback, networks of addresses, lists that change while the server
//! runs, and functions. Which rule comes before which is in `verdict_table`.

mod server;
mod wire;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use http::{Request, Response};
use proptest::prelude::*;
use tokio::net::TcpStream;
use tower::{Layer, Service, service_fn};
use tower_misdirected::{AllowedHosts, Coalescing, Host, MisdirectedLayer};

use crate::server::Calls;

/// Sends a request for this host, without connection info, and returns the status.
fn status(layer: &MisdirectedLayer, host: &str) -> u16 {
    let request = Request::get("/").header("host", host).body(()).unwrap();
    let mut service = layer.layer(service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    let future = std::pin::pin!(service.call(request));
    let waker = std::task::Waker::noop();
    match future.poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(Ok(response)) => response.status().as_u16(),
        std::task::Poll::Pending => panic!("the layer answers at once"),
    }
}

fn unchecked() -> MisdirectedLayer {
    MisdirectedLayer::new().coalescing(Coalescing::Unchecked)
}

#[test]
fn b1_the_preset_serves_the_machine_itself_and_nobody_else() {
    let layer = MisdirectedLayer::loopback();
    for (host, expected) in [
        ("localhost", 200),
        ("localhost:3000", 200),
        ("LocalHost.", 200),
        ("LOCALHOST.:80", 200),
        ("app.localhost", 200),
        ("a.b.App.localhost.:5173", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:65535", 200),
        ("127.255.255.254", 200),
        ("[::1]", 200),
        ("[::1]:8080", 200),
        ("[0:0:0:0:0:0:0:1]", 200),
        ("[::ffff:127.0.0.1]", 200),
        ("[::FFFF:7f00:1]:80", 200),
        // Names that only look like it.
        ("evil.test", 421),
        ("localhost.evil.test", 421),
        ("xlocalhost", 421),
        ("localhost.localdomain", 421),
        ("127.0.0.1.nip.io", 421),
        ("127.0.0.1.localhost.evil.test", 421),
        // A name in this grammar. Browsers make 127.0.0.1 of it before they send it.
        ("0x7f000001", 421),
        // Other addresses, those that mean "this host on this network" and "any" among them.
        ("0.0.0.0", 421),
        ("0.0.0.0:8080", 421),
        ("[::]", 421),
        ("[::ffff:0.0.0.0]", 421),
        ("[::127.0.0.1]", 421),
        ("126.255.255.255", 421),
        ("128.0.0.1", 421),
        ("192.168.0.1", 421),
        ("[::2]", 421),
        ("[fe80::1]", 421),
        // No hosts at all (A6).
        ("127.1", 400),
        ("2130706433", 400),
        ("0177.0.0.1", 400),
        ("127.0.0.01", 400),
        ("[::1", 400),
        ("::1", 400),
        ("[127.0.0.1]", 400),
        ("", 400),
    ] {
        assert_eq!(status(&layer, host), expected, "{host}");
    }
}

#[test]
fn b1_the_preset_takes_more_hosts() {
    let layer = MisdirectedLayer::loopback_and(["web.internal", "192.168.0.0/16", "0.0.0.0"]);
    let layer = layer.unwrap();
    for (host, expected) in [
        ("app.localhost", 200),
        ("127.0.0.1", 200),
        ("web.internal:8080", 200),
        ("192.168.7.7", 200),
        ("0.0.0.0:8080", 200),
        ("evil.test", 421),
        ("10.0.0.1", 421),
    ] {
        assert_eq!(status(&layer, host), expected, "{host}");
    }
    let none = MisdirectedLayer::loopback_and([""; 0]).unwrap();
    assert_eq!(status(&none, "localhost"), 200);
    let error = MisdirectedLayer::loopback_and(["web.internal:80"]).unwrap_err();
    assert_eq!(error.value(), "web.internal:80");
}

#[test]
fn b10_a_network_of_the_whole_family_is_every_address_and_no_name() {
    let v4 = unchecked().allowed_hosts(["0.0.0.0/0"]).unwrap();
    let v6 = unchecked().allowed_hosts(["::/0"]).unwrap();
    let all = unchecked().allowed_hosts(["0.0.0.0/0", "::/0"]).unwrap();
    for (host, is_v4) in [
        ("0.0.0.0", true),
        ("203.0.113.9:80", true),
        ("[::ffff:203.0.113.9]", true),
        ("[::]", false),
        ("[2001:db8::1]:80", false),
    ] {
        assert_eq!(status(&v4, host) == 200, is_v4, "{host}");
        assert_eq!(status(&v6, host) == 200, !is_v4, "{host}");
        assert_eq!(status(&all, host), 200, "{host}");
    }
    for host in ["a.test", "203.0.113.9.nip.io", "localhost"] {
        assert_eq!(status(&all, host), 421, "{host}");
    }
}

#[test]
fn a8_an_address_mapped_to_ipv6_is_a_host_of_its_own() {
    for entry in ["::ffff:192.0.2.1", "[::ffff:c000:201]"] {
        let layer = unchecked().allowed_hosts([entry]).unwrap();
        assert_eq!(status(&layer, "[::ffff:192.0.2.1]:80"), 200);
        assert_eq!(status(&layer, "[::FFFF:C000:0201]"), 200);
        assert_eq!(status(&layer, "192.0.2.1"), 421);
    }
    let layer = unchecked().allowed_hosts(["192.0.2.1"]).unwrap();
    assert_eq!(status(&layer, "[::ffff:192.0.2.1]"), 421);
}

#[test]
fn b1_a_function_sees_the_normal_form_without_the_port() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let layer = unchecked().allowed_hosts_by({
        let seen = seen.clone();
        move |host| {
            seen.lock().unwrap().push(host.to_owned());
            host != "evil.test"
        }
    });
    let longest = "[2001:db8:1111:2222:3333:4444:5555:6666]";
    for (host, form, expected) in [
        ("app.test", "app.test", 200),
        ("APP.Test.:8080", "app.test", 200),
        ("EVIL.test.", "evil.test", 421),
        ("192.0.2.1:80", "192.0.2.1", 200),
        ("[2001:DB8:0:0::1]:443", "[2001:db8::1]", 200),
        ("[::ffff:c000:201]", "[::ffff:192.0.2.1]", 200),
        (longest, longest, 200),
    ] {
        assert_eq!(status(&layer, host), expected, "{host}");
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen, [form]);
        let host = host.rsplit_once(":8").map_or(host, |(host, _)| host);
        let host: Host = host.trim_end_matches(":443").parse().unwrap();
        assert_eq!(host.to_string(), form);
    }
    // A malformed host is no question for it.
    assert_eq!(status(&layer, "a@b"), 400);
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn b1_the_last_call_decides_which_kind_of_list_there_is() {
    let by_name = |layer: MisdirectedLayer| layer.allowed_hosts(["a.test"]).unwrap();
    let by_function = |layer: MisdirectedLayer| layer.allowed_hosts_by(|host| host == "b.test");
    let by_list =
        |layer: MisdirectedLayer| layer.allowed_hosts_in(AllowedHosts::new(["c.test"]).unwrap());
    for (layer, host) in [
        (by_name(by_function(by_list(unchecked()))), "a.test"),
        (by_function(by_list(by_name(unchecked()))), "b.test"),
        (by_list(by_name(by_function(unchecked()))), "c.test"),
    ] {
        for other in ["a.test", "b.test", "c.test"] {
            assert_eq!(status(&layer, other) == 200, other == host, "{other}");
        }
    }
}

#[test]
fn b1_a_list_changes_for_the_next_request() {
    let tenants = AllowedHosts::default();
    let layer = unchecked().allowed_hosts_in(tenants.clone());
    let served = |host| status(&layer, host) == 200;
    assert!(!served("a.test"));

    assert!(tenants.insert("A.test.").unwrap());
    assert!(served("a.test:80"));
    assert!(!tenants.clone().insert("a.test").unwrap());
    for entry in ["*.w.test", "**.d.test", "192.0.2.1", "10.0.0.0/8"] {
        assert!(tenants.insert(entry).unwrap(), "{entry}");
        assert!(!tenants.insert(entry).unwrap(), "{entry}");
    }
    let hosts = ["x.w.test", "x.y.d.test", "192.0.2.1", "10.9.9.9"];
    assert!(hosts.into_iter().all(served));

    // A host that another entry matches stays.
    assert!(!tenants.remove("x.w.test").unwrap());
    assert!(served("x.w.test"));
    for (entry, host) in ["*.w.test", "**.d.test", "192.0.2.1", "10.0.0.0/8"]
        .into_iter()
        .zip(hosts)
    {
        assert!(tenants.remove(entry).unwrap(), "{entry}");
        assert!(!tenants.remove(entry).unwrap(), "{entry}");
        assert!(!served(host), "{host}");
    }

    tenants.replace(["b.test", "c.test"]).unwrap();
    assert!(!served("a.test") && served("b.test"));
    // Both copies of the list were replaced.
    assert!(tenants.insert("d.test").unwrap());
    assert!(!served("a.test") && served("b.test") && served("d.test"));
    assert!(tenants.contains(&"D.test".parse().unwrap()));
}

#[test]
fn a_mistake_leaves_a_list_as_it_was() {
    let tenants = AllowedHosts::new(["a.test"]).unwrap();
    let empty = [""; 0];
    for (error, value) in [
        (tenants.insert("b.test:80").unwrap_err(), "b.test:80"),
        (
            tenants.remove("https://a.test").unwrap_err(),
            "https://a.test",
        ),
        (tenants.replace(["b.test", "*"]).unwrap_err(), "*"),
        (tenants.replace(empty).unwrap_err(), ""),
        (AllowedHosts::new(empty).unwrap_err(), ""),
    ] {
        assert_eq!((error.setting(), error.value()), ("allowed_hosts", value));
    }
    let text = tenants.replace(empty).unwrap_err().to_string();
    assert!(text.contains("`AllowedHosts::default()`"), "{text}");
    assert!(tenants.contains(&"a.test".parse().unwrap()));
    assert!(!tenants.contains(&"b.test".parse().unwrap()));
}

#[tokio::test]
async fn b1_a_change_is_seen_by_the_next_request_of_an_open_connection() {
    let tenants = AllowedHosts::new(["a.test"]).unwrap();
    let layer = unchecked()
        .allowed_hosts_in(tenants.clone())
        .close_http1(false);
    let app: Router = server::echo(&Calls::default()).layer(layer);
    let mut tcp = TcpStream::connect(server::plaintext(app).await)
        .await
        .unwrap();
    let mut statuses = Vec::new();
    for change in [None, Some(true), Some(false), Some(true)] {
        match change {
            Some(true) => assert!(tenants.insert("b.test").unwrap()),
            Some(false) => assert!(tenants.remove("b.test").unwrap()),
            None => {}
        }
        let answer = wire::exchange(&mut tcp, "GET / HTTP/1.1\nHost: b.test\n\n").await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [421, 200, 421, 200]);
}

/// A host that is always in the list is served at every moment, one that never is at none, and each thread finds its
/// own change at once.
#[test]
fn b1_requests_pass_while_many_threads_change_the_list() {
    const WRITERS: usize = 4;
    const TENANTS: usize = 500;
    let tenants = AllowedHosts::new(["always.test"]).unwrap();
    let layer = unchecked().allowed_hosts_in(tenants.clone());
    let (done, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    assert_eq!(status(&layer, "always.test"), 200);
                    assert_eq!(status(&layer, "never.test"), 421);
                    requests.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let writers = (0..WRITERS).map(|writer| {
            let (tenants, layer) = (&tenants, &layer);
            scope.spawn(move || {
                for tenant in 0..TENANTS {
                    let host = format!("t{tenant}.w{writer}.test");
                    assert!(tenants.insert(&host).unwrap());
                    assert_eq!(status(layer, &host), 200);
                    if tenant % 2 == 0 {
                        assert!(tenants.remove(&host).unwrap());
                        assert_eq!(status(layer, &host), 421);
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let panicked = writers.into_iter().any(|writer| writer.join().is_err());
        while !panicked && requests.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
        assert!(!panicked);
    });
    for writer in 0..WRITERS {
        for tenant in 0..TENANTS {
            let served = status(&layer, &format!("t{tenant}.w{writer}.test")) == 200;
            assert_eq!(served, tenant % 2 == 1, "{tenant} of {writer}");
        }
    }
}

/// Readers that see a replacement see all of it: one of the two hosts is in the list at every moment.
#[test]
fn b1_no_request_sees_a_part_of_a_replacement() {
    let tenants = AllowedHosts::new(["one.test", "both.test"]).unwrap();
    let by_function = {
        let tenants = tenants.clone();
        move || tenants.contains(&"both.test".parse().unwrap())
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                assert!(by_function());
            }
        });
        for _ in 0..500 {
            tenants.replace(["two.test", "*.test"]).unwrap();
            tenants.replace(["one.test", "both.test"]).unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
}

// The oracle reads entries and hosts by itself: labels from the right, addresses as numbers.

/// Labels and addresses that meet each other often.
fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        "(\\*\\.|\\*\\*\\.)?([ab]\\.){0,3}test",
        "(10|127)\\.0\\.0\\.[0-3]",
        Just("10.0.0.0/31".to_owned()),
        Just("127.0.0.2/32".to_owned()),
        Just("0.0.0.0/1".to_owned()),
        Just("::/127".to_owned()),
        "::[0-3]",
        Just("::ffff:10.0.0.1".to_owned()),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "([ab]\\.){0,4}test",
        "(10|127|200)\\.0\\.0\\.[0-3]",
        "::[0-3]",
        "::ffff:(10|200)\\.0\\.0\\.[0-3]",
    ]
}

fn bits(ip: &str) -> Option<(bool, u128)> {
    match ip.parse().ok()? {
        IpAddr::V4(ip) => Some((true, ip.to_bits().into())),
        IpAddr::V6(ip) => Some((false, ip.to_bits())),
    }
}

fn matches(entry: &str, host: &str) -> bool {
    if let Some((network, prefix)) = entry.split_once('/') {
        let (Some((network_is_v4, network)), Some((is_v4, ip))) = (bits(network), bits(host))
        else {
            return false;
        };
        // A mapped address is one of IPv4 here.
        let mapped = !is_v4 && ip >> 32 == 0xffff;
        let is_v4 = is_v4 || mapped;
        let ip = if mapped { ip & 0xffff_ffff } else { ip };
        let width = if network_is_v4 { 32 } else { 128 };
        let behind = width - prefix.parse::<u32>().unwrap();
        return network_is_v4 == is_v4 && network >> behind == ip >> behind;
    }
    if let (Some(entry), Some(host)) = (bits(entry), bits(host)) {
        return entry == host;
    }
    let reversed = |name: &str| name.rsplit('.').map(str::to_owned).collect::<Vec<_>>();
    let (entry, host) = (reversed(entry), reversed(host));
    let Some((first, base)) = entry.split_last() else {
        return false;
    };
    match (&**first, host.get(..base.len())) {
        ("*", Some(end)) => end == base && host.len() == base.len() + 1,
        ("**", Some(end)) => end == base && host.len() > base.len(),
        _ => entry == host,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn b10_every_kind_of_list_agrees_with_an_oracle(
        first in prop::collection::vec(entry(), 1..5),
        changes in prop::collection::vec((any::<bool>(), entry()), 0..8),
        hosts in prop::collection::vec(host(), 1..12),
    ) {
        let mut expected: BTreeSet<_> = first.iter().cloned().collect();
        let list = AllowedHosts::new(&first).unwrap();
        let changing = unchecked().allowed_hosts_in(list.clone());
        for (insert, entry) in changes {
            match insert {
                true => prop_assert_eq!(list.insert(&entry).unwrap(), expected.insert(entry)),
                false => prop_assert_eq!(list.remove(&entry).unwrap(), expected.remove(&entry)),
            }
        }
        let fixed = unchecked().allowed_hosts(expected.iter().chain([&"unused.example".to_owned()]));
        let fixed = fixed.unwrap();
        for host in hosts {
            let served = expected.iter().any(|entry| matches(entry, &host));
            let status_of = if served { 200 } else { 421 };
            let host = match host.parse::<Ipv6Addr>() {
                Ok(_) => format!("[{host}]"),
                Err(_) => host,
            };
            prop_assert_eq!(status(&changing, &host), status_of, "{} of {:?}", host, expected);
            prop_assert_eq!(status(&fixed, &host), status_of, "{} of {:?}", host, expected);
        }
    }
}
