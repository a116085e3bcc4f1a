"""insightface's FaceAnalysis as its users call it: python analyse.py <folder with the two graphs>.

Reads `{"files": [...]}` from each line of the input and answers with a line `{"seconds", "processorSeconds", "photos"}`;
vectors are float32 in base64, so that the answer itself takes little memory.
"""

import base64
import json
import sys
import time

import cv2
from insightface.app import FaceAnalysis


def describe(face):
    return {
        "box": face.bbox.tolist(),
        "embedding": base64.b64encode(face.normed_embedding.astype("<f4").tobytes()).decode(),
    }


def main(folder):
    app = FaceAnalysis(
        name=folder, allowed_modules=["detection", "recognition"], providers=["CPUExecutionProvider"]
    )
    app.prepare(ctx_id=-1, det_size=(640, 640))
    print("ready", flush=True)
    for line in sys.stdin:
        files = json.loads(line)["files"]
        started, started_processor = time.perf_counter(), time.process_time()
        photos = [app.get(cv2.imread(file)) for file in files]
        answer = {
            "seconds": time.perf_counter() - started,
            "processorSeconds": time.process_time() - started_processor,
            "photos": [[describe(face) for face in faces] for faces in photos],
        }
        print(json.dumps(answer), flush=True)


main(sys.argv[1])
