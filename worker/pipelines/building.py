import threading

# Held while modules are made: diffusers and peft change, for all threads, how a module registers its parameters.
building = threading.Lock()
