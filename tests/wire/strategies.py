"""Hypothesis strategies for every message of the protocol, made of its fields' types and limits."""

from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from p2pcore.wire.messages import MESSAGES

__all__ = ["any_message", "by_type"]

MOST_BYTES = 300
MOST_ITEMS = 5


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Whatever the decoder takes for this type; not the longest of it."""
    match kind:
        case inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, *(values(field.type) for field in fields))
        case inspect.IntType(ge=ge, le=le, lt=lt):
            most = le if le is not None else (1 << 64) - 1 if lt is None else lt - 1
            return st.integers(ge or 0, most)
        case inspect.BytesType(min_length=least, max_length=most):
            return st.binary(min_size=least or 0, max_size=min(most or MOST_BYTES, MOST_BYTES))
        case inspect.StrType(max_length=most):
            return st.text(max_size=most)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.EnumType(cls=cls):
            return st.sampled_from(cls)
        case inspect.UnionType(types=types):
            return st.one_of(*map(values, types))
        case inspect.ListType(item_type=item):
            return st.lists(values(item), max_size=MOST_ITEMS)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(values, items))
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=MOST_ITEMS)
    raise TypeError(f"no strategy for {kind}")


by_type = {kind: values(inspect.type_info(kind)) for kind in MESSAGES}
any_message = st.one_of(*by_type.values())
