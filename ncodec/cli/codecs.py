"""`ncodec codecs`: what there is to encode with."""

from dataclasses import asdict

from ncodec.cli import options
from ncodec.cli.common import size_text, verb
from ncodec.cli.exits import Exit
from ncodec.cli.screen import Screen


@verb
def codecs(json: options.Json = False, verbose: options.Verbose = False) -> Exit:
    """List the codecs, their models and the size of their weights."""
    from ncodec.api import list_codecs

    screen = Screen(verbose=verbose, json=json)
    for row in list_codecs():
        screen.result(**asdict(row))
        if not json:
            model = f"model {row.model_id}" if row.model_id else "no weights"
            print(
                f"{row.name:<12} {row.media:<6} {model:<15} {size_text(row.weights_bytes):>9}"
                f"  {row.summary}"
            )
    return Exit.OK
