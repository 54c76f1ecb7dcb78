//! Tiles and entry bundles in the layout of <https://c2sp.org/tlog-tiles>. A full tile is an object
//! with 256 hashes of one level of the tree. Takes the entries of the log in order. Returns the
//! tiles and bundles to store, and the root of the tree.

use super::{Entry, Hash, leaf_hash, root};

/// Number of hashes in a full tile, and number of entries in a full bundle.
const WIDTH: usize = 256;

/// An object of the log that is created once and never overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journal) struct Object {
    /// The object's path below `log/`.
    pub(in crate::journal) path: String,
    pub(in crate::journal) bytes: Vec<u8>,
}

/// The right edge of the tree: the hashes in the partial tile of each level, and the entries in the
/// partial bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::journal) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
    bundle: Vec<u8>,
}

impl Edge {
    /// Creates the edge of a tree with `size` leaves from its partial tiles and its partial bundle.
    pub(in crate::journal) fn of(size: u64, levels: Vec<Vec<Hash>>, bundle: Vec<u8>) -> Self {
        Self {
            size,
            levels,
            bundle,
        }
    }

    /// Appends entries to the tree, and appends the leaf hash of each entry to `leaves`. Returns
    /// the tiles and bundles that became full, followed by the partial tiles and the partial bundle
    /// of the new edge.
    pub(in crate::journal) fn append<'e>(
        &mut self,
        entries: impl IntoIterator<Item = &'e Entry>,
        leaves: &mut Vec<Hash>,
    ) -> Vec<Object> {
        let mut objects = Vec::new();
        for entry in entries {
            let text = entry.to_string();
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            self.bundle.extend_from_slice(&length.to_be_bytes());
            self.bundle.extend_from_slice(text.as_bytes());
            let leaf = leaf_hash(text.as_bytes());
            leaves.push(leaf);
            self.push(leaf, &mut objects);
        }
        let (index, width) = (index_at(self.size, 0), width_at(self.size, 0));
        for (level, hashes) in self.levels.iter().enumerate() {
            if !hashes.is_empty() {
                objects.push(tile(level, index_at(self.size, level), hashes));
            }
        }
        if width > 0 {
            objects.push(Object {
                path: path("entries", index, width),
                bytes: self.bundle.clone(),
            });
        }
        objects
    }

    fn push(&mut self, leaf: Hash, objects: &mut Vec<Object>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(level) else {
                return;
            };
            hashes.push(hash);
            if hashes.len() < WIDTH {
                return;
            }
            let hashes = std::mem::take(hashes);
            hash = root(&hashes);
            let index = index_at(self.size, level).saturating_sub(1);
            objects.push(tile(level, index, &hashes));
            if level == 0 {
                objects.push(Object {
                    path: path("entries", index, WIDTH),
                    bytes: std::mem::take(&mut self.bundle),
                });
            }
        }
    }

    /// The number of leaves.
    pub(in crate::journal) fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::journal) fn root(&self) -> Hash {
        let mut below = None;
        for hashes in &self.levels {
            let all: Vec<Hash> = hashes.iter().copied().chain(below).collect();
            below = (!all.is_empty()).then(|| root(&all));
        }
        below.unwrap_or_else(|| root(&[]))
    }
}

fn tile(level: usize, index: u64, hashes: &[Hash]) -> Object {
    Object {
        path: path(&level.to_string(), index, hashes.len()),
        bytes: hashes.concat(),
    }
}

/// Returns the paths of the partial tiles of a tree with `size` leaves, one per level, starting
/// with the leaves. The path is `None` if the level has no partial tile.
pub(in crate::journal) fn partial_tiles(size: u64) -> Vec<Option<String>> {
    let levels = (0..8).filter(|level| *level == 0 || size >> (8 * level) > 0);
    let path_of = |level: usize| {
        let width = width_at(size, level);
        (width > 0).then(|| path(&level.to_string(), index_at(size, level), width))
    };
    levels.map(path_of).collect()
}

