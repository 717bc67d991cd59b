//! What the fuzz targets hold the crate against: its rules written a second time, by other means than in
//! the crate and without any of its code, and other people's libraries where they know the answer. The
//! rules' numbers are those that the crate's tests cite.
#![forbid(unsafe_code)]

pub mod certificate;
pub mod exchange;
pub mod frames;
pub mod grammar;
pub mod hello;
pub mod made;
pub mod made_hello;
pub mod network;
pub mod odd_head;
pub mod pattern;
pub mod pem_file;
#[path = "../../tests/proxy_protocol/oracle.rs"]
pub mod proxy_protocol;
pub mod request;
pub mod scene;
pub mod verdict;
