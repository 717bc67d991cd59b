//! Confluent's SniHandler wrote the 421 and then ran the inner handler all the same (C4).

use tower_misdirected::Rejection;

use crate::client::{EVERY_HTTP, Http, Visitor};
use crate::site::{Client, Configs, Got, Memory, Site};

const OTHER_CONFIG: Got = Got::Refused(Rejection::DifferentTlsConfig);

#[tokio::test]
async fn confluent_a_refused_request_runs_no_handler_and_its_body_is_not_read() {
    let site = Site::new(Configs::new(&Memory::tickets()).hosts()).await;
    for http in EVERY_HTTP {
        let visitor = Visitor::new(http, None);
        for host in ["admin.test", "x.mtls.test", "vault.test"] {
            // A request that is served is answered after its body, so this is seen first of one without a body.
            let mut other = site.connect(&visitor, Some("www.test")).await.unwrap();
            assert_eq!(site.ask(&mut other, host).await, OTHER_CONFIG, "{http:?}");
            let mut connection = site.connect(&visitor, Some("www.test")).await.unwrap();
            // The rest of the body does not come before the answer.
            let got = site.see(host, connection.post(host, None)).await;
            assert_eq!(got, OTHER_CONFIG, "{http:?}");
            assert_eq!(site.body_reads(), 0, "{http:?}");
            // Other streams of the connection are none the worse for it.
            if http != Http::One {
                let got = site.ask(&mut connection, "www.test").await;
                assert_eq!(got, Got::Served(Client::Nobody), "{http:?}");
                assert!(site.body_reads() > 0);
            }
        }
        assert_eq!(site.body_reads(), 0);
    }
}

#[tokio::test]
async fn confluent_a_body_that_comes_whole_is_not_read_either() {
    let site = Site::new(Configs::new(&Memory::tickets()).hosts()).await;
    for http in EVERY_HTTP {
        let visitor = Visitor::new(http, None);
        let mut connection = site.connect(&visitor, Some("www.test")).await.unwrap();
        let refused = connection.post("admin.test", Some(" and end"));
        assert_eq!(site.see("admin.test", refused).await, OTHER_CONFIG);
        assert_eq!(site.body_reads(), 0, "{http:?}");
        // What is served gets its body, on the same connection.
        let served = async {
            let answer = connection.post("www.test", Some(" and end")).await;
            assert_eq!(answer.as_ref().unwrap().body(), "begin and end");
            answer
        };
        let got = site.see("www.test", served).await;
        assert_eq!(got, Got::Served(Client::Nobody), "{http:?}");
        assert!(site.body_reads() > 0);
    }
}
