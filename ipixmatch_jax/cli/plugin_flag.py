"""--plugin MODULE, which every command takes before it parses the rest."""

from ipixmatch_jax.configuration.plugins import load_plugins

FLAG = "--plugin"
HELP = (
    "a module of your own that registers methods, data sets or networks; it "
    "is imported and run. Can be given several times (docs/adding.md)"
)


def load_named_plugins(argv: list[str]) -> list[str]:
    """Imports the modules that a command line names.

    Args:
      argv: the command line.

    Returns:
      the command line without these words.

    Raises:
      ValueError: the flag has no value, or there is no such module.
    """
    modules, words, left = [], list(argv), []
    while words:
        word = words.pop(0)
        if word == "--":
            left += [word, *words]
            break
        flag, equals, value = word.partition("=")
        if flag != FLAG:
            left.append(word)
            continue
        if not equals:
            value = words.pop(0) if words else ""
        if not value:
            raise ValueError(f"{FLAG} needs a value: {FLAG}=MODULE.")
        modules.append(value)
    load_plugins(modules)
    return left
