"""Sends rubbish to the door for machines from a process of its own, at a pace, and prints how much was answered.

python -m tests.support.rubbish PORT RATE SECONDS
"""

import socket
import sys
import threading
import time

LINES = 10
RUBBISH = (
    b"POST /hooks/pipeline/" + b"A" * 43 + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /hooks/stage/" + b"B" * 43 + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"GET /hooks/x HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
)


def send(port: int, each: float, until: float, counted: list[int]) -> None:
    """Send over one connection: the next piece when its time has come and the last one is answered."""
    wait = threading.Event()
    with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as answers:
        number, due = 0, time.monotonic()
        while (now := time.monotonic()) < until:
            wait.wait(max(0.0, due - now))
            due += each
            line.sendall(RUBBISH[number % len(RUBBISH)])
            length = 0
            while (row := answers.readline()) not in (b"\r\n", b""):
                if row.lower().startswith(b"content-length:"):
                    length = int(row[15:])
            answers.read(length)
            number += 1
    counted.append(number)


def main(port: int, rate: float, seconds: float) -> None:
    counted: list[int] = []
    until = time.monotonic() + seconds
    lines = [threading.Thread(target=send, args=(port, LINES / rate, until, counted)) for _ in range(LINES)]
    for one in lines:
        one.start()
    for one in lines:
        one.join()
    print(sum(counted))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
