"""What a checkpoint computes: the causal DiT, its encoders and its weights (torch)."""

import logging

# transformers and diffusers import torchao wherever it is installed, for files that we never load;
# of a CPU, or of a newer torch, it then warns in every process.
for name in ("torchao", "torch.utils._pytree", "diffusers.quantizers.torchao.torchao_quantizer"):
    logging.getLogger(name).setLevel(logging.ERROR)
