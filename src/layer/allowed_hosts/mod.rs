//! The settings for which hosts a layer serves, and the kinds of lists that they take. That a host on no list is
//! refused is decided in `verdict`.

mod entries;
mod function;
mod run_time;
mod setting;

pub use self::run_time::AllowedHosts;
