//! The differences between two maps of virtual hosts. `index` finds the connections that they affect.

use super::super::map::Map;
use super::place::Scope;
use crate::host::Pattern;

/// Returns every entry that matches other connections than before, or matches them with another configuration, and the
/// former scope of these connections. The default is not an entry.
pub(super) fn entries<'a>(
    former: &'a Map,
    next: &'a Map,
) -> impl Iterator<Item = (Scope, Pattern)> + 'a {
    let changed = former.names.iter().filter_map(|(pattern, host)| {
        let kept = next.names.of(&pattern);
        let changed = kept.is_none_or(|kept| !kept.same_config(host));
        changed.then(|| (Scope::of(&pattern), pattern))
    });
    let added = next.names.iter().filter_map(|(pattern, _)| {
        let added = former.names.of(&pattern).is_none();
        added.then(|| (Scope::without(&pattern, former), pattern))
    });
    changed.chain(added)
}

/// Returns whether both maps have the same configuration for connections that no entry matches.
pub(super) fn same_default(former: &Map, next: &Map) -> bool {
    match (&former.default, &next.default) {
        (Some(former), Some(next)) => next.same_config(former),
        (None, None) => true,
        _ => false,
    }
}
