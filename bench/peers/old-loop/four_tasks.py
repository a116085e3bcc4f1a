"""The old way of four tasks: each library opens the photo by itself, one after the other, a photo at a time.

usage: four_tasks.py <CLIP folder> <BLIP folder> <folder with the two face graphs> <folder of the OCR package> <new tokens>
"""

import os
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import cv2
import torch
from insightface.app import FaceAnalysis
from PIL import Image
from rapidocr_onnxruntime import RapidOCR
from transformers import AutoImageProcessor, AutoTokenizer, BlipForConditionalGeneration, CLIPModel, CLIPProcessor

from gallery import jobs, path_of, post, post_embedding

clip_folder, blip_folder, face_folder, ocr_folder = sys.argv[1:5]
new_tokens = int(sys.argv[5])
clip_processor, clip = CLIPProcessor.from_pretrained(clip_folder), CLIPModel.from_pretrained(clip_folder).eval()
blip_processor, blip_tokenizer = AutoImageProcessor.from_pretrained(blip_folder), AutoTokenizer.from_pretrained(blip_folder)
blip = BlipForConditionalGeneration.from_pretrained(blip_folder).eval()
faces = FaceAnalysis(name=face_folder, allowed_modules=["detection", "recognition"], providers=["CPUExecutionProvider"])
faces.prepare(ctx_id=-1, det_size=(640, 640))
graphs = Path(ocr_folder, "assets")
ocr = RapidOCR(
    det_model_path=str(graphs / "ch_PP-OCRv4_det_infer.onnx"),
    cls_model_path=str(graphs / "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    rec_model_path=str(graphs / "ch_PP-OCRv4_rec_infer.onnx"),
    rec_keys_path=str(graphs / "ppocr_keys_v1.txt"),
)


def unit(features: torch.Tensor) -> list[float]:
    return (features / features.norm(dim=-1, keepdim=True))[0].tolist()


def embed_image(job: dict) -> None:
    inputs = clip_processor(images=Image.open(path_of(job)).convert("RGB"), return_tensors="pt")
    with torch.inference_mode():
        features = clip.get_image_features(**inputs).pooler_output
    post_embedding(job, unit(features))


def describe(job: dict) -> None:
    inputs = blip_processor(Image.open(path_of(job)).convert("RGB"), return_tensors="pt")
    with torch.inference_mode():
        made = blip.generate(pixel_values=inputs["pixel_values"], max_new_tokens=new_tokens, do_sample=False, num_beams=1)
        # The first id is none of the tokenizer's.
        [caption] = blip_tokenizer.batch_decode(made[:, 1:], skip_special_tokens=True)
        tokens = clip_processor(text=[caption], return_tensors="pt", truncation=True, max_length=77)
        features = clip.get_text_features(**tokens).pooler_output
    post_embedding(job, unit(features), "caption", caption=caption)


def find_faces(job: dict) -> None:
    found = [
        {
            "embedding": face.normed_embedding.tolist(),
            "model": "bench",
            "bbox": dict(zip(("x1", "y1", "x2", "y2"), face.bbox.tolist(), strict=True)),
        }
        for face in faces.get(cv2.imread(path_of(job)))
    ]
    post(job, "faces", {"faces": found})


def read_texts(job: dict) -> None:
    lines, _ = ocr(path_of(job))
    items = [{"bbox": corners, "text": text, "conf": float(score)} for corners, text, score in lines or []]
    text = "\n".join(item["text"] for item in items)
    post(job, "ml_result", {"ml_result": {"ocr_text": text, "ocr": {"text": text, "items": items}}, "processing_status": "done"})


for [job] in jobs():
    for task in (embed_image, describe, find_faces, read_texts):
        task(job)
