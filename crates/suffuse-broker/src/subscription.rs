//! What a session selected, and which sessions a new topic concerns (spec: topics §5.1).

use hashbrown::HashMap;
use indexmap::IndexMap;
use suffuse_proto::{Path, Selector};

use crate::sessions::SessionKey;

/// One entry of a scope.
#[derive(Clone, Debug)]
struct Selection {
    selector: Selector,
    is_selected: bool,
}

/// The selections of a session: for each scope, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Selections {
    /// Sessions have one scope or a few, so a list is enough.
    scopes: Vec<(Box<str>, Vec<Selection>)>,
}

impl Selections {
    /// Returns the number of entries in all scopes.
    pub(crate) fn len(&self) -> usize {
        self.scopes
            .iter()
            .map(|(_, selections)| selections.len())
            .sum()
    }

    /// Returns how many entries more there are once `selector` is selected in a scope.
    pub(crate) fn growth_by_select(&self, scope: &str, selector: &Selector) -> usize {
        match self.scopes.iter().any(|(name, _)| &**name == scope) {
            true => self.growth_by_deselect(|name| name == scope, selector),
            false => 1,
        }
    }

    /// Returns how many entries more there are once `selector` is deselected in the scopes that are meant.
    pub(crate) fn growth_by_deselect(
        &self,
        is_meant: impl Fn(&str) -> bool,
        selector: &Selector,
    ) -> usize {
        let meant = self.scopes.iter().filter(|(name, _)| is_meant(name));
        meant
            .filter(|(_, selections)| !replaces_another(selections, selector))
            .count()
    }

    /// Selects topics in a scope.
    pub(crate) fn select(&mut self, scope: &str, selector: Selector) {
        let at = self.scopes.iter().position(|(name, _)| &**name == scope);
        let at = at.unwrap_or_else(|| {
            self.scopes.push((scope.into(), Vec::new()));
            self.scopes.len() - 1
        });
        append(&mut self.scopes[at].1, selector, true);
    }

    /// Deselects topics in a scope.
    pub(crate) fn deselect(&mut self, scope: &str, selector: &Selector) {
        if let Some((_, selections)) = self.scopes.iter_mut().find(|(name, _)| &**name == scope) {
            append(selections, selector.clone(), false);
        }
        self.tidy();
    }

    /// Deselects topics in all scopes.
    pub(crate) fn deselect_all(&mut self, selector: &Selector) {
        for (_, selections) in &mut self.scopes {
            append(selections, selector.clone(), false);
        }
        self.tidy();
    }

    /// Returns whether any scope selects a path: whether the last entry that matches it is a selection.
    pub(crate) fn select_path(&self, path: &Path) -> bool {
        self.scopes.iter().any(|(_, selections)| {
            let last = selections
                .iter()
                .rev()
                .find(|selection| selection.selector.matches(path));
            last.is_some_and(|selection| selection.is_selected)
        })
    }

    /// Returns the path prefixes of all entries that select, with repetitions.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        let selections = self.scopes.iter().flat_map(|(_, selections)| selections);
        selections
            .filter(|selection| selection.is_selected)
            .map(|selection| selection.selector.prefix())
    }

    fn tidy(&mut self) {
        self.scopes.retain(|(_, selections)| !selections.is_empty());
    }
}

/// Returns whether [`append`] removes an entry for the one that it appends.
fn replaces_another(selections: &[Selection], selector: &Selector) -> bool {
    selector.matches_everything()
        || selections
            .iter()
            .any(|selection| selection.selector.as_str() == selector.as_str())
}

/// Appends an entry, and removes those that it makes redundant: the same selector, and everything before
/// one that matches every path. Deselections at the start of a list say nothing.
fn append(selections: &mut Vec<Selection>, selector: Selector, is_selected: bool) {
    if selector.matches_everything() {
        selections.clear();
    } else {
        selections.retain(|selection| selection.selector.as_str() != selector.as_str());
    }
    if is_selected || !selections.is_empty() {
        selections.push(Selection {
            selector,
            is_selected,
        });
    }
    let first = selections
        .iter()
        .position(|selection| selection.is_selected);
    selections.drain(..first.unwrap_or(selections.len()));
}

