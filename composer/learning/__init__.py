"""The composer learns: features, network, replay dataset, training, evaluation, policy."""
