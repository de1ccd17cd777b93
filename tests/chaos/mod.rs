//! What happens when everything that can go wrong does.

mod troubles;
