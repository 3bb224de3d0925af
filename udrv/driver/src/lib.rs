//! What a driver sees of udrv: no_std, no unsafe, no host.
