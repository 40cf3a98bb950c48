"""The Merchant Center's signatures: an RSA key, its JWKS, and tokens such as its proxy sends to connectors."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from sandbox.commercetools.documents import Document

KEY_ID: Final = "sandbox"


class Signer:
    """One key, made when it is needed for the first time: that takes a tenth of a second."""

    def __init__(self) -> None:
        self._made: RSAPrivateKey | None = None

    @property
    def _key(self) -> RSAPrivateKey:
        if self._made is None:
            self._made = generate_private_key(public_exponent=65537, key_size=2048)
        return self._made

    def jwks(self) -> Document:
        """RFC 7517."""
        numbers = self._key.public_key().public_numbers()
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": "RS256",
                    "kid": KEY_ID,
                    "n": _number(numbers.n),
                    "e": _number(numbers.e),
                }
            ]
        }

    def token(self, *, issuer: str, project_key: str, subject: str, issued_at: datetime, lifetime_s: int) -> str:
        """RFC 7519, with the claim that names the project."""
        at = int(issued_at.timestamp())
        claims = {
            "iss": issuer,
            "sub": subject,
            "iat": at,
            "exp": at + lifetime_s,
            f"{issuer}/claims/project_key": project_key,
        }
        signed = f"{_part({'alg': 'RS256', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(claims)}"
        return f"{signed}.{_base64(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _part(content: Document) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
