"""Windowed key/value cache of the stream: constant cost and memory whatever the history."""

from __future__ import annotations

import torch
from torch import Tensor

from gen_nodes.model.layers import Past, Tokens
from gen_nodes.types import NS


class Cache:
    """Keys and values of context tokens, with their capture times and the instants at which they
    expire.
    """

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.capture_ns = torch.empty(0, dtype=torch.long)
        self.expiry_ns = torch.empty(0, dtype=torch.long)
        self.joint = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.capture_ns)

    def evict(self, now_ns: int) -> None:
        """Drop tokens whose window has passed."""
        keep = self.expiry_ns > now_ns
        if bool(keep.all()):
            return
        self.capture_ns, self.expiry_ns, self.joint = (
            self.capture_ns[keep],
            self.expiry_ns[keep],
            self.joint[keep],
        )
        self.keys = [k[:, :, keep] for k in self.keys]
        self.values = [v[:, :, keep] for v in self.values]

    def times_s(self, now_ns: int) -> Tensor:
        """Capture times (1, S) in seconds relative to `now_ns`."""
        return ((self.capture_ns - now_ns).double() / NS).float()[None]

    def past(self, now_ns: int) -> Past | None:
        """What `HarmonicModel.transform` attends to: times in seconds relative to `now_ns`."""
        if not len(self):
            return None
        time_s = self.times_s(now_ns)
        return [(k, v, time_s) for k, v in zip(self.keys, self.values, strict=True)]

    def append(
        self,
        tokens: Tokens,
        own: list[tuple[Tensor, Tensor]],
        capture_ns: Tensor,
        expiry_ns: Tensor,
    ) -> None:
        """Add a block of tokens with each layer's keys and values."""
        if self.keys:
            self.keys = [torch.cat((a, k), dim=2) for a, (k, _) in zip(self.keys, own, strict=True)]
            self.values = [
                torch.cat((a, v), dim=2) for a, (_, v) in zip(self.values, own, strict=True)
            ]
        else:
            self.keys, self.values = [k for k, _ in own], [v for _, v in own]
        self.capture_ns = torch.cat((self.capture_ns, capture_ns))
        self.expiry_ns = torch.cat((self.expiry_ns, expiry_ns))
        self.joint = torch.cat((self.joint, tokens.joint))
