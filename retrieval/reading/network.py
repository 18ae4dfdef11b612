"""The reader's network: the embedding model's transformer, of which the upper layers are trained anew, and two heads.

``start`` and ``end`` score each token as the first and the last one of the answer; the first token of the input stands
for "no answer". ``answerable`` is one number for the whole passage, the log-odds that it answers the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

TRAINED_LAYERS = 6  # the upper ones


class ReaderNetwork(nn.Module):
    """``trunk``: a BERT-like model of transformers, without dropout."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        self.span = nn.Linear(trunk.config.hidden_size, 2)
        self.answerable = nn.Linear(trunk.config.hidden_size, 1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, tokens) of ids and mask → (start (batch, tokens), end (batch, tokens), answerable (batch,))."""
        hidden = self.trunk(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        start, end = self.span(hidden).float().unbind(-1)
        padding = attention_mask == 0
        return (
            start.masked_fill(padding, -1e4),
            end.masked_fill(padding, -1e4),
            self.answerable(hidden[:, 0]).float().squeeze(-1),
        )

    def trained(self) -> dict[str, Tensor]:
        """The weights that differ from the trunk's own, by name."""
        layers = len(self.trunk.encoder.layer)
        prefixes = tuple(f"trunk.encoder.layer.{at}." for at in range(layers - TRAINED_LAYERS, layers))
        return {
            name: weight
            for name, weight in self.state_dict().items()
            if name.startswith((*prefixes, "span.", "answerable."))
        }

    def load_trained(self, weights: Mapping[str, Tensor]) -> None:
        """Takes the weights of ``trained``. Raises ValueError if they are those of another network."""
        expected = {name: weight.shape for name, weight in self.trained().items()}
        if {name: weight.shape for name, weight in weights.items()} != expected:
            raise ValueError("these weights belong to another network")
        self.load_state_dict({name: weight.float() for name, weight in weights.items()}, strict=False)
