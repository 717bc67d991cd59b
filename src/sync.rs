//! The locks and atomics of what threads share while virtual hosts or allowed hosts change. Under `cfg(loom)` they are
//! loom's, so that the files called `models` can try every order in which threads may run.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicU32, AtomicU64, AtomicUsize},
    },
    thread::yield_now as pause,
};
pub(crate) use std::sync::TryLockError;
#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop as pause,
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicU32, AtomicU64, AtomicUsize},
    },
};
