"""cornac's EASE, Mult-VAE and RecVAE on a task of ranked lists; run by the python of its own environment.

    python choice_cornac.py task.npz {ease,multvae,recvae} lists.npy [few]

Settings are chosen on the validation part. New people fold in through the learned weights: a row times EASE's matrix,
or one pass of the autoencoder. With few, one setting is learned for two epochs: whether it runs. The last line printed
is one JSON object: settings, seconds of learning, trials.
"""

import json
import os
import sys
import time

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # waiting threads spin otherwise: ten times slower on a busy machine
import numpy as np
import torch
from _choice_tasks import PLACES, ndcg, parts, top
from cornac.data import Dataset
from cornac.models import EASE, VAECF, RecVAE

torch.set_num_threads(2)
TRIED = {
    "ease": [{"lamb": lamb} for lamb in (200, 500, 1000)],
    "multvae": [
        {"k": 200, "autoencoder_structure": [600], "n_epochs": n, "beta": b} for n, b in ((60, 0.2), (120, 0.2))
    ],
    "recvae": [{"n_epochs": n} for n in (20, 50)],
}
MODELS = {"ease": EASE, "multvae": VAECF, "recvae": RecVAE}


def fitted(name: str, settings: dict, train):
    """Learn; return the model and the seconds."""
    coo = train.tocoo()
    data = Dataset.from_uir(list(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist())), seed=0)
    more = {"ease": {"posB": False}, "multvae": {"likelihood": "mult"}}.get(name, {})
    seed = {} if name == "ease" else {"seed": 0}
    model = MODELS[name](**settings, **more, **seed, verbose=False)
    began = time.perf_counter()
    model.fit(data)
    return model, data, time.perf_counter() - began


def lists(model, data, name: str, history) -> np.ndarray:
    """Rank for rows of people who may be new."""
    place = np.array([data.iid_map.get(i, -1) for i in range(history.shape[1])])
    known = np.flatnonzero(place >= 0)
    inner = np.argsort(place[known])
    rows = history[:, known][:, inner].toarray().astype(np.float32)
    if name == "ease":
        found = rows @ np.asarray(model.B)
    else:
        network = (model.vae if name == "multvae" else model.recvae_model).eval()
        with torch.no_grad():
            x = torch.tensor(rows)
            if name == "multvae":
                found = network.decode(network.encode(x)[0]).numpy()
            else:
                found = network(x, dropout_rate=0.0, calculate_loss=False).numpy()
    scores = np.full(history.shape, -np.inf, np.float32)
    scores[:, known[inner]] = found
    return top(scores, history)


def main() -> None:
    """Tune, learn, rank, write the lists."""
    path, name, out, *few = sys.argv[1:]
    task = parts(path)
    tried, trials = TRIED[name], []
    if few:
        tried = [{**tried[0], **({"n_epochs": 2} if "n_epochs" in tried[0] else {})}]
    for settings in tried:
        model, data, seconds = fitted(name, settings, task["tuning_train"])
        found = lists(model, data, name, task["validation_history"])
        trials.append((ndcg(found, task["validation_held_out"], PLACES), settings, seconds, model, data))
        print(trials[-1][:3], file=sys.stderr, flush=True)
    best = max(trials, key=lambda trial: trial[0])
    np.save(out, lists(best[3], best[4], name, task["test_history"]).astype(np.int32))
    print(json.dumps({"settings": best[1], "seconds": best[2], "trials": [trial[:3] for trial in trials]}))


if __name__ == "__main__":
    main()
