"""What the voxels are: the codebook, the votes of the views, the blocks that hold them."""

import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError, FormatError, QueryError
from robomem.spatial.octree.codebook import HEADER, LEVELS, MAGIC, Codebook
from robomem.spatial.octree.kernels.morton import brick_key
from robomem.spatial.octree.kernels.semantics import reduce_view
from robomem.spatial.octree.semantic_layer import LEAST_BLOCKS, SemanticBlocks

SIZE = 0.1


def unit(rng, count, dim=512):
    vectors = rng.normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def near(rng, centres, noise):
    """Unit vectors around others, at a cosine of about 1 / sqrt(1 + noise**2)."""
    vectors = centres + noise * unit(rng, len(centres), centres.shape[1])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def book_of(count, dim=8):
    """A codebook in which so many codes are known."""
    book = Codebook(dim, min_similarity=0.999)
    book.assign(unit(np.random.default_rng(0), count, dim))
    assert len(book) == count
    return book


def same(first, second):
    return first.to_bytes() == second.to_bytes()


# The codebook.


def test_a_decoded_embedding_is_nearly_the_original(rng):
    embeddings = unit(rng, 300)
    book = Codebook(512)

    codes = book.assign(embeddings)
    decoded = book.decode(codes)

    assert codes.tolist() == list(range(1, 301))
    assert np.einsum("nd,nd->n", decoded, embeddings).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), 1, atol=1e-6)


def test_what_resembles_a_code_gets_it_and_what_does_not_becomes_one(rng):
    centres = unit(rng, 5)
    book = Codebook(512, min_similarity=0.9)
    born = book.assign(centres)

    again = book.assign(near(rng, centres, 0.3))  # cosine 0.96
    others = book.assign(near(rng, centres, 1.0))  # cosine 0.71

    assert again.tolist() == born.tolist()
    assert others.tolist() == [6, 7, 8, 9, 10]


def test_a_full_codebook_gives_the_nearest_code(rng):
    centres = unit(rng, 3)
    book = Codebook(512, capacity=2)

    codes = book.assign(centres)
    near_second = book.assign(near(rng, centres[1:2], 2.0))

    assert len(book) == 2
    assert codes[2] == 1 + np.argmax(centres[:2] @ centres[2])
    assert near_second == [2]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    dim=st.sampled_from([1, 2, 8, 33, 1200]),  # 1200: products too large for float32
    least=st.sampled_from([0.0, 0.5, 0.9, 0.999]),
    capacity=st.sampled_from([1, 3, 500]),
    cuts=st.lists(st.integers(0, 400), max_size=4),
)
def test_batches_give_the_codes_that_one_by_one_gives(seed, dim, least, capacity, cuts):
    rng = np.random.default_rng(seed)
    few = unit(rng, 12, dim)[rng.integers(0, 12, 400)]
    embeddings = near(rng, few, 0.45 * rng.integers(0, 2, (400, 1)))
    batched, single = (Codebook(dim, capacity=capacity, min_similarity=least) for _ in "ab")

    in_batches = [batched.assign(part) for part in np.split(embeddings, sorted(cuts))]
    one_by_one = [single.assign(embedding[None]) for embedding in embeddings]

    assert np.concatenate(in_batches).tolist() == np.concatenate(one_by_one).tolist()
    assert same(batched, single)


def test_every_code_is_the_nearest_leader_by_brute_force(rng):
    embeddings = near(rng, unit(rng, 40, 24)[rng.integers(0, 40, 3000)], 0.5)
    book = Codebook(24, min_similarity=0.9)

    codes = book.assign(embeddings)

    leaders, margin = np.empty((0, 24)), 2e-3  # quantisation may decide what is this close
    for embedding, code in zip(embeddings.astype(float), codes, strict=True):
        cosines = leaders @ embedding
        if code > len(leaders):
            assert code == len(leaders) + 1
            assert cosines.max(initial=-1) < 0.9 + margin
            leaders = np.vstack([leaders, embedding])
        else:
            assert cosines[code - 1] > max(0.9, cosines.max()) - margin
    assert len(leaders) == len(book) > 2048  # more than one block of codes


