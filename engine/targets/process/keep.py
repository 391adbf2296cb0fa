"""Where the launcher was before targets shared it: supervisord may still be told to start programs by this path.

The programs that it keeps outlive an update of Sluice, and one of them that ends afterwards must come back, too.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "fronted" / "keep.py"), run_name="__main__")
