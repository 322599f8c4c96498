"""What the package trains on."""

import pace


class Ours(pace.Items):
    """The package's own items."""
