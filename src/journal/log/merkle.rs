//! The Merkle tree of RFC 6962 (section 2.1, as restated in RFC 9162) with SHA-256. Computes roots,
//! inclusion proofs and consistency proofs from leaf hashes, and verifies the proofs.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
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

/// Returns the root of the tree over `hashes`. These are the hashes of leaves, or of subtrees that
/// all have the same size, except that the last one may be smaller. If `hashes` is empty, returns
/// the SHA-256 of the empty string.
pub fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let (left, right) = split(hashes);
            node_hash(&root(left), &root(right))
        }
    }
}

/// Splits the hashes at the largest power of two that is less than their number. The left subtree
/// is then full.
fn split(hashes: &[Hash]) -> (&[Hash], &[Hash]) {
    hashes.split_at(hashes.len().next_power_of_two() / 2)
}

/// Descends from the root towards leaf `at`. At each subtree, calls `ends` with the index of the
/// leaf in the subtree and with the size of the subtree, and stops when `ends` returns true.
/// Returns the sibling hashes on the path, starting with the lowest, and the subtree where it
/// stopped.
fn way(leaves: &[Hash], mut at: usize, ends: fn(usize, usize) -> bool) -> (Vec<Hash>, &[Hash]) {
    let (mut path, mut part) = (Vec::new(), leaves);
    while !ends(at, part.len()) {
        let (left, right) = split(part);
        if at < left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            at -= left.len();
            part = right;
        }
    }
    path.reverse();
    (path, part)
}

/// Returns the inclusion proof for leaf `index`: the sibling hashes on the path from this leaf to
/// the root, starting with the lowest. Returns `None` if there is no such leaf.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    (index < leaves.len()).then(|| way(leaves, index, |_, size| size == 1).0)
}

/// Returns the consistency proof from the tree of the first `old` leaves to the tree of all leaves
/// (RFC 6962, 2.1.2). Returns `None` if `old` is 0 or exceeds the number of leaves.
pub fn consistency(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    if old == 0 || old > leaves.len() {
        return None;
    }
    let (mut path, part) = way(leaves, old - 1, |at, size| at + 1 == size);
    // If the subtree is the whole old tree, leave its root out of the proof, because the verifier
    // already knows it.
    if part.len() < old {
        path.insert(0, root(part));
    }
    Some(path)
}

/// Follows a proof from node `at` to the root. `last` is the index of the last node on the level of
/// `at`. For each hash of the proof, calls `step` with the hash and with whether it is the left
/// sibling. Returns whether the proof ends exactly at the root.
fn climb(mut at: u64, mut last: u64, path: &[Hash], mut step: impl FnMut(&Hash, bool)) -> bool {
    for beside in path {
        if last == 0 {
            return false;
        }
        let on_left = at & 1 == 1 || at == last;
        step(beside, on_left);
        while on_left && at & 1 == 0 && at != 0 {
            at >>= 1;
            last >>= 1;
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0
}

fn join(beside: &Hash, on_left: bool, hash: &Hash) -> Hash {
    if on_left {
        node_hash(beside, hash)
    } else {
        node_hash(hash, beside)
    }
}

/// Returns whether the proof leads from leaf `index` to the root of a tree with `size` leaves (RFC
/// 9162, 2.1.3.2).
pub fn inclusion_holds(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    let mut hash = *leaf;
    let step = |beside: &Hash, on_left| hash = join(beside, on_left, &hash);
    index < size && climb(index, size - 1, path, step) && hash == *root
}

/// Returns whether the proof shows that the tree `new` continues the tree `old` (RFC 9162,
/// 2.1.4.2). Both trees are given as their size and root.
pub fn consistency_holds(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old, old_root), (size, new_root)) = (old, new);
    if old == size {
        return path.is_empty() && old_root == new_root;
    }
    if old == 0 || old > size {
        return false;
    }
    // If the old tree is full, it is a node of the new tree, and the proof does not contain its
    // hash.
    let (first, path) = match path.split_first() {
        _ if old.is_power_of_two() => (old_root, path),
        Some(split) => split,
        None => return false,
    };
    let (mut from_old, mut from_new) = (*first, *first);
    let below = (old - 1).trailing_ones();
    let climbed = climb(
        (old - 1) >> below,
        (size - 1) >> below,
        path,
        |beside, on_left| {
            if on_left {
                from_old = node_hash(beside, &from_old);
            }
            from_new = join(beside, on_left, &from_new);
        },
    );
    climbed && from_old == *old_root && from_new == *new_root
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
        for (size, known) in roots.iter().enumerate() {
            assert_eq!(hex::encode(root(&leaves[..size])), *known, "size {size}");
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
            let root = root(&leaves[..size]);
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

    #[test]
    fn consistency_paths_are_those_of_rfc_6962() {
        // The examples of section 2.1.3: the tree of 7 leaves and its earlier trees of 3, 4 and 6.
        let leaves = &leaves()[..7];
        let node = |some: &[Hash]| root(some);
        let (c, d, g) = (leaves[2], leaves[3], node(&leaves[..2]));
        let (h, i, j) = (node(&leaves[2..4]), node(&leaves[4..6]), leaves[6]);
        let (k, l) = (node(&leaves[..4]), node(&leaves[4..]));
        assert_eq!(h, node_hash(&c, &d));
        assert_eq!(consistency(leaves, 3).unwrap(), [c, d, g, l]);
        assert_eq!(consistency(leaves, 4).unwrap(), [l]);
        assert_eq!(consistency(leaves, 6).unwrap(), [i, j, k]);
    }

    #[test]
    fn every_tree_continues_its_own_past_and_no_other() {
        let leaves: Vec<Hash> = (0..33_u8).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=leaves.len() {
            let new = root(&leaves[..size]);
            for old in 1..=size {
                let past = root(&leaves[..old]);
                let path = consistency(&leaves[..size], old).unwrap();
                let holds = |old: usize, past: &Hash, path: &[Hash]| {
                    consistency_holds((old as u64, past), (size as u64, &new), path)
                };
                assert!(holds(old, &past, &path), "{old} of {size}");
                assert!(!holds(old, &leaf_hash(b"other"), &path));
                for other in (1..=size).filter(|other| *other != old) {
                    assert!(!holds(other, &past, &path), "{old} as {other} of {size}");
                }
                for cut in 0..path.len() {
                    assert!(!holds(old, &past, &path[..cut]));
                    let mut bent = path.clone();
                    bent[cut][7] ^= 1;
                    assert!(!holds(old, &past, &bent));
                }
            }
            assert_eq!(consistency(&leaves[..size], size + 1), None);
        }
    }
}
