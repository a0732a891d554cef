"""Send letters to Alice, one after the other; say the number of each as soon as the server has said 250.

Usage: ledger.py NAME COUNT. The subjects are "NAME 1", "NAME 2", ... They have no Message-ID, so that Cyrus
cannot tell a letter that comes twice from two letters, and we see both.
"""

import smtplib
import sys

# [send]
name, count = sys.argv[1], int(sys.argv[2])
sender, recipient = "carol@partner.example", "alice@lab.example"
with smtplib.SMTP("mail.lab.example", 25, "mx.partner.example", timeout=30) as server:
    for number in range(1, count + 1):
        server.sendmail(sender, [recipient], f"Subject: {name} {number}\r\n\r\nHello.\r\n")
        print(number, flush=True)
# [/send]