/// Which sessions have selections that start with a path prefix: those that a new topic may concern.
#[derive(Debug, Default)]
pub(crate) struct SelectionIndex {
    by_prefix: HashMap<String, IndexMap<SessionKey, usize>>,
}

impl SelectionIndex {
    /// Adds a session under the prefixes of its selections.
    pub(crate) fn add<'a>(&mut self, session: SessionKey, prefixes: impl Iterator<Item = &'a str>) {
        for prefix in prefixes {
            *self
                .by_prefix
                .entry_ref(prefix)
                .or_default()
                .entry(session)
                .or_default() += 1;
        }
    }

    /// Removes a session from the prefixes under which it was added.
    pub(crate) fn remove<'a>(
        &mut self,
        session: SessionKey,
        prefixes: impl Iterator<Item = &'a str>,
    ) {
        for prefix in prefixes {
            let Some(sessions) = self.by_prefix.get_mut(prefix) else {
                continue;
            };
            match sessions.get_mut(&session) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => {
                    sessions.swap_remove(&session);
                }
            }
            if sessions.is_empty() {
                self.by_prefix.remove(prefix);
            }
        }
    }

    /// Returns the sessions whose selections may match a path, each once.
    pub(crate) fn candidates(&self, path: &Path) -> Vec<SessionKey> {
        if self.by_prefix.is_empty() {
            return Vec::new();
        }
        let prefixes = std::iter::once(path.as_str())
            .chain(path.ancestors())
            .chain([""]);
        let found = prefixes.filter_map(|prefix| self.by_prefix.get(prefix));
        let mut sessions: Vec<_> = found
            .flat_map(|sessions| sessions.keys().copied())
            .collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a session, a path, and whether it is selected.
    type Case = (&'static [(&'static str, bool)], &'static str, bool);

    fn selector(text: &str) -> Selector {
        Selector::parse(text).unwrap()
    }

    #[test]
    fn the_last_entry_that_matches_decides() {
        let cases: &[Case] = &[
            (&[("?a//", true)], "a/b", true),
            (&[("?a//", true), (">a/b", false)], "a/b", false),
            (&[("?a//", true), (">a/b", false)], "a/c", true),
            (&[(">a/b", false), ("?a//", true)], "a/b", true),
            (
                &[("?a//", true), (">a/b", false), ("?a//", true)],
                "a/b",
                true,
            ),
            (&[("?a//", true), ("?.*//", false)], "a/b", false),
            (&[(">a", false)], "a", false),
        ];
        for (entries, path, expected) in cases {
            let mut selections = Selections::default();
            for (text, is_selected) in *entries {
                match is_selected {
                    true => selections.select("", selector(text)),
                    false => selections.deselect("", &selector(text)),
                }
            }
            assert_eq!(
                selections.select_path(&Path::parse(path).unwrap()),
                *expected,
                "{entries:?} {path}"
            );
        }
    }

    #[test]
    fn scopes_do_not_touch_each_other() {
        let path = Path::parse("a").unwrap();
        let mut selections = Selections::default();
        selections.select("", selector(">a"));
        selections.select("s", selector(">a"));
        selections.deselect("", &selector("?.*//"));
        assert!(selections.select_path(&path));
        selections.deselect_all(&selector(">a"));
        assert!(!selections.select_path(&path));
        assert_eq!(selections.len(), 0, "nothing is kept that says nothing");
    }

    #[test]
    fn a_new_topic_finds_the_sessions_that_it_may_concern() {
        let mut index = SelectionIndex::default();
        let [one, two] = [SessionKey(1), SessionKey(2)];
        index.add(one, ["a", "a", ""].into_iter());
        index.add(two, ["a/b"].into_iter());
        let find = |index: &SelectionIndex, path| index.candidates(&Path::parse(path).unwrap());
        assert_eq!(find(&index, "a/b/c"), [one, two]);
        assert_eq!(find(&index, "x"), [one]);
        index.remove(one, ["a", "a", ""].into_iter());
        assert_eq!(find(&index, "a/b"), [two]);
        assert_eq!(find(&index, "ab"), []);
    }
}
