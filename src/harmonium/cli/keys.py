"""harmonium keys."""

from typing import Annotated, Any

import typer

from harmonium.cli.console import narrator, print_json, print_table
from harmonium.cli.opening import needs_serving
from harmonium.cli.options import Json
from harmonium.cli.serve import StoreUrl
from harmonium.cli.storing import opened

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make, list and revoke the API keys of a service.

    Only digests are kept.
    """


@app.command(epilog="Example: harmonium keys create shop")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, or what for.")],
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it; it is shown this once."""
    token = _ring(store).create(name)
    if as_json:
        print_json({"name": name, "key": token})
        return
    print(token)
    narrator(False)("keep it: only its digest is stored. Send it as: Authorization: Bearer KEY")


@app.command("list")
def list_keys(store: StoreUrl = None, as_json: Json = False) -> None:
    """List the keys, without their secrets."""
    found = _ring(store).all()
    if as_json:
        print_json([one._asdict() for one in found])
        return
    rows = [(one.key_id, one.name, one.created_at, one.revoked_at or "") for one in found]
    print_table(("Id", "Name", "Made", "Revoked"), rows, left=("Id", "Name", "Made", "Revoked"))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="From harmonium keys list.")],
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key invalid; a running service heeds it within seconds."""
    _ring(store).revoke(key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        narrator(False)(f"{key_id} is revoked")


def _ring(store: str | None) -> Any:
    needs_serving()
    from harmonium.serving.store.keys import KeyRing

    return KeyRing(opened(store))
