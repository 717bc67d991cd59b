//! All cohorts that have members, by the entry of the current map that matches them. So a replacement finds the
//! affected cohorts by the entries that differ, without visiting the others.

use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included};
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::super::map::{Map, VirtualHost};
use super::place::{Place, Scope, Who};
use super::{changes, cohort};
use crate::sync::{Mutex, MutexGuard};

/// All connections that wait.
#[derive(Default)]
pub(in super::super) struct Waiting(Mutex<Index>);

pub(super) type Cohort = cohort::Cohort<Waiting>;

#[derive(Default)]
pub(in super::super) struct Index {
    /// The cohorts of each place. Connections for the same name can have begun under several configurations.
    cohorts: BTreeMap<Place, Vec<Arc<Cohort>>>,
    /// Whether the map has been replaced and some cohorts still have their former state and place.
    behind: bool,
}

/// Places in the order of the index.
type Places = (Bound<Place>, Bound<Place>);

/// The number of places that are updated before the lock is released.
const AT_A_TIME: usize = 32;

impl Waiting {
    /// Locks the index. The map of the virtual hosts must change only while it is locked.
    pub(in super::super) fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates the index after the replacement of one map by another, after [`Index::fall_behind`] and before the next
    /// replacement. Returns the wakers of the affected connections.
    ///
    /// Connections begin and end during the update, and must not wait until all entries have been compared. So the
    /// index is locked for a few places at a time.
    pub(in super::super) fn follow(&self, former: &Map, next: &Map) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let mut update = |range: RangeInclusive<Place>| {
            let (first, last) = range.into_inner();
            let mut rest = Some((Included(first), Included(last)));
            while let Some(places) = rest {
                rest = self.lock().update(places, next, &mut wakers);
            }
        };
        for (scope, pattern) in changes::entries(former, next) {
            let most_labels = || self.lock().most_labels(scope);
            scope.places(&pattern, most_labels).for_each(&mut update);
        }
        if !changes::same_default(former, next) {
            update(Scope::DEFAULT.all());
        }
        self.lock().behind = false;
        wakers
    }
}

impl Index {
    /// Notes that the map has been replaced. Returns whether any connection waits, so that [`Waiting::follow`] is
    /// needed.
    pub(in super::super) fn fall_behind(&mut self) -> bool {
        self.behind = !self.cohorts.is_empty();
        self.behind
    }

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
        // A cohort that is behind may still be outdated, although its configuration has come back. All other cohorts
        // are shared during a replacement too. Otherwise each connection that begins in the meantime would get a
        // separate cohort.
        let behind = self.behind;
        let fits = |cohort: &&Arc<Cohort>| {
            let same_config = cohort.accepted_by().same_config(accepted_by);
            same_config && (!behind || cohort.is_up_to_date(map))
        };
        let cohort = match cohorts.iter().find(fits) {
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

    /// Removes a cohort without members, and returns it for the caller to drop.
    pub(super) fn forget(&mut self, cohort: &Arc<Cohort>) -> Option<Arc<Cohort>> {
        // A connection may have joined since the last one left.
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

    /// Updates the cohorts at the first of these places. Returns the places that are left.
    fn update(&mut self, places: Places, next: &Map, wakers: &mut Vec<Waker>) -> Option<Places> {
        let first = self.cohorts.range(places.clone()).take(AT_A_TIME);
        let first: Vec<_> = first.map(|(place, _)| place.clone()).collect();
        let rest = match first.last() {
            Some(last) if first.len() == AT_A_TIME => Some((Excluded(last.clone()), places.1)),
            _ => None,
        };
        for place in first {
            let mut cohorts = self.cohorts.remove(&place).unwrap_or_default();
            for cohort in &cohorts {
                cohort.update(next, wakers);
            }
            let (_, who) = place;
            // Connections that began under the next map may already be there.
            let there = self.cohorts.entry((who.scope(next), who)).or_default();
            there.append(&mut cohorts);
        }
        rest
    }

    /// Returns the greatest number of labels of a name in this scope, so that a wildcard for several labels is not
    /// looked up for longer names.
    fn most_labels(&self, scope: Scope) -> u32 {
        match self.cohorts.range(..scope.end()).next_back() {
            Some(((last, who), _)) if *last == scope => who.labels(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Watch;
    use super::*;
    use crate::host::Host;
    use crate::virtual_hosts::{VirtualHosts, VirtualHostsBuilder};

    fn map(names: &[&str]) -> Arc<Map> {
        let builder = VirtualHosts::<()>::builder().default(Arc::new(()));
        let add = |builder: VirtualHostsBuilder<()>, name: &&str| builder.host(*name, Arc::new(()));
        Arc::new(names.iter().fold(builder, add).map().unwrap())
    }

    /// A connection for this name, which began under this map.
    fn watch(waiting: &Arc<Waiting>, name: &str, map: &Arc<Map>) -> Watch {
        let name: Host = name.parse().unwrap();
        let accepted_by = map.select(Some(&name), None).unwrap();
        let who = Who::new(Some(&name), None);
        Watch::new(waiting, who, accepted_by, || map.clone())
    }

    #[test]
    fn w2_a_replacement_locks_out_new_connections_for_a_few_places_at_a_time() {
        let [former, next] = [(); 2].map(|()| map(&[]));
        let waiting = Arc::default();
        let names = (0..10 * AT_A_TIME).map(|n| format!("h{n}.test"));
        let watches: Vec<_> = names.map(|name| watch(&waiting, &name, &former)).collect();
        let outdated = || watches.iter().filter(|watch| watch.is_outdated()).count();

        assert!(waiting.lock().fall_behind());
        let (first, last) = Scope::DEFAULT.all().into_inner();
        let mut rest = Some((Included(first), Included(last)));
        let mut before = 0;
        while let Some(places) = rest {
            rest = waiting.lock().update(places, &next, &mut Vec::new());
            let updated = outdated() - before;
            assert!(updated <= AT_A_TIME, "{updated} under one lock");
            before += updated;
        }
        assert_eq!(before, watches.len());
    }

    #[test]
    fn w2_connections_that_begin_during_a_replacement_share_a_cohort() {
        let [former, next] = [(); 2].map(|()| map(&[]));
        let waiting = Arc::default();
        let old = watch(&waiting, "a.test", &former);
        assert!(waiting.lock().fall_behind());
        let new = [(); 3].map(|()| watch(&waiting, "a.test", &next));
        let cohorts = waiting.lock().cohorts.values().map(Vec::len).sum::<usize>();
        assert_eq!(cohorts, 2);
        assert!(new.iter().all(|new| !new.is_outdated()));

        waiting.follow(&former, &next);
        assert!(old.is_outdated());
        assert!(new.iter().all(|new| !new.is_outdated()));
    }

    #[test]
    fn w2_who_comes_before_the_others_have_been_moved_to_the_same_place_is_found() {
        let [first, second, third] = [&[][..], &["a.test"], &[]].map(map);
        let waiting = Arc::default();
        let old = watch(&waiting, "a.test", &first);
        assert!(waiting.lock().fall_behind());
        let new = watch(&waiting, "a.test", &second);
        waiting.follow(&first, &second);
        assert_eq!([&old, &new].map(Watch::is_outdated), [true, false]);
        assert!(waiting.lock().fall_behind());
        waiting.follow(&second, &third);
        assert!(new.is_outdated());
    }
}
