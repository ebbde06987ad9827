"""Defaults that the files in `configs/` start from; each field says its unit or reason."""

import dataclasses

import ml_collections

FEATURE_SETS = ("neural", "random", "mfcc", "egemaps")


def experiment(kind: str) -> ml_collections.ConfigDict:
    """Fields of `emoasr.extract`, `.eval` and `.finetune`, for a corpus of the given kind."""
    c = ml_collections.ConfigDict()
    _extraction(c, kind)
    _evaluation(c)
    _finetuning(c)
    return c


def _extraction(c: ml_collections.ConfigDict, kind: str) -> None:
    c.corpus = ml_collections.ConfigDict()
    c.corpus.kind = kind  # table, folder, or a corpus: how it is read
    c.corpus.path = ""  # of the corpus: on disk, or in a store, as s3://BUCKET/FOLDER
    c.corpus.window = 0.0  # seconds; every utterance is cut into windows; 0: it stays whole
    c.corpus.hop = 0.0  # seconds from one window to the next; 0: a window

    # what extract writes and eval compares
    c.feature_sets = FEATURE_SETS  # neural, random[-N], mfcc, egemaps, NAME=FOLDER, tables, A+B
    c.recognizer = ""  # folder or URL of a recognizer; empty: the one shipped in the package
    c.tap = ""  # activations of a unit: gate, skip, residual; empty: the first that there is
    c.pooling = "mean"  # over time: mean, max, std or mean+std (both, side by side)
    c.seed = 0  # of the random-weights control

    c.batch_frames = 0  # in a batch, padding included; 0: as suits the network and device
    c.buckets = 24  # lengths compiled for, at most; fewer where compiling costs more than padding
    c.compute_dtype = "float32"  # of factors; or "tensorfloat32", "bfloat16" (speed guide)
    c.workers = 0  # decoding threads and openSMILE processes; 0: one a core
    c.engine = "local"  # or "ray": on the machines of a Ray cluster
    c.ray = ml_collections.ConfigDict()
    c.ray.address = ""  # of the cluster's head, HOST:PORT; empty: Ray on this machine alone
    c.ray.actors = 1  # processes that extract in parallel
    c.ray.cpus = 1.0  # cores that Ray reserves for each
    c.ray.gpus = 0.0  # GPUs for each, or a fraction of one; 0: it computes on its cores
    c.ray.gpu_memory = 0.9  # fraction of its GPU memory that each takes
    c.shard = ""  # "3/16": only the third of 16 parts; `extract --merge` joins them


def _evaluation(c: ml_collections.ConfigDict) -> None:
    c.eval = ml_collections.ConfigDict()
    c.eval.name = ""  # of the folder eval/NAME; empty: made of what was asked, such as linear-100
    c.eval.targets = ("arousal", "valence")  # columns of the labels, of numbers or classes
    c.eval.protocol = "leave-one-speaker-out"  # or -session-out, group-5-fold, predefined-test
    c.eval.train_workdir = ""  # of the run to fit on, with eval.protocol=cross-corpus
    c.eval.train_scale = ()  # of its ratings, mapped onto eval.scale; (): as it was extracted with
    c.eval.within_corpus = False  # True: features standardised within each of the two corpora
    c.eval.within_speaker = False  # True: features standardised within each speaker, tested or not
    c.eval.predictions = ()  # NAME=WORKDIR of emoasr.finetune: its predictions beside the sets
    c.eval.partner = "in"  # "out": no training on speakers of the test speaker's session
    c.eval.n_selected = 100  # features kept by univariate F score; 0: all
    c.eval.selection = ml_collections.ConfigDict()
    c.eval.selection.scope = "fold"  # F scores of each training fold; "all": of all data, a leak
    c.eval.regressor = "linear"  # of numbers; or "ridge" (penalty from each training fold), "svr"
    c.eval.chosen_on = "train"  # penalties of ridge and of classes; or "dev", a predefined split
    c.eval.merged = ()  # classes that count as one, such as "happy+excited"
    c.eval.fewest_of_class = 1  # utterances; rarer classes are left out
    c.eval.layers = ml_collections.ConfigDict()  # subsets, as eval.layers.low=0,1,2 of neural
    c.eval.terms = ""  # of the ratings: licence, citation asked for; kept with predictors
    c.eval.limits = ""  # what a predictor of these ratings is not for; kept likewise
    c.eval.battery = False  # True: ablations and controls too: leaks, layers, other models
    c.eval.scale = (1.0, 5.0)  # predictions are clipped to it; (): to the range of training ratings


