//! What the source and its pages promise about themselves. Reads files, and links none of the code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod api_page;
mod architecture;
mod imports;
mod threat_model;
mod wording;
