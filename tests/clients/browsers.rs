//! What a page notices of a 421 in Chromium and Firefox: nothing, where its request can be sent again. The
//! claims that hold for both are here, the programs and what only one of them does are in the modules.

mod chromium;
mod firefox;
mod headless;
mod visit;

use std::time::Duration;

use axum::http::Version;

use self::headless::Browser;
use self::visit::{Body, Credentials, Fetch, Page, Seen, Visit, open};
use crate::observed::{LATE, Row, outcome};
use crate::site::{ASIDE, Kind, Tls};

/// From the page at `one.test` to a host of the same site, and to one of another site in both ways. Of the
/// latter Firefox coalesces the first, and Chromium the second. Each comes after a request that leaves a
/// connection it may be coalesced on.
fn fetches(body: Body) -> Vec<Fetch> {
    use Credentials::{Include, Omit};
    let fetches = [
        ("api.one.test", Include),
        ("two.test", Include),
        ("two.test", Omit),
    ];
    let fetches = fetches.map(|(host, credentials)| {
        let before = Fetch {
            credentials,
            ..Fetch::from("one.test")
        };
        let fetch = Fetch {
            host,
            body,
            ..before
        };
        [before, fetch]
    });
    fetches.concat()
}

/// B6, RFC 9110 §15.5.20: every 421 is followed by a 200 on a connection of the host's own, and the page
/// sees the 200 alone.
async fn a_421_is_retried_unseen(browser: &Browser, file: &'static str, body: Body) {
    let page = Page {
        file,
        title: "Hosts apart: what comes on another host’s connection is refused, and sent again",
        kind: browser.kind(Tls::Apart),
        unknown: None,
        fetches: fetches(body),
    };
    let visit = open(browser, page).await;

    for record in &visit.records {
        let own = record.server_name.as_deref() == Some(record.host());
        assert_eq!(record.status, if own { 200 } else { 421 }, "{record:?}");
    }
    for seen in &visit.fetches {
        let (last, refused) = seen.record.split_last().expect("a request");
        assert_eq!(seen.page_saw, "200", "{seen:?}");
        assert_eq!(last.status, 200, "{seen:?}");
        assert_eq!(last.body_length(), seen.fetch.body.length(), "{seen:?}");
        for record in refused {
            assert_eq!(record.status, 421, "{seen:?}");
            assert_eq!(record.body_length(), 0, "C4: {seen:?}");
        }
    }
    for host in ["api.one.test", "two.test"] {
        assert!(coalesced(&visit.fetches, host), "{host}: {visit:?}");
    }
}

/// B6: hosts that share a TLS configuration share connections, and nothing is refused.
async fn hosts_that_share_a_configuration_share_connections(browser: &Browser) {
    let page = Page {
        file: "-shared",
        title: "Hosts that share a TLS configuration: nothing is refused",
        kind: browser.kind(Tls::Shared),
        unknown: None,
        fetches: [fetches(Body::None), fetches(Body::Whole)].concat(),
    };
    let visit = open(browser, page).await;

    for record in &visit.records {
        assert_eq!(record.status, 200, "{record:?}");
    }
    for seen in &visit.fetches {
        assert_eq!(seen.page_saw, "200", "{seen:?}");
    }
    for host in ["api.one.test", "two.test"] {
        assert!(coalesced(&visit.fetches, host), "{host}: {visit:?}");
    }
}

/// C1: a 421 that comes every time reaches the page, and is asked for again by the next fetch, although
/// the responder would have it kept for an hour.
async fn a_final_421_is_not_cached(browser: &Browser) {
    let unknown = Fetch::from("api.one.test");
    let page = Page {
        file: "-unknown-host",
        title: "A host that is served nowhere: the page gets the 421, and no cache keeps it",
        kind: browser.kind(Tls::Apart),
        unknown: Some(unknown.host),
        fetches: vec![unknown, Fetch::from("one.test"), unknown],
    };
    let visit = open(browser, page).await;

    for seen in [&visit.fetches[0], &visit.fetches[2]] {
        assert_eq!(seen.page_saw, "421", "{seen:?}");
        assert!(!seen.record.is_empty(), "from a cache: {seen:?}");
        assert!(seen.record.iter().all(|record| record.status == 421));
    }
}

