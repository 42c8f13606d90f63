"""The training engine: one loop for every method, with exact resume and several processes.

A method describes itself as a `Task` (`task`): its networks, the batch of a step, the losses of a batch. The engine
owns all the rest: settings saved with the run (`settings`), optimisers and schedules (`optim`), averaged weights
(`average`), checkpoints (`checkpoint`), several processes (`distributed`), reports (`journal`), the loop (`trainer`).
"""
