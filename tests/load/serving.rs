//! The server's process: it serves, counts, and answers commands on its standard input until that ends.

use std::alloc::System;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::net::TcpListener;
use tokio::runtime;
use tower_http::add_extension::AddExtension;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, Outcome, TlsAcceptor};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::messages::{Command, Counts, Front, Ready, Settings};
use crate::process::SETTINGS;
use crate::server;
use crate::site::Site;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Whatever waits for a server that does not go on ends with it.
const LIFE: Duration = Duration::from_secs(600);

static COUNTS: LazyLock<Mutex<Counts>> = LazyLock::new(Mutex::default);

fn counts() -> MutexGuard<'static, Counts> {
    COUNTS.lock().unwrap()
}

#[test]
#[ignore = "the server of the other tests, which start it"]
fn serves() {
    let Ok(settings) = std::env::var(SETTINGS) else {
        return;
    };
    let settings: Settings = serde_json::from_str(&settings).unwrap();
    end_in_time();
    count_panics();
    count_events();
    let limit = settings.descriptors;
    match limit {
        None => drop(rlimit::increase_nofile_limit(u64::MAX).unwrap()),
        Some(limit) => rlimit::Resource::NOFILE.set(limit, limit).unwrap(),
    }
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // What the harness has written so far stands on a line that has not ended.
    println!();
    say(&runtime.block_on(start(&settings)));

    let mut hoard = Vec::new();
    for command in io::stdin().lines() {
        match serde_json::from_str(&command.unwrap()).unwrap() {
            Command::Count => {}
            Command::Hoard { spare } => {
                hoard.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
                hoard.truncate(hoard.len() - spare);
            }
        }
        let heap = HEAP.stats();
        let mut counts = counts().clone();
        counts.tasks = runtime.metrics().num_alive_tasks();
        counts.allocations = heap.allocations - heap.deallocations;
        say(&counts);
    }
}

fn say(message: &impl Serialize) {
    println!("{}", serde_json::to_string(message).unwrap());
}

async fn start(settings: &Settings) -> Ready {
    let site = Site::new();
    let client = site.client();
    let acceptor = TlsAcceptor::from(site.hosts.clone())
        .handshake_timeout(settings.handshake_timeout)
        .max_pending_handshakes(settings.max_pending_handshakes);
    let app = app(settings, site);
    Ready {
        // A connection that was told to end would be missed.
        quic: server::quic_draining(app.clone(), acceptor.clone(), false, Duration::ZERO).await,
        tcp: match settings.front {
            Front::Axum => server::tls(app, acceptor).await,
            Front::Hyper => hyper_loop(app, acceptor).await,
        },
        certificate: client.der.to_vec(),
        key: client.key.secret_der().to_vec(),
    }
}

async fn hyper_loop(app: Router, acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (handshake, app) = (acceptor.accept(tcp), app.clone());
            tokio::spawn(async move {
                let Ok(stream) = handshake.await else { return };
                let service = AddExtension::new(app, stream.connection_info().clone());
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    addr
}

fn app(settings: &Settings, site: Site) -> Router {
    let renew_every = settings.renew_every;
    let (renew, due) = mpsc::channel();
    std::thread::spawn(move || {
        for () in due {
            site.renew();
            counts().renewals += 1;
        }
    });
    let layer = MisdirectedLayer::new()
        .close_http1(settings.close_http1)
        .on_verdict(move |verdict| {
            let outcome = match verdict.outcome() {
                Outcome::Served => "served",
                Outcome::Coalesced => "coalesced",
                Outcome::Refused(rejection) => rejection.as_str(),
                other => panic!("{other:?}"),
            };
            let mut counts = counts();
            *counts.verdicts.entry(outcome.into()).or_default() += 1;
            if renew_every.is_some_and(|every| counts.judged() % every == 0) {
                renew.send(()).unwrap();
            }
        });
    Router::new().fallback(answer).layer(layer)
}

/// Answers, when the whole request is there, with its path, its server name and the length of its body.
async fn answer(info: ConnectionInfo, request: Request) -> String {
    let _inside = Inside::enter();
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    let length = body.map_or_else(|error| error.to_string(), |body| body.len().to_string());
    format!("{path} {} {length}", info.server_name().unwrap_or("-"))
}

struct Inside;

impl Inside {
    fn enter() -> Self {
        counts().entered += 1;
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        counts().left += 1;
    }
}

fn end_in_time() {
    std::thread::spawn(|| {
        std::thread::sleep(LIFE);
        eprintln!("the server is too old");
        std::process::exit(1);
    });
}

fn count_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        counts().panics += 1;
    }));
}

fn count_events() {
    let ours = Targets::new().with_target("tower_misdirected", LevelFilter::DEBUG);
    let events = tracing_subscriber::fmt::layer().with_writer(|| Events);
    tracing_subscriber::registry()
        .with(events.with_filter(ours))
        .init();
}

/// Counts what would be a line of the log.
struct Events;

impl Write for Events {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut counts = counts();
        let count = match () {
            () if text.contains("request refused") => &mut counts.refused,
            () if text.contains("cannot accept") => &mut counts.accept_errors,
            () if !text.contains("handshake failed") => return Ok(line.len()),
            () if text.contains("timed_out") => &mut counts.handshakes_timed_out,
            () if text.contains("too_many_pending") => &mut counts.handshakes_evicted,
            () => &mut counts.handshakes_failed,
        };
        *count += 1;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
