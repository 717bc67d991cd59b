//! The settings for the hosts that a layer serves, and the kinds of lists that they take. `verdict` decides what
//! happens to a host that is on no list.

mod entries;
mod function;
mod run_time;
mod setting;

pub use self::run_time::AllowedHosts;
