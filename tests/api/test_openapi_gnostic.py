"""Protobuf as gnostic's own Go library writes it (github.com/google/gnostic-models v0.7.1).

Members of the documents stand in the order of their field numbers, as that library writes them.
Extensions are apart: their text is YAML there and JSON, which is YAML, here.
"""

from typing import Any

import pytest

from kcpfast.api.openapi import gnostic

V2: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/a/{name}": {
            "get": {
                "tags": ["x"],
                "description": "d",
                "operationId": "getA",
                "produces": ["application/json"],
                "consumes": ["*/*"],
                "parameters": [
                    {"$ref": "#/parameters/p"},
                    {
                        "name": "body",
                        "in": "body",
                        "required": True,
                        "schema": {"$ref": "#/definitions/A"},
                    },
                ],
                "responses": {
                    "200": {"description": "OK", "schema": {"type": "string"}},
                    "401": {"description": "no"},
                },
                "schemes": ["https"],
            },
            "parameters": [
                {
                    "required": True,
                    "in": "path",
                    "name": "name",
                    "type": "string",
                    "uniqueItems": True,
                }
            ],
        }
    },
    "definitions": {
        "A": {
            "description": "an A",
            "required": ["n"],
            "type": "object",
            "properties": {
                "n": {"format": "int32", "minimum": -1.5, "maxLength": 300, "type": "integer"},
                "l": {"type": "array", "items": {"type": "string"}},
                "m": {"additionalProperties": {"$ref": "#/definitions/A"}, "type": "object"},
                "o": {"additionalProperties": True},
            },
        }
    },
    "parameters": {"p": {"in": "query", "name": "p", "type": "boolean", "uniqueItems": True}},
    "security": [{"B": []}],
    "securityDefinitions": {"B": {"type": "apiKey", "name": "authorization", "in": "header"}},
}
V2_BYTES = bytes.fromhex(
    "0a03322e3012060a017412013142c90112c6010a092f612f7b6e616d657d12b8011294010a01781a01642a04"
    "6765744132106170706c69636174696f6e2f6a736f6e3a032a2f2a421212100a0e232f706172616d65746572"
    "732f7042250a230a211204626f64791a04626f647920012a110a0f232f646566696e6974696f6e732f414a2d"
    "0a1c0a0332303012150a130a024f4b120d0a0bb201080a06737472696e670a0d0a0334303112060a040a026e"
    "6f520568747470734a1f0a1d121b2219080112047061746822046e616d652a06737472696e679801014a9c01"
    "0a99010a01411293012204616e20419a01016eb201080a066f626a656374ca017b0a240a016e121f1205696e"
    "74333249000000000000f8bf58ac02b201090a07696e74656765720a1f0a016c121ab201070a056172726179"
    "ba010d0a0bb201080a06737472696e670a260a016d1221aa01130a110a0f232f646566696e6974696f6e732f"
    "41b201080a066f626a6563740a0a0a016f1205aa0102100152210a1f0a0170121a12181a1612057175657279"
    "2201703207626f6f6c65616ea0010162070a050a014212006a280a260a01421221121f0a066170694b657912"
    "0d617574686f72697a6174696f6e1a06686561646572"
)
V3: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/a": {
            "post": {
                "tags": ["x"],
                "description": "d",
                "operationId": "postA",
                "parameters": [
                    {
                        "name": "p",
                        "in": "query",
                        "description": "q",
                        "schema": {"uniqueItems": True, "type": "string"},
                    }
                ],
                "requestBody": {
                    "content": {"*/*": {"schema": {"$ref": "#/components/schemas/A"}}},
                    "required": True,
                },
                "responses": {
                    "200": {
                        "description": "OK",
                        "content": {"application/json": {"schema": {"type": "string"}}},
                    },
                    "401": {"description": "no"},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "A": {
                "type": "object",
                "properties": {
                    "b": {"type": "boolean", "default": False},
                    "d": {"nullable": True, "type": "number", "default": 2.5},
                    "e": {"allOf": [{"$ref": "#/components/schemas/A"}], "default": {}},
                    "i": {"type": "array", "items": {"type": "string", "default": ""}},
                    "m": {"additionalProperties": {"$ref": "#/components/schemas/A"}},
                    "n": {"not": {"minLength": 3}},
                    "o": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                    "x": {"additionalProperties": False},
                },
                "description": "an A",
            }
        }
    },
}
V3_BYTES = bytes.fromhex(
    "0a05332e302e3012060a017432013122ad010aaa010a022f6112a30132a0010a01781a01642a05706f737441"
    "321f0a1d0a0170120571756572791a0171520e0a0ca00101ca0106737472696e673a2b0a2912250a230a032a"
    "2f2a121c0a1a12180a16232f636f6d706f6e656e74732f736368656d61732f411801424312320a0332303012"
    "2b0a290a024f4b1a230a210a106170706c69636174696f6e2f6a736f6e120d0a0b0a09ca0106737472696e67"
    "120d0a0334303112060a040a026e6f2a95020a92020a8f020a01411289020a8602ca01066f626a656374fa01"
    "f2010a160a016212110a0fca0107626f6f6c65616e8a020210000a1e0a016412190a170801ca01066e756d62"
    "65728a02090900000000000004400a270a016512220a20d2011a12180a16232f636f6d706f6e656e74732f73"
    "6368656d61732f418a02000a240a0169121f0a1dca01056172726179f201120a100a0eca0106737472696e67"
    "8a02021a000a260a016d12210a1f82021c0a1a12180a16232f636f6d706f6e656e74732f736368656d61732f"
    "410a0d0a016e12080a06ea01038001030a240a016f121f0a1dda010c0a0aca0107696e7465676572da010b0a"
    "09ca0106737472696e670a0c0a017812070a058202021000920204616e2041"
)


@pytest.mark.parametrize(
    ("dialect", "document", "encoded"), [("v2", V2, V2_BYTES), ("v3", V3, V3_BYTES)]
)
def test_documents_encode_as_gnostic_does(dialect: str, document: Any, encoded: bytes) -> None:
    assert gnostic.encode(dialect, "Document", document) == encoded


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ({"x-a": [1]}, "fa010d0a03782d61120612045b315d0a"),
        ({"minLength": 0, "uniqueItems": False, "title": ""}, ""),
        ({"maxItems": 300}, "70ac02"),
        ({"minItems": -1}, "78ffffffffffffffffff01"),
        ({"enum": ["a"]}, "a201061204226122 0a"),
        ({"unknown": 1}, ""),
    ],
)
def test_schemas_encode_field_by_field(value: Any, encoded: str) -> None:
    assert gnostic.encode("v2", "Schema", value) == bytes.fromhex(encoded)
