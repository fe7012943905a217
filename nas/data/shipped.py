"""The data sets that ship, by the names of their constants."""

from nas.data.cifar import read_cifar10
from nas.data.digits import read_digits, read_noisy_digits
from nas.data.folder import read_folder
from nas.data.idx import read_fashion_mnist
from nas.data.npz import read_npz_folder
from nas.data.source import ExampleSource, TextSource

__all__ = ["CIFAR10", "DIGITS", "FASHION_MNIST", "FOLDER", "NOISY_DIGITS", "NPZ", "TEXT"]

DIGITS = ExampleSource(summary="1,797 grey 8x8 handwritten digits, built in", read=read_digits, crop=1 / 8)

NOISY_DIGITS = ExampleSource(
    summary="the same digits turned, shifted, partly covered and noisy, built in", read=read_noisy_digits, crop=1 / 8
)

FASHION_MNIST = ExampleSource(
    summary="70,000 grey 28x28 images of clothing; --data-dir with the four idx files",
    read=read_fashion_mnist,
    crop=1 / 14,
    flip=True,
)

CIFAR10 = ExampleSource(
    summary="60,000 colour 32x32 images of 10 classes; --data-dir with the batches (python, .bin or .npz)",
    read=read_cifar10,
    crop=1 / 8,
    flip=True,
)

FOLDER = ExampleSource(
    summary="your images; --data-dir with a sub-folder for each class, perhaps below train/, val/, test/",
    read=read_folder,
    crop=1 / 8,
)

NPZ = ExampleSource(
    summary="your arrays; --data-dir with train.npz and perhaps test.npz, each with x and y (classes, numbers or "
    "labels)",
    read=read_npz_folder,
)

TEXT = TextSource(
    summary="one file of text, character by character; --data-dir with the file or a folder with input.txt(.gz)"
)
