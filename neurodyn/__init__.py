"""Models of neural dynamics, fitted to recordings and judged on data they never saw.

Importing this package loads none of its parts and changes no global state; each part is loaded when
its name is first used. The names are listed in the stub beside this file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
