"""Carries bytes between two Unix sockets, as ssh -L does. Standard library only. It knows no PKCS#11."""

import socket
import sys
import threading


def carry(source: socket.socket, sink: socket.socket) -> None:
    """One direction, until its end."""
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def main() -> None:
    """FORWARD FROM TO"""
    server = socket.socket(socket.AF_UNIX)
    server.bind(sys.argv[1])
    server.listen()
    while True:
        far, _ = server.accept()
        near = socket.socket(socket.AF_UNIX)
        near.connect(sys.argv[2])
        for pair in ((far, near), (near, far)):
            threading.Thread(target=carry, args=pair, daemon=True).start()


main()
