//! SIGTERM and Ctrl-C: nobody new comes in, idle connections are closed, and what has begun is finished.

use http::Request;
use tokio::io::AsyncRead;

use super::*;
use crate::wire::http3::{ended_well, get3};

/// Waits until nobody listens any more.
async fn stops_listening(addr: SocketAddr) {
    let stopped = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let stopped = tokio::time::timeout(Duration::from_secs(60), stopped);
    stopped.await.expect("an end of listening in time");
}

async fn closes_in_time(io: &mut (impl AsyncRead + Unpin)) {
    let closes = tokio::time::timeout(Duration::from_secs(60), wire::closes(io));
    assert!(closes.await.expect("an end in time"));
}

/// Waits until a client knows, by GOAWAY, that it has to send no more requests (RFC 9114 §5.2).
async fn told_to_go(client: &Client3) {
    let told = async {
        let request = Request::get("https://www.test/").body(()).unwrap();
        while let Ok(mut stream) = client.clone().send_request(request.clone()).await {
            // On its way before GOAWAY was: answered or rejected, both are right.
            let _ = stream.finish().await;
            let _ = stream.recv_response().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(60), told);
    told.await.expect("GOAWAY in time");
}

#[tokio::test]
async fn what_has_begun_is_finished_and_what_is_idle_is_closed() {
    for signal in ["-TERM", "-INT"] {
        let site = Site::new();
        let example = site.serve(&format!("http3 = true\n{}", host("www"))).await;
        let addr = example.addr;
        let one = || wire::connect(addr, pki::client(&["http/1.1"]), Some("www.test"));
        let get = "GET / HTTP/1.1\nHost: www.test\n\n";
        let expected = line("www.test", "www", "www.test", "-");

        // Idle after a request, and idle before any.
        let mut idle = one().await;
        assert_eq!(wire::exchange(&mut idle, get).await.status, 200);
        let mut unused = one().await;

        // A request of which the application has begun to read the content (RFC 9110 §10.1.1).
        let mut busy = one().await;
        let post = "POST / HTTP/1.1\nHost: www.test\nContent-Length: 2\nExpect: 100-continue\n\n";
        assert_eq!(wire::exchange(&mut busy, post).await.status, 100);

        // Over HTTP/2 and HTTP/3 a later request's answer shows that the earlier one has come.
        let busy2 = open_for(addr, "www.test").await;
        let post = Request::post("https://www.test/").body(()).unwrap();
        let mut sender = busy2.clone().ready().await.unwrap();
        let (answer2, mut content2) = sender.send_request(post.clone(), false).unwrap();
        assert_eq!(status(&busy2, "www.test").await, 200);
        let (busy3, busy_quic, _endpoint3) = open3(addr, pki::client(&[]), "www.test").await;
        let mut stream3 = busy3.clone().send_request(post).await.unwrap();
        assert_eq!(get3(&busy3, "www.test").await.status(), 200);

        // Idle over QUIC, and younger than the one that is not.
        let (idle3, idle_quic, _endpoint) = open3(addr, pki::client(&[]), "www.test").await;
        assert_eq!(get3(&idle3, "www.test").await.status(), 200);

        assert!(example.signal(signal));
        stops_listening(addr).await;
        closes_in_time(&mut idle).await;
        closes_in_time(&mut unused).await;
        told_to_go(&busy3).await;
        assert!(ended_well(&idle_quic).await);

        // Now that all the others are gone, the rest of the content.
        busy.write_all(b"ab").await.unwrap();
        let answer = wire::read_answer(&mut busy, false).await;
        assert_eq!((answer.status, &answer.body), (200, &expected));
        closes_in_time(&mut busy).await;
        content2.send_data(Bytes::from("ab"), true).unwrap();
        let answer = wire::read2(answer2.await.unwrap()).await;
        assert_eq!(answer.body(), &expected);
        stream3.send_data(Bytes::from("ab")).await.unwrap();
        stream3.finish().await.unwrap();
        assert_eq!(stream3.recv_response().await.unwrap().status(), 200);
        let content = stream3.recv_data().await.unwrap().unwrap();
        assert_eq!(bytes::Buf::chunk(&content), expected.as_bytes());
        assert!(ended_well(&busy_quic).await);

        let (ended, errors) = example.ends().await;
        assert_eq!(ended.code(), Some(0), "{errors:?}");
        assert!(errors.is_empty(), "{errors:?}");
    }
}
