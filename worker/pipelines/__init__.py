"""The only place that imports diffusers: loading, arguments, and the models that are kept warm.

Its libraries log as everything else does, and nothing but errors: diffusers warns with the end of a prompt that is too
long.
"""

import diffusers
import transformers

for library in (diffusers, transformers):
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_default_handler()
    library.utils.logging.enable_propagation()
    library.utils.logging.disable_progress_bar()