def _finetuning(c: ml_collections.ConfigDict) -> None:
    c.finetune = ml_collections.ConfigDict()  # what emoasr.finetune trains, end to end
    c.finetune.init = "trained"  # weights to start from: config.recognizer's, or "random"
    c.finetune.layers = 5  # the last so many are trained with the head; 0: the head alone; -1: all
    c.finetune.pooling = "mean"  # over time: mean, mean+std, or attention (learned weights)
    c.finetune.loss = "mse"  # or "ccc": 1 - CCC, over each batch
    c.finetune.norms = "fixed"  # or "adapted": batch statistics in trained layers, and dropout
    c.finetune.augment = False  # True: training speech is augmented, with pretrain's defaults
    c.finetune.seeds = (0,)  # one training each; predictions are their mean
    c.finetune.ctc = 0.0  # weight of CTC's loss on transcribed speech, for it to go on recognizing
    c.finetune.transcribed = ""  # that speech, as of pretrain; with ctc=0 the CER is only measured
    c.finetune.data_dir = ""  # its prepared audio; empty: TFDS's own default folder
    c.finetune.epochs = 20  # at most, over a fold's training speech; the held-out speakers choose
    c.finetune.patience = 5  # epochs without a better one, after which a fold stops
    c.finetune.held_out = 0.2  # share of a fold's training speakers who choose the epoch
    c.finetune.learning_rate = 3e-4  # of the head, after a warm-up of one epoch
    c.finetune.rate_below = 0.1  # learning rate of the layers: that of the head times this
    c.finetune.weight_decay = 0.01  # of kernels and attention; the head has ridge's penalty
    c.finetune.clip_norm = 1.0  # of the gradient
    c.finetune.batch_frames = 4096  # MFCC frames a batch, padding included
    c.finetune.buckets = 6  # lengths compiled for


def pretraining(kind: str) -> ml_collections.ConfigDict:
    """Fields of `emoasr.pretrain`, for a corpus of the given kind (`transcribed`, `vctk`)."""
    from emoasr.settings.choices import AugmentConfig, ModelConfig

    c = ml_collections.ConfigDict()

    c.corpus = ml_collections.ConfigDict()
    c.corpus.kind = kind  # transcribed or vctk: how the corpus is read
    c.corpus.path = ""  # of the corpus, on disk
    c.corpus.data_dir = ""  # prepared audio; empty: TFDS's own default folder

    c.model = ml_collections.ConfigDict(dataclasses.asdict(ModelConfig(dropout=0.1)))
    c.augment = ml_collections.ConfigDict(dataclasses.asdict(AugmentConfig()))  # {}: none

    c.train = ml_collections.ConfigDict()
    c.train.init = ""  # recognizer (name, folder or URL) to start from; empty: random weights
    c.train.init_weight = 0.0  # of its parameters in the result, beside those that training found
    c.train.teacher = ""  # recognizer whose hidden states to learn besides; empty: none
    c.train.teacher_weight = 0.5  # of that loss; CTC's has the rest; 0: no teacher; 1: no CTC
    c.train.steps = 4000  # batches in all
    c.train.batch_frames = 8192  # MFCC frames a batch, over all devices, padding included
    c.train.buckets = 6  # lengths compiled for
    c.train.compute_dtype = "float32"  # of factors; or "tensorfloat32", "bfloat16" (speed guide)
    c.train.resident = 0.2  # share of a device's memory that the speech may take, to lie there
    c.train.max_seconds = 20.0  # longer utterances are left out
    c.train.optimizer = "adamw"  # or "muon", for the kernels
    c.train.learning_rate = 2e-3  # peak; cosine decay to zero at the last step
    c.train.warmup_steps = 300  # from zero to the peak
    c.train.weight_decay = 0.01  # of kernels
    c.train.clip_norm = 1.0  # of the gradient
    c.train.seed = 0  # of the weights, of the order of utterances and of augmentation
    c.train.log_every = 10  # steps, from one line of metrics to the next
    c.train.eval_every = 500  # steps; on the validation speakers
    c.train.checkpoint_every = 100  # steps; at most so many are lost when a run is killed

    c.distributed = ml_collections.ConfigDict()  # several processes, each with all local devices
    c.distributed.coordinator = ""  # HOST:PORT of process 0; "auto": from Slurm; empty: one process
    c.distributed.n_processes = 0  # not needed with "auto"
    c.distributed.process_id = -1  # from 0, another in each; not needed with "auto"
    c.distributed.timeout = 60  # seconds to wait for other processes to start, or to answer

    c.card = ml_collections.ConfigDict()  # what recognizer.json says of the data
    c.card.name = ""  # the recognizer's
    c.card.data = ""  # what it was trained on
    c.card.terms = ""  # the data's licences
    c.card.limits = ""  # for what it is not suited
    return c
