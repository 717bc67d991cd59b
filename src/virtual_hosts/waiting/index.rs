//! All cohorts that have members, by the entry of the current map that matches them. So a replacement finds those that
//! it concerns by the entries that differ, without a look at the others.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::super::map::{Map, VirtualHost};
use super::cohort;
use super::place::{Place, Scope, Who};
use crate::host::Pattern;
use crate::sync::{Mutex, MutexGuard};

/// Everybody who waits.
#[derive(Default)]
pub(in super::super) struct Waiting(Mutex<Index>);

pub(super) type Cohort = cohort::Cohort<Waiting>;

#[derive(Default)]
pub(in super::super) struct Index {
    /// Connections for one name can have begun under several configurations.
    cohorts: BTreeMap<Place, Vec<Arc<Cohort>>>,
}

impl Waiting {
    /// Locks the index. The map of the virtual hosts must change only while it is locked.
    pub(in super::super) fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Returns the cohort of a connection and its slot there. `map` is the current map.
    pub(super) fn join(
        &mut self,
        home: &Arc<Waiting>,
        who: Who,
        accepted_by: &VirtualHost,
        map: &Map,
    ) -> (Arc<Cohort>, u32) {
        let mut who = Arc::new(who);
        let place = (who.scope(map), who.clone());
        let cohorts = self.cohorts.entry(place).or_default();
        let same = |cohort: &&Arc<Cohort>| cohort.accepted_by().same_config(accepted_by);
        let cohort = match cohorts.iter().find(same) {
            Some(cohort) => cohort.clone(),
            None => {
                if let Some(neighbor) = cohorts.first() {
                    who = neighbor.who.clone();
                }
                let cohort = Arc::new(Cohort::new(home.clone(), who, accepted_by.clone(), map));
                cohorts.push(cohort.clone());
                cohort
            }
        };
        let slot = cohort.join();
        (cohort, slot)
    }

    /// Removes a cohort that has no members, and returns what was removed, for the caller to drop.
    pub(super) fn forget(&mut self, cohort: &Arc<Cohort>) -> Option<Arc<Cohort>> {
        // Somebody may have joined since the last one left.
        if !cohort.is_empty() {
            return None;
        }
        let place = (cohort.scope(), cohort.who.clone());
        let cohorts = self.cohorts.get_mut(&place)?;
        let at = cohorts
            .iter()
            .position(|other| Arc::ptr_eq(other, cohort))?;
        let removed = cohorts.swap_remove(at);
        if cohorts.is_empty() {
            self.cohorts.remove(&place);
        }
        Some(removed)
    }

    #[cfg(all(loom, test))]
    pub(in super::super) fn len(&self) -> usize {
        self.cohorts.len()
    }

    /// Follows the replacement of one map by another. Returns the wakers of those that it concerns.
    pub(in super::super) fn update(&mut self, former: &Map, next: &Map) -> Vec<Waker> {
        let mut wakers = Vec::new();
        if self.cohorts.is_empty() {
            return wakers;
        }
        for place in self.concerned(former, next) {
            let Some(cohorts) = self.cohorts.remove(&place) else {
                continue;
            };
            for cohort in &cohorts {
                cohort.update(next, &mut wakers);
            }
            let (_, who) = place;
            self.cohorts.insert((who.scope(next), who), cohorts);
        }
        wakers
    }

    /// Returns the greatest number of labels of a name in this scope. So a wildcard for several labels is not sought among
    /// names that nobody has.
    fn most_labels(&self, scope: Scope) -> u32 {
        match self.cohorts.range(..scope.end()).next_back() {
            Some(((last, who), _)) if *last == scope => who.labels(),
            _ => 0,
        }
    }

    /// Returns the places of all who are matched by another entry than before, or by one with another configuration.
    fn concerned(&self, former: &Map, next: &Map) -> Vec<Place> {
        let mut places = Vec::new();
        let mut add = |scope: Scope, pattern: &Pattern| {
            for range in scope.places(pattern, self.most_labels(scope)) {
                let range = self.cohorts.range(range);
                places.extend(range.map(|(place, _)| place.clone()));
            }
        };
        for (pattern, host) in former.names.iter() {
            let kept = next.names.of(&pattern);
            if kept.is_none_or(|kept| !kept.same_config(host)) {
                add(Scope::of(&pattern), &pattern);
            }
        }
        for (pattern, _) in next.names.iter() {
            if former.names.of(&pattern).is_none() {
                add(Scope::without(&pattern, former), &pattern);
            }
        }
        let same_default = match (&former.default, &next.default) {
            (Some(former), Some(next)) => next.same_config(former),
            (None, None) => true,
            _ => false,
        };
        if !same_default {
            let first = (Scope::DEFAULT, Arc::new(Who::Nobody));
            let all = self.cohorts.range(first..);
            let all = all.take_while(|((scope, _), _)| *scope == Scope::DEFAULT);
            places.extend(all.map(|(place, _)| place.clone()));
        }
        places
    }
}
