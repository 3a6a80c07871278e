from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.merkle import (
    EMPTY_ROOT,
    Frontier,
    Range,
    Subtree,
    consistency_proof,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

# The Certificate Transparency reference data for RFC 6962: eight leaves, the roots of sizes 0 to 8, proofs.
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
L1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
N23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
L4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = [(0, 8, [L1, N23, N47]), (5, 8, [L4, N67, ROOTS[4]])]
CONSISTENCY = [(1, 8, [L1, N23, N47]), (6, 8, [N45, N67, ROOTS[4]]), (2, 5, [N23, L4])]
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in DATA]


def naive_root(leaves):
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def naive_path(m, leaves):
    """RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m, leaves, whole):
    """RFC 6962 §2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def stored(leaves):
    """What storage keeps, by range."""
    levels = {0: leaves, 8: [naive_root(leaves[i : i + 256]) for i in range(0, len(leaves) - 255, 256)]}
    return lambda ranges: {r: levels[r.level][r.start : r.stop] for r in ranges}


def unhex(hashes):
    return [bytes.fromhex(text) for text in hashes]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_published(size):
    assert Frontier().extend(LEAVES[:size]).frontier.root().hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_inclusion_proofs_are_those_published(index, size, path):
    fetched = stored(LEAVES)(inclusion_ranges(index, size))
    assert inclusion_proof(index, size, fetched) == unhex(path)
    assert verify_inclusion(index, size, LEAVES[index], unhex(path), bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_published(old, new, proof):
    fetched = stored(LEAVES)(consistency_ranges(old, new))
    assert consistency_proof(old, new, fetched) == unhex(proof)
    assert verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), unhex(proof))


MANY = [leaf_hash(b"%d" % i) for i in range(1100)]


@given(st.lists(st.integers(0, 400), max_size=6))
def test_extending_in_any_steps_gives_the_root_of_the_definition(steps):
    tree, at = Frontier(), 0
    for count in steps:
        tree = tree.extend(MANY[at : at + count]).frontier
        at = min(at + count, len(MANY))
    assert tree.root() == naive_root(MANY[:at])
    assert Frontier.from_bytes(tree.size, tree.to_bytes()) == tree


@given(st.lists(st.integers(1, 400), max_size=6))
def test_each_full_subtree_is_given_out_once(steps):
    tree, given_out = Frontier(), []
    for count in steps:
        tree, subtrees = tree.extend(MANY[tree.size : tree.size + count])
        given_out += subtrees
    assert given_out == [Subtree(8, i, naive_root(MANY[i * 256 : i * 256 + 256])) for i in range(tree.size // 256)]


def test_a_subtree_of_65536_leaves_is_given_out_after_those_of_256():
    tree, subtrees = Frontier().extend([MANY[0]] * 65_536)
    assert [(s.level, s.index) for s in subtrees[-2:]] == [(8, 255), (16, 0)]
    assert subtrees[-1].hash == tree.root()


@settings(max_examples=60)
@given(st.data())
def test_proofs_equal_the_definition_and_verify(data):
    size = data.draw(st.integers(1, 1100))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    leaves = MANY[:size]
    root, fetch = naive_root(leaves), stored(leaves)
    path = inclusion_proof(index, size, fetch(inclusion_ranges(index, size)))
    assert path == naive_path(index, leaves)
    assert verify_inclusion(index, size, leaves[index], path, root)
    proof = consistency_proof(old, size, fetch(consistency_ranges(old, size)))
    assert proof == naive_subproof(old, leaves, True)
    assert verify_consistency(old, size, naive_root(leaves[:old]), root, proof)


@settings(max_examples=60)
@given(st.data())
def test_altered_inclusion_proofs_do_not_verify(data):
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    leaves = MANY[:size]
    root, path = naive_root(leaves), naive_path(index, leaves)
    place = data.draw(st.integers(0, len(path) - 1))
    altered = [*path[:place], leaf_hash(path[place]), *path[place + 1 :]]
    assert not verify_inclusion(index, size, leaves[index], altered, root)
    assert not verify_inclusion(index, size, leaves[index], path[:-1], root)
    assert not verify_inclusion(index, size, leaves[index], [*path, root], root)
    assert not verify_inclusion((index + 1) % size, size, leaves[index], path, root)
    assert not verify_inclusion(size, size, leaves[index], path, root)


@settings(max_examples=60)
@given(st.data())
def test_altered_consistency_proofs_do_not_verify(data):
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    leaves = MANY[:new]
    roots = naive_root(leaves[:old]), naive_root(leaves)
    proof = naive_subproof(old, leaves, True)
    assert not verify_consistency(old, new, roots[1], roots[1], proof)
    assert not verify_consistency(old, new, roots[0], roots[0], proof)
    assert not verify_consistency(old, new, *roots, proof[:-1])
    assert not verify_consistency(old, new, *roots, [*proof, proof[0]])
    assert not verify_consistency(new, old, *roots, proof)


def test_the_empty_tree_is_consistent_with_every_tree():
    assert consistency_proof(0, 8, {}) == []
    assert verify_consistency(0, 8, EMPTY_ROOT, bytes.fromhex(ROOTS[8]), [])
    assert not verify_consistency(0, 8, bytes.fromhex(ROOTS[1]), bytes.fromhex(ROOTS[8]), [])
    assert verify_consistency(8, 8, bytes.fromhex(ROOTS[8]), bytes.fromhex(ROOTS[8]), [])


def test_large_trees_need_few_stored_hashes():
    size = 3 * 2**24 + 5 * 2**16 + 7 * 256 + 9
    ranges = inclusion_ranges(2**24 + 77, size)
    assert {r.level for r in ranges} == {0, 8, 16, 24}
    assert sum(r.stop - r.start for r in ranges) < 4 * 256
    assert consistency_ranges(2**24, 2**25) == [Range(24, 1, 2)]


def test_a_range_fetched_short_is_refused():
    with pytest.raises(ValueError, match="range"):
        inclusion_proof(0, 8, {r: [] for r in inclusion_ranges(0, 8)})


def test_places_outside_the_tree_are_refused():
    with pytest.raises(ValueError):
        inclusion_ranges(8, 8)
    with pytest.raises(ValueError):
        consistency_ranges(9, 8)
    with pytest.raises(ValueError):
        Frontier.from_bytes(3, b"\x00" * 32)


def test_leaves_and_nodes_hash_apart():
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])
