//! How far one connection serves several hosts, by the word in the configuration.

use super::*;

/// On a connection with the server name `www.test`, which level is the first to refuse the host.
#[tokio::test]
async fn every_level_refuses_what_those_before_it_do_and_more() {
    const LEVELS: [&str; 5] = [
        "unchecked",
        "certificate",
        "same-tls-config",
        "same-virtual-host",
        "never",
    ];
    let site = Site::new();
    let www = host("www").replace("\"www.test\"", "\"www.test\", \"www2.test\"");
    let hosts = [www, sharing("shop", "www"), host("other")].concat();
    for (number, level) in LEVELS.into_iter().enumerate() {
        let example = site
            .serve(&format!("coalescing = \"{level}\"\n{hosts}"))
            .await;
        let client = open_for(example.addr, "www.test").await;
        for (host, vhost, refused_at) in [
            ("www.test", "www", LEVELS.len()),
            ("www2.test", "www", 4),
            ("shop.test", "shop", 3),
            ("other.test", "other", 2),
            ("no.test", "-", 1),
        ] {
            let answer = get(&client, host).await;
            if number < refused_at {
                let expected = line(host, vhost, "www.test", "-");
                assert_eq!(answer.body(), &expected, "{level}");
            } else {
                assert_eq!(answer.status(), 421, "{level}, {host}");
            }
        }
    }
}

#[tokio::test]
async fn the_default_level_is_the_same_configuration() {
    let site = Site::new();
    let hosts = [host("www"), sharing("shop", "www"), host("other")].concat();
    let example = site.serve(&hosts).await;
    let client = open_for(example.addr, "www.test").await;
    assert_eq!(status(&client, "shop.test").await, 200);
    assert_eq!(status(&client, "other.test").await, 421);
}

#[tokio::test]
async fn sharing_goes_through_hosts_that_share_themselves_and_in_any_order() {
    let site = Site::new();
    let hosts = [
        sharing("shop", "other"),
        sharing("other", "www"),
        host("www"),
    ]
    .concat();
    let example = site.serve(&hosts).await;
    let client = open_for(example.addr, "shop.test").await;
    for id in ["www", "shop", "other"] {
        let host = format!("{id}.test");
        assert_eq!(
            get(&client, &host).await.body(),
            &line(&host, id, "shop.test", "-")
        );
    }
}

#[tokio::test]
async fn without_the_check_of_the_certificate_the_configurations_decide() {
    let site = Site::new();
    site.authority("clients");
    let admin = host("admin") + "client_ca = \"clients.pem\"\n";
    let hosts = ["default = \"www\"\n", &host("www"), &admin].concat();
    // no.test is not in the certificate, and the default serves it.
    for (setting, no_test) in [
        ("", 421),
        ("check_certificate = true\n", 421),
        ("check_certificate = false\n", 200),
    ] {
        let example = site.serve(&format!("{setting}{hosts}")).await;
        for sni in [None, Some("www.test")] {
            let client = open(example.addr, pki::client(&["h2"]), sni).await;
            for (host, expected) in [("www.test", 200), ("no.test", no_test), ("admin.test", 421)] {
                let seen = status(&client, host).await;
                assert_eq!(seen, expected, "{setting} {sni:?} {host}");
            }
        }
    }
}

#[tokio::test]
async fn a_reload_changes_whether_the_certificate_is_checked() {
    let site = Site::new();
    let hosts = ["default = \"www\"\n", &host("www")].concat();
    let mut example = site.serve(&hosts).await;
    let client = open_for(example.addr, "www.test").await;
    assert_eq!(status(&client, "no.test").await, 421);
    let unchecked = format!("check_certificate = false\n{hosts}");
    site.reload(&mut example, &unchecked).await;
    let client = open_for(example.addr, "www.test").await;
    assert_eq!(status(&client, "no.test").await, 200);
}

#[tokio::test]
async fn a_name_can_be_a_wildcard_for_several_labels() {
    let site = Site::new();
    let www = host("www").replace("\"www.test\"", "\"www.test\", \"**.test\"");
    let setting = "check_certificate = false\n";
    let hosts = [setting, &www, &host("other")].concat();
    let example = site.serve(&hosts).await;
    let client = open_for(example.addr, "a.b.test").await;
    for host in ["www.test", "no.test", "a.b.c.test"] {
        let expected = line(host, "www", "a.b.test", "-");
        assert_eq!(get(&client, host).await.body(), &expected);
    }
    for host in ["other.test", "test"] {
        assert_eq!(status(&client, host).await, 421, "{host}");
    }
}
