# Random policies and random acts: each verdict and each event is what the evaluator said when they were made.
random_policies
