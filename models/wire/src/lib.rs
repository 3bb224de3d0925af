//! The network behind a model: a wire and a far host on it.
