"""Bytes by address, for loops that read them one by one: an array given to a function is counted, an address is not.

A kernel that was kept does not see a change of this file: change the kernel's file, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from streams.kernels.compiling import intrinsic


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
