import dataclasses
import math

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from diplomacy_nlp.encoders import load_encoder
from diplomacy_nlp.objective import multitask_loss, parameter_groups
from diplomacy_nlp.recipe import TrainConfig


@pytest.fixture
def recipe(tiny_encoder):
    return tiny.recipe(tiny_encoder)


class TestLoss:
    logits = torch.tensor([[2.0, -1.0, 0.5, 0.1, -0.3], [0.0, 3.0, -0.5, 1.0, 0.2]])
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0, 0.0]])

    def test_domains_and_relation(self, recipe):
        recipe = dataclasses.replace(recipe, relation_weight=0.25, label_smoothing=0.0)
        domains = [
            math.log1p(math.exp(-2)),
            math.log1p(math.exp(-1)),
            math.log1p(math.exp(0)),
            math.log1p(math.exp(-3)),
        ]
        relations = [
            math.log(sum(math.exp(x) for x in (0.5, 0.1, -0.3))) + 0.3,
            math.log(sum(math.exp(x) for x in (-0.5, 1.0, 0.2))) + 0.5,
        ]
        expected = np.mean(domains) + 0.25 * np.mean(relations)
        loss = multitask_loss(self.logits, self.labels, 2, recipe)
        assert loss.item() == pytest.approx(expected, rel=1e-6)

    def test_unknown_relations_do_not_count(self, recipe):
        labels = self.labels.clone()
        labels[1, 2:] = 0
        loss = multitask_loss(self.logits, labels, 2, recipe)
        domains = multitask_loss(self.logits[:, :2], labels, 2, recipe)
        first = nn.functional.cross_entropy(self.logits[:1, 2:], torch.tensor([2]))
        assert loss.item() == pytest.approx(
            (domains + recipe.relation_weight * first).item(), rel=1e-6
        )

    def test_no_known_relation(self, recipe):
        labels = self.labels.clone()
        labels[:, 2:] = 0
        loss = multitask_loss(self.logits, labels, 2, recipe)
        assert torch.equal(loss, multitask_loss(self.logits[:, :2], labels, 2, recipe))

    def test_soft_labels(self, recipe):
        labels = torch.tensor([[0.7, 0.2, 0.5, 0.3, 0.2], [0.1, 1.0, 0.0, 0.6, 0.4]])
        loss = multitask_loss(self.logits, labels, 2, recipe)
        p = torch.sigmoid(self.logits[:, :2])
        domains = -(labels[:, :2] * p.log() + (1 - labels[:, :2]) * (1 - p).log()).mean()
        relations = -(labels[:, 2:] * self.logits[:, 2:].log_softmax(1)).sum(1).mean()
        expected = domains + recipe.relation_weight * relations
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)

    def test_label_smoothing(self, recipe):
        smooth = dataclasses.replace(recipe, label_smoothing=0.2)
        loss = multitask_loss(self.logits[:, :2], self.labels, 2, smooth)
        expected = nn.functional.binary_cross_entropy_with_logits(
            self.logits[:, :2], torch.tensor([[0.9, 0.1], [0.1, 0.9]])
        )
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


class TestParameterGroups:
    @pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
    def test_rates_by_depth(self, tmp_path, kind):
        model = load_encoder(str(tiny.build_encoder(kind, tmp_path)), 6, 0).model
        recipe = TrainConfig(
            learning_rate=1e-3, head_learning_rate_factor=5.0, layer_decay=0.5, weight_decay=0.1
        )
        groups = parameter_groups(model, recipe)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        rates = {}
        for group in groups:
            for parameter in group["params"]:
                name = names.pop(id(parameter))
                rates[name] = group["lr"]
                assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
        assert not names
        for name, rate in rates.items():
            if ".layer.1." in name or "pooler" in name:
                assert rate == 1e-3
            elif ".layer.0." in name:
                assert rate == 5e-4
            elif "embeddings" in name:
                assert rate == 2.5e-4
            else:
                assert "classifier" in name
                assert rate == 5e-3
