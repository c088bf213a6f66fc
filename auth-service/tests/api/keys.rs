//! How signing keys come and go.
