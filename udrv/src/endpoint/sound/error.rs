//! What can go wrong at a sound endpoint.

/// Why an endpoint cannot be used, or cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum SoundEndpointError {
    /// The system refused something.
    #[error("{operation}: {source}")]
    System {
        /// What.
        operation: String,
        /// errno.
        #[source]
        source: std::io::Error,
    },
}
