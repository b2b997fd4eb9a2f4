"""The certificate: TLS for the gateway, from files that may be replaced while it runs."""

from __future__ import annotations

import logging
import ssl

from pipeline.errors import Misconfigured

log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its chain, and its private key, both as PEM files.

    Args:
        certificate_file: the certificate, and those that lead to its root.
        key_file: the private key, without a password.

    Raises:
        Misconfigured: the files cannot be used.
    """

    def __init__(self, certificate_file: str, key_file: str) -> None:
        self._files = (certificate_file, key_file)
        # TLS 1.2 and above, and only ciphers that OpenSSL takes for safe.
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._load(self.context)

    def reload(self) -> bool:
        """Use what the files hold now, for new connections; return whether that was possible.

        When it was not, the old certificate goes on being used.
        """
        try:
            # A half of a new pair would not be usable, and could not be taken back: tried on another context first.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
        except Misconfigured as error:
            log.error("the old certificate stays in use: %s", error)
            return False
        log.info("the certificate was read again")
        return True

    def _load(self, context: ssl.SSLContext) -> None:
        certificate_file, key_file = self._files
        try:
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise Misconfigured(
                f"gateway.certificate_file {certificate_file} and gateway.key_file {key_file} cannot be used "
                f"({reason}): name a certificate and its key, as PEM"
            ) from None


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key has a password")
