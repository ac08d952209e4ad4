# Random policies and random acts: each verdict and each event equals the one that the evaluator predicted.
random_policies
