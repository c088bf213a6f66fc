//! `/me/sessions`.
