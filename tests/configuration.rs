//! Bad configuration fails when it is written, with an error that names the value and the fix.

use tower_misdirected::MisdirectedLayer;

#[test]
fn good_hosts_are_taken() {
    for host in [
        "app.example",
        "App.Example.",
        "localhost",
        "*.app.example",
        "*.localhost",
        "**.app.example",
        "**.localhost",
        "**.App.Example.",
        "xn--bcher-kva.example",
        "a_b.example",
        "127.0.0.1",
        "::1",
        "[::1]",
        "2001:DB8::1",
        "::ffff:192.0.2.1",
        "10.0.0.0/8",
        "192.0.2.1/32",
        "0.0.0.0/0",
        "::/0",
    ] {
        assert!(
            MisdirectedLayer::new().allowed_hosts([host]).is_ok(),
            "{host}"
        );
    }
}

#[test]
fn bad_hosts_are_named_with_the_fix() {
    for (host, fix) in [
        ("", "empty"),
        ("bücher.example", "Punycode"),
        ("*.bücher.example", "Punycode"),
        ("app.example:443", "`ports`"),
        ("[::1]:443", "`ports`"),
        ("127.0.0.1:80", "`ports`"),
        ("https://app.example", "without scheme"),
        ("app.example/", "without scheme"),
        ("*", "wrong place"),
        ("*.", "wrong place"),
        ("*app.example", "wrong place"),
        ("f*.example", "wrong place"),
        ("a.*.example", "wrong place"),
        ("*.*.example", "wrong place"),
        ("**", "wrong place"),
        ("**.", "wrong place"),
        ("***.example", "wrong place"),
        ("**app.example", "wrong place"),
        ("a.**.example", "wrong place"),
        ("*.**.example", "wrong place"),
        ("**.*.example", "wrong place"),
        ("**.127.0.0.1", "wrong place"),
        ("user@app.example", "is not a host; expected"),
        ("app..example", "is not a host; expected"),
        (".app.example", "is not a host; expected"),
        ("127.0.0.256", "is not a host; expected"),
        ("[::1", "is not a host; expected"),
        ("app example", "is not a host; expected"),
        (" app.example", "is not a host; expected"),
        ("10.0.0.1/8", "write `10.0.0.0/8`"),
        ("10.0.0.0/33", "from 0 to 32"),
        ("2001:db8::/", "is not a network"),
        ("10.0.0.0/8/8", "is not a network"),
        ("[2001:db8::]/32", "without scheme"),
        ("app.example/8", "without scheme"),
    ] {
        let error = MisdirectedLayer::new()
            .allowed_hosts(["fine.example", host])
            .expect_err(host);
        assert_eq!((error.setting(), error.value()), ("allowed_hosts", host));
        let text = error.to_string();
        assert!(text.contains(fix), "{host}: {text}");
        assert!(text.contains(&format!("`{host}`")), "{host}: {text}");
    }
}

#[test]
fn an_error_does_not_repeat_control_characters() {
    let error = MisdirectedLayer::new().allowed_hosts(["a\nb"]).unwrap_err();
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn an_empty_list_is_an_error() {
    let layer = MisdirectedLayer::new();
    let hosts = layer.clone().allowed_hosts([""; 0]).unwrap_err();
    assert_eq!((hosts.setting(), hosts.value()), ("allowed_hosts", ""));
    assert!(
        hosts
            .to_string()
            .starts_with("allowed_hosts: the list is empty")
    );
    let ports = layer.ports([]).unwrap_err();
    assert_eq!((ports.setting(), ports.value()), ("ports", ""));
    assert!(ports.to_string().starts_with("ports: the list is empty"));
}

#[test]
fn a_default_host_is_an_authority() {
    for host in ["app.example", "app.example:8443", "127.0.0.1", "[::1]:80"] {
        assert!(MisdirectedLayer::new().default_host(host).is_ok(), "{host}");
    }
    for host in [
        "",
        "*.example",
        "::1",
        "a@b",
        "app.example:x",
        "bücher.example",
    ] {
        let error = MisdirectedLayer::new().default_host(host).expect_err(host);
        assert_eq!(error.value(), host);
    }
}
