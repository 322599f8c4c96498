"""A set of the `datasets` library, made from what is in memory."""

import pace
from datasets import Dataset
from torch.utils.data import DataLoader


def slow(rows: dict[str, list[int]]) -> dict[str, list[object]]:
    """Give features and classes of the rows."""
    items = [pace.item(number) for number in rows["number"]]
    return {"features": [features for features, _ in items], "label": [label for _, label in items]}


if __name__ == "__main__":
    rows = Dataset.from_dict({"number": list(range(20_000))}).with_transform(slow)
    loader = DataLoader(rows, batch_size=pace.BATCH, shuffle=True)
    pace.train((batch["features"], batch["label"]) for batch in loader)