def test_codes_never_change(rng):
    book = Codebook(64)
    book.assign(unit(rng, 20, 64))
    rows, scales = book.rows_since(0)

    book.assign(unit(rng, 500, 64))

    assert (book.rows_since(0)[0][:20] == rows).all()
    assert (book.rows_since(0)[1][:20] == scales).all()


def test_a_journal_of_rows_builds_the_same_codebook(rng):
    book, copy = Codebook(32), Codebook(32)

    for _ in range(4):
        book.assign(unit(rng, 30, 32))
        copy.append(*book.rows_since(len(copy)))

    assert same(book, copy)
    probes = near(rng, book.decode(np.arange(1, 121)), 0.2)
    assert (copy.assign(probes) == book.assign(probes)).all()


def test_similarity_is_the_cosine_with_every_code(rng):
    embeddings, query = unit(rng, 50), unit(rng, 1)[0]
    book = Codebook(512)
    book.assign(embeddings)

    cosines = book.similarity(query)

    np.testing.assert_allclose(cosines, embeddings @ query, atol=2e-3)


def test_code_0_decodes_to_zeros():
    assert not book_of(3).decode([0, 0]).any()


def test_codes_take_their_dimension_and_four_bytes():
    book = book_of(100, dim=64)

    copy = Codebook.from_bytes(book.to_bytes())

    assert copy.memory_bytes == 100 * (64 + 4)


def test_a_codebook_survives_bytes(rng):
    book = Codebook(48, capacity=70, min_similarity=0.8)
    book.assign(unit(rng, 90, 48))

    copy = Codebook.from_bytes(book.to_bytes())

    assert same(copy, book)
    assert (copy.dim, copy.capacity, copy.min_similarity, len(copy)) == (48, 70, 0.8, 70)


def test_an_empty_codebook_survives_bytes_and_answers():
    book = Codebook.from_bytes(Codebook(4).to_bytes())

    assert len(book) == len(book.similarity([0, 1, 0, 0])) == 0
    assert book.assign(np.empty((0, 4))).shape == (0,)
    assert book.decode([0]).tolist() == [[0, 0, 0, 0]]


def test_any_damaged_byte_is_a_format_error():
    data = book_of(3).to_bytes()

    for i in range(len(data)):
        with pytest.raises(FormatError):
            Codebook.from_bytes(data[:i])
        with pytest.raises(FormatError):
            Codebook.from_bytes(data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :])
    with pytest.raises(FormatError):
        Codebook.from_bytes(data + b"\0")


@pytest.mark.parametrize(
    ("header", "content"),
    [
        ((2, 1, 0.9, 2), struct.pack("4b2f", 127, 0, 127, 0, 1 / 127, 1 / 127)),  # over capacity
        ((0, 1, 0.9, 0), b""),
        ((2, 0, 0.9, 0), b""),
        ((2, 9, float("nan"), 0), b""),
        ((2, 9, 0.9, 2**32 - 1), b""),
        ((2, 9, 0.9, 1), struct.pack("=2bf", 0, 0, 1.0)),  # a row without direction
        ((2, 9, 0.9, 1), struct.pack("=2bf", -128, 0, 1 / 128)),
        ((2, 9, 0.9, 1), struct.pack("=2bf", 127, 0, 1.0)),  # a scale that is not the row's
    ],
)
def test_a_codebook_with_a_right_checksum_and_wrong_content_is_a_format_error(header, content):
    checksum = zlib.crc32(HEADER.pack(MAGIC, *header, 0) + content)

    with pytest.raises(FormatError):
        Codebook.from_bytes(HEADER.pack(MAGIC, *header, checksum) + content)


