//! A map and a set by numbers of this library's own making, which need no defence against chosen keys.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map that is mostly of one: the first entry is found without a search.
pub(super) struct ByNumber<T> {
    one: Option<(u64, T)>,
    others: HashMap<u64, T, BuildHasherDefault<Spread>>,
}

impl<T> Default for ByNumber<T> {
    fn default() -> Self {
        Self {
            one: None,
            others: HashMap::default(),
        }
    }
}

impl<T> ByNumber<T> {
    /// `number` has no entry yet.
    #[inline]
    pub(super) fn insert(&mut self, number: u64, entry: T) {
        match self.one {
            None => self.one = Some((number, entry)),
            Some(_) => drop(self.others.insert(number, entry)),
        }
    }

    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        match &self.one {
            Some((one, entry)) if *one == number => Some(entry),
            _ => self.others.get(&number),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        match &mut self.one {
            Some((one, entry)) if *one == number => Some(entry),
            _ => self.others.get_mut(&number),
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        match self.one.take_if(|(one, _)| *one == number) {
            Some((_, entry)) => Some(entry),
            None => self.others.remove(&number),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let one = self.one.iter().map(|(number, entry)| (*number, entry));
        one.chain(self.others.iter().map(|(number, entry)| (*number, entry)))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, entry)| entry)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.one.is_none() && self.others.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.one.is_some()) + self.others.len()
    }
}

pub(super) type Numbers = HashSet<u64, BuildHasherDefault<Spread>>;

/// Spreads numbers that are close together over all bits.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever entry is removed, the others are found, each once.
    #[test]
    fn each_entry_is_found_whichever_came_first() {
        for gone in 1..=3 {
            let mut map = ByNumber::default();
            (1..=3).for_each(|number| map.insert(number, 10 * number));
            assert_eq!(
                (map.remove(gone), map.remove(gone)),
                (Some(10 * gone), None)
            );
            map.insert(4, 40);
            let mut all: Vec<_> = map.iter().map(|(number, entry)| (number, *entry)).collect();
            all.sort_unstable();
            let left = (1..=4).filter(|number| *number != gone);
            assert_eq!(
                all,
                left.map(|number| (number, 10 * number)).collect::<Vec<_>>()
            );
            assert_eq!((map.len(), map.values().count()), (3, 3));
            for (number, entry) in all {
                assert_eq!(map.get(number), Some(&entry));
                assert_eq!(map.get_mut(number).copied(), Some(entry));
            }
        }
    }
}
