"""A plain Keras script for MNIST, on its torch backend, in the way of its "simple convnet".

Convolution 32, pool, convolution 64, pool, dropout 0.5, ten outputs; Adam, batches of 128.
Tested after each epoch, ends at 99.0 %.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from idx import read, report
from keras import layers


class UntilGood(keras.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.model.stop_training = report(epoch + 1, float(logs["val_accuracy"]))


def data(folder: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read(folder, part)
    x = np.expand_dims(images.astype("float32") / 255, -1)
    return x, keras.utils.to_categorical(labels, 10)


def main(folder: str, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.fit(
        *data(folder, "train"),
        batch_size=128,
        epochs=60,
        validation_data=data(folder, "t10k"),
        callbacks=[UntilGood()],
        verbose=0,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
