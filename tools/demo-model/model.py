"""The network: transformers' CLIPModel, small."""

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

from pictures import SIDE
from vocabulary import END, MAX_TOKENS, START

EMBEDDING = 128
PATCH = 12
# Those of CLIP.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def build_model(tokenizer, vision_layers=4, text_layers=2, width=128):
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    shared = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 32, "hidden_act": "gelu"}
    shared |= {"projection_dim": EMBEDDING}
    # The pooled token is the one with eos_token_id, unless that is 2.
    text = {"vocab_size": end + 1, "max_position_embeddings": MAX_TOKENS, "num_hidden_layers": text_layers}
    text |= {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    vision = {"image_size": SIDE, "patch_size": PATCH, "num_hidden_layers": vision_layers}
    config = CLIPConfig(text_config=text | shared, vision_config=vision | shared, projection_dim=EMBEDDING)
    return CLIPModel(config)


def to_pixels(pictures):
    """RGB bytes [n, side, side, 3] as the network wants them: [n, 3, side, side]."""
    pixels = torch.from_numpy(np.asarray(pictures)).float().div_(255)
    return pixels.sub_(torch.tensor(MEAN)).div_(torch.tensor(STD)).permute(0, 3, 1, 2)


def embed_vision(model, pixels, kept=None):
    """Projected embeddings, not normalised, and the features of each patch; of the kept ones where these are named."""
    tower = model.vision_model
    states = tower.embeddings(pixels)
    if kept is not None:
        patches = states[:, 1:].gather(1, kept[:, :, None].expand(-1, -1, states.shape[2]))
        states = torch.cat((states[:, :1], patches), dim=1)
    states = tower.encoder(inputs_embeds=tower.pre_layrnorm(states)).last_hidden_state
    return model.visual_projection(tower.post_layernorm(states[:, 0])), states[:, 1:]


def embed_texts(model, ids):
    return model.text_projection(model.text_model(input_ids=ids).pooler_output)
