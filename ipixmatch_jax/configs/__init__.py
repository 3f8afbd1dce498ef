"""Recipes, one file per data set, each with get_config(argument).

In a checkout the files lie in the top-level folder `configs/`; an installed
package holds them here.
"""

import pathlib

# In a checkout: an installed package brings this folder's files instead of
# this one.
__path__ = [str(pathlib.Path(__file__).resolve().parents[2] / "configs")]
