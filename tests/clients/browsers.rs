//! What a page notices of a 421 in Chromium and Firefox: nothing, where its request can be sent again. The
//! claims that hold for both are here, the programs and what only one of them does are in the modules.

mod chromium;
mod firefox;
mod headless;
mod visit;

use self::headless::Browser;
use self::visit::{Body, Credentials, Fetch, Page, Seen, open};
use crate::observed::{assert_row, on_421, yes_or_no};
use crate::site::Tls;

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
        tls: Tls::Apart,
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
        tls: Tls::Shared,
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
        tls: Tls::Apart,
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
    let page = Page {
        file: "-coalesces",
        title: "Hosts that share a TLS configuration",
        tls: Tls::Shared,
        unknown: None,
        fetches: fetches(Body::None),
    };
    let coalesces = coalesced(&open(browser, page).await.fetches, "two.test");

    let fetch = |path| Fetch {
        path,
        ..Fetch::from("one.test")
    };
    let told = Fetch {
        told: Some("two.test"),
        ..fetch("/told")
    };
    let page = Page {
        file: "-change",
        title: "The host of an open connection gets another TLS configuration",
        tls: Tls::Apart,
        unknown: None,
        fetches: vec![told, fetch("/change"), fetch("/again"), fetch("/later")],
    };
    let visit = open(browser, page).await;
    let [told, change, again, later] = &visit.fetches[..] else {
        panic!("{visit:?}");
    };
    assert_eq!(told.record[0].line(), "one.test 200", "{told:?}");
    let connections = [change, again, later].map(|seen| seen.record[0].connection);
    assert_eq!(connections[0], connections[1], "{visit:?}");
    assert_eq!(again.record[0].status, 421, "{visit:?}");
    let afterwards = match (connections[2] == connections[1], &*later.page_saw) {
        (false, "200") => "on a new connection",
        (true, "421") => "on the same, and refused",
        _ => panic!("{visit:?}"),
    };
    let cells = [
        yes_or_no(coalesces),
        "ignores it",
        &on_421(&again.record),
        &again.page_saw,
        afterwards,
    ];
    assert_row(browser.name(), "2", &cells);
}

/// Whether a request for this host came on the connection of another.
fn coalesced(fetches: &[Seen], host: &str) -> bool {
    let mut fetches = fetches.iter().filter(|seen| seen.fetch.host == host);
    fetches.any(|seen| {
        let mut record = seen.record.iter();
        record.any(|record| record.server_name.as_deref() == Some("one.test"))
    })
}
