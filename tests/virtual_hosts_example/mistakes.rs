//! Bad input at the start: exit code 2 and one line on stderr, which names the value.

use super::*;
use crate::program::run;

/// Runs the example with what cannot work, and checks the one line that it says. `values` are in it.
async fn fails(arguments: &[&str], values: &[&str]) {
    let output = run("virtual_hosts", arguments).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.ends_with('\n'));
    for value in values {
        assert!(errors.contains(value), "{value} in {errors}");
    }
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn arguments() {
    fails(&[], &["usage: virtual_hosts FILE"]).await;
    fails(&["one", "two"], &["`two`", "usage: virtual_hosts FILE"]).await;
    fails(&["gone.toml"], &["gone.toml"]).await;
}

#[tokio::test]
async fn values_of_the_configuration() {
    let site = Site::new();
    site.authority("clients");
    site.certificate("unrelated", NAMES);
    site.0.write("empty.pem", "nothing here\n");
    site.0.write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    site.0
        .write("half.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let www = host("www");
    let www = &*www;
    let and = |rest: &str| format!("{www}{rest}");
    let instead = |from: &str, to: &str| {
        assert!(www.contains(from));
        www.replace(from, to)
    };
    for (configuration, values) in [
        // Syntax, with the line.
        (format!("body = \n{www}"), &["site.toml:2:", "`body =`"][..]),
        (
            format!("body json\n{www}"),
            &["site.toml:2:", "`body json`"],
        ),
        (
            format!("body = \"none\"\nbody = \"none\"\n{www}"),
            &["site.toml:3:", "body"],
        ),
        (
            instead("names = [\"www.test\"]", "names = [\"a b.\"]"),
            &["host `www`", "`a b.`"],
        ),
        (instead("id = \"www\"", "id = \"\""), &["empty id"]),
        // Fields and words.
        (
            format!("colour = 1\n{www}"),
            &["site.toml:2:", "`colour`", "`coalescing`"],
        ),
        (
            and("colour = 1\n"),
            &["site.toml:7:", "`colour`", "`client_ca`"],
        ),
        (
            format!("coalescing = \"rarely\"\n{www}"),
            &["`rarely`", "`same-tls-config`"],
        ),
        (
            format!("body = \"xml\"\n{www}"),
            &["`xml`", "`problem-json`"],
        ),
        (format!("http3 = \"yes\"\n{www}"), &["\"yes\"", "boolean"]),
        (
            format!("proxy_protocol = \"all\"\n{www}"),
            &["`all`", "\"any\""],
        ),
        (format!("proxy_protocol = true\n{www}"), &["\"any\""]),
        (
            format!("proxy_protocol = [\"127.0.0.1/31\"]\n{www}"),
            &["`127.0.0.1/31`", "`127.0.0.0/31`"],
        ),
        (format!("proxy_protocol = []\n{www}"), &["list is empty"]),
        (
            format!("check_certificate = \"no\"\n{www}"),
            &["\"no\"", "boolean"],
        ),
        (
            format!("drain = \"soon\"\n{www}"),
            &["site.toml:2:", "`soon`", "30s", "off"],
        ),
        (format!("drain = \"\"\n{www}"), &["``", "30s"]),
        (format!("drain = \"ms\"\n{www}"), &["`ms`", "30s"]),
        (format!("drain = \"30\"\n{www}"), &["`30`", "30s"]),
        (format!("drain = \"-1s\"\n{www}"), &["`-1s`"]),
        (format!("drain = \"1.5s\"\n{www}"), &["`1.5s`"]),
        (format!("drain = \"1 s\"\n{www}"), &["`1 s`"]),
        (
            format!("drain = \"99999999999999999999s\"\n{www}"),
            &["`99999999999999999999s`"],
        ),
        (
            format!("drain = \"18446744073709551615m\"\n{www}"),
            &["`18446744073709551615m`"],
        ),
        (
            format!("drain = 1\n{www}"),
            &["site.toml:2:", "`1`", "string"],
        ),
        (
            and("[[host]]\nnames = [\"b.test\"]\n"),
            &["site.toml:7:", "`id`"],
        ),
        (String::new(), &["[[host]]"]),
        // PEM files.
        (
            instead("site.pem", "gone.pem"),
            &["`www`", "certificate = `gone.pem`"],
        ),
        (
            instead("site.key", "gone.key"),
            &["`www`", "key = `gone.key`"],
        ),
        (
            instead("site.pem", "empty.pem"),
            &["`www`", "certificate = `empty.pem`"],
        ),
        (
            instead("site.pem", "site.key"),
            &["`www`", "certificate = `site.key`"],
        ),
        (
            instead("site.key", "empty.pem"),
            &["`www`", "key = `empty.pem`"],
        ),
        (
            instead("site.key", "site.pem"),
            &["`www`", "key = `site.pem`"],
        ),
        (
            instead("site.pem", "broken.pem"),
            &["`www`", "certificate = `broken.pem`"],
        ),
        (
            instead("site.pem", "half.pem"),
            &["`www`", "certificate = `half.pem`"],
        ),
        (
            instead("site.key", "unrelated.key"),
            &["`www`", "`unrelated.key`", "`site.pem`"],
        ),
        (
            and("client_ca = \"gone.pem\"\n"),
            &["`www`", "client_ca = `gone.pem`"],
        ),
        (
            and("client_ca = \"empty.pem\"\n"),
            &["`www`", "client_ca = `empty.pem`"],
        ),
        (
            and("client_ca = \"site.key\"\n"),
            &["`www`", "client_ca = `site.key`"],
        ),
        (
            and("client_ca = \"broken.pem\"\n"),
            &["`www`", "client_ca = `broken.pem`"],
        ),
        // Names and ids.
        (
            and(&sharing("b", "www").replace("b.test", "WWW.test.")),
            &["`www` and `b`", "`www.test`"],
        ),
        (
            instead("[\"", "[\"www.test\", \""),
            &["`www`", "`www.test` twice"],
        ),
        (
            instead("www.test", "www.test:443"),
            &["`www`", "`www.test:443`"],
        ),
        (instead("\"www.test\"", ""), &["`www`", "names"]),
        (and(&sharing("www", "www")), &["`www`", "id"]),
        (
            format!("default = \"nobody\"\n{www}"),
            &["default = `nobody`"],
        ),
        // Sharing.
        (
            and(&sharing("b", "nobody")),
            &["`b`", "share_tls_with = `nobody`"],
        ),
        (and(&sharing("b", "b")), &["`b`", "b -> b"]),
        (
            and(&[sharing("b", "c"), sharing("c", "b")].concat()),
            &["b -> c -> b"],
        ),
        (
            and("share_tls_with = \"www\"\n"),
            &["`www`", "share_tls_with"],
        ),
        (
            and(&format!(
                "{}client_ca = \"clients.pem\"\n",
                sharing("b", "www")
            )),
            &["`b`", "share_tls_with = `www`", "client_ca"],
        ),
        (
            and("[[host]]\nid = \"b\"\nnames = [\"b.test\"]\n"),
            &["`b`", "share_tls_with"],
        ),
        (instead("key = \"site.key\"\n", ""), &["`www`", "key"]),
        (
            instead("certificate = \"site.pem\"\n", ""),
            &["`www`", "certificate"],
        ),
        // It stays one line.
        (
            instead("site.pem", "a\\nb\\u001b[31m.pem"),
            &["`a\\nb\\u{1b}[31m.pem`"],
        ),
    ] {
        let file = site.configure(&configuration);
        fails(&[&file], values).await;
        fails(&[&file], &["site.toml"]).await;
    }
}

#[tokio::test]
async fn addresses() {
    let site = Site::new();
    for (listen, shown) in [
        ("\"localhost:8443\"", "`localhost:8443`"),
        ("\"127.0.0.1\"", "`127.0.0.1`"),
        ("\"127.0.0.1:70000\"", "`127.0.0.1:70000`"),
        ("8443", "8443"),
    ] {
        site.0
            .write("site.toml", format!("listen = {listen}\n{}", host("www")));
        fails(&[&site.0.path("site.toml")], &["site.toml:1:", shown]).await;
    }
    site.0.write("site.toml", host("www"));
    fails(&[&site.0.path("site.toml")], &["`listen`"]).await;
}

#[tokio::test]
async fn ports_in_use() {
    let site = Site::new();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for (addr, http3) in [
        (tcp.local_addr().unwrap(), false),
        (udp.local_addr().unwrap(), true),
    ] {
        let www = host("www");
        let text = format!("listen = \"{addr}\"\nhttp3 = {http3}\n{www}");
        site.0.write("site.toml", text);
        fails(
            &[&site.0.path("site.toml")],
            &["site.toml", &addr.to_string()],
        )
        .await;
    }
}

/// The file that ships with the example needs nothing but the certificates that it names.
#[tokio::test]
async fn the_example_of_a_configuration_works() {
    let site = Site::new();
    site.certificate("www", &["*.example.test"]);
    site.authority("clients-ca");
    let text = include_str!("../../examples/virtual_hosts/example.toml");
    site.0
        .write("site.toml", text.replace("127.0.0.1:8443", "127.0.0.1:0"));
    let example = Running::start("virtual_hosts", &[&site.0.path("site.toml")]).await;
    let www = open_for(example.addr, "www.example.test").await;
    for (host, status) in [("shop", 200), ("anything", 200), ("admin", 421)] {
        let answer = get(&www, &format!("{host}.example.test")).await;
        assert_eq!(answer.status(), status, "{host}");
    }
    example.ends_on_ctrl_c().await;
}
