"""Coupling functions by name, so that networks that use them can be saved."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from neurodyn.errors import ModelError

FUNCTIONS: dict[str, Callable] = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "exp": jnp.exp,
    "square": jnp.square,
    "softplus": jax.nn.softplus,
}


def coupling_function(name: str) -> Callable:
    """The function registered under a name.

    Parameters
    ----------
    name : str
        Name.

    Returns
    -------
    callable
        Of one number, differentiable twice.

    Raises
    ------
    ModelError
        If there is no such function.

    Examples
    --------
    >>> float(coupling_function("square")(3.0))
    9.0
    """
    if name not in FUNCTIONS:
        raise ModelError(
            f"there is no coupling function {name!r}; registered are {', '.join(FUNCTIONS)}, and register_function adds one."
        )
    return FUNCTIONS[name]


def register_function(name: str, function: Callable) -> None:
    """Make a coupling function known by name; a fit that uses it can be loaded wherever it is registered.

    Parameters
    ----------
    name : str
        Its name, not yet taken by another function.
    function : callable
        Of one number, written with `jax.numpy`.

    Raises
    ------
    ModelError
        If the name is taken.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> register_function("soft sign", lambda value: value / (1 + jnp.abs(value)))
    >>> float(coupling_function("soft sign")(1.0))
    0.5
    """
    if name in FUNCTIONS and FUNCTIONS[name] is not function:
        raise ModelError(f"the coupling function {name!r} is taken; choose another name.")
    FUNCTIONS[name] = function
