"""Between the maps and the head: how places are pooled, which maps count, and a dense layer if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

DENSE: Final = "neck"  # the name of the dense layer


@dataclass(frozen=True, slots=True)
class Neck:
    """`pool` is "average" (over all places), "flatten", or "pool<k>": means of k x k places, then flattened."""

    pool: str = "average"
    dense: int | None = None  # units, followed by max(0, x)
    dropout: float = 0.5  # only while training, and only where there is more than the mean
    levels: int | None = None  # the means of what every block from this one on takes stand before the features

    @property
    def window(self) -> int | None:
        """The k of "pool<k>"."""
        return int(self.pool.removeprefix("pool")) if self.pool.startswith("pool") else None

    def counts(self, block: int) -> bool:
        """Tell whether the mean of what this block takes is among the features."""
        return self.levels is not None and block >= self.levels

    def applied(self, maps: Sequence[Any]) -> Any:
        """Turn maps `(n, rows, columns, channels)` into features `(n, features)`: the levels in turn, then the last."""
        import keras  # noqa: PLC0415 - TensorFlow

        *_, data = maps
        if self.levels is not None:
            return keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(one) for one in maps])
        if self.pool == "average":
            data = keras.layers.GlobalAveragePooling2D()(data)
        else:
            if self.window:
                data = keras.layers.AveragePooling2D(self.window)(data)
            data = keras.layers.Flatten()(data)
        if self.dense:
            data = keras.layers.Dense(self.dense, activation="relu", name=DENSE)(data)
        return data if self == Neck() else keras.layers.Dropout(self.dropout)(data)
