"""`python -m ipixmatch_jax.command` is the `ipixmatch` command."""

from ipixmatch_jax.cli.commands import main

if __name__ == "__main__":
    main()
