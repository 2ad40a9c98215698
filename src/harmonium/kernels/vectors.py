"""Vectors of floats inside compiled kernels: a fixed number of lanes that live in registers.

LLVM turns a loop over an array into vector instructions but writes sums over rows back to memory after every row. With
a vector as the accumulator, as wide as several registers, a sum over any number of rows stays in registers, and each
row costs its loads and multiply-adds alone. LLVM splits a vector that is wider than the machine's, so this holds
everywhere; the widest of `TILES` is as wide as the registers allow.
"""

import operator
import os
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import extending
from numba.core import types
from numba.extending import models, overload, register_model

from harmonium.kernels.constants import LANES

intrinsic: Any = extending.intrinsic  # what it makes takes neither a context nor a builder
FLAGS = ("reassoc", "contract", "arcp", "nsz")  # as in `jit`
ALIGN = 4  # bytes: rows begin anywhere


def _wide_registers() -> bool:
    """Whether kernels are compiled for a processor with 32 registers of 16 floats."""
    return "NUMBA_CPU_NAME" not in os.environ and bool(binding.get_host_cpu_features().get("avx512f"))


# Widths of a sum that is kept in registers, widest first: 8 registers, twice where two sums run side by side.
TILES = (128, 64, 32, 16) if _wide_registers() else (32, 16)


class Vector(types.Type):
    """Numba's type of so many float32."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__(name=f"vector{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector):
        super().__init__(manager, vector, ir.VectorType(ir.FloatType(), vector.lanes))


def _address(context: Any, builder: Any, array: Any, value: Any, index: Any, lanes: int) -> Any:
    data = context.make_array(array)(context, builder, value).data
    vector = ir.VectorType(ir.FloatType(), lanes)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def loader(lanes: int) -> Callable[..., Any]:
    """Return a function (array, index) that reads so many floats, index counting floats from the array's start.

    Parameters
    ----------
    lanes : int
    """

    @intrinsic
    def load(typingctx: Any, array: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array, index = args
            return builder.load(_address(context, builder, signature.args[0], array, index, lanes), align=ALIGN)

        return Vector(lanes)(array, types.int64), codegen

    return load


def filler(lanes: int) -> Callable[..., Any]:
    """Return a function (x) that makes a vector of so many equal floats.

    Parameters
    ----------
    lanes : int
    """

    @intrinsic
    def fill(typingctx: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _spread(builder, args[0], lanes)

        return Vector(lanes)(types.float32), codegen

    return fill


def _spread(builder: Any, x: Any, lanes: int) -> Any:
    one = builder.insert_element(ir.Constant(ir.VectorType(x.type, lanes), ir.Undefined), x, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


@intrinsic
def store(typingctx: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector, index counting floats from the array's start."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], vector.lanes)
        builder.store(args[2], address, align=ALIGN)
        return context.get_dummy_value()

    return types.none(array, types.int64, vector), codegen


@intrinsic
def item(typingctx: Any, array: Any, index: Any) -> Any:
    """Read one element, the index counting from the array's start: never negative, so nothing is asked about it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.int64), codegen


@intrinsic
def put(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write one element; see `item`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        builder.store(args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.none(array, types.int64, array.dtype), codegen


def _lanewise(builder: Any, name: str, x: Any) -> Any:
    name = f"llvm.{name}.v{x.type.count}f32"
    function = builder.module.globals.get(name)
    return builder.call(function or ir.Function(builder.module, ir.FunctionType(x.type, [x.type]), name), [x])


@intrinsic
def root(typingctx: Any, vector: Any) -> Any:
    """Square root of each lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _lanewise(builder, "sqrt", args[0])

    return vector(vector), codegen


@intrinsic
def whole(typingctx: Any, vector: Any) -> Any:
    """Each lane rounded down."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _lanewise(builder, "floor", args[0])

    return vector(vector), codegen


@intrinsic
def power_of_two(typingctx: Any, vector: Any) -> Any:
    """2^n of each lane n, a whole number from -126 to 127."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(ir.IntType(32), vector.lanes)
        n, bias, shift = builder.fptosi(args[0], kind), *(ir.Constant(kind, [k] * vector.lanes) for k in (127, 23))
        return builder.bitcast(builder.shl(builder.add(n, bias), shift), args[0].type)

    return vector(vector), codegen


@intrinsic
def larger(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger of each pair of lanes; the second where either is NaN."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), codegen


@intrinsic
def smaller(typingctx: Any, a: Any, b: Any) -> Any:
    """The smaller of each pair of lanes; the second where either is NaN."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return a(a, b), codegen


def _arithmetic(operation: Callable[..., Any], instruction: str) -> None:
    @intrinsic
    def apply(typingctx: Any, a: Any, b: Any) -> Any:
        vector = a if isinstance(a, Vector) else b
        kinds = [kind if isinstance(kind, Vector) else types.float32 for kind in (a, b)]

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            both = (
                value if isinstance(kind, Vector) else _spread(builder, value, vector.lanes)
                for kind, value in zip(signature.args, args)
            )
            return getattr(builder, instruction)(*both, flags=FLAGS)

        return vector(*kinds), codegen

    @overload(operation)
    def of_vectors(a, b):  # Numba compares this signature with the lambda's
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: apply(a, b)
        return None


for _operation, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _arithmetic(_operation, _instruction)


@intrinsic
def store_totals(typingctx: Any, out: Any, index: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any):
    """Write the totals of eight vectors of `LANES` side by side; all together take a third of eight sums."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def add(left: Any, right: Any, first: list[int], second: list[int]) -> Any:
            kind = ir.VectorType(ir.IntType(32), len(first))
            one, other = (builder.shuffle_vector(left, right, ir.Constant(kind, pick)) for pick in (first, second))
            return builder.fadd(one, other, flags=FLAGS)

        quads = range(0, LANES, 4)
        even = [q + k for q in quads for k in (0, 2, LANES, LANES + 2)]  # stays within four lanes, which is cheap
        odd = [k + 1 for k in even]
        pairs = [add(x, y, even, odd) for x, y in zip(args[2::2], args[3::2])]
        left, right = (add(x, y, even, odd) for x, y in zip(pairs[::2], pairs[1::2]))  # a b c d four times over
        low, high = ([start + k for start in (0, LANES) for k in range(half, half + 8)] for half in (0, 8))
        eight = add(left, right, low, high)
        total = add(eight, eight, [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])
        builder.store(total, _address(context, builder, signature.args[0], args[0], args[1], 8), align=ALIGN)
        return context.get_dummy_value()

    return types.none(out, types.int64, a, b, c, d, e, f, g, h), codegen
