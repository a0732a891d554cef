r"""Send each argument to port 25 as it stands, in one write, and print what comes back.

Escapes such as \r and \n are read. An answer is awaited after each write, and all that comes until
the server hangs up after the last. Only the first line of an answer is printed.
"""

import socket
import sys


def main() -> None:
    """Be the client."""
    # [client]
    texts = [text.encode("ascii").decode("unicode_escape") for text in sys.argv[1:]]
    with socket.create_connection(("127.0.0.1", 25), timeout=60) as server:
        answers = server.makefile("rb")
        lines = [answers.readline()]
        for text in texts:
            server.sendall(text.encode("latin-1"))
            lines.append(answers.readline())
            while lines[-1][3:4] == b"-":
                lines[-1] = answers.readline()
        lines += answers.readlines()
    # [/client]
    print(*[line.decode("latin-1").strip() for line in lines if line], sep="\n")


if __name__ == "__main__":
    main()
