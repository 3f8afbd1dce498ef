"""What the losses of metrics.jsonl are called where a person reads them."""

_LOSSES = {
    "loss": "total",
    "loss_x": "labelled",
    "loss_u": "unlabelled",
    "loss_ip": "inter-pixel",
    "loss_fp": "unlabelled, feature perturbation",
}


def loss_name(name: str) -> str:
    """The name of a loss, such as "unlabelled" for loss_u.

    A number at the end is kept (loss_u_2 is "unlabelled 2"), and a loss of
    another name keeps its own.
    """
    if name in _LOSSES:
        return _LOSSES[name]
    whole, _, number = name.rpartition("_")
    if whole in _LOSSES and number.isdecimal():
        return f"{_LOSSES[whole]} {number}"
    return name
