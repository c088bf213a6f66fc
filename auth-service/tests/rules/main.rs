//! What the source and its pages promise about themselves. These tests read files, and start nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod api_page;
mod architecture;
mod imports;
mod threat_model;
mod wording;
