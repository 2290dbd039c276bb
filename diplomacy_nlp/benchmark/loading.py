"""How each system is loaded from disk, as the documentation of its library says, and nothing else.

It is what a process does whose start is timed, so nothing is imported that another system needs.
"""

from collections.abc import Callable, Mapping

from diplomacy_nlp.benchmark.timing import Tag

__all__ = ["BATCH_SENTENCES", "LOADERS", "Load"]

#: Sentences in a batch of those libraries that must be told; it is what the others take.
BATCH_SENTENCES = 32

Load = Callable[[str], Tag]


def _accurate(source: str) -> Tag:
    from diplomacy_nlp.tagger import Tagger

    return Tagger.load(source).predict_proba


def _fast(source: str) -> Tag:
    from diplomacy_nlp.tagger import Tagger

    return Tagger.load(source, tier="fast").predict_proba


def _pipeline(source: str) -> Tag:
    from transformers import pipeline

    classify: Tag = pipeline(
        "text-classification",
        model=source,
        top_k=None,
        function_to_apply="sigmoid",
        device="cpu",
        batch_size=BATCH_SENTENCES,
        truncation=True,
    )
    return classify


def _torch(source: str) -> Tag:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from diplomacy_nlp.encoders import Encoder, torch_logits

    model = AutoModelForSequenceClassification.from_pretrained(source)
    encoder = Encoder(model.eval(), AutoTokenizer.from_pretrained(source))
    n_tokens = encoder.tokenizer.model_max_length
    return lambda sentences: torch_logits(encoder, sentences, n_tokens, BATCH_SENTENCES)


def _setfit(source: str) -> Tag:
    from setfit import SetFitModel

    model = SetFitModel.from_pretrained(source, device="cpu")
    return lambda sentences: model.predict_proba(
        sentences, batch_size=BATCH_SENTENCES, as_numpy=True, show_progress_bar=False
    )


def _model2vec(source: str) -> Tag:
    from model2vec.inference import StaticModelPipeline

    predict: Tag = StaticModelPipeline.from_pretrained(source).predict_proba
    return predict


def _spacy(source: str) -> Tag:
    import spacy

    pipeline = spacy.load(source)
    return lambda sentences: [doc.cats for doc in pipeline.pipe(sentences)]


#: By name of the system.
LOADERS: Mapping[str, Load] = {
    "accurate": _accurate,
    "fast": _fast,
    "pipeline": _pipeline,
    "torch": _torch,
    "setfit": _setfit,
    "model2vec": _model2vec,
    "spacy": _spacy,
    "baseline": _accurate,
}
