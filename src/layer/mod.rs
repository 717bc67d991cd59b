//! The layer, its settings and its service. Reading the authority, deciding and answering live in `authority`,
//! `verdict` and `answer`.

mod allowed_hosts;
mod certificate_check;
mod error;
mod future;
mod gateway;
mod judging;
mod misdirected_layer;
mod responders;
mod service;
mod settings;

pub use self::allowed_hosts::AllowedHosts;
pub use self::error::ConfigError;
pub use self::future::ResponseFuture;
pub use self::misdirected_layer::MisdirectedLayer;
pub use self::service::Misdirected;
