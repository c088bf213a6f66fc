//! Checks of the source and of the pages in `docs`. These tests read files, and link none of the code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod api_page;
mod architecture;
mod dependencies;
mod imports;
mod pages;
mod threat_model;
mod wording;
