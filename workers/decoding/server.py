"""The process that decoding children are forked from: small, without Django, secrets or network.

`python -P -m workers.decoding.server FD MEBIBYTES`. A fork of it takes milliseconds, a fresh start
a third of a second. It ends when its worker does, and takes its children with it.
"""

import os
import selectors
import signal
import socket
import sys
from contextlib import suppress

from workers.decoding import child, isolation, wire


class Server:
    def __init__(self, control: socket.socket, mebibytes: int) -> None:
        self._control = control
        self._mebibytes = mebibytes
        self._children: dict[int, tuple[int, int]] = {}  # pid -> number, status pipe
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)

    def run(self) -> None:
        """Fork, kill and report until the worker closes its end."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write)
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ, self._command)
        selector.register(self._wake_read, selectors.EVENT_READ, self._reap)
        going = True
        while going:
            for key, _ in selector.select():
                going = key.data() and going
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _command(self) -> bool:
        data, descriptors, *_ = socket.recv_fds(self._control, wire.COMMAND.size, 2)
        if len(data) < wire.COMMAND.size:
            return False
        what, number = wire.COMMAND.unpack(data)
        if what == wire.SPAWN:
            self._spawn(number, *descriptors)
        else:
            self._kill(number)
        return True

    def _spawn(self, number: int, link: int, status: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(link, status)
        os.close(link)
        self._children[pid] = (number, status)

    def _become_child(self, link: int, own_status: int) -> None:
        code = 1
        try:
            isolation.end_with_parent()
            isolation.become_child()
            signal.set_wakeup_fd(-1)
            for status in (own_status, *(status for _, status in self._children.values())):
                os.close(status)
            self._control.close()
            child.serve(socket.socket(fileno=link), self._mebibytes)
            code = 0
        finally:
            os._exit(code)

    def _kill(self, number: int) -> None:
        # A child keeps its pid until it is reaped here, so this can never hit a stranger.
        for pid, (known, _) in self._children.items():
            if known == number:
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> bool:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            _, pipe = self._children.pop(pid)
            with suppress(BrokenPipeError):
                os.write(pipe, wire.STATUS.pack(os.waitstatus_to_exitcode(status)))
            os.close(pipe)
        return True


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    isolation.leave_network()
    Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
