//! What the command line accepts, and what it says of mistakes.

use crate::program::{Directory, run};

#[tokio::test]
async fn wrong_arguments_are_named_with_the_fix() {
    let many: Vec<_> = (0..17).map(|number| format!("host{number}.test")).collect();
    let many: Vec<_> = many.iter().map(|host| &**host).collect();
    for (arguments, problem) in [
        (&[][..], "a host is missing"),
        (&["a b"], "`a b` is not a host"),
        (&["https://a.test/"], "give HOST or HOST:PORT"),
        (&["a.test:0"], "`0` is not a port"),
        (&["a.test:99999"], "`99999` is not a port"),
        (&["a.test", "a.test"], "`a.test` is given twice"),
        (&["a.test", "--http", "4"], "--http: `4` is not 1.1, 2 or 3"),
        (
            &["a.test", "--timeout", "0"],
            "`0` is not within 1 to 60 seconds",
        ),
        (
            &["a.test", "--timeout", "61"],
            "`61` is not within 1 to 60 seconds",
        ),
        (&["a.test", "--path", "*"], "`*` does not begin with /"),
        (
            &["a.test", "--timeout"],
            "--timeout: expected a whole number of seconds",
        ),
        (
            &["a.test", "--path", "health"],
            "`health` is not a path such as /health",
        ),
        (
            &["a.test", "--path", "/a b"],
            "--path: `/a b` is not a path",
        ),
        (
            &["a.test", "--connect-to", "a b"],
            "--connect-to: `a b` is not a host",
        ),
        (&["a.test", "--cert", "x.pem"], "--cert needs --key"),
        (&["a.test", "--key", "x.pem"], "--key needs --cert"),
        (&["a.test", "\u{1b}[31m"], r"`\u{1b}[31m` is not a host"),
        (&many, "17 hosts are too many: give at most 16"),
    ] {
        let output = run("diagnose", arguments).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(problem), "{problem} in {errors}");
        assert!(errors.contains("usage: diagnose HOST[:PORT]") && output.stdout.is_empty());
    }
}

#[tokio::test]
async fn the_usage_has_every_option_and_exit_status() {
    let output = run("diagnose", &["--help"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for word in [
        "--connect-to",
        "--ca",
        "--cert",
        "--key",
        "--http",
        "--path",
        "--timeout",
        "--json",
        "exit status:",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(text.lines().all(|line| line.len() <= 120));
}

#[tokio::test]
async fn a_file_that_is_missing_or_wrong_is_named() {
    let directory = Directory::new();
    directory.write("empty.pem", "");
    directory.write_certificate("cert.pem", "key.pem", &["client.test"]);
    let path = |file: &str| directory.path(file);
    let (missing, empty, cert, key) = (
        path("missing.pem"),
        path("empty.pem"),
        path("cert.pem"),
        path("key.pem"),
    );
    for (options, named) in [
        (&["--ca", &*missing][..], &missing),
        (&["--ca", &empty], &empty),
        (&["--cert", &missing, "--key", &key], &missing),
        (&["--cert", &cert, "--key", &missing], &missing),
        (&["--cert", &cert, "--key", &empty], &empty),
    ] {
        // Nothing listens there, but the files are read before.
        let output = run(
            "diagnose",
            &[&["a.test", "--connect-to", "127.0.0.1:1"], options].concat(),
        )
        .await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {errors}");
        assert!(
            errors.contains(&**named) && !errors.contains("Os {"),
            "{errors}"
        );
    }
}
