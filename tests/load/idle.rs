//! Many connections that are open and quiet, and what one of them costs.

use crate::client::{Connection, OVER_TCP, VISIT};
use crate::messages::Settings;
use crate::process::Server;
use crate::site::{Fate, HOSTS, TABLE};
use crate::{may_open, number};

/// In KiB, far above what either version needs, and far below what a copy of something large would.
const MOST_PER_CONNECTION: usize = 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_idle_connections_stay_open_cost_little_and_are_judged_as_ever() {
    let each = number(150, 2500);
    if !may_open(2 * each + 100) {
        return;
    }
    let (mut server, client) = Server::start(Settings::default()).await;
    client.is_served().await;

    let mut idle = Vec::new();
    let mut costs = Vec::new();
    for http in OVER_TCP {
        let empty = server.memory();
        for number in 0..each {
            let (sni, fates) = TABLE[number % TABLE.len()];
            let mut connection = client.connect(http, sni).await;
            connection.asks(sni, HOSTS[0], fates[0], 0).await;
            idle.push((sni, fates, connection));
        }
        let cost = server.memory().saturating_sub(empty) / each;
        assert!(cost < MOST_PER_CONNECTION, "{cost} KiB per connection");
        costs.push(cost);
    }

    // Traffic on others, everything in the table, and on a tenth of them.
    let mut asked = 0;
    let mut ask = async |connection: &mut Connection, sni, fates: [Fate; 10]| {
        for (host, fate) in HOSTS.into_iter().zip(fates) {
            asked += 1;
            connection.asks(sni, host, fate, asked).await;
        }
    };
    for http in OVER_TCP {
        for (sni, fates) in TABLE {
            ask(&mut client.connect(http, sni).await, sni, fates).await;
        }
    }
    for (sni, fates, connection) in idle.iter_mut().step_by(10) {
        ask(connection, *sni, *fates).await;
    }

    // Not one has gone.
    for (sni, fates, connection) in &mut idle {
        connection.asks(*sni, HOSTS[3], fates[3], 0).await;
    }
    assert!(server.connections() >= idle.len());
    drop(idle);
    server.comes_to(0).await;
    let counts = server.ends().await;
    let sent = (OVER_TCP.len() * each) as u64;
    assert_eq!(counts.judged(), VISIT + 2 * sent + asked);
    println!(
        "{sent} idle connections: {} KiB each over HTTP/1.1 and {} KiB over HTTP/2, {} requests right",
        costs[0],
        costs[1],
        counts.judged()
    );
}
