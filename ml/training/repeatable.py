"""The same configuration, data and seed give the same model."""


def make_repeatable(seed: int) -> None:
    """Seed every source of chance, and let TensorFlow choose only computations that give the same again.

    It holds for the whole process, and for one kind of machine: another processor may add up in another order.
    """
    import keras  # noqa: PLC0415 - TensorFlow
    import tensorflow as tf  # noqa: PLC0415

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
