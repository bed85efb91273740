"""Products of pairs of bfloat16, added up in a processor's registers: for loops, where it has the instruction.

Compilers make no such instruction of a loop, so that the code of a tile is spelt out here. Loops that use it are
found again by the text of their own file: who changes this touches those files too.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

LANES = 16
"""Numbers in a register."""


@cache
def multiplies_pairs() -> bool:
    """Whether Numba compiles for a processor that adds up products of pairs, but has no unit for whole matrices."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return False
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return {"+avx512bf16", "-amx-bf16"} <= set(features.split(","))


def tile(rows: int, registers: int) -> Any:
    """A function for loops: ``add(left, l, right, r, sums, s, lines, pairs, left_line, left_pair, right_line)``.

    To each of ``rows`` x ``registers * LANES`` float32 sums it adds the products of one row of the left and one
    column of the right, over all pairs of all lines. The registers hold the sums meanwhile: no more of them than 24
    or so fit.

    Args of the function:
        left: uint32, each two bfloat16 of a row, the first one in the lower bits; the rows of a pair lie together.
        right: the same of columns; a pair after another without a gap.
        sums: float32, columns of a row together.
        l, r, s: where in the arrays to begin.
        lines: at least one.
        pairs: of a line, at least one.
        left_line, left_pair, right_line: numbers from one line, or pair, to the next.
    """

    @intrinsic
    def add(context, left, l, right, r, sums, s, lines, pairs, left_line, left_pair, right_line):  # type: ignore[no-untyped-def] # noqa: E741
        signature = types.void(left, types.intp, right, types.intp, sums, *[types.intp] * 6)
        return signature, lambda *given: _spell_out(rows, registers, *given)

    return add


@intrinsic
def pair_up(context, line, low, high, pairs, place):  # type: ignore[no-untyped-def]
    """For loops: `LANES` numbers of a line in the lower bits, beside as many in the upper.

    ``line`` holds the bits of bfloat16, uint16, and is read from ``low`` and ``high`` on; ``pairs``, uint32, is filled
    from ``place`` on.
    """

    def spell_out(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line, low, high, pairs, place = arguments
        data = context.make_array(signature.args[0])(context, builder, line).data
        halves = [builder.load(_register(builder, data, start, _LINE), align=2) for start in (low, high)]
        low, high = (builder.zext(half, _PAIRS) for half in halves)
        both = builder.or_(low, builder.shl(high, _PAIRS([16] * LANES)))
        data = context.make_array(signature.args[3])(context, builder, pairs).data
        builder.store(both, _register(builder, data, place, _PAIRS), align=4)
        return context.get_dummy_value()

    return types.void(line, types.uintp, types.uintp, pairs, types.uintp), spell_out


class _BFloat(ir.types.Type):
    """The type that llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


_BITS, _PLACE = ir.IntType(32), ir.IntType(np.intp(0).nbytes * 8)
_SUMS = ir.VectorType(ir.FloatType(), LANES)
_PAIRS = ir.VectorType(_BITS, LANES)
_LINE = ir.VectorType(ir.IntType(16), LANES)
_HALVES = ir.VectorType(_BFloat(), 2 * LANES)


def _register(builder: Any, start: Any, offset: Any, kind: Any) -> Any:
    """Where a register's numbers lie, so many numbers after a start."""
    return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())


def _spell_out(rows: int, registers: int, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The code: two loops, one in the other, through both of which the sums stay what they are called."""
    left, left_from, right, right_from, sums, sums_from, lines, pairs, left_line, left_pair, right_line = arguments

    def begin(number: int, start: Any, kind: Any) -> Any:
        array = context.make_array(signature.args[number])(context, builder, arguments[number])
        return builder.gep(builder.bitcast(array.data, kind.as_pointer()), [start])

    def carried(values: list[Any], source: Any) -> list[Any]:
        found = [builder.phi(value.type) for value in values]
        for phi, value in zip(found, values, strict=True):
            phi.add_incoming(value, source)
        return found

    def go_round(block: Any, after: Any, number: Any, count: Any, phis: list[Any], values: list[Any]) -> None:
        following = builder.add(number, _PLACE(1))
        for phi, value in zip([number, *phis], [following, *values], strict=True):
            phi.add_incoming(value, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, count), block, after)
        builder.position_at_end(after)

    product = ir.FunctionType(_SUMS, [_SUMS, _HALVES, _HALVES])
    multiply = cgutils.get_or_insert_function(builder.module, product, "llvm.x86.avx512bf16.dpbf16ps.512")
    left, right = begin(0, left_from, _BITS), begin(2, right_from, _BITS)
    sums = begin(4, sums_from, ir.FloatType())
    places = [_register(builder, sums, _PLACE(n * LANES), _SUMS) for n in range(rows * registers)]
    held = [builder.load(place, align=4) for place in places]

    before = builder.block
    each_line, each_pair, line_end, end = (builder.append_basic_block(name) for name in ("line", "pair", "next", "end"))
    builder.branch(each_line)
    builder.position_at_end(each_line)
    line, *of_line = carried([_PLACE(0), *held], before)
    left_start = builder.gep(left, [builder.mul(line, left_line)])
    right_start = builder.gep(right, [builder.mul(line, right_line)])
    builder.branch(each_pair)
    builder.position_at_end(each_pair)
    pair, *of_pair = carried([_PLACE(0), *of_line], each_line)
    left_here = builder.gep(left_start, [builder.mul(pair, left_pair)])
    right_here = builder.gep(right_start, [builder.mul(pair, _PLACE(registers * LANES))])
    columns = [
        builder.load(_register(builder, right_here, _PLACE(n * LANES), _PAIRS), align=4) for n in range(registers)
    ]
    added = []
    for row in range(rows):
        bits = builder.load(builder.gep(left_here, [_PLACE(row)]), align=4)
        first = builder.insert_element(_PAIRS(ir.Undefined), bits, _BITS(0))
        repeated = builder.shuffle_vector(first, _PAIRS(ir.Undefined), _PAIRS([0] * LANES))
        for n in range(registers):
            halves = [builder.bitcast(each, _HALVES) for each in (columns[n], repeated)]
            added.append(builder.call(multiply, [of_pair[row * registers + n], *halves]))
    go_round(each_pair, line_end, pair, pairs, of_pair, added)
    go_round(each_line, end, line, lines, of_line, added)
    for place, value in zip(places, added, strict=True):
        builder.store(value, place, align=4)
    return context.get_dummy_value()