/// Holds the guide to what the browser does, in the words of its table.
async fn does_what_the_guide_says(browser: &Browser) {
    browser.announce().await;
    let open = async |file, title, tls, drain, fetches| {
        let kind = Kind {
            drain: Some(drain),
            ..browser.kind(tls)
        };
        let page = Page {
            file,
            title,
            kind,
            unknown: None,
            fetches,
        };
        let visit = open(browser, page).await;
        let version = visit.fetches[0].record[0].version;
        assert_eq!(version, browser.version(), "{visit:?}");
        visit
    };
    let fetch = |host, path| Fetch {
        path,
        ..Fetch::from(host)
    };
    let before = fetch("one.test", "/target");

    let host = "api.one.test";
    // The first request for this host goes over HTTP/2, and its answer tells the browser of HTTP/3.
    let mut learn = vec![before];
    if browser.version() == Version::HTTP_3 {
        learn.push(fetch(host, "/learn"));
    }
    let learned = learn.len();
    let then = |fetches: &[Fetch]| [&learn, fetches].concat();

    let title = "Hosts that share a TLS configuration";
    let next = then(&[fetch(host, "/target")]);
    let visit = open("-coalesces", title, Tls::Shared, Duration::ZERO, next).await;
    let coalesces = coalesced(&visit.fetches, host);

    let title = "A coalesced request is refused";
    let next = then(&[fetch(host, "/other"), fetch(host, "/later")]);
    let visit = open("-refused", title, Tls::Apart, Duration::ZERO, next).await;
    let refused = &visit.fetches[learned].record[0];
    assert_eq!(refused.line(), "api.one.test 421", "{visit:?}");
    assert_eq!(refused.version, browser.version(), "{visit:?}");
    let refused = pair_of(&visit, learned);

    let title = "A host gets another TLS configuration during a request";
    let next = vec![before, fetch("one.test", "/change")];
    let visit = open("-under-way", title, Tls::Apart, Duration::ZERO, next).await;
    let under_way = outcome_of(&visit, 1);

    let next = |change| {
        let next = [fetch("one.test", "/again"), fetch("one.test", "/later")];
        vec![before, fetch(ASIDE, change), next[0], next[1]]
    };
    let title = "A host gets another TLS configuration, and the browser does not know";
    let unaware = async || open("-unaware", title, Tls::Apart, LATE, next("/change")).await;
    let in_vain = |visit: &Visit| {
        let mut again = visit.fetches[2].record.iter();
        again.all(|record| record.status == 421)
    };
    let mut visit = unaware().await;
    // A browser that has opened a spare connection may repeat the request on that one, which is refused too.
    for _ in 0..5 {
        if in_vain(&visit) {
            visit = unaware().await;
        }
    }
    let [before, _, again, _] = &visit.fetches[..] else {
        panic!("{visit:?}");
    };
    let kept = again.record[0].connection == before.record[0].connection;
    // Over HTTP/3 the request is rejected before the layer sees it (RFC 9114 §4.1.1), and is not in the record.
    let refused_unseen = browser.version() == Version::HTTP_3;
    assert_ne!(kept, refused_unseen, "{visit:?}");
    let unaware = pair_of(&visit, 2);

    let title = "A host gets another TLS configuration while its connections are idle";
    let visit = open("-idle", title, Tls::Apart, Duration::ZERO, next("/tell")).await;
    let again = &visit.fetches[2].record[0];
    assert_ne!(
        again.connection, visit.fetches[0].record[0].connection,
        "{visit:?}"
    );
    let idle = pair_of(&visit, 2);

    let row = Row {
        coalesces,
        refused,
        under_way,
        unaware,
        idle,
    };
    row.assert(browser.name(), browser.http());
}

/// What came of a fetch.
fn outcome_of(visit: &Visit, at: usize) -> String {
    let seen = &visit.fetches[at];
    let page_saw = match seen.page_saw.parse::<u16>() {
        Ok(_) => &*seen.page_saw,
        Err(_) => "error",
    };
    outcome(page_saw, &seen.record, seen.fetch.path)
}

/// What came of a fetch and of the next one.
fn pair_of(visit: &Visit, at: usize) -> String {
    format!(
        "{}, then {}",
        outcome_of(visit, at),
        outcome_of(visit, at + 1)
    )
}

/// Whether a request for this host came on the connection of another.
fn coalesced(fetches: &[Seen], host: &str) -> bool {
    let mut fetches = fetches.iter().filter(|seen| seen.fetch.host == host);
    fetches.any(|seen| {
        let mut record = seen.record.iter();
        record.any(|record| record.server_name.as_deref() == Some("one.test"))
    })
}
