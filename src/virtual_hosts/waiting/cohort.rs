//! Connections that become outdated together, because they were accepted for the same name under the same
//! configuration. `index` finds the cohorts that a replacement affects.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::super::map::{Map, VirtualHost};
use super::place::{Scope, Who};
use crate::sync::{AtomicU32, Mutex, MutexGuard};

/// A group of connections. `H` stores the cohort while it has members.
pub(super) struct Cohort<H> {
    pub(super) home: Arc<H>,
    pub(super) who: Arc<Who>,
    accepted_by: VirtualHost,
    /// The [`Scope`] that matches `who` in the map that the index was last updated with. The lock of the index guards
    /// it.
    scope: AtomicU32,
    /// Odd while the members are outdated. Changes only while `members` is locked, and the change removes all wakers.
    state: AtomicU32,
    members: Mutex<Members>,
}

/// The state that a member has last seen, to detect a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State(u32);

impl State {
    pub(super) fn is_outdated(self) -> bool {
        self.0 % 2 == 1
    }
}

#[derive(Default)]
struct Members {
    /// The waker of each member that waits.
    slots: Vec<Option<Waker>>,
    /// Free slots.
    free: Vec<u32>,
}

impl<H> Cohort<H> {
    pub(super) fn new(home: Arc<H>, who: Arc<Who>, accepted_by: VirtualHost, map: &Map) -> Self {
        Self {
            home,
            scope: AtomicU32::new(who.scope(map).0),
            state: AtomicU32::new(who.is_outdated(&accepted_by, map).into()),
            members: Mutex::default(),
            accepted_by,
            who,
        }
    }

    pub(super) fn state(&self) -> State {
        State(self.state.load(Acquire))
    }

    /// Returns whether the state of the members agrees with this map, so that no update is needed.
    pub(super) fn is_up_to_date(&self, map: &Map) -> bool {
        self.state().is_outdated() == self.who.is_outdated(&self.accepted_by, map)
    }

    pub(super) fn accepted_by(&self) -> &VirtualHost {
        &self.accepted_by
    }

    pub(super) fn scope(&self) -> Scope {
        Scope(self.scope.load(Relaxed))
    }

    /// Adds a member without a waker, and returns its slot.
    pub(super) fn join(&self) -> u32 {
        self.members().add()
    }

    /// Removes a member. Returns whether it was the last member, and its waker, which the caller must drop without a
    /// lock.
    pub(super) fn leave(&self, slot: u32) -> (bool, Option<Waker>) {
        let mut members = self.members();
        let waker = members.remove(slot);
        (members.is_empty(), waker)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Stores the waker of a member until the next change. Returns the current state, and the former waker of the
    /// member.
    pub(super) fn wait(&self, slot: u32, waker: Waker) -> (State, Option<Waker>) {
        let mut members = self.members();
        let former = members.slots[slot as usize].replace(waker);
        (self.state(), former)
    }

    /// Updates the state after a replacement. If the members have become outdated, or are no longer outdated, their
    /// wakers are added to `wakers`.
    pub(super) fn update(&self, map: &Map, wakers: &mut Vec<Waker>) {
        self.scope.store(self.who.scope(map).0, Relaxed);
        let outdated = self.who.is_outdated(&self.accepted_by, map);
        if self.state().is_outdated() == outdated {
            return;
        }
        let mut members = self.members();
        let state = self.state.load(Relaxed);
        self.state.store(state.wrapping_add(1), Release);
        wakers.extend(members.slots.iter_mut().filter_map(Option::take));
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    fn add(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.slots.len() == self.slots.capacity() {
            // Doubling the vector would leave up to half of its slots unused.
            self.slots.reserve_exact(1 + self.slots.len() / 8);
        }
        self.slots.push(None);
        (self.slots.len() - 1) as u32
    }

    fn remove(&mut self, slot: u32) -> Option<Waker> {
        let waker = self.slots[slot as usize].take();
        self.free.push(slot);
        if self.is_empty() {
            // The last member frees the memory of all slots.
            *self = Self::default();
        }
        waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_and_given_back() {
        let mut members = Members::default();
        let taken: Vec<_> = (0..100).map(|_| members.add()).collect();
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
        for slot in [7, 3] {
            members.remove(slot);
        }
        assert_eq!([members.add(), members.add(), members.add()], [3, 7, 100]);
        for slot in 0..=100 {
            assert!(!members.is_empty());
            members.remove(slot);
        }
        assert!(members.is_empty());
        assert_eq!(members.slots.capacity(), 0);
    }
}
