"""Who may open a connection, decided in the kernel: to anybody else the port is silent, as behind a cloud firewall."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from collections.abc import Sequence

_SO_ATTACH_FILTER = 26
_LOAD_WORD, _AND, _JUMP_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_SOURCE_ADDRESS = 0xFFF00000 + 12  # the network header's beginning, and the source's place in it
_KEEP, _DROP = 0xFFFFFFFF, 0

Instruction = tuple[int, int, int, int]


def admit(listener: socket.socket, sources: Sequence[str]) -> None:
    """Lets only these IPv4 addresses and networks reach a listening socket; packets of others vanish.

    May be called again at any time; connections that are open already are not touched.
    """
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _program(sources))
    buffer = ctypes.create_string_buffer(program)
    # A struct sock_fprog: the number of instructions, and a pointer to them.
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def is_admitted(address: str, sources: Sequence[str]) -> bool:
    """Whether an address lies in one of the addresses and networks; IPv6 ones are no match for an IPv4 address."""
    source = ipaddress.ip_address(address)
    return any(source in ipaddress.ip_network(text, strict=False) for text in sources)


def _program(sources: Sequence[str]) -> list[Instruction]:
    """Classic BPF: compare the source with each network in turn; keep at the first match, drop at the end."""
    program: list[Instruction] = []
    for text in sources:
        network = ipaddress.ip_network(text, strict=False)
        if network.version == 4:
            program += [
                (_LOAD_WORD, 0, 0, _SOURCE_ADDRESS),
                (_AND, 0, 0, int(network.netmask)),
                (_JUMP_EQUAL, 0, 1, int(network.network_address)),
                (_RETURN, 0, 0, _KEEP),
            ]
    return [*program, (_RETURN, 0, 0, _DROP)]
