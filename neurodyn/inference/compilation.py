"""How much effort the compiler makes on a CPU: little.

Compiling a function of this package takes seconds and running it on a usual recording a fraction of one. With the
simple kernel emitters and light optimisation it compiles sooner and in less memory. The flags a user sets in
``XLA_FLAGS`` take precedence, and other devices are left alone.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

SIMPLE_EMITTERS = "xla_cpu_use_fusion_emitters"
OPTIMISATION = "xla_backend_optimization_level"


def light_options() -> dict[str, bool | int]:
    """Compiler options of the light effort, without those the user's flags set."""
    flags = os.environ.get("XLA_FLAGS", "")
    options = {SIMPLE_EMITTERS: False, OPTIMISATION: 2}
    return {name: value for name, value in options.items() if name not in flags}


class LightJit:
    """`jax.jit` with the light effort on a CPU.

    Parameters
    ----------
    function : callable
        What to compile; it is also available, uncompiled, as ``function``.
    static_argnames : sequence of str
        As in `jax.jit`.
    """

    def __init__(self, function: Callable[..., Any], static_argnames: Sequence[str] = ()) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.static_argnames = tuple(static_argnames)

    @functools.cached_property
    def light(self) -> Any:
        """Compiled with little effort."""
        return jax.jit(
            self.function, static_argnames=self.static_argnames, compiler_options=light_options() or None
        )

    @functools.cached_property
    def full(self) -> Any:
        """Compiled as JAX does by default."""
        return jax.jit(self.function, static_argnames=self.static_argnames)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run, compiling where these shapes are new."""
        return (self.light if jax.default_backend() == "cpu" else self.full)(*arguments, **named)

    def cache_size(self) -> int:
        """Number of compiled variants so far."""
        return self.light._cache_size() + self.full._cache_size()


def light_jit(*, static_argnames: Sequence[str] = ()) -> Callable[[Callable[..., Any]], LightJit]:
    """`LightJit` as a decorator."""
    return lambda function: LightJit(function, static_argnames)
