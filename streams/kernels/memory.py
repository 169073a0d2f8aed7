"""Bytes by address, for loops that read them one by one: an array given to a function is counted, an address is not.

A kernel that was kept does not see a change of this file: change the kernel's file, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from streams.kernels.compiling import intrinsic

# Numbers that `first_equal` looks at.
AT_ONCE = 128


@intrinsic
def address(context: Any, array: Any) -> Any:
    """Where an array without gaps begins; index it as the array, flat. The array must be kept meanwhile."""
    types: Any = import_module("numba.types")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def word(context: Any, begin: Any, at: Any) -> Any:
    """The eight bytes from `at` on behind an address, little-endian."""
    types: Any = import_module("numba.types")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        found = builder.load(builder.bitcast(place, context.get_value_type(types.uint64).as_pointer()))
        found.align = 1
        return found

    return types.uint64(begin, types.int64), generate


@intrinsic
def prefetch(context: Any, begin: Any, at: Any) -> Any:
    """Have what lies at `at` behind an address brought into the nearest cache, without waiting for it."""
    types, ir = _modules()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        # To read; to be kept in all caches; data.
        fetch = _declared(builder, ir, kind, "llvm.prefetch.p0i8")
        builder.call(fetch, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(begin, types.int64), generate


@intrinsic
def first_equal(context: Any, begin: Any, at: Any, value: Any) -> Any:
    """Place of the first of the AT_ONCE numbers from `at` on behind an address that is this one; AT_ONCE for none."""
    types, ir = _modules()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, mask = ir.VectorType(arguments[2].type, AT_ONCE), ir.IntType(AT_ONCE)
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), kind.as_pointer())
        numbers, none = builder.load(place), ir.Constant(kind, ir.Undefined)
        numbers.align = arguments[2].type.width // 8
        one = builder.insert_element(none, arguments[2], ir.IntType(32)(0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), AT_ONCE), [0] * AT_ONCE)
        equal = builder.icmp_signed("==", numbers, builder.shuffle_vector(one, none, places))
        count = ir.FunctionType(mask, [mask, ir.IntType(1)])
        zeros = _declared(builder, ir, count, f"llvm.cttz.i{AT_ONCE}")
        found = builder.call(zeros, [builder.bitcast(equal, mask), ir.IntType(1)(0)])
        return builder.trunc(found, ir.IntType(64))

    return types.int64(begin, types.int64, begin.dtype), generate


def _modules() -> tuple[Any, Any]:
    return import_module("numba.types"), import_module("llvmlite.ir")


def _declared(builder: Any, ir: Any, kind: Any, name: str) -> Any:
    """A function of LLVM's, declared once per module."""
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
