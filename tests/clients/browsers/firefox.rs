//! Firefox: how it is started.

use std::path::Path;

use super::headless::{Browser, Kind};
use super::visit::Body;

const FIREFOX: Kind = Kind {
    name: "Firefox",
    programs: &["firefox-esr", "firefox"],
    trust: "profile",
    preferences: Some((
        "profile/user.js",
        r#"
            user_pref("network.dns.localDomains", "one.test,api.one.test,two.test,aside.test");
            user_pref("network.proxy.type", 0);
            user_pref("network.trr.mode", 5);
            user_pref("network.captive-portal-service.enabled", false);
            user_pref("network.connectivity-service.enabled", false);
        "#,
    )),
    arguments,
    http3: None,
};

fn arguments(home: &str, screenshot: &Path) -> Vec<String> {
    let arguments = [
        "--headless",
        "--no-remote",
        "--window-size=1100,760",
        &format!("--profile={home}/profile"),
        &format!("--screenshot={}", screenshot.display()),
    ];
    arguments.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn firefox_does_what_the_guide_says() {
    if let Some(firefox) = Browser::find(&FIREFOX) {
        super::does_what_the_guide_says(&firefox).await;
    }
}

#[tokio::test]
async fn firefox_retries_a_421_unseen() {
    if let Some(firefox) = Browser::find(&FIREFOX) {
        super::a_421_is_retried_unseen(&firefox, "", Body::None).await;
    }
}

#[tokio::test]
async fn firefox_sends_the_whole_body_again() {
    if let Some(firefox) = Browser::find(&FIREFOX) {
        super::a_421_is_retried_unseen(&firefox, "-upload", Body::Whole).await;
    }
}

#[tokio::test]
async fn firefox_shares_connections_where_it_may() {
    if let Some(firefox) = Browser::find(&FIREFOX) {
        super::hosts_that_share_a_configuration_share_connections(&firefox).await;
    }
}

#[tokio::test]
async fn firefox_caches_no_421() {
    if let Some(firefox) = Browser::find(&FIREFOX) {
        super::a_final_421_is_not_cached(&firefox).await;
    }
}
