import numpy as np
import onnxruntime
import pytest
import tiny
import torch

from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.first_stage import (
    DistilConfig,
    FirstStageNet,
    SoftTargets,
    export_first_stage,
    principal_embeddings,
    train_first_stage,
)

N_TOKENS = 50


@pytest.fixture
def net():
    torch.manual_seed(0)
    return FirstStageNet(torch.randn(N_TOKENS, 16), 16, 5).eval()


def padded(rows):
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


ROWS = [[1, 2, 3, 4, 5, 6, 7], [9], [8, 3], [40, 41, 42, 43]]


class TestFirstStageNet:
    def test_padding_makes_no_difference(self, net):
        together = net(*padded(ROWS))
        alone = torch.cat([net(*padded([row])) for row in ROWS])
        torch.testing.assert_close(together, alone)

    def test_the_order_of_tokens_makes_one(self, net):
        ids, mask = padded([[1, 2, 3], [3, 2, 1]])
        first, second = net(ids, mask)
        assert not torch.allclose(first, second)

    def test_exported_in_int8_it_gives_nearly_the_same(self, net):
        ids, mask = padded(ROWS)
        data = export_first_stage(net, ROWS)
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        [logits] = session.run(["logits"], feeds)
        plain = net(ids, mask).detach().numpy()
        assert logits.shape == plain.shape == (len(ROWS), 5)
        assert np.abs(logits - plain).max() < 0.1 * plain.std()
        assert len(data) < 30_000
        assert str(tiny.ROOT).encode() not in data


class TestPrincipalEmbeddings:
    def test_they_keep_the_most_of_the_distances(self):
        rng = torch.Generator().manual_seed(0)
        plane = torch.randn(N_TOKENS, 2, generator=rng) @ torch.randn(2, 16, generator=rng)
        kept = principal_embeddings(plane + 3, 2)
        assert kept.shape == (N_TOKENS, 2)
        assert float(kept.std()) == pytest.approx(0.5)
        distances, wanted = torch.cdist(kept, kept), torch.cdist(plane, plane)
        shared = distances.flatten() @ wanted.flatten()
        torch.testing.assert_close(shared, distances.norm() * wanted.norm(), rtol=1e-4, atol=0)


class TestTraining:
    def test_it_learns_logits_on_the_encoder_s_scale(self, net):
        rng = np.random.default_rng(0)
        rows = [rng.integers(1, N_TOKENS, size=rng.integers(1, 9)).tolist() for _ in range(600)]
        has = np.array([[7 in row or 8 in row, 30 in row] for row in rows])
        domains = np.where(has, 0.9, 0.2)
        relations = np.where(has[:, :1], [[0.8, 0.1, 0.1]], [[0.1, 0.1, 0.8]])
        probabilities = np.hstack([domains, relations]).astype(np.float32)
        calibration = Calibration((2.0, 0.5), (-1.0, 1.0), (0.5, 0.5), 2.0)
        config = DistilConfig(n_epochs=12, batch_size=32, learning_rate=1e-2)
        steps = []
        train_first_stage(net, SoftTargets(rows, probabilities), calibration, config, steps.append)
        logits = net(*padded(rows)).detach().numpy()
        learned = calibration.probabilities(logits[:, :2])
        assert np.abs(learned - domains).mean() < 0.05
        told = calibration.relation_probabilities(logits[:, 2:])
        assert (told.argmax(1) == relations.argmax(1)).mean() > 0.95
        assert [progress.step for progress in steps] == list(range(1, 12 * 19 + 1))
        assert steps[-1].n_steps == steps[-1].step
        assert steps[-1].epoch == pytest.approx(12)

    def test_the_same_seed_gives_the_same_weights(self):
        rows = [[1, 2], [3], [4, 5, 6]] * 10
        probabilities = np.array([[0.1], [0.9], [0.1]] * 10, np.float32)

        def trained(seed):
            torch.manual_seed(0)
            net = FirstStageNet(torch.ones(N_TOKENS, 4), 4, 1)
            config = DistilConfig(n_epochs=2, batch_size=8, seed=seed)
            torch.manual_seed(seed)
            targets = SoftTargets(rows, probabilities)
            train_first_stage(net, targets, Calibration.identity(1), config)
            return net.filters.weight.detach().numpy()

        np.testing.assert_array_equal(trained(1), trained(1))
        assert (trained(1) != trained(2)).any()


class TestDistilConfig:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"n_epochs": 0}, "n_epochs is 0, which must be at least 1"),
            ({"learning_rate": 0.0}, "learning_rate must be above 0"),
            ({"max_error_share": 1.0}, r"max_error_share is 1\.0, not in \(0, 1\)"),
            ({"seed": -1}, r"seed is -1, not in"),
        ],
    )
    def test_refusals(self, settings, message):
        with pytest.raises(ConfigError, match=message):
            DistilConfig(**settings)
