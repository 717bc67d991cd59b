//! A great many requests over every version of HTTP at once, a known part of them misdirected, while
//! certificates are renewed and virtual hosts replaced by equal ones. Each answer is checked against the
//! table, and the server's own counts against what was sent.

use std::collections::BTreeMap;
use std::time::Instant;

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::client::{Client, Connection, Http};
use crate::messages::{Counts, Settings};
use crate::number;
use crate::process::Server;
use crate::site::{Fate, HOSTS, TABLE};

const SEED: u64 = 421;
/// Clients that each have one connection at a time.
const CLIENTS: [(Http, usize); 3] = [(Http::One, 4), (Http::Two, 7), (Http::Three, 1)];
/// Requests of one HTTP/1.1 connection, or of one of the lanes that are open at once over the other versions.
const IN_A_ROW: usize = 50;
const LANES: usize = 16;

/// How many requests were to have which fate.
type Tally = BTreeMap<Fate, u64>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_many_verdicts_is_right_and_memory_stays_flat() {
    let requests = number(20_000, 1_000_000);
    let settings = Settings {
        renew_every: Some(1000),
        ..Settings::default()
    };
    let (mut server, client) = Server::start(settings).await;
    let begin = Instant::now();

    let mut tally = send(&client, 0, requests / 10).await;
    server.comes_to(0).await;
    let (warm, warm_memory) = (server.counts().await, server.memory());
    agree(&warm, &tally);

    for (fate, count) in send(&client, 1, requests - requests / 10).await {
        *tally.entry(fate).or_default() += count;
    }
    server.comes_to(0).await;
    // The last may be due, and not done.
    let renewals = requests as u64 / 1000;
    server.until(|counts| counts.renewals == renewals).await;
    let memory = server.memory();
    let counts = server.ends().await;
    agree(&counts, &tally);
    assert_eq!(counts.judged(), requests as u64);

    // In KiB: what allocators and caches may still come to.
    let bound = warm_memory + warm_memory / 20 + 4096;
    assert!(
        memory <= bound,
        "{memory} KiB, after warming up {warm_memory} KiB"
    );
    let allocations = counts.allocations;
    assert!(
        allocations <= warm.allocations + 500,
        "{allocations} allocations, after warming up {}",
        warm.allocations
    );
    let seconds = begin.elapsed().as_secs_f32();
    println!(
        "{requests} requests in {seconds:.0} s, {} refused, {renewals} renewals: all verdicts right; memory \
         {warm_memory} KiB and then {memory} KiB, live allocations {} and then {allocations}",
        counts.refused, warm.allocations,
    );
}

/// Sends so many requests from all clients at once.
async fn send(client: &Client, round: u64, requests: usize) -> Tally {
    let clients = CLIENTS.iter().flat_map(|&(http, count)| vec![http; count]);
    let clients: Vec<_> = clients.collect();
    let mut running = JoinSet::new();
    for (number, http) in clients.iter().copied().enumerate() {
        // The first makes up for what is left over.
        let more = if number == 0 {
            requests % clients.len()
        } else {
            0
        };
        let rng = Rng::with_seed(SEED + 1000 * round + number as u64);
        running.spawn(one_client(
            client.clone(),
            http,
            rng,
            requests / clients.len() + more,
        ));
    }
    sum(running.join_all().await)
}

fn sum(tallies: Vec<Tally>) -> Tally {
    let mut sum = Tally::new();
    for (fate, count) in tallies.into_iter().flatten() {
        *sum.entry(fate).or_default() += count;
    }
    sum
}

/// Opens one connection after the other, with any server name.
async fn one_client(client: Client, http: Http, mut rng: Rng, requests: usize) -> Tally {
    let mut tallies = Vec::new();
    let mut left = requests;
    while left > 0 {
        let line = &TABLE[rng.usize(..TABLE.len())];
        let connection = client.connect(http, line.0).await;
        let mut lanes = JoinSet::new();
        match connection {
            Connection::One(_) => {
                let now = left.min(IN_A_ROW);
                lanes.spawn(one_lane(connection, line, rng.fork(), now));
                left -= now;
            }
            Connection::Two(_) | Connection::Three(..) => {
                for _ in 0..LANES {
                    let now = left.min(IN_A_ROW);
                    let lane = connection.lane();
                    lanes.spawn(one_lane(lane, line, rng.fork(), now));
                    left -= now;
                }
            }
        }
        tallies.push(sum(lanes.join_all().await));
    }
    sum(tallies)
}

/// Sends one request after the other, for any host.
async fn one_lane(
    mut connection: Connection,
    (sni, fates): &(Option<&str>, [Fate; HOSTS.len()]),
    mut rng: Rng,
    requests: usize,
) -> Tally {
    let mut tally = Tally::new();
    for _ in 0..requests {
        let host = rng.usize(..HOSTS.len());
        let fate = fates[host];
        connection.asks(*sni, HOSTS[host], fate, rng.u64(..)).await;
        *tally.entry(fate).or_default() += 1;
    }
    tally
}

/// The server has counted what was sent, no more and no less, in every place where it counts.
fn agree(counts: &Counts, tally: &Tally) {
    let verdicts = tally
        .iter()
        .map(|(fate, count)| (fate.outcome().into(), *count));
    assert_eq!(counts.verdicts, verdicts.collect());
    let with = |status| {
        let fates = tally
            .iter()
            .filter(move |(fate, _)| fate.status() == status);
        fates.map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(counts.entered, with(200));
    assert_eq!(counts.left, with(200));
    assert_eq!(counts.refused, with(421) + with(400));
    assert_eq!(counts.handshakes_failed, 0);
}
