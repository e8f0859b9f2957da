"""``tickertui login ACCOUNT``: the broker's login page, what one pastes back, and the day's token in a private file."""

from __future__ import annotations

import sys
from argparse import Namespace

import anyio

from tickertui.commands.common import CommandFailed, Configuration, load_configuration, locate, report
from tickertui.kite.client import KiteClient, Session
from tickertui.kite.errors import BrokerTimeout, BrokerUnavailable, KiteError
from tickertui.kite.login import IncompletePaste, LoginError, TokenFile, login_url, parse_redirect
from tickertui.kite.secrets import Secret
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import say
from tickertui.process.pasted_input import read_pasted
from tickertui.settings.credentials import CredentialError, api_secret, environment_name
from tickertui.settings.load import environment
from tickertui.settings.model import AccountSettings


def run_command(arguments: Namespace) -> int:
    """Log one account in and return the exit code."""
    try:
        _login(load_configuration(arguments), arguments.account)
    except CommandFailed as error:
        return report(error)
    except (KeyboardInterrupt, EOFError):
        return report(CommandFailed("\nnot logged in", ExitCode.LOGIN))
    return ExitCode.OK


def _login(configuration: Configuration, account_id: str) -> None:
    account = _account(configuration, account_id)
    secret = _secret(configuration, account)
    located = locate(configuration)
    broker = configuration.settings.broker
    key = account.api_key.reveal()
    say(
        f"1  Open this address in a browser and log in:\n   {login_url(key, broker.login_url)}",
        "2  Paste the address that you are sent to, or only its request_token (it is not shown):",
    )
    try:
        request_token = parse_redirect(_read_hidden())
    except LoginError as error:
        raise CommandFailed(f"{account_id}: {error}", ExitCode.LOGIN) from None
    client = KiteClient(account_id, key, None, root=broker.api_url, timeout=broker.timeout_seconds)
    session = anyio.run(_exchange, client, request_token, secret)
    tokens = TokenFile(located.paths.tokens_dir, located.clock)
    try:
        tokens.save(account_id, session.access_token, session.user_id, located.clock.now())
    except LoginError as error:
        raise CommandFailed(str(error), ExitCode.FAILED) from None
    say(f"{account_id}: logged in as {session.user_id}; the broker flushes the token at about 06:00")


def _account(configuration: Configuration, account_id: str) -> AccountSettings:
    accounts = {account.id: account for account in configuration.settings.accounts}
    if account_id in accounts:
        return accounts[account_id]
    known = ", ".join(accounts) or "none is configured; `tickertui config init` writes a file to put one in"
    raise CommandFailed(f"there is no account {account_id!r}: {known}", ExitCode.USAGE)


def _secret(configuration: Configuration, account: AccountSettings) -> Secret:
    try:
        secret = anyio.run(api_secret, account, configuration.paths.secrets_file, environment())
    except CredentialError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    if secret is None:
        raise CommandFailed(
            f"the API secret of {account.id} is not known: put api_secret under [{account.id}] in "
            f"{configuration.paths.secrets_file} (mode 0600), set secret_command, or "
            f"{environment_name(account.id, 'API_SECRET')}",
            ExitCode.USAGE,
        )
    return secret


def _read_hidden() -> str:
    """Read what is pasted without echo; from a pipe it is read as it comes."""
    if sys.stdin is None:
        raise CommandFailed("standard input is closed: there is nothing to read the address from", ExitCode.USAGE)
    return read_pasted("   > ", _is_whole)


def _is_whole(pasted: str) -> bool:
    """Whether no further line can change what is done with a paste."""
    try:
        parse_redirect(pasted)
    except IncompletePaste:
        return False
    except LoginError:
        return bool(pasted.strip())
    return True


async def _exchange(client: KiteClient, request_token: Secret, secret: Secret) -> Session:
    try:
        return await client.exchange_request_token(request_token, secret)
    except (BrokerTimeout, BrokerUnavailable) as error:
        raise CommandFailed(str(error), ExitCode.UNAVAILABLE) from None
    except KiteError as error:
        raise CommandFailed(str(error), ExitCode.LOGIN) from None
    finally:
        await client.aclose()
