//! The server of this crate: this program again, as axum with the layer or without. Other servers live in `peers`.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::Command;

use axum::Router;
use axum::routing::get;
use tower::layer::util::Identity;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener};

use crate::names::NAME;
use crate::pair::Pair;
use crate::pki;
use crate::server::{Server, free_addr};

/// This program as a server, with the layer and with something else in its place.
pub struct Axum {
    in_place: &'static str,
}

pub const OVER_NOTHING: Axum = Axum {
    in_place: "no-layer",
};
/// Any layer costs axum something, whatever it does.
pub const OVER_EMPTY: Axum = Axum {
    in_place: "empty-layer",
};

impl Pair for Axum {
    fn start(&self, checks: bool) -> io::Result<Server> {
        let addr = free_addr();
        let mut command = Command::new(std::env::current_exe()?);
        let layer = if checks { "layer" } else { self.in_place };
        command.args(["serve", layer, &addr.to_string()]);
        Server::start(command, addr)
    }
}

/// Serves until the program that started this one ends.
pub fn serve(layer: &str, addr: SocketAddr) {
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let app = Router::new().route("/", get(|| async { "hello\n" }));
    let app = match layer {
        "layer" => app.layer(MisdirectedLayer::new()),
        "empty-layer" => app.layer(Identity::new()),
        _ => app,
    };
    let serve = async {
        let listener = TlsListener::bind(addr, pki::server(&[NAME])).await?;
        axum::serve(
            listener,
            app.into_make_service_with_connect_info::<ConnectionInfo>(),
        )
        .await
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(serve).unwrap();
}
