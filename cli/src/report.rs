//! `snapkeep report`: what is covered and what is not, as one file that can be handed on.

pub mod data;
pub mod page;
