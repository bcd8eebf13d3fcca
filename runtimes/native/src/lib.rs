//! The action proxy for executables: /init and /run over the ActionLoop protocol.
