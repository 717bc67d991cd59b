//! The locks and atomics of the state that threads share while virtual hosts are replaced. Under `cfg(loom)` they are
//! loom's, so that `virtual_hosts::models` can try every order in which threads may run.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard,
    atomic::{AtomicU32, AtomicU64},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard,
    atomic::{AtomicU32, AtomicU64},
};
