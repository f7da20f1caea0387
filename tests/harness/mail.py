"""A mail server for tests (aiosmtpd): takes mail on 127.0.0.1:PORT and writes a JSON line for each message and for each
login to FILE. MODE is none, starttls or tls; with USER and PASSWORD it wants a login before mail. Recipients that begin
with `refused` are refused for good, those that begin with `later` for now."""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, mode, out, cert, key, user, password = (sys.argv[1:] + [""] * 4)[:7]


def say(**what):
    with open(out, "a") as file:
        file.write(json.dumps(what) + "\n")


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        say(rcpt=address, tls=mode == "tls" or session.ssl is not None)
        if address.startswith("refused"):
            return f"550 5.1.1 <{address}>: no such mailbox"
        if address.startswith("later"):
            return f"451 4.3.0 <{address}>: try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        say(message=envelope.content.decode(), sender=envelope.mail_from, to=envelope.rcpt_tos)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login.decode(), data.password.decode()) == (user, password)
    say(login=good)
    return AuthResult(success=good, handled=False)


async def main():
    context = None
    if mode != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)

    def make():
        return SMTP(
            Handler(),
            hostname="mail.test",
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticate if user else None,
            auth_required=bool(user),
            auth_require_tls=mode == "starttls",
        )

    server = await asyncio.get_running_loop().create_server(
        make, "127.0.0.1", int(port), ssl=context if mode == "tls" else None
    )
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
