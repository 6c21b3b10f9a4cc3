"""The learner: configuration, replay, targets, learner, policy, checkpoint. Knows no Django, no tracks, no music."""
