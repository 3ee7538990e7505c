"""Networks that come with the simulator, by name; none is built, no weight read, before somebody asks."""

from workloads.zoo import densenet, digits, inception, mobilenet, resnet, small_chains, transformers, vgg
from workloads.zoo.catalogue import networks

__all__ = ["networks"]
