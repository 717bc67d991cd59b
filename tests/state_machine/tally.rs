//! What has been seen in all sequences, so that agreement about nothing is not taken for agreement.

use std::collections::BTreeMap;

#[derive(Default)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub fn print(&self) {
        for (what, count) in &self.0 {
            println!("{count:>9} {what}");
        }
    }

    /// Those of these that have never been seen.
    pub fn missing<'a>(&self, things: &[&'a str]) -> Vec<&'a str> {
        let unseen = |what: &&&str| !self.0.contains_key(**what);
        things.iter().filter(unseen).copied().collect()
    }
}
