"""The embed service as it is written in Python most often: FastAPI, transformers, torch, one text at a time.

usage: server.py <model folder> <port>
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from transformers import AutoTokenizer, CLIPTextModelWithProjection

folder, port = sys.argv[1], int(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = CLIPTextModelWithProjection.from_pretrained(folder).eval()
app = FastAPI()


class EmbedRequest(BaseModel):
    text: str
    model: str | None = None


@app.post("/embed_text")
def embed_text(request: EmbedRequest) -> dict[str, list[float]]:
    if not request.text.strip():
        raise HTTPException(400, "text is required")
    inputs = tokenizer([request.text], truncation=True, max_length=77, padding=True, return_tensors="pt")
    with torch.inference_mode():
        features = model(**inputs).text_embeds[0]
    return {"embedding": (features / features.norm()).tolist()}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
