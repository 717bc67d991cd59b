//! SIGHUP: what it changes, for whom, and that it changes nothing where something is wrong.

use http::Request;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::wire::frames::{Frame, GOAWAY, Raw};
use crate::wire::http3::{ended_well, get3, send3};

/// The certificate that a new connection is presented.
async fn presented(addr: SocketAddr, sni: &str) -> Vec<u8> {
    let io = wire::connect(addr, pki::client(&["h2"]), Some(sni)).await;
    io.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Whether a new connection of this client, which is served, resumes a session.
async fn resumes(addr: SocketAddr, client: &Arc<ClientConfig>, host: &str) -> bool {
    let io = wire::connect(addr, client.clone(), Some(host)).await;
    let kind = io.get_ref().1.handshake_kind();
    assert_eq!(status(&wire::http2(io).await, host).await, 200);
    kind == Some(rustls::HandshakeKind::Resumed)
}

#[tokio::test]
async fn another_policy_turns_old_connections_away() {
    let site = Site::new();
    let (first, second) = (site.authority("first"), site.authority("second"));
    // A client that ignores GOAWAY can stay on its old connection.
    let hosts = |policy: &str| {
        let head = "http3 = true\ndrain = \"off\"\n";
        format!("{head}{}{}{policy}", host("www"), host("admin"))
    };
    let mut example = site.serve(&hosts("")).await;
    let addr = example.addr;

    let www = open_for(addr, "www.test").await;
    // Keeps the tickets of its connections.
    let bare = Arc::new(pki::client(&["h2"]));
    let open_to_all = open(addr, bare.clone(), Some("admin.test")).await;
    let (over_quic, ..) = open3(addr, bare.clone(), "admin.test").await;
    assert_eq!(status(&open_to_all, "admin.test").await, 200);
    assert_eq!(get3(&over_quic, "admin.test").await.status(), 200);

    site.reload(&mut example, &hosts("client_ca = \"first.pem\"\n"))
        .await;
    assert_eq!(status(&open_to_all, "admin.test").await, 421);
    assert_eq!(get3(&over_quic, "admin.test").await.status(), 421);
    // Neither anew nor by the sessions of before.
    assert!(kept_out(addr, bare.clone(), Some("admin.test")).await);
    let alice = pki::client_with_certificate(&["h2"], &first.client("alice"));
    let alice = open(addr, alice, Some("admin.test")).await;
    let expected = line("admin.test", "admin", "admin.test", "alice");
    assert_eq!(get(&alice, "admin.test").await.body(), &expected);

    // Under another name, the same authority is the same policy.
    std::fs::copy(site.0.path("first.pem"), site.0.path("copy.pem")).unwrap();
    site.reload(&mut example, &hosts("client_ca = \"copy.pem\"\n"))
        .await;
    assert_eq!(status(&alice, "admin.test").await, 200);

    // Under the same name, another authority is another policy.
    std::fs::copy(site.0.path("second.pem"), site.0.path("copy.pem")).unwrap();
    site.reload(&mut example, &hosts("client_ca = \"copy.pem\"\n"))
        .await;
    assert_eq!(status(&alice, "admin.test").await, 421);
    let bob = pki::client_with_certificate(&["h2"], &second.client("bob"));
    let bob = open(addr, bob, Some("admin.test")).await;
    assert_eq!(status(&bob, "admin.test").await, 200);

    site.reload(&mut example, &hosts("")).await;
    assert_eq!(status(&bob, "admin.test").await, 421);
    let anew = open_for(addr, "admin.test").await;
    assert_eq!(status(&anew, "admin.test").await, 200);

    // All of that was nothing to the other host.
    assert_eq!(status(&www, "www.test").await, 200);
}

/// An idle connection over HTTP/2, and one over HTTP/3.
async fn idle(
    addr: SocketAddr,
    host: &str,
) -> (
    Raw<TlsStream<TcpStream>>,
    quinn::Connection,
    (Client3, quinn::Endpoint),
) {
    let io = wire::connect(addr, pki::client(&["h2"]), Some(host)).await;
    let mut two = Raw::begin(io).await;
    assert!(two.get(host, "/").await.0);
    let (three, quic, endpoint) = open3(addr, pki::client(&[]), host).await;
    assert_eq!(get3(&three, host).await.status(), 200);
    (two, quic, (three, endpoint))
}

#[tokio::test]
async fn w2_another_policy_ends_idle_connections_over_every_version() {
    for drain in ["", "drain = \"0s\"\n", "drain = \"20ms\"\n"] {
        let site = Site::new();
        site.authority("clients");
        let hosts = format!("http3 = true\n{drain}{}{}", host("www"), host("admin"));
        let mut example = site.serve(&hosts).await;
        let (mut www2, www3, _alive) = idle(example.addr, "www.test").await;
        let (mut admin2, admin3, _alive) = idle(example.addr, "admin.test").await;
        site.reload(
            &mut example,
            &format!("{hosts}client_ca = \"clients.pem\"\n"),
        )
        .await;
        assert_eq!(admin2.until(GOAWAY).await, Frame::graceful_goaway());
        assert!(ended_well(&admin3).await);
        www2.ping().await;
        assert_eq!(www2.goaways(), 0);
        assert!(www2.get("www.test", "/").await.0);
        assert!(www3.close_reason().is_none());
    }
}

/// With a long time, an idle connection waits. A request on it does not.
#[tokio::test]
async fn w2_the_time_that_was_set_holds_for_every_version() {
    let site = Site::new();
    site.authority("clients");
    let hosts = format!("http3 = true\ndrain = \"60000m\"\n{}", host("admin"));
    let mut example = site.serve(&hosts).await;
    let (mut two, quic, alive) = idle(example.addr, "admin.test").await;
    site.reload(
        &mut example,
        &format!("{hosts}client_ca = \"clients.pem\"\n"),
    )
    .await;
    assert!(!two.get("admin.test", "/").await.0);
    assert_eq!(two.goaways(), 1);
    assert!(quic.close_reason().is_none());
    let request = Request::get("https://admin.test/").body(()).unwrap();
    assert!(send3(&alive.0, request).await.is_err());
    assert!(ended_well(&quic).await);
}

#[tokio::test]
async fn sharing_that_begins_or_ends_is_another_policy_for_the_host_that_shares() {
    let site = Site::new();
    let apart = [host("www"), host("shop")].concat();
    let shared = [host("www"), sharing("shop", "www")].concat();
    let mut example = site.serve(&apart).await;
    let www = open_for(example.addr, "www.test").await;
    let shop = open_for(example.addr, "shop.test").await;
    assert_eq!(status(&www, "shop.test").await, 421);

    site.reload(&mut example, &shared).await;
    assert_eq!(status(&www, "www.test").await, 200);
    assert_eq!(status(&www, "shop.test").await, 200);
    assert_eq!(status(&shop, "shop.test").await, 421);

    // Where the relation stays, so do the connections.
    let shop = open_for(example.addr, "shop.test").await;
    site.reload(&mut example, &shared).await;
    assert_eq!(status(&shop, "shop.test").await, 200);
    assert_eq!(status(&shop, "www.test").await, 200);

    site.reload(&mut example, &apart).await;
    assert_eq!(status(&www, "www.test").await, 200);
    assert_eq!(status(&www, "shop.test").await, 421);
    assert_eq!(status(&shop, "shop.test").await, 421);
}

#[tokio::test]
async fn a_renewed_certificate_refuses_nobody() {
    let site = Site::new();
    let clients = site.authority("clients");
    let hosts = format!(
        "http3 = true\n{}{}{}client_ca = \"clients.pem\"\n",
        host("www"),
        sharing("shop", "www"),
        host("admin"),
    );
    let mut example = site.serve(&hosts).await;
    let addr = example.addr;
    let www = open_for(addr, "www.test").await;
    let (www3, ..) = open3(addr, pki::client(&[]), "www.test").await;
    let alice = pki::client_with_certificate(&["h2"], &clients.client("alice"));
    let admin = open(addr, alice, Some("admin.test")).await;
    let old = presented(addr, "www.test").await;
    // Keeps its tickets.
    let regular = Arc::new(pki::client(&["h2"]));
    assert!(!resumes(addr, &regular, "www.test").await);

    // The same names, and one more.
    let new = site.certificate("site", &[NAMES, &["new.test"]].concat());
    site.reload(&mut example, &hosts).await;
    assert_ne!(old, new);
    assert!(resumes(addr, &regular, "www.test").await);
    for host in ["www.test", "shop.test"] {
        assert_eq!(status(&www, host).await, 200);
        assert_eq!(get3(&www3, host).await.status(), 200);
    }
    assert_eq!(status(&admin, "admin.test").await, 200);
    for sni in ["www.test", "shop.test", "admin.test"] {
        assert_eq!(presented(addr, sni).await, new, "{sni}");
    }

    // Other files are a renewal too.
    let newest = site.certificate("elsewhere", NAMES);
    site.reload(&mut example, &hosts.replace("site.", "elsewhere."))
        .await;
    assert_eq!(status(&www, "www.test").await, 200);
    assert_eq!(status(&admin, "admin.test").await, 200);
    assert_eq!(presented(addr, "www.test").await, newest);
}

#[tokio::test]
async fn everything_else_takes_effect_on_open_connections() {
    let site = Site::new();
    let hosts = [host("www"), sharing("shop", "www")].concat();
    let mut example = site.serve(&hosts).await;
    let www = open_for(example.addr, "www.test").await;
    let any = || pki::client(&["h2"]);
    assert_eq!(status(&www, "shop.test").await, 200);

    let never = format!("coalescing = \"never\"\nbody = \"json\"\n{hosts}");
    site.reload(&mut example, &never).await;
    let answer = get(&www, "shop.test").await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.body(), r#"{"error":"misdirected_request"}"#);

    site.reload(&mut example, &format!("report_only = true\n{never}"))
        .await;
    assert_eq!(status(&www, "shop.test").await, 200);

    assert!(kept_out(example.addr, any(), None).await);
    site.reload(&mut example, &format!("default = \"www\"\n{hosts}"))
        .await;
    let nameless = open(example.addr, any(), None).await;
    let expected = line("www.test", "www", "-", "-");
    assert_eq!(get(&nameless, "www.test").await.body(), &expected);

    // A name moves from one host to another, and a host goes.
    let moved = host("www").replace("\"www.test\"", "\"www.test\", \"shop.test\"");
    site.reload(&mut example, &moved).await;
    let expected = line("shop.test", "www", "www.test", "-");
    assert_eq!(get(&www, "shop.test").await.body(), &expected);
    assert!(kept_out(example.addr, any(), None).await);
    site.reload(&mut example, &host("www")).await;
    assert_eq!(status(&www, "shop.test").await, 421);
    assert!(kept_out(example.addr, any(), Some("shop.test")).await);
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let site = Site::new();
    let renewed = [host("www"), own("other", "other")].concat();
    let old_other = site.certificate("other", &["other.test"]);
    let mut example = site.serve(&renewed).await;
    let addr = example.addr;
    let www = open_for(addr, "www.test").await;
    let old = presented(addr, "www.test").await;

    // The first host's certificate is a good one, whatever is wrong with the rest.
    let new = site.certificate("site", NAMES);
    site.0.write("empty.pem", "");
    for (configuration, value) in [
        ("listen".to_owned(), "listen"),
        (format!("colour = 1\n{renewed}"), "colour"),
        (format!("coalescing = \"rarely\"\n{renewed}"), "rarely"),
        (renewed.replace("other.pem", "gone.pem"), "gone.pem"),
        (renewed.replace("other.pem", "empty.pem"), "empty.pem"),
        (renewed.replace("other.key", "site.key"), "site.key"),
        (renewed.replace("other.test", "www.test"), "www.test"),
        (
            renewed.replace("other.test", "other.test:1"),
            "other.test:1",
        ),
        (format!("default = \"nobody\"\n{renewed}"), "nobody"),
        (format!("http3 = true\n{renewed}"), "http3"),
        (
            format!("drain = \"2s\"\n{renewed}"),
            "drain = `2s` was `1s`",
        ),
        (
            format!("drain = \"off\"\n{renewed}"),
            "drain = `off` was `1s`",
        ),
    ] {
        let text = site.refuse(&mut example, &configuration).await;
        assert!(text.contains(value), "{value} in {text}");
        assert!(text.contains("site.toml"), "{text}");
        assert_eq!(status(&www, "www.test").await, 200);
        assert_eq!(presented(addr, "www.test").await, old, "{value}");
        assert_eq!(presented(addr, "other.test").await, old_other, "{value}");
    }

    // As is another address, and no file at all.
    let file = site.configure(&renewed);
    let text = std::fs::read_to_string(&file).unwrap();
    site.0
        .write("site.toml", text.replace("127.0.0.1:0", "127.0.0.1:1"));
    assert!(example.signal("-HUP"));
    let text = example.complains("virtual_hosts: not reloaded: ").await;
    assert!(
        text.contains("127.0.0.1:1") && text.contains("restart"),
        "{text}"
    );
    std::fs::remove_file(&file).unwrap();
    assert!(example.signal("-HUP"));
    let text = example.complains("virtual_hosts: not reloaded: ").await;
    assert!(text.contains("site.toml"), "{text}");
    assert_eq!(status(&www, "www.test").await, 200);

    // And the next good one is taken.
    site.reload(&mut example, &renewed).await;
    assert_eq!(presented(addr, "www.test").await, new);
    assert_eq!(status(&www, "www.test").await, 200);
}

#[tokio::test]
async fn two_signals_in_quick_succession_are_fine() {
    let site = Site::new();
    let mut example = site.serve(&host("www")).await;
    let www = open_for(example.addr, "www.test").await;
    assert_eq!(status(&www, "shop.test").await, 421);
    site.configure(&[host("www"), sharing("shop", "www")].concat());
    assert!(example.signal("-HUP"));
    assert!(example.signal("-HUP"));
    example.says("reloaded").await;
    assert_eq!(status(&www, "shop.test").await, 200);
    assert_eq!(status(&www, "www.test").await, 200);
    example.ends_on_ctrl_c().await;
}
