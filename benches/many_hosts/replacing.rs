//! How long requests and connections wait while all virtual hosts but a few are replaced.
//!
//! One thread works without a pause while another replaces. The longest time that one piece of work takes is compared
//! with the longest without a replacement, and the difference with the time of the replacement. If work had to wait for
//! the replacement, it would take about as much longer. Whatever else the machine does can make some work take long in
//! some rounds, but not in most.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use http::StatusCode;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, ReadBuf};
use tower_misdirected::{ConnectionInfo, Outdated, TlsAcceptor, VirtualHosts};

use crate::results::{Bound, Row};
use crate::{hosts, in_memory, pki, requests};

/// No work takes longer by a fifth of the time of a replacement, in three quarters of the rounds. Waiting for the
/// comparison of all virtual hosts would take more than a third.
const LIMIT: Bound = Bound::AtMost(0.2);

/// Connections that wait to become outdated, each for another host.
const WAITING: usize = 1_000;

struct Server {
    hosts: VirtualHosts,
    number: usize,
    kept: Arc<ServerConfig>,
    others: [Arc<ServerConfig>; 2],
}

pub fn compare(number: usize, rounds: usize) -> Vec<Row> {
    let configs = hosts::configs(2);
    let kept = pki::server(&[&hosts::name(0)]);
    let server = Server {
        hosts: hosts::builder(number, &kept, &configs[..1])
            .build()
            .unwrap(),
        number,
        kept,
        others: [configs[0].clone(), configs[1].clone()],
    };
    let _waiting: Vec<_> = (hosts::KEPT..)
        .take(WAITING)
        .map(|number| wait(&hosts::connection(&server.hosts, number)))
        .collect();
    let connection = hosts::connection(&server.hosts, 0);
    vec![
        server.row("a request", rounds, || {
            let mut service = requests::service();
            let name = hosts::name(1);
            let connection = connection.clone();
            move || {
                let request = requests::request(&connection, &name);
                assert_eq!(requests::answer(&mut service, request), StatusCode::OK);
            }
        }),
        server.row("a handshake", rounds, || {
            let runtime = in_memory::runtime();
            let acceptor = TlsAcceptor::from(server.hosts.clone());
            let client = Arc::new(pki::client(&["h2"]));
            move || {
                let _entered = runtime.enter();
                let (_client, mut stream) = in_memory::handshake(&client, |io| acceptor.accept(io));
                // The first read of a server. From here on, the connection waits to become outdated.
                let mut space = [0];
                let mut context = Context::from_waker(Waker::noop());
                let read =
                    Pin::new(&mut stream).poll_read(&mut context, &mut ReadBuf::new(&mut space));
                assert!(read.is_pending());
            }
        }),
        server.row("a connection that begins to wait, and ends", rounds, || {
            let connection = connection.clone();
            move || drop(wait(&connection))
        }),
    ]
}

/// Waits to become outdated, for the first time.
fn wait(connection: &ConnectionInfo) -> Outdated {
    let mut outdated = connection.outdated();
    let poll = pin!(&mut outdated).poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    outdated
}

/// State that the working thread and the measuring thread share.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    done: AtomicU64,
    /// In nanoseconds.
    longest: AtomicU64,
}

impl Progress {
    fn work(&self, mut work: impl FnMut()) {
        while !self.stop.load(SeqCst) {
            let begun = Instant::now();
            work();
            let time = begun.elapsed().as_nanos() as u64;
            self.longest.fetch_max(time, SeqCst);
            self.done.fetch_add(1, SeqCst);
        }
    }

    /// Returns the time of `replace`, and of the longest piece of work that was under way meanwhile.
    fn during(&self, replace: impl FnOnce()) -> (Duration, Duration) {
        // What began before is over.
        self.complete(2);
        self.longest.store(0, SeqCst);
        let begun = Instant::now();
        replace();
        let time = begun.elapsed();
        self.complete(2);
        (time, Duration::from_nanos(self.longest.load(SeqCst)))
    }

    fn complete(&self, pieces: u64) {
        let until = self.done.load(SeqCst) + pieces;
        while self.done.load(SeqCst) < until {
            std::thread::yield_now();
        }
    }
}

impl Server {
    fn row<W: FnMut()>(&self, what: &str, rounds: usize, work: impl FnOnce() -> W + Send) -> Row {
        let progress = Progress::default();
        let (mut ratios, mut replacing, mut longest, mut without) =
            (vec![], vec![], vec![], vec![]);
        std::thread::scope(|scope| {
            scope.spawn(|| progress.work(work()));
            for round in 0..rounds {
                let next = &self.others[(round + 1) % 2];
                let next = hosts::builder(self.number, &self.kept, std::slice::from_ref(next));
                // The same work for the processor and the memory, without a replacement.
                let (_, alone) = progress.during(|| drop(next.clone().build().unwrap()));
                let (time, wait) = progress.during(|| self.hosts.replace(next).unwrap());
                let longer = wait.saturating_sub(alone);
                ratios.push(longer.as_secs_f64() / time.as_secs_f64());
                replacing.push(time.as_secs_f64() * 1e3);
                longest.push(wait.as_secs_f64() * 1e3);
                without.push(alone.as_secs_f64() * 1e3);
            }
            progress.stop.store(true, SeqCst);
        });
        let [low, median, high] = quartiles(ratios);
        let [[_, replacing, _], [_, longest, _], [_, without, _]] =
            [replacing, longest, without].map(quartiles);
        Row {
            case: format!("how much longer {what} takes, for the time of a replacement"),
            value: median,
            unit: "ratio".into(),
            spread: Some((low, high)),
            limit: Some(LIMIT),
            note: format!(
                "at most {longest:.2} ms during {replacing:.0} ms; {without:.2} ms without a replacement"
            ),
            ..Row::default()
        }
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, last / 2, last - last / 4].map(|at| values[at])
}
