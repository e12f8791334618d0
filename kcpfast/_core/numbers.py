"""How deep a decoded value is, and its numbers as Go holds them: one walk over all of it.

Like a schema's pass, the walk lets go of the interpreter lock now and then.
"""

import cython

from kcpfast._core._turn import turn

# values between two moments without the lock
_STRIDE = cython.declare(cython.int, 2048)
# As Go prints a float64: from here on with an exponent. Up to the other all wholes are exact.
_EXPONENT_FROM, _EXACT = 1e21, 2.0**53
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


@cython.cfunc
@cython.returns(cython.void)
def _step(steps: list):  # type: ignore[no-untyped-def, type-arg]
    count: cython.int = steps[0] + 1
    steps[0] = count
    if count % _STRIDE == 0:
        turn()


@cython.ccall
@cython.returns(cython.bint)
def deeper(value: object, most: cython.int) -> object:
    """Tell whether a decoded value is nested more than `most` levels deep; a scalar has none."""
    is_deeper: cython.bint = _is_deeper(value, most, False, [0])
    return is_deeper


@cython.ccall
@cython.returns(cython.bint)
def settle(value: object, most: cython.int) -> object:
    """Do as `deeper`, and make numbers in a value what Go makes of them, in place.

    Go holds what is no int64 as a float64, and prints a float64 without a fraction as an integer.
    Source: k8s.io/apimachinery/pkg/util/json and encoding/json.
    """
    is_deeper: cython.bint = _is_deeper(value, most, True, [0])
    return is_deeper


@cython.ccall
def go_number(value: object) -> object:
    """Return an int or float as Go would print it, anything else as it is."""
    if type(value) is int:
        if _LEAST <= value <= _MOST:
            return value
        try:
            value = float(value)  # type: ignore[arg-type]
        except OverflowError:
            return value
    if type(value) is not float or not value.is_integer():
        return value
    size: cython.double = abs(value)
    if size < _EXACT:
        return int(value)
    if size >= _EXPONENT_FROM:
        return value
    digits, _, exponent = repr(value).partition("e+")
    if not exponent:
        return int(value)
    whole, _, fraction = digits.partition(".")
    return int(whole + fraction.ljust(int(exponent), "0"))


@cython.cfunc
@cython.returns(cython.bint)
def _is_deeper(value: object, most: cython.int, numbers: cython.bint, steps: list):  # type: ignore[no-untyped-def, type-arg]
    if isinstance(value, dict):
        if most <= 0:
            return True
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                _step(steps)
                if _is_deeper(item, most - 1, numbers, steps):
                    return True
            elif numbers and (type(item) is float or type(item) is int):
                number = go_number(item)
                if number is not item:
                    value[name] = number
    elif isinstance(value, list):
        if most <= 0:
            return True
        index: cython.Py_ssize_t
        for index in range(len(value)):
            item = value[index]
            if isinstance(item, (dict, list)):
                _step(steps)
                if _is_deeper(item, most - 1, numbers, steps):
                    return True
            elif numbers and (type(item) is float or type(item) is int):
                value[index] = go_number(item)
    return False
