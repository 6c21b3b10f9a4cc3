"""The recommender learns: features, network, replay dataset, training, evaluation, policy."""
