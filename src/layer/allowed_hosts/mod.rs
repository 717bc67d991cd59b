//! The settings for which hosts a layer serves, and the kinds of lists that they take. That a host on no list is
//! refused is decided in `verdict`.

mod copies;
mod entries;
mod function;
#[cfg(all(loom, test))]
mod models;
mod run_time;
mod setting;

pub use self::run_time::AllowedHosts;