@pytest.mark.parametrize(
    "wrong",
    [
        np.full((1, 8), np.nan),
        np.full((1, 8), np.inf),
        np.zeros((1, 8)),
        np.full((1, 8), 1e300),
        np.full((1, 8), 1.01 / np.sqrt(8)),
        np.eye(7),
        np.ones(8) / np.sqrt(8),
    ],
)
def test_wrong_embeddings_are_data_errors_and_change_nothing(wrong):
    book = book_of(2)
    before = book.to_bytes()

    with pytest.raises(DataError):
        book.assign(wrong)
    if wrong.ndim == 2:
        with pytest.raises(DataError):
            book.assign(np.vstack([np.eye(wrong.shape[1])[:1], wrong]))
        with pytest.raises(DataError):
            book.similarity(wrong[0])

    assert book.to_bytes() == before


def test_wrong_codes_rows_and_settings_are_refused():
    book, other = book_of(3), book_of(3, dim=4)
    rows, scales = book.rows_since(0)

    for codes in ([4], [-1], [[1]]):
        with pytest.raises(DataError):
            book.decode(codes)
    for wrong in (other.rows_since(0), (rows, scales * 2), (rows, scales[:2]), (rows * 0, scales)):
        with pytest.raises(DataError):
            book.append(*wrong)
    with pytest.raises(DataError):
        book.rows_since(4)
    with pytest.raises(DataError):
        Codebook(8, capacity=2).append(rows, scales)
    for settings_ in ({"dim": 0}, {"dim": 4, "capacity": 65536}, {"dim": 4, "min_similarity": 1}):
        with pytest.raises(ConfigError):
            Codebook(**settings_)
    assert len(book) == 3
    assert np.abs(rows).max() == LEVELS


# One view.


def view(rng, count=3000):
    return rng.uniform(-0.7, 0.7, (count, 3)), rng.integers(0, 4, count).astype(np.uint16)


def cell(point):
    """Brick key and voxel of a point, by the definition."""
    x, y, z = (int(np.floor(p / SIZE)) for p in point)
    return brick_key(x >> 3, y >> 3, z >> 3), (x & 7) + 8 * (y & 7) + 64 * (z & 7)


def test_a_view_says_of_a_voxel_what_most_of_its_points_say(rng):
    points, codes = view(rng)

    keys, voxels, elected = reduce_view(points, codes, SIZE)

    votes = {}
    for point, code in zip(points, codes.tolist(), strict=True):
        if code:
            votes.setdefault(cell(point), Counter())[code] += 1
    twin = {at: min(of, key=lambda code: (-of[code], code)) for at, of in sorted(votes.items())}
    assert list(zip(keys, voxels, elected, strict=True)) == [(*at, c) for at, c in twin.items()]
    ties = [of for of in votes.values() if list(of.values()).count(max(of.values())) > 1]
    assert len(ties) > 50


def test_the_order_of_the_points_does_not_matter(rng):
    points, codes = view(rng)
    order = np.argsort(points[:, 0])

    for here, there in zip(
        reduce_view(points, codes, SIZE),
        reduce_view(points[order], codes[order], SIZE),
        strict=True,
    ):
        assert here.tobytes() == there.tobytes()


def test_points_that_are_nowhere_and_codes_that_are_none_are_skipped():
    points = np.array(
        [[np.nan, 0, 0], [0, np.inf, 0], [0, 0, 1e300], [0, 0, 0], [0.05, 0.05, 0.05]]
    )
    codes = np.array([1, 1, 1, 0, 2], np.uint16)

    keys, voxels, elected = reduce_view(points, codes, SIZE)

    assert (keys.tolist(), voxels.tolist(), elected.tolist()) == ([brick_key(0, 0, 0)], [0], [2])
    assert [len(array) for array in reduce_view(points[:0], codes[:0], SIZE)] == [0, 0, 0]


