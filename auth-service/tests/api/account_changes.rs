//! `PATCH /me`, `DELETE /me` and `PUT /me/password`.
