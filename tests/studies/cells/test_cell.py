"""A cell's name is what decides its result, and nothing else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.studies.cells.cell import Cell, content_hash

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), plain, max_size=4))
def test_neither_order_nor_title_decides(spec: dict[str, object]) -> None:
    turned = dict(reversed(list(spec.items())))
    assert Cell("train", spec, ("a",), "one title").id == Cell("train", turned, ("a",), "another").id
    assert Cell.from_dict(Cell("train", spec, ("a",), "t").to_dict()) == Cell("train", spec, ("a",))


def test_everything_else_does() -> None:
    cells = [
        Cell("train", {"seed": 0}),
        Cell("train", {"seed": 1}),
        Cell("train", {"seed": 0.5}),
        Cell("train", {"seed": "0"}),
        Cell("score", {"seed": 0}),
        Cell("train", {"seed": 0}, ("a",)),
        Cell("train", {"seed": 0}, ("a", "b")),
        Cell("train", {"seed": 0}, ("b", "a")),
    ]
    assert len({cell.id for cell in cells}) == len(cells)


def test_the_hash_is_that_of_the_sorted_text() -> None:
    # sha256 of {"a":[1,"ü"],"b":null} with the letter escaped, computed by hand elsewhere.
    import hashlib

    assert content_hash({"b": None, "a": [1, "ü"]}) == hashlib.sha256(b'{"a":[1,"\\u00fc"],"b":null}').hexdigest()[:24]