# Votes over views.


def observations(rng, views=30, bricks=5, codes=3):
    """Views of random voxels: brick keys, voxels and codes, each voxel once a view."""
    for _ in range(views):
        at = rng.choice(bricks * 512, 400, replace=False)
        seen = rng.integers(1, codes + 1, 400).astype(np.uint16)
        yield 7 * (at // 512).astype(np.int64), (at % 512).astype(np.int16), seen


def filled(rng, views=30, bricks=5):
    layer = SemanticBlocks(book_of(3))
    for keys, voxels, codes in observations(rng, views, bricks):
        layer.observe(keys, voxels, codes)
    return layer


def test_votes_are_those_of_a_counting_twin(rng):
    layer, twin = SemanticBlocks(book_of(3)), {}

    for keys, voxels, codes in observations(rng):
        layer.observe(keys, voxels, codes)
        for at in zip(keys.tolist(), voxels.tolist(), codes.tolist(), strict=True):
            held, votes = twin.get(at[:2], (0, 0))
            held, step = (at[2], 1) if votes == 0 else (held, 1 if held == at[2] else -1)
            twin[at[:2]] = held, votes + step

    codes, weights = layer.take(layer.keys)
    assert layer.keys.tolist() == [0, 7, 14, 21, 28]
    for (key, voxel), of_twin in twin.items():
        assert (codes[key // 7, voxel], weights[key // 7, voxel]) == of_twin
    assert (codes > 0).sum() == len(twin)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=40))
def test_what_more_than_half_of_the_views_say_stands(seen):
    layer = SemanticBlocks(book_of(3))
    key, voxel = np.array([5]), np.array([9], np.int16)

    for code in seen:
        layer.observe(key, voxel, np.array([code], np.uint16))

    code, count = Counter(seen).most_common(1)[0]
    held = layer.codes_at(key, voxel)[0]
    assert held in seen
    assert held == code or 2 * count <= len(seen)


def test_a_weight_stops_at_255_and_can_be_outvoted():
    layer = SemanticBlocks(book_of(2))
    key, voxel = np.array([5]), np.array([9], np.int16)

    for _ in range(400):
        layer.observe(key, voxel, np.array([1], np.uint16))
    heaviest = layer.take(key)[1][0, 9]
    for _ in range(256):
        layer.observe(key, voxel, np.array([2], np.uint16))

    assert heaviest == 255
    assert layer.codes_at(key, voxel) == [2]


def test_things_are_found_again_though_every_fifth_look_is_wrong(rng):
    things, dim = 3, 256
    centres = unit(rng, things, dim)
    points = rng.uniform(0, 3, (3000, 3))
    thing = np.floor(points[:, 0]).astype(int)  # three slabs, a metre each
    layer = SemanticBlocks(Codebook(dim, min_similarity=0.8))

    for _ in range(15):
        embeddings = near(rng, centres[thing], 0.3)  # two looks at one thing: cosine 0.92
        is_wrong = rng.random(len(points)) < 0.2
        embeddings[is_wrong] = near(rng, centres[rng.integers(0, things, is_wrong.sum())], 1.5)
        codes = layer.codebook.assign(embeddings)
        layer.observe(*reduce_view(points, codes, SIZE))

    keys, voxels, truth = reduce_view(points, (thing + 1).astype(np.uint16), SIZE)
    decoded = layer.codebook.decode(layer.codes_at(keys, voxels))
    assert ((decoded @ centres.T).argmax(axis=1) + 1 == truth).mean() >= 0.95
    for i, centre in enumerate(centres):
        found = set(zip(*layer.similar(centre, min_similarity=0.8), strict=True))
        right = set(zip(keys[truth == i + 1], voxels[truth == i + 1], strict=True))
        assert len(found & right) >= 0.95 * len(right)
        assert len(found - right) <= 0.05 * len(right)


# The blocks.


def test_bricks_taken_and_put_are_the_same(rng):
    layer = filled(rng)
    copy = SemanticBlocks(layer.codebook)
    keys = np.array([14, 0, 99, 28])  # any order; nothing is known of 99

    copy.put(keys, *layer.take(keys))

    assert copy.keys.tolist() == [0, 14, 28]
    for here, there in zip(copy.take(keys), layer.take(keys), strict=True):
        assert here.tobytes() == there.tobytes()


def test_a_brick_that_left_and_came_back_is_as_if_it_had_stayed(rng):
    stayed, left = filled(rng), filled(np.random.default_rng(7))
    keys = np.array([7, 21])

    taken = left.take(keys)
    left.drop(keys)
    assert len(left) == 3
    assert not left.take(keys)[0].any()
    left.observe(np.array([50]), np.array([3], np.int16), np.array([1], np.uint16))
    left.drop(np.array([50, 1234]))
    left.put(keys, *taken)

    for here, there in zip(left.take(stayed.keys), stayed.take(stayed.keys), strict=True):
        assert here.tobytes() == there.tobytes()
    assert left.keys.tolist() == stayed.keys.tolist()


def test_what_is_put_replaces_what_was_there(rng):
    layer = filled(rng)
    nothing = np.zeros((1, 512), np.uint16), np.zeros((1, 512), np.uint8)

    layer.put(np.array([7]), *nothing)

    assert layer.keys.tolist() == [0, 14, 21, 28]


def test_the_same_observations_give_the_same_bytes():
    first, second = (filled(np.random.default_rng(3)) for _ in range(2))

    blocks, again = first.take(first.keys), second.take(second.keys)

    assert [block.tobytes() for block in blocks] == [block.tobytes() for block in again]
    assert same(first.codebook, second.codebook)


def test_similar_finds_all_voxels_of_alike_codes_in_order(rng):
    layer = filled(rng)
    embedding = layer.codebook.decode([2])[0]

    keys, voxels = layer.similar(embedding, min_similarity=0.99)

    brick, voxel = np.nonzero(layer.take(layer.keys)[0] == 2)
    assert keys.tolist() == (7 * brick).tolist()
    assert voxels.tolist() == voxel.tolist()


def test_only_named_bricks_take_memory_and_dropped_ones_give_it_back(rng):
    layer = SemanticBlocks(book_of(1))
    keys, voxels = np.arange(1000), np.zeros(1000, np.int16)
    empty = layer.memory_bytes

    layer.observe(keys, voxels, np.zeros(1000, np.uint16))
    none_named = layer.memory_bytes
    layer.observe(keys, voxels, np.ones(1000, np.uint16))
    all_named = layer.memory_bytes
    layer.drop(keys[10:])

    assert none_named == empty
    assert 1000 * 512 * 3 <= all_named - empty <= 1.3 * 1000 * 512 * 3
    assert layer.memory_bytes - empty <= 2 * LEAST_BLOCKS * 512 * 3
    assert layer.keys.tolist() == keys[:10].tolist()


def test_what_the_codebook_does_not_know_is_refused(rng):
    layer = filled(rng)
    before = layer.take(layer.keys)
    block = np.full((1, 512), 4, np.uint16), np.ones((1, 512), np.uint8)

    with pytest.raises(DataError):
        layer.observe(np.array([1]), np.array([0], np.int16), np.array([4], np.uint16))
    with pytest.raises(DataError):
        layer.put(np.array([1]), *block)
    with pytest.raises(DataError):
        layer.put(np.array([1, 2]), *block)
    with pytest.raises(DataError):
        layer.similar(np.ones(3), min_similarity=0.5)
    for wrong in (1.5, float("nan")):
        with pytest.raises(QueryError):
            layer.similar(layer.codebook.decode([1])[0], min_similarity=wrong)

    for here, there in zip(layer.take(layer.keys), before, strict=True):
        assert (here == there).all()
