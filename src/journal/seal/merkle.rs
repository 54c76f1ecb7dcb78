//! The Merkle tree of RFC 6962 (section 2.1, as restated in RFC 9162): roots and inclusion proofs
//! over SHA-256. In: leaf hashes. Out: hashes. Knows nothing of what the leaves are.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The hash of a leaf's content.
pub fn leaf_hash(content: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(content);
    hash.finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// A tree that grows at its right end; it keeps only the roots of its full subtrees, at most 64.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    /// From left to right, so from the largest to the smallest.
    peaks: Vec<Hash>,
}

impl Tree {
    /// The tree over `leaves`.
    pub fn of(leaves: &[Hash]) -> Self {
        let mut tree = Self::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    /// Appends a leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut full = self.size;
        while full & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
            full >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root; that of an empty tree is the hash of nothing.
    pub fn root(&self) -> Hash {
        let fold = self
            .peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right));
        fold.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The inclusion proof of leaf `index`: the hashes beside its way to the root, from below. `None`:
/// no such leaf.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut part, mut at) = (leaves, index);
    while part.len() > 1 {
        // The largest power of two below the length: the left subtree is full.
        let (left, right) = part.split_at(part.len().next_power_of_two() / 2);
        if at < left.len() {
            path.push(Tree::of(right).root());
            part = left;
        } else {
            path.push(Tree::of(left).root());
            at -= left.len();
            part = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether the proof leads from a leaf to the root of a tree of `size` leaves (RFC 9162, 2.1.3.2).
pub fn inclusion_holds(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        leaves: Vec<String>,
        roots: Vec<String>,
        paths: Vec<PathVector>,
    }

    #[derive(serde::Deserialize)]
    struct PathVector {
        index: usize,
        size: usize,
        path: Vec<String>,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../tests/vectors/rfc6962.json")).unwrap()
    }

    fn leaves() -> Vec<Hash> {
        vectors()
            .leaves
            .iter()
            .map(|text| leaf_hash(&hex::decode(text).unwrap()))
            .collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let (leaves, roots) = (leaves(), vectors().roots);
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(
                hex::encode(Tree::of(&leaves[..size]).root()),
                *root,
                "size {size}"
            );
        }
    }

    #[test]
    fn paths_are_those_of_certificate_transparency() {
        let leaves = leaves();
        for vector in vectors().paths {
            let path = inclusion(&leaves[..vector.size], vector.index).unwrap();
            assert_eq!(
                path.iter().map(hex::encode).collect::<Vec<_>>(),
                vector.path
            );
        }
    }

    #[test]
    fn every_proof_of_every_tree_holds_for_its_own_leaf_and_place_only() {
        let leaves: Vec<Hash> = (0..33_u8).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=leaves.len() {
            let root = Tree::of(&leaves[..size]).root();
            for (index, leaf) in leaves[..size].iter().enumerate() {
                let path = inclusion(&leaves[..size], index).unwrap();
                let holds = |leaf: &Hash, index: usize, size: usize, path: &[Hash]| {
                    inclusion_holds(leaf, index as u64, size as u64, path, &root)
                };
                assert!(holds(leaf, index, size, &path), "{index} of {size}");
                assert!(!holds(&leaf_hash(b"other"), index, size, &path));
                assert!(!holds(leaf, index, index, &path), "beyond the tree");
                for other in (0..size).filter(|other| *other != index) {
                    assert!(
                        !holds(leaf, other, size, &path),
                        "{index} as {other} of {size}"
                    );
                }
                for cut in 0..path.len() {
                    assert!(!holds(leaf, index, size, &path[..cut]));
                    let mut bent = path.clone();
                    bent[cut][7] ^= 1;
                    assert!(!holds(leaf, index, size, &bent));
                }
                let longer: Vec<Hash> = path.iter().copied().chain([root]).collect();
                assert!(!holds(leaf, index, size, &longer));
            }
            assert_eq!(inclusion(&leaves[..size], size), None);
        }
    }
}
