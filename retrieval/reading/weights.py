"""Files with the trained part of a reader. They name the embedding model that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.reading.network import ReaderNetwork

SHIPPED = Path(__file__).with_name("reader.safetensors")  # made by scripts/train_reader.py
TRUNK = "trunk"  # where the file's metadata has the embedding model's fingerprint


def save(network: ReaderNetwork, path: Path, fingerprint: str) -> None:
    """Writes the trained weights as float16. ``fingerprint``: of the embedding model that the network was made of."""
    from safetensors.torch import save_file

    trained = {name: weight.half().contiguous() for name, weight in network.trained().items()}
    save_file(trained, path, metadata={TRUNK: fingerprint})


def fingerprint_of(path: Path) -> str | None:
    """The fingerprint of the embedding model that the file belongs to, without reading the weights; None if it names
    none. Raises OSError or ValueError if this is no such file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get(TRUNK)
    except SafetensorError as error:
        raise ValueError(f"{path} is no file with weights: {error}") from error


def load(network: ReaderNetwork, path: Path) -> None:
    """Takes the weights of a file. Raises ValueError if they belong to a network of another shape."""
    from safetensors.torch import load_file

    network.load_trained(load_file(path))
