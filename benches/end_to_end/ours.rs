//! The server of this crate: this program again, as axum with a layer or without. Other servers live in `peers`.

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::Command;

use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, ServiceExt};
use tower::layer::util::Identity;
use tower::{Layer, Service};
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener};

use crate::names::NAME;
use crate::pki;
use crate::ports::free_addr;
use crate::program::Program;

/// Where a layer is.
#[derive(Clone, Copy, PartialEq)]
pub enum Axum {
    NoLayer,
    /// In `Router::layer`.
    Layer,
    /// Around the whole router.
    Around,
    /// As `Layer`, with a layer that does nothing: any layer costs axum something.
    EmptyLayer,
    EmptyAround,
}

impl Axum {
    const ALL: [(Self, &str); 5] = [
        (Self::NoLayer, "no-layer"),
        (Self::Layer, "layer"),
        (Self::Around, "around"),
        (Self::EmptyLayer, "empty-layer"),
        (Self::EmptyAround, "empty-around"),
    ];
}

impl Program for Axum {
    fn command(&self) -> io::Result<(Command, SocketAddr)> {
        let addr = free_addr();
        let (_, name) = Self::ALL.iter().find(|(form, _)| form == self).unwrap();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", name, &addr.to_string()]);
        Ok((command, addr))
    }

    fn checks(&self) -> bool {
        matches!(self, Self::Layer | Self::Around)
    }
}

/// Serves until the program that started this one ends.
pub fn serve(name: &str, addr: SocketAddr) {
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let app = Router::new().route("/", get(|| async { "hello\n" }));
    let (form, _) = Axum::ALL.iter().find(|(_, form)| *form == name).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let serve = async {
        match form {
            Axum::NoLayer => listen(addr, app).await,
            Axum::Layer => listen(addr, app.layer(MisdirectedLayer::new())).await,
            Axum::Around => listen(addr, MisdirectedLayer::new().layer(app)).await,
            Axum::EmptyLayer => listen(addr, app.layer(Identity::new())).await,
            Axum::EmptyAround => listen(addr, Identity::new().layer(app)).await,
        }
    };
    runtime.unwrap().block_on(serve).unwrap();
}

async fn listen<S>(addr: SocketAddr, app: S) -> io::Result<()>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let listener = TlsListener::bind(addr, pki::server(&[NAME])).await?;
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    axum::serve(listener, app).await
}
