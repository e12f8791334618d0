"""Cuts requests whose headers were parsed before: a client repeats them with each request.

Law: headers pass here only if the HTTP parser has accepted the very same bytes before. Only the
request line and the length of the body may differ, and both are recognised in their plainest form
only. Whatever is not recognised goes to the parser, which decides on the errors.
"""

import cython

_LENGTH: bytes = b"\r\nContent-Length: "
_VERSION: bytes = b" HTTP/1.1\r\n"
_METHODS: tuple = (b"GET", b"PUT", b"POST", b"PATCH", b"DELETE")  # type: ignore[type-arg]


@cython.cclass
class HeaderBlock:
    """The headers of many requests: `fields` are shared, and nobody may change them."""

    fields = cython.declare(dict, visibility="public")

    def __init__(self, fields: dict) -> None:  # type: ignore[type-arg]
        """Keep lower-case names and their values."""
        self.fields = fields


@cython.cclass
class FastRequest:
    """One whole request, cut into its parts.

    `line` is the method and the path up to its last slash, `name` the rest of the path; `block`
    are the headers as sent, their Content-Length left out. `heads` are those of the block, None
    if it is not known.
    """

    heads = cython.declare(object, visibility="public")
    block = cython.declare(bytes, visibility="public")
    method = cython.declare(str, visibility="public")
    line = cython.declare(bytes, visibility="public")
    name = cython.declare(bytes, visibility="public")
    path = cython.declare(str, visibility="public")
    query = cython.declare(bytes, visibility="public")
    body = cython.declare(bytes, visibility="public")
    sized = cython.declare(cython.bint, visibility="public")


@cython.ccall
def cut(data: bytes) -> FastRequest | None:
    """Cut a request; None for what is not just one, or not of the plainest form."""
    end: cython.Py_ssize_t = data.find(b" ")
    if end < 3 or data[:end] not in _METHODS:
        return None
    position: cython.Py_ssize_t = end + 1
    size: cython.Py_ssize_t = len(data)
    slash: cython.Py_ssize_t = -1
    question: cython.Py_ssize_t = -1
    text: cython.p_const_uchar = data
    char: cython.uchar = 0
    while position < size:
        char = text[position]
        if char == 32:
            break
        if question >= 0:
            # In a query anything visible goes but #, which would begin a fragment.
            if char <= 32 or char >= 127 or char == 35:
                return None
        elif char == 47:
            slash = position
        elif char == 63:
            question = position
        elif not _is_plain(char):
            return None
        position += 1
    # The path must begin with a slash; behind it comes HTTP/1.1 and nothing else.
    if slash < 0 or text[end + 1] != 47 or data[position : position + 11] != _VERSION:
        return None
    request: FastRequest = FastRequest()
    if not _frame(request, data, position + 9):
        return None
    last: cython.Py_ssize_t = question if question >= 0 else position
    request.method = data[:end].decode("ascii")
    request.line = data[: slash + 1]
    request.name = data[slash + 1 : last]
    request.path = data[end + 1 : last].decode("ascii")
    request.query = data[last + 1 : position]
    return request


@cython.cfunc
@cython.returns(cython.bint)
def _is_plain(char: cython.uchar):  # type: ignore[no-untyped-def]
    """Tell whether a character is a letter, a digit or one of : @ - . _ ~ (never % or +)."""
    if 48 <= char <= 58 or 64 <= char <= 90 or 97 <= char <= 122:
        return True
    return char in (45, 46, 95, 126)


@cython.cfunc
@cython.returns(cython.bint)
def _frame(request: FastRequest, data: bytes, head: cython.Py_ssize_t):  # type: ignore[no-untyped-def]
    """Set headers (from the line break at `head` on) and body; False if not all is there."""
    stop: cython.Py_ssize_t = data.find(b"\r\n\r\n", head)
    if stop < 0:
        return False
    stop += 4
    size: cython.Py_ssize_t = len(data)
    if stop == size:
        request.block = data[head:]
        request.body = b""
        return True
    mark: cython.Py_ssize_t = data.find(_LENGTH, head, stop)
    if mark < 0:
        return False
    text: cython.p_const_uchar = data
    first: cython.Py_ssize_t = mark + len(_LENGTH)
    position: cython.Py_ssize_t = first
    length: cython.Py_ssize_t = 0
    # Eight digits: no overflow. The rest of a longer one fails below, as its end is no CR.
    while position < first + 8 and 48 <= text[position] <= 57:
        length = length * 10 + text[position] - 48
        position += 1
    if position == first or text[position] != 13 or stop + length != size:
        return False
    request.block = data[head:mark] + data[position:stop]
    request.body = data[stop:]
    request.sized = True
    return True
