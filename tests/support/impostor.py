"""A server that cannot prove who it is."""

from __future__ import annotations

import datetime
import ipaddress
import queue
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@pytest.fixture
def impostor(tmp_path):
    """A TLS server with a certificate of its own making; what it was told in clear."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kite.trade")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "impostor.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    heard, tried = [], queue.Queue()
    listening = socket.create_server(("127.0.0.1", 0))

    def take():
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    heard.append(secured.recv(1000))
            except OSError:
                pass
            finally:
                plain.close()
                tried.put(True)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    yield listening.getsockname()[1], heard, tried
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(timeout=10)
