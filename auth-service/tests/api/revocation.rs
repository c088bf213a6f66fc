//! What ends the access tokens that are out, and how verifiers see it in the status lists.