/// Returns the path of the partial bundle of a tree with `size` leaves, or `None` if all of its
/// bundles are full.
pub(in crate::journal) fn partial_bundle(size: u64) -> Option<String> {
    let width = width_at(size, 0);
    (width > 0).then(|| path("entries", index_at(size, 0), width))
}

/// Returns the paths of all entry bundles of a tree with `size` leaves.
pub(in crate::journal) fn bundles(size: u64) -> impl DoubleEndedIterator<Item = String> {
    let full = (0..index_at(size, 0)).map(|index| path("entries", index, WIDTH));
    full.chain(partial_bundle(size))
}

/// Returns the number of hashes in the partial tile of a level, or 0 if the level has none.
fn width_at(size: u64, level: usize) -> usize {
    usize::try_from((size >> (8 * level)) & 0xff).unwrap_or(0)
}

/// Returns the number of full tiles of a level. This is also the index of its partial tile.
fn index_at(size: u64, level: usize) -> u64 {
    size.checked_shr(8 * (u32::try_from(level).unwrap_or(u32::MAX).saturating_add(1)))
        .unwrap_or(0)
}

/// Returns `tile/<level>/<index>`, followed by `.p/<width>` for a partial tile. The index is split
/// into parts of three digits, and all parts except the last start with an `x`. For example, the
/// index 1234 is written as `x001/234`.
fn path(level: &str, index: u64, width: usize) -> String {
    let mut parts = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        parts.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    parts.extend([level.to_owned(), "tile".to_owned()]);
    parts.reverse();
    if width < WIDTH {
        if let Some(last) = parts.last_mut() {
            last.push_str(".p");
        }
        parts.push(width.to_string());
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_has_the_root_of_the_whole_tree_at_every_size() {
        let stream = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let of = |seq: u64| Entry {
            stream,
            seq,
            hash: [7; 32],
        };
        let entries: Vec<Entry> = (0..66_000).map(of).collect();
        let leaves: Vec<Hash> = entries.iter().map(Entry::leaf).collect();
        let (mut edge, mut from) = (Edge::default(), 0);
        let mut written = std::collections::BTreeMap::new();
        let ends = [
            1, 2, 255, 256, 257, 300, 511, 512, 1_000, 65_535, 65_536, 65_537, 66_000,
        ];
        for end in ends {
            for object in edge.append(&entries[from..end], &mut Vec::new()) {
                // A tile that did not grow is written again with the same bytes.
                let before = written.insert(object.path, object.bytes.clone());
                assert!(before.is_none_or(|before| before == object.bytes), "{end}");
            }
            assert_eq!(edge.root(), root(&leaves[..end]), "size {end}");
            let levels = partial_tiles(end as u64).into_iter().map(|path| {
                let bytes = path.map(|path| written[&path].clone()).unwrap_or_default();
                bytes
                    .chunks(32)
                    .map(|hash| hash.try_into().unwrap())
                    .collect()
            });
            let bundle = partial_bundle(end as u64).map(|path| written[&path].clone());
            let read = Edge::of(end as u64, levels.collect(), bundle.unwrap_or_default());
            assert_eq!(read, edge, "the edge is read back at {end}");
            from = end;
        }
        let full = |prefix: &str| {
            written
                .keys()
                .filter(|path| path.starts_with(prefix) && !path.contains(".p/"))
                .count()
        };
        assert_eq!(
            (full("tile/0/"), full("tile/1/"), full("tile/entries/")),
            (257, 1, 257)
        );
        assert_eq!(written["tile/0/001"], leaves[256..512].concat());
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        // The first example is from <https://c2sp.org/tlog-tiles>, "Merkle tree tiles".
        assert_eq!(path("0", 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path("1", 273, 17), "tile/1/273.p/17");
        assert_eq!(path("entries", 0, 256), "tile/entries/000");
    }
}
